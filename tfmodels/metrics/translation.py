"""BLEU of a corpus, GLEU of a sentence and exact matches, of texts and lists of words.

Counts add up over batches and replicas. `tfmodels.metrics.ngrams` counts in graphs.
"""

import math
import re
from collections import Counter
from collections.abc import Callable
from collections.abc import Hashable
from collections.abc import Sequence
from typing import Literal
from typing import NamedTuple

MAX_ORDER = 4
"""Longest n-gram of BLEU and GLEU."""

Tokenization = Literal["13a", "none"]

RULES = (
    # Punctuation, but not apostrophe, hyphen, period and comma.
    (r"([\{-\~\[-\` -\&\(-\+\:-\@\/])", r" \1 "),
    # Period and comma, unless a digit is before; unless one follows.
    (r"([^0-9])([\.,])", r"\1 \2 "),
    (r"([\.,])([^0-9])", r" \1 \2"),
    # A hyphen after a digit.
    (r"([0-9])(-)", r"\1 \2 "),
)
"""What the script mteval-v13a of NIST takes apart, in this order."""
ENTITIES = (("&quot;", '"'), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">"))
"""What stands for characters in its files, replaced in this order."""

_RULES = tuple((re.compile(pattern), parts) for pattern, parts in RULES)


class BleuCounts(NamedTuple):
    """All that BLEU needs of some sentences; counts of parts of a corpus add up."""

    matches: tuple[int, ...]
    """N-grams that a reference has too, for n = 1 to 4."""
    totals: tuple[int, ...]
    """N-grams of the hypotheses."""
    hypothesis_length: int
    """Words of the hypotheses."""
    reference_length: int
    """Words of the references closest in length."""

    def plus(self, other: "BleuCounts") -> "BleuCounts":
        """The counts of both parts of a corpus."""
        return BleuCounts(
            tuple(a + b for a, b in zip(self.matches, other.matches, strict=True)),
            tuple(a + b for a, b in zip(self.totals, other.totals, strict=True)),
            self.hypothesis_length + other.hypothesis_length,
            self.reference_length + other.reference_length,
        )


def words_13a(text: str) -> list[str]:
    """Words as sacreBLEU's ``tok:13a`` has them."""
    text = text.rstrip().replace("<skipped>", "")
    text = text.replace("-\n", "").replace("\n", " ")
    for entity, character in ENTITIES:
        text = text.replace(entity, character)
    text = f" {text} "
    for pattern, parts in _RULES:
        text = pattern.sub(parts, text)
    return text.split()


_WORDS: dict[Tokenization, Callable[[str], list[str]]] = {
    "13a": words_13a,
    "none": str.split,
}


def bleu_counts(
    hypotheses: Sequence[str],
    references: Sequence[Sequence[str]],
    tokenization: Tokenization = "13a",
) -> BleuCounts:
    """Counts n-grams of texts; each reference serves as often as it has an n-gram.

    Args:
      hypotheses: what was translated, detokenised.
      references: of each hypothesis one or more translations, as they were written.
      tokenization: how words are told apart.
    """
    words = _WORDS[tokenization]
    sums = BleuCounts((0,) * MAX_ORDER, (0,) * MAX_ORDER, 0, 0)
    for hypothesis, written in zip(hypotheses, references, strict=True):
        sums = sums.plus(_sentence_counts(words(hypothesis), [*map(words, written)]))
    return sums


def _sentence_counts(
    hypothesis: Sequence[str], references: Sequence[Sequence[str]]
) -> BleuCounts:
    said = _ngrams(hypothesis)
    written: Counter[tuple[Hashable, ...]] = Counter()
    for reference in references:
        written |= _ngrams(reference)
    matches, totals = [0] * MAX_ORDER, [0] * MAX_ORDER
    for ngram, count in said.items():
        totals[len(ngram) - 1] += count
        matches[len(ngram) - 1] += min(count, written[ngram])
    length = len(hypothesis)
    closest = min((abs(len(r) - length), len(r)) for r in references)[1]
    return BleuCounts(tuple(matches), tuple(totals), length, closest)


def bleu(counts: BleuCounts) -> float:
    """BLEU-4 in percent: Papineni et al. 2002.

    Where there is no match of an order, the first such order counts as half a match,
    the next as a quarter (``smooth:exp``). The signature of sacreBLEU for this is
    ``case:mixed|eff:no|tok:13a|smooth:exp`` with `bleu_counts` as it is by default.
    """
    if not any(counts.matches) or not all(counts.totals):
        return 0.0
    logs, halvings = 0.0, 0
    for matches, total in zip(counts.matches, counts.totals, strict=True):
        if not matches:
            halvings += 1
        logs += math.log((matches or 0.5**halvings) / total)
    ratio = counts.reference_length / counts.hypothesis_length
    return 100 * math.exp(min(0.0, 1 - ratio) + logs / MAX_ORDER)


def gleu(hypothesis: Sequence[Hashable], reference: Sequence[Hashable]) -> float:
    """GLEU of a sentence, from 0 to 1: arXiv:1609.08144, section 5.

    All n-grams of 1 to 4 words are counted together; the smaller of precision and
    recall counts. It does not matter which of the two is the reference. Where both are
    empty it is 0.
    """
    said, written = _ngrams(hypothesis), _ngrams(reference)
    most = max(said.total(), written.total())
    return (said & written).total() / most if most else 0.0


def _ngrams(words: Sequence[Hashable]) -> Counter[tuple[Hashable, ...]]:
    return Counter(
        tuple(words[start : start + order])
        for order in range(1, MAX_ORDER + 1)
        for start in range(len(words) - order + 1)
    )
