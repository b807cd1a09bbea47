"""Numbers in English words, and the same in German ones, whose order is another.

"three hundred forty-two" is "dreihundertzweiundvierzig": gnmt's smallest task.
"""

from collections.abc import Iterator
from functools import cached_property

import num2words
import numpy as np

from trainers.data.parallel.config import NumberWordsData
from trainers.data.parallel.files import Report
from trainers.data.parallel.files import fail

_ORIGIN = 0


class NumberWords:
    """Numbers of one split, drawn without repetition; none is in both splits."""

    language: str | None = None

    def __init__(self, config: NumberWordsData, split: str) -> None:
        """Takes how many there are of each split."""
        drawn = np.random.default_rng(_ORIGIN).permutation(config.numbers)
        test, train = config.test_examples, config.train_examples
        self.numbers = drawn[test : test + train] if split == "train" else drawn[:test]

    @property
    def identity(self) -> list[object]:
        """What decides which numbers there are."""
        return [int(self.numbers[0]), len(self.numbers)]

    def pairs(self, report: Report = fail) -> Iterator[tuple[str, str]]:
        """Both words of every number; nothing can be wrong with them."""
        yield from self._pairs

    @cached_property
    def _pairs(self) -> list[tuple[str, str]]:
        return [
            (in_english(number), num2words.num2words(number, lang="de"))
            for number in self.numbers.tolist()
        ]


def in_english(number: int) -> str:
    """A number in English words without commas and without "and"."""
    words = num2words.num2words(number, lang="en")
    return words.replace(",", "").replace(" and ", " ")
