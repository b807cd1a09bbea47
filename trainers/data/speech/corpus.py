"""What a split of any corpus of speech offers: what was said, and its sound."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from typing import Protocol

import numpy as np
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


class Sounds(Protocol):
    """What makes frames of recordings, of a recogniser or a synthesiser."""

    sample_rate: int
    log_mel: Any

    def num_samples(self, frames: tf.Tensor | int) -> tf.Tensor | int:
        """Samples that so many frames need, of the argument's type."""

    def __call__(self, samples: tf.Tensor, num_samples: tf.Tensor) -> tf.Tensor:
        """Frames of a batch, float32 [b, T, D]."""

    def read(
        self, path: Path, offset: float = 0.0, seconds: float | None = None
    ) -> np.ndarray:
        """Samples of a recording at the configured rate, float32 [N]."""


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
