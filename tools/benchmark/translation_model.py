"""The translation model that benchmarks train and search with, and text for it."""

from collections.abc import Iterator
from dataclasses import asdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Of a vocabulary of whole words made of digits: special ids, bytes, the mark of a word,
# three pieces for each digit.
_NO_WORDS = 4 + 256 + 1 + 3 * 10


@dataclass(frozen=True)
class Sizes:
    """Of GNMT with usual LSTM cells, and its batches; float32, Adam."""

    width: int = 128
    """Of embeddings, cells of each layer, hidden nodes of attention."""
    num_layers: int = 4
    """Of the encoder, and as many of the decoder."""
    vocabulary_size: int = 4000
    batch_size: int = 64
    length: int = 16
    """Tokens of each source and of each target, the end included."""
    clip_global_norm: float = 5.0

    @property
    def plain(self) -> dict[str, Any]:
        """JSON-like data."""
        return asdict(self)

    @property
    def model(self) -> dict[str, Any]:
        """Values of the section ``model``; no bounds, as PyTorch's layers have none."""
        return {
            "vocabulary_size": self.vocabulary_size,
            "embedding_dim": self.width,
            "hidden_dim": self.width,
            "attention_dim": self.width,
            "encoder_layers": self.num_layers,
            "decoder_layers": self.num_layers,
            "cell": "standard",
            "dropout_rate": 0.0,
            "clip": None,
            "logits_clip": None,
        }

    def overrides(self, text: Path) -> list[str]:
        """Changes to ``gnmt/tiny`` that train the model on a file of `write_text`."""
        changes = {
            **{f"model.{name}": value for name, value in self.model.items()},
            "data": (
                f"{{kind: parallel_text, train: [{{source: {text}}}], segmentation:"
                f" mixed, vocabulary_size: {self.vocabulary_size}, batch_size:"
                f" {self.batch_size}}}"
            ),
            "optimizer.learning_rate": "{kind: constant, initial: 0.001}",
            "optimizer.clip_global_norm": self.clip_global_norm,
        }
        return [
            f"{key}={'null' if value is None else value}"
            for key, value in changes.items()
        ]

    def write_text(self, path: Path) -> None:
        """Writes pairs of the wanted length, with all words that there is room for."""
        lines = self._lines()
        with path.open("w") as file:
            for source, target in zip(lines, lines, strict=True):
                print(source, target, sep="\t", file=file)

    def _lines(self) -> Iterator[str]:
        """Sides of pairs, two for each pair of 20 batches."""
        import numpy as np

        words = np.arange(self.vocabulary_size - _NO_WORDS)
        shape = (2 * 20 * self.batch_size, self.length - 1)
        drawn = np.random.default_rng(0).permutation(np.resize(words, shape).ravel())
        for row in drawn.reshape(shape):
            yield " ".join(map(str, row))
