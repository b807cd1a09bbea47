"""What a split of any corpus of speech offers: what was said, and its sound."""

from dataclasses import dataclass
from typing import Protocol

import tensorflow as tf


@dataclass(frozen=True)
class Spoken:
    """An utterance, without its sound."""

    name: str
    """What people call it; no other of the split is called so."""
    text: str
    """What was said, as it is written."""
    variety: str
    """Its dialect or language."""
    language: str
    """The language that this is a variety of."""
    speaker: str
    """Who said it; the utterance's own name where that is not known."""
    num_samples: int
    """How long it is, at the configured sample rate."""


class Corpus(Protocol):
    """Numbered utterances of one split."""

    utterances: tuple[Spoken, ...]

    changes: bool
    """Whether the sound of an utterance follows from a seed, and not always is the
    same."""

    def audio(
        self, index: tf.Tensor, seed: tf.Tensor, num_samples: tf.Tensor
    ) -> tf.Tensor:
        """Sound of a batch, in graphs and outside of them.

        Args:
          index: int64 [b], which utterances.
          seed: int64 [b, 2], for what is random about each.
          num_samples: int32 [], of the batch; what is longer is cut off.

        Returns:
          float32 [b, num_samples] from -1 to 1; behind an utterance's end, anything.

        Raises:
          DataError: outside of graphs, where a recording cannot be read; in graphs its
            text is in the error of the operation.
        """
