"""Finds pieces by merging neighbours, best pair first: arXiv:1609.08144, section 4.1.

Counts of pairs are kept up to date, and the best is found with a heap whose entries are
never too low: an entry is looked at again when it comes up. A merge costs no more than
the words that it changes, and the pairs that these held.
"""

import heapq
import math
from collections import Counter
from collections import defaultdict
from collections.abc import Mapping
from itertools import pairwise
from typing import Literal

Criterion = Literal["count", "likelihood"]

_Pair = tuple[str, str]


def learn_merges(
    words: Mapping[str, int], most: int, criterion: Criterion = "count"
) -> list[str]:
    """Merged pieces, in the order in which they were found.

    Args:
      words: how often each word is there.
      most: pieces that are wanted; there are fewer where nothing is left to merge.
      criterion: what the best pair has most of. ``count``: occurrences, so that the
        text has as few pieces as possible. ``likelihood``: what a model of single
        pieces gains, n(ab) log(n(ab) N / (n(a) n(b))), while that is above 0. Of equal
        pairs the first in the order of code points is merged.
    """
    pieces = _Pieces(words, criterion)
    found: dict[str, None] = {}
    while len(found) < most:
        pair = pieces.best()
        if pair is None:
            break
        # The same piece may come of other parts again.
        found[pieces.merge(pair)] = None
    return list(found)


class _Pieces:
    """Words as they are segmented so far, and all counts of that."""

    def __init__(self, words: Mapping[str, int], criterion: Criterion) -> None:
        self._by_likelihood = criterion == "likelihood"
        self._words = [list(word) for word in words]
        self._counts = list(words.values())
        self._pairs: Counter[_Pair] = Counter()
        self._places: defaultdict[_Pair, set[int]] = defaultdict(set)
        self._singles: Counter[str] = Counter()
        self._partners: defaultdict[str, set[_Pair]] = defaultdict(set)
        self._total = 0
        for place in range(len(self._words)):
            self._add(place, 1)
        self._heap = [(-self._score(pair), pair) for pair in self._pairs]
        heapq.heapify(self._heap)

    def best(self) -> _Pair | None:
        """The pair to be merged next; None if no merge is worth it."""
        while self._heap:
            score, pair = self._heap[0]
            now = -self._score(pair)
            if now == score:
                return pair if now < 0 else None
            if now < 0:
                heapq.heapreplace(self._heap, (now, pair))
            else:
                heapq.heappop(self._heap)
        return None

    def merge(self, pair: _Pair) -> str:
        """Makes one piece of all occurrences of a pair."""
        merged = "".join(pair)
        richer: set[_Pair] = set()
        for place in list(self._places[pair]):
            self._add(place, -1)
            self._words[place] = _merged(self._words[place], pair)
            self._add(place, 1)
            richer.update(p for p in pairwise(self._words[place]) if merged in p)
        if self._by_likelihood:
            # There are fewer of the parts: all that is left of them is worth more.
            for part in pair:
                partners = self._partners[part]
                partners -= {p for p in partners if not self._pairs[p]}
                richer |= partners
        for other in richer:
            score = self._score(other)
            if score > 0:
                heapq.heappush(self._heap, (-score, other))
        return merged

    def _add(self, place: int, sign: int) -> None:
        """Counts the pieces of a word, or takes them out again."""
        word, count = self._words[place], sign * self._counts[place]
        for pair in pairwise(word):
            self._pairs[pair] += count
            if sign > 0:
                self._places[pair].add(place)
            else:
                self._places[pair].discard(place)
        if self._by_likelihood:
            self._total += len(word) * count
            for piece in word:
                self._singles[piece] += count
            for pair in pairwise(word):
                for part in pair:
                    self._partners[part].add(pair)

    def _score(self, pair: _Pair) -> float:
        count = self._pairs[pair]
        if not self._by_likelihood or not count:
            return count
        first, second = self._singles[pair[0]], self._singles[pair[1]]
        return count * math.log(count * self._total / (first * second))


def _merged(word: list[str], pair: _Pair) -> list[str]:
    """A word with all occurrences of a pair, from the left, made one."""
    first, second = pair
    merged, place = [], 0
    while place < len(word):
        if word[place : place + 2] == [first, second]:
            merged.append(first + second)
            place += 2
        else:
            merged.append(word[place])
            place += 1
    return merged
