"""Sequences to be sorted, made at random: enough to see whether a model learns."""

from collections.abc import Sequence

import tensorflow as tf

from tfmodels.errors import DataError
from trainers.data.config import SortingData


class SortingSource:
    """A start, symbols, a separator, the same symbols sorted; the latter are predicted.

    Symbols are their own tokens; the separator and the start are the two after them.
    """

    def __init__(self, config: SortingData, split: str, length: int) -> None:
        """Takes the task's sizes, which alone decide the length of a sequence."""
        self._num_symbols = config.symbols
        self._length = config.length
        self.size = config.train_examples if split == "train" else config.test_examples
        self.vocabulary_size = config.symbols + 2
        self.ordinary_tokens = range(config.symbols)
        # Twice the symbols, the start and the separator, less the last, a mere label.
        self.length = 2 * config.length + 1

    def read(self, index: tf.Tensor, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        """See `TokenSource.read`; a sequence depends on its seed alone."""
        symbols = tf.map_fn(self._draw, seed, fn_output_signature=tf.int32)
        ordered = tf.sort(symbols, axis=-1)
        column = tf.zeros_like(symbols[:, :1])
        start, separator = self._num_symbols + 1, self._num_symbols
        parts = [column + start, symbols, column + separator, ordered]
        sequence = tf.concat(parts, axis=-1)
        predicted = tf.range(self.length) >= self._length + 1
        weight = tf.ones_like(sequence[:, 1:]) * tf.cast(predicted, tf.int32)
        return {
            "tokens": sequence[:, :-1],
            "label": sequence[:, 1:],
            "weight": tf.cast(weight, tf.float32),
        }

    def _draw(self, seed: tf.Tensor) -> tf.Tensor:
        """Symbols of one sequence, int32 [length], independent and equally likely."""
        symbols = tf.random.stateless_uniform(
            [self._length], seed, 0, self._num_symbols, tf.int32, alg="philox"
        )
        return tf.ensure_shape(symbols, [self._length])

    def prompt(self, text: str) -> tuple[list[int], int]:
        """Reads symbols as numbers between spaces.

        Raises:
          DataError: there are too few or too many, or one is not a symbol.
        """
        names = [str(symbol) for symbol in range(self._num_symbols)]
        words = text.split()
        if len(words) != self._length or not set(words) <= set(names):
            raise DataError(
                f"not a sequence that this model sorts. Expected {self._length} numbers"
                f" from 0 to {self._num_symbols - 1} with spaces between them; received"
                f" {text!r}."
            )
        symbols = [names.index(word) for word in words]
        return [self._num_symbols + 1, *symbols, self._num_symbols], self._length

    def show(self, tokens: Sequence[int]) -> str:
        """Numbers, with ``|`` for the separator and ``^`` for the start."""
        marks = {self._num_symbols: "|", self._num_symbols + 1: "^"}
        return " ".join(marks.get(int(token), str(token)) for token in tokens)
