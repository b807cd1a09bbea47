"""Back-off language models of words: their probabilities, and making them of counts."""

import math
from collections import Counter
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tfmodels.errors import ConfigError
from tfmodels.lattices.grammar import Arc
from tfmodels.lattices.graph import LOG_ZERO

BEGIN = -1
"""What stands before the first word, ``<s>``."""
END = -2
"""What stands after the last word, ``</s>``."""

_Words = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class BackoffModel:
    """P(word | history), by the longest n-gram that the model has.

    Where it has none, the history loses its first word, at the price of its back-off
    weight (Katz, 1987). As a grammar, its states are histories. Back-off costs no
    epsilons: every state has an arc for every word, with the exact probability.
    """

    log_probs: Mapping[_Words, float]
    """Natural log of P(last | those before), of every n-gram."""
    backoffs: Mapping[_Words, float]
    """Natural log of the weight of leaving a history; 0 where it is missing."""

    @cached_property
    def words(self) -> tuple[int, ...]:
        """The words that have a probability, in order."""
        return tuple(
            sorted(gram[0] for gram in self.log_probs if len(gram) == 1 and gram[0] > 0)
        )

    @cached_property
    def histories(self) -> frozenset[_Words]:
        """The histories that differ in what they predict."""
        extended = {gram[:-1] for gram in self.log_probs}
        return frozenset(extended | {gram for gram, w in self.backoffs.items() if w})

    @property
    def start(self) -> _Words:
        """See `Grammar`."""
        return self._known((BEGIN,))

    def log_prob(self, history: _Words, word: int) -> float:
        """Natural log of P(word | history), LOG_ZERO where it cannot follow."""
        weight = 0.0
        while (*history, word) not in self.log_probs:
            if not history:
                return LOG_ZERO
            weight += self.backoffs.get(history, 0.0)
            history = history[1:]
        # Tables of n-grams write the impossible as -99, a power of ten.
        found = weight + self.log_probs[*history, word]
        return found if found > _IMPOSSIBLE else LOG_ZERO

    def follow(self, state: _Words, label: int) -> Arc | None:
        """See `Deterministic`."""
        weight = self.log_prob(state, label)
        if weight <= LOG_ZERO:
            return None
        return Arc(label, weight, self._known((*state, label)))

    def arcs(self, state: _Words) -> Sequence[Arc]:
        """See `Grammar`."""
        found = (self.follow(state, word) for word in self.words)
        return [arc for arc in found if arc is not None]

    def final(self, state: _Words) -> float:
        """See `Grammar`."""
        return self.log_prob(state, END)

    def _known(self, history: _Words) -> _Words:
        while history not in self.histories:
            history = history[1:]
        return history


_IMPOSSIBLE = -90 * math.log(10)


def from_bigram(probs: np.ndarray) -> BackoffModel:
    """A bigram that is known in full, and says nothing of the end: it costs nothing.

    Where all rows are alike the model has a single state.

    Args:
      probs: float [1 + V, V], of word j + 1 after word i, and first for i = 0.
    """
    with np.errstate(divide="ignore"):
        table = np.maximum(np.log(np.asarray(probs, np.float64)), _IMPOSSIBLE).tolist()
    numbers = range(1, 1 + len(table[0]))
    log_probs: dict[_Words, float] = {(END,): 0.0}
    # The words after no known word are never asked for where there are bigrams.
    log_probs |= {(word,): table[0][word - 1] for word in numbers}
    if not np.allclose(probs, probs[0]):
        for history, row in enumerate(table):
            before = history or BEGIN
            log_probs |= {(before, word): row[word - 1] for word in numbers}
    return BackoffModel(log_probs, {})


def estimate(
    sentences: Iterable[Sequence[int]],
    vocabulary: Iterable[int],
    order: int = 2,
    discount: float = 0.5,
) -> BackoffModel:
    """A unigram or bigram model of counts.

    Unigrams are counts plus one, so that every word has a probability. Bigrams are
    discounted by a constant, which the back-off weight hands to the words that never
    followed (Ney, Essen and Kneser, 1994).

    Args:
      sentences: words of each.
      vocabulary: all words, whether they occur or not.
      order: 1 or 2.
      discount: taken from each count of a bigram, in (0, 1).

    Raises:
      ConfigError: the order or the discount is outside.
    """
    if order not in (1, 2) or not 0 < discount < 1:
        raise ConfigError(
            "A language model of counts cannot be made. Expected order 1 or 2 and"
            f" discount in (0, 1); received order={order}, discount={discount}."
        )
    unigrams: Counter[int] = Counter([*vocabulary, END])
    bigrams: dict[int, Counter[int]] = {}
    for sentence in sentences:
        words = (*sentence, END)
        unigrams.update(words)
        for history, word in zip((BEGIN, *sentence), words, strict=True):
            bigrams.setdefault(history, Counter())[word] += 1
    total = unigrams.total()
    log_probs: dict[_Words, float] = {
        (word,): math.log(n / total) for word, n in unigrams.items()
    }
    backoffs: dict[_Words, float] = {}
    if order == 2:
        for history, counts in bigrams.items():
            _add_history(history, counts, discount, log_probs, backoffs)
    return BackoffModel(log_probs, backoffs)


def _add_history(
    history: int,
    counts: Counter[int],
    discount: float,
    log_probs: dict[_Words, float],
    backoffs: dict[_Words, float],
) -> None:
    unseen = 1 - math.fsum(math.exp(log_probs[word,]) for word in counts)
    if unseen < 1e-9:  # nobody to hand the discount to
        discount = 0.0
    total = counts.total()
    for word, count in counts.items():
        log_probs[history, word] = math.log((count - discount) / total)
    if discount:
        backoffs[history,] = math.log(discount * len(counts) / total / unseen)
