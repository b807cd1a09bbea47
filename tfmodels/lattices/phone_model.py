"""The n-gram model of phones that is the denominator of lattice-free training."""

import math
from collections import Counter
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass

from tfmodels.errors import ConfigError
from tfmodels.lattices.grammar import BOUNDARY
from tfmodels.lattices.grammar import Arc
from tfmodels.lattices.graph import LOG_ZERO

_Phones = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class PhoneModel:
    """P(phone | the last phones), not smoothed: what was never seen cannot follow.

    There is no backing off: a state is the longest history that was kept, and has arcs
    for the phones that followed it (Povey et al., Interspeech 2016, section 2.2).
    """

    log_probs: Mapping[_Phones, Mapping[int, float]]
    """Natural log of P(phone | state), `BOUNDARY` being the end, of each state."""

    start = (BOUNDARY,)

    def follow(self, state: _Phones, label: int) -> Arc | None:
        """See `Deterministic`."""
        weight = self.log_probs[state].get(label)
        if weight is None:
            return None
        return Arc(label, weight, _longest(state, label, self.log_probs))

    def arcs(self, state: _Phones) -> Sequence[Arc]:
        """See `Grammar`."""
        return [
            Arc(phone, weight, _longest(state, phone, self.log_probs))
            for phone, weight in self.log_probs[state].items()
            if phone != BOUNDARY
        ]

    def final(self, state: _Phones) -> float:
        """See `Grammar`."""
        return self.log_probs[state].get(BOUNDARY, LOG_ZERO)


def estimate_phones(
    sequences: Iterable[Sequence[int]],
    order: int = 4,
    full_order: int = 3,
    num_extra_states: int = 2000,
) -> PhoneModel:
    """Maximum likelihood estimates over the histories that are worth a state.

    Args:
      sequences: phones of each utterance, silence included.
      order: one more than the longest history.
      full_order: one more than the length up to which every history is kept.
      num_extra_states: how many of the longer ones are kept, those first that raise
        the likelihood most over the history that is one phone shorter.

    Raises:
      ConfigError: an order is outside.
    """
    if not 2 <= full_order <= order:
        raise ConfigError(
            "The orders of a phone language model are wrong. Expected 2 <= full_order"
            f" <= order; received order={order}, full_order={full_order}."
        )
    utterances = [tuple(sequence) for sequence in sequences]
    counts: dict[_Phones, Counter[int]] = {}
    for sequence in utterances:
        padded = (BOUNDARY, *sequence, BOUNDARY)
        for place in range(1, len(padded)):
            for begin in range(max(0, place - order + 1), place):
                history = padded[begin:place]
                counts.setdefault(history, Counter())[padded[place]] += 1
    kept = {history for history in counts if len(history) < full_order}
    longer = [history for history in counts if len(history) >= full_order]
    longer.sort(key=lambda history: (-_gain(history, counts), history))
    kept.update(longer[:num_extra_states])
    return PhoneModel(_walk(utterances, kept))


def _gain(history: _Phones, counts: Mapping[_Phones, Counter[int]]) -> float:
    """Log likelihood that a history adds to that of its last phones."""
    own, shorter = counts[history], counts[history[1:]]
    ratio = shorter.total() / own.total()
    return sum(n * math.log(n / shorter[phone] * ratio) for phone, n in own.items())


def _walk(
    sequences: Sequence[_Phones], kept: set[_Phones]
) -> dict[_Phones, dict[int, float]]:
    """Relative frequencies in the states that the sequences come through."""
    counts: dict[_Phones, Counter[int]] = {}
    for sequence in sequences:
        state: _Phones = PhoneModel.start
        for phone in sequence:
            counts.setdefault(state, Counter())[phone] += 1
            state = _longest(state, phone, kept)
        counts.setdefault(state, Counter())[BOUNDARY] += 1
    return {
        state: {phone: math.log(n / found.total()) for phone, n in found.items()}
        for state, found in counts.items()
    }


def _longest(
    state: _Phones, phone: int, kept: Mapping[_Phones, object] | set[_Phones]
) -> _Phones:
    history = (*state, phone)
    while history not in kept:
        history = history[1:]
    return history
