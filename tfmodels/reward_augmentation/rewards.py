"""Rewards of a sequence against a reference, from 0 to 1, in plain Python."""

import math
from collections import Counter
from collections.abc import Callable
from collections.abc import Sequence

from tfmodels.metrics.translation import gleu

Reward = Callable[[Sequence[int], Sequence[int]], float]
"""Reward of tokens (first) where other tokens (second) are right."""

_MAX_ORDER = 4


def bleu(candidate: Sequence[int], reference: Sequence[int]) -> float:
    """Sentence BLEU of up to 4 tokens, with one added to both counts from 2 tokens on.

    Lin and Och, 2004 (the smoothing); Papineni et al., 2002. 1 if both have no tokens.
    """
    if not candidate or not reference:
        return float(not candidate and not reference)
    counts = _counts(candidate, reference)
    matches, ours, _ = (list(each) for each in zip(*counts, strict=True))
    if not matches[0]:
        return 0.0
    logs = [
        math.log((hits + (order > 0)) / (total + (order > 0)))
        for order, (hits, total) in enumerate(zip(matches, ours, strict=True))
    ]
    brevity = min(0.0, 1 - len(reference) / len(candidate))
    return math.exp(brevity + sum(logs) / _MAX_ORDER)


def f1(candidate: Sequence[int], reference: Sequence[int]) -> float:
    """Harmonic mean of precision and recall of the tokens, in any order."""
    total = len(candidate) + len(reference)
    hits = (Counter(candidate) & Counter(reference)).total()
    return 2 * hits / total if total else 1.0


SEQUENCE_REWARDS: dict[str, Reward] = {"gleu": gleu, "bleu": bleu, "f1": f1}
"""Those that have a name in configurations."""


def _counts(
    candidate: Sequence[int], reference: Sequence[int]
) -> list[tuple[int, int, int]]:
    """For 1 to 4 tokens: n-grams in common, of the candidate, of the reference."""
    found = []
    for order in range(1, _MAX_ORDER + 1):
        ours, theirs = _ngrams(candidate, order), _ngrams(reference, order)
        found.append(((ours & theirs).total(), ours.total(), theirs.total()))
    return found


def _ngrams(tokens: Sequence[int], order: int) -> "Counter[tuple[int, ...]]":
    return Counter(zip(*(tokens[i:] for i in range(order)), strict=False))
