"""The sampler once more, one sequence at a time in NumPy, to test the other against."""

from typing import NamedTuple

import numpy as np

from tfmodels.reward_augmentation.payoff import Payoff
from tfmodels.reward_augmentation.payoff import edit_pmf
from tfmodels.reward_augmentation.payoff import replacement_pmf

_RANGE = 2**31


class Numbers(NamedTuple):
    """What one draw needs of chance: integers from 0 to 2**31 - 1."""

    number: tuple[int, int]
    """For the number of edits, and for that of replacements among them."""
    replaced: np.ndarray
    """int64 [2, T]: an order of the tokens to replace them in, and by what."""
    inserted: np.ndarray
    """int64 [2, W]: an order of the slots to insert in, and what; W as needed, at most
    T and the number of edits."""


def sample(
    tokens: list[int],
    payoff: Payoff,
    first: int,
    numbers: Numbers,
    protected: frozenset[int] = frozenset(),
) -> tuple[list[int], int]:
    """Draws an output for one reference without its tail.

    Args:
      tokens: the reference.
      payoff: the distribution.
      first: number of the first ordinary token.
      numbers: of chance.
      protected: places that are not edited, besides those of tokens not ordinary.

    Returns:
      The output and its number of edits.
    """
    editable = [
        place
        for place, token in enumerate(tokens)
        if first <= token < first + payoff.num_tokens and place not in protected
    ]
    edits = _drawn(edit_pmf(payoff, len(editable)), numbers.number[0])
    replaced = edits
    if payoff.edits == "edit":
        pmf = replacement_pmf(len(editable), edits)
        replaced = _drawn(pmf, numbers.number[1])
    order, choice = numbers.replaced
    chosen = set(sorted(editable, key=lambda place: order[place])[:replaced])
    kept = [place for place in editable if place not in chosen]
    slots = len(kept) + edits - replaced
    order, what = numbers.inserted
    inserted = sorted(range(slots), key=lambda slot: order[slot])[: edits - replaced]
    output: list[int] = []
    place = 0
    for slot in range(slots + 1):
        # All up to the next kept token, which insertions follow.
        while place < len(tokens) and place not in kept:
            token = tokens[place]
            if place in chosen:
                token = _replacement(token, int(choice[place]), payoff, first)
            output += [token] * (token >= 0)
            place += 1
        if slot in inserted:
            output.append(first + int(what[slot]) * payoff.num_tokens // _RANGE)
        elif slot < slots:
            output.append(tokens[place])
            place += 1
    return output, edits


def _drawn(pmf: np.ndarray, number: int) -> int:
    return int(np.searchsorted(np.cumsum(pmf), (number + 0.5) / _RANGE, side="right"))


def _replacement(token: int, number: int, payoff: Payoff, first: int) -> int:
    """Another token, or -1 for none, which has the share of one token."""
    others = [
        other for other in range(first, first + payoff.num_tokens) if other != token
    ]
    if payoff.edits == "edit":
        others.append(-1)
    return others[number * len(others) // _RANGE]
