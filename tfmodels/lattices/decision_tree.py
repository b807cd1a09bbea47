"""Growing decision trees that tie the states of phones in context."""

import heapq
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tfmodels.errors import ConfigError
from tfmodels.errors import DataError
from tfmodels.lattices.topology import Topology
from tfmodels.lattices.tying import Tying

_VARIANCE_FLOOR = 1e-3


class Key(NamedTuple):
    """A state of a phone between two others, 0 being the utterance's end."""

    left: int
    phone: int
    right: int
    pdf_class: int


class Moments(NamedTuple):
    """What a Gaussian with a diagonal covariance needs of its frames."""

    num_frames: float
    """How many there were."""
    total: np.ndarray
    """float64 [D], sum of the features."""
    square: np.ndarray
    """float64 [D], sum of their squares."""


def collect(
    examples: Iterable[tuple[np.ndarray, Sequence[Key]]],
) -> dict[Key, Moments]:
    """Moments of every state in context.

    Args:
      examples: of each utterance, the features, float32 [T, D], and T states.
    """
    found: dict[Key, Moments] = {}
    for features, keys in examples:
        for frame, key in zip(features.astype(np.float64), keys, strict=True):
            own = found.get(key, Moments(0.0, 0 * frame, 0 * frame))
            found[key] = Moments(
                own.num_frames + 1, own.total + frame, own.square + frame**2
            )
    return found


def log_likelihood(count: float, total: np.ndarray, square: np.ndarray) -> float:
    """Log likelihood of frames under the Gaussian that fits them best.

    ``-n/2 (D log 2 pi + sum_d log var_d + D)``, where no variance is below a floor
    (Young, Odell and Woodland, 1994).
    """
    variance = np.maximum(square / count - (total / count) ** 2, _VARIANCE_FLOOR)
    fit = np.log(2 * np.pi * variance).sum() + len(variance)
    return float(-0.5 * count * fit)


def grow(
    moments: Mapping[Key, Moments],
    topologies: Mapping[int, Topology],
    questions: Collection[frozenset[int]],
    num_leaves: int,
    min_count: float = 100.0,
    independent: Collection[int] = (),
) -> Tying:
    """Splits the states of each phone by questions on its neighbours, best first.

    Every phone and pdf class begins as one leaf. The split is made that gains most log
    likelihood of all, until there are `num_leaves` or no split leaves `min_count`
    frames on both sides and gains something.

    Args:
      moments: frames of every state that was seen, as from `collect`.
      topologies: the model of each phone; phones are numbered from 1.
      questions: sets of phones; "is the left (or right) one of these?".
      num_leaves: most pdfs.
      min_count: fewest frames of a leaf that is the result of a split.
      independent: phones that are not split, as silence.

    Raises:
      ConfigError: there are fewer leaves than phones and pdf classes.
      DataError: moments are of a state that no topology has.
    """
    num_phones = max(topologies)
    asked = [np.isin(np.arange(num_phones + 1), sorted(set_)) for set_ in questions]
    leaves = _roots(moments, topologies, num_phones)
    if num_leaves < len(leaves):
        raise ConfigError(
            "A decision tree cannot have so few leaves. Expected num_leaves of at least"
            f" {len(leaves)}, one for each state of a phone; received {num_leaves}."
        )
    heap: list[tuple[float, int, _Split]] = []

    def consider(place: int) -> None:
        if leaves[place].phone in independent:
            return
        split = leaves[place].best_split(asked, min_count)
        if split is not None:
            heapq.heappush(heap, (-split.gain, place, split))

    for place in range(len(leaves)):
        consider(place)
    while heap and len(leaves) < num_leaves:
        _, place, split = heapq.heappop(heap)
        leaves[place] = split.yes
        leaves.append(split.no)
        consider(place)
        consider(len(leaves) - 1)
    return _table(leaves, num_phones)


class _Split(NamedTuple):
    gain: float
    yes: "_Leaf"
    no: "_Leaf"


@dataclass(frozen=True, eq=False)
class _Leaf:
    """The states of one phone and class whose neighbours are in two sets."""

    phone: int
    pdf_class: int
    neighbours: tuple[np.ndarray, np.ndarray]
    """Masks, bool [N+1], of the left and of the right phones."""
    sides: np.ndarray
    """int64 [K, 2], left and right phone of each state that was seen."""
    count: np.ndarray
    """float64 [K], its frames."""
    total: np.ndarray
    """float64 [K, D]."""
    square: np.ndarray
    """float64 [K, D]."""

    def best_split(
        self, asked: Sequence[np.ndarray], min_count: float
    ) -> _Split | None:
        """The question that gains most, if one gains anything."""
        best, best_gain = None, 1e-6
        for side in (0, 1):
            for mask in asked:
                yes = mask[self.sides[:, side]]
                counts = self.count[yes].sum(), self.count[~yes].sum()
                if min(counts) < max(min_count, 1):
                    continue
                gain = self._fit(yes) + self._fit(~yes)
                gain -= self._fit(np.ones_like(yes))
                if gain > best_gain:
                    best, best_gain = (side, mask, yes), gain
        if best is None:
            return None
        side, mask, yes = best
        return _Split(
            best_gain, self._part(side, mask, yes), self._part(side, ~mask, ~yes)
        )

    def _fit(self, rows: np.ndarray) -> float:
        return log_likelihood(
            self.count[rows].sum(),
            self.total[rows].sum(axis=0),
            self.square[rows].sum(axis=0),
        )

    def _part(self, side: int, mask: np.ndarray, rows: np.ndarray) -> "_Leaf":
        left, right = self.neighbours
        both = (left & mask, right) if side == 0 else (left, right & mask)
        arrays = (self.sides, self.count, self.total, self.square)
        return _Leaf(self.phone, self.pdf_class, both, *(a[rows] for a in arrays))


def _roots(
    moments: Mapping[Key, Moments], topologies: Mapping[int, Topology], num_phones: int
) -> list[_Leaf]:
    groups: dict[tuple[int, int], list[tuple[Key, Moments]]] = {
        (phone, pdf_class): []
        for phone in sorted(topologies)
        for pdf_class in range(topologies[phone].num_classes)
    }
    for key, found in sorted(moments.items(), key=lambda item: item[0]):
        if (key.phone, key.pdf_class) not in groups or max(key[:3]) > num_phones:
            raise DataError(
                "Moments are of a state that no phone has. Expected phones up to"
                f" {num_phones} and their pdf classes; received {key}."
            )
        groups[key.phone, key.pdf_class].append((key, found))
    everyone = np.ones(num_phones + 1, bool)
    return [
        _Leaf(
            *group,
            (everyone, everyone),
            np.array([(key.left, key.right) for key, _ in found], np.int64).reshape(
                -1, 2
            ),
            np.array([own.num_frames for _, own in found]),
            np.array([own.total for _, own in found]),
            np.array([own.square for _, own in found]),
        )
        for group, found in groups.items()
    ]


def _table(leaves: Sequence[_Leaf], num_phones: int) -> Tying:
    num_classes = 1 + max(leaf.pdf_class for leaf in leaves)
    table = np.full((*[num_phones + 1] * 3, num_classes), -1, np.int32)
    for pdf, leaf in enumerate(leaves):
        left_rows, right_rows = np.ix_(*leaf.neighbours)
        table[left_rows, leaf.phone, right_rows, leaf.pdf_class] = pdf
    return Tying(table)
