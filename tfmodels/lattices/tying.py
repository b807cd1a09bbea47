"""Context-dependent states: which pdf a phone has between its neighbours."""

from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tfmodels.errors import DataError
from tfmodels.lattices.topology import Topology


@dataclass(frozen=True, eq=False)
class Tying:
    """A table of pdfs; number 0 as a neighbour is the end of the utterance.

    Raises:
      DataError: the table is not of rank 4 or holds no pdf.
    """

    table: np.ndarray
    """int32 [N+1, N+1, N+1, C], pdf of (left phone, phone, right phone, pdf class) for
    N phones; -1 where there is none."""

    def __post_init__(self) -> None:
        if self.table.ndim != 4 or self.table.max(initial=-1) < 0:
            raise DataError(
                "A table of tied states is damaged. Expected pdfs of (left phone,"
                f" phone, right phone, pdf class); received shape {self.table.shape}."
            )

    @property
    def num_pdfs(self) -> int:
        """Number of outputs that an acoustic model needs."""
        return int(self.table.max()) + 1

    def pdfs(self, left: int, phone: int, right: int) -> tuple[int, ...]:
        """The pdf of each class of a phone between its neighbours.

        Raises:
          DataError: the table has none.
        """
        row = self.table[left, phone, right]
        found = tuple(row[row >= 0].tolist())
        if not found:
            raise DataError(
                "A phone has no pdf in a context. Expected a row in the table of tied"
                f" states; received left {left}, phone {phone}, right {right}."
            )
        return found

    def phone_of_pdf(self) -> np.ndarray:
        """A phone that has each pdf: int32 [num_pdfs], 0 where none has it."""
        phones = np.zeros(self.num_pdfs, np.int32)
        for phone in range(self.table.shape[1]):
            row = self.table[:, phone]
            phones[row[row >= 0]] = phone
        return phones


def monophone(topologies: Mapping[int, Topology]) -> Tying:
    """Pdfs that do not depend on the neighbours.

    Args:
      topologies: the model of each phone; phones are numbered from 1.
    """
    return left_biphone(topologies, topologies, [0] * (max(topologies) + 1))


def left_biphone(
    topologies: Mapping[int, Topology],
    independent: Collection[int] = (),
    left_class: Sequence[int] | None = None,
) -> Tying:
    """Pdfs for each phone and the phone, or the class of the phone, before it.

    With every phone its own class this is the full left biphone of flat-start
    lattice-free MMI, which needs no tree.

    Args:
      topologies: the model of each phone; phones are numbered from 1.
      independent: phones whose pdfs do not depend on the neighbours, as silence.
      left_class: class, from 0, of each phone and of the boundary, number 0. Without
        it each is a class of its own.
    """
    num_phones = max(topologies)
    left = np.arange(num_phones + 1) if left_class is None else np.asarray(left_class)
    num_classes = max(topology.num_classes for topology in topologies.values())
    table = np.full((num_phones + 1, num_phones + 1, 1, num_classes), -1, np.int32)
    num_pdfs = 0
    for phone in sorted(topologies):
        own = np.zeros_like(left) if phone in independent else left
        size = topologies[phone].num_classes
        table[:, phone, 0, :size] = num_pdfs + own[:, None] * size + np.arange(size)
        num_pdfs += (int(own.max()) + 1) * size
    shape = (num_phones + 1, num_phones + 1, num_phones + 1, num_classes)
    return Tying(np.broadcast_to(table, shape))


def from_rows(rows: Mapping[tuple[int, int, int, int], int]) -> Tying:
    """The table of a decision tree that was made elsewhere.

    Args:
      rows: pdf of (left phone, phone, right phone, pdf class); 0 is the boundary.
    """
    keys = np.array(list(rows), np.int64).reshape(-1, 4)
    num_phones, num_classes = keys[:, :3].max(initial=0), keys[:, 3].max(initial=0) + 1
    table = np.full((*[num_phones + 1] * 3, num_classes), -1, np.int32)
    table[tuple(keys.T)] = list(rows.values())
    return Tying(table)
