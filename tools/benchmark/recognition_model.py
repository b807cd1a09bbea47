"""The recogniser that benchmarks train and listen with, and sound for it."""

import json
import string
import wave
from collections.abc import Mapping
from dataclasses import asdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_RATE, _HOP, _WINDOW = 8000, 80, 200
_NUM_BATCHES = 5
# Letters of a word.
_WORD = 4


@dataclass(frozen=True)
class Sizes:
    """Of LAS, those of ``multidialect_asr/fsdd``, and its batches; float32, Adam.

    The encoder has two layers that read both ways, frames in pairs between them; the
    decoder one, which is fed what attention found, and two heads: units, varieties.
    """

    feature_dim: int = 40
    left: int = 2
    stride: int = 3
    hidden_dim: int = 64
    """Cells of each direction of each layer of the encoder."""
    heads: int = 2
    attention_width: int = 48
    """Hidden nodes of each head."""
    context_dim: int = 128
    decoder_dim: int = 96
    embedding_dim: int = 32
    vocabulary_size: int = 24
    num_varieties: int = 4
    """All recurrent layers are told one, as a vector with a single 1."""
    batch_size: int = 32
    frames: int = 180
    """Of each utterance, before they are stacked."""
    units: int = 16
    """Of each answer, the variety's symbol and the end included."""
    variety_weight: float = 0.1
    """Of the loss of varieties."""
    clip_global_norm: float = 1.0

    @property
    def plain(self) -> dict[str, Any]:
        """JSON-like data."""
        return asdict(self)

    @property
    def letters(self) -> str:
        """Those of the texts: what the vocabulary has besides four special ids, the
        symbols of varieties and the space."""
        return string.ascii_lowercase[: self.vocabulary_size - 5 - self.num_varieties]

    def model(self, bidirectional: bool = True) -> dict[str, Any]:
        """The section ``model``."""
        return {
            "kind": "las",
            "feature_dim": self.feature_dim,
            "left": self.left,
            "stride": self.stride,
            "vocabulary_size": self.vocabulary_size,
            "num_varieties": self.num_varieties,
            "encoder": {
                "num_layers": 2,
                "hidden_dim": self.hidden_dim,
                "bidirectional": bidirectional,
                "pair_after": [1],
            },
            "attention": {
                "heads": self.heads,
                "width": self.attention_width,
                "context_dim": self.context_dim,
            },
            "decoder": {
                "num_layers": 1,
                "hidden_dim": self.decoder_dim,
                "embedding_dim": self.embedding_dim,
            },
        }

    def overrides(
        self, folder: Path, changes: Mapping[str, Any] | None = None
    ) -> list[str]:
        """Changes to ``multidialect_asr/fsdd`` that train the model on `write_sound`.

        Args:
          folder: where the sound is.
          changes: further ones, or others in their place.
        """
        data = {
            "kind": "speech_manifest",
            "manifest": str(folder / "manifest.jsonl"),
            "test": ["train"],
            "sample_rate": _RATE,
            "mel_bins": self.feature_dim,
            "buckets": [{"frames": self.frames, "units": self.units}],
            "batch_size": self.batch_size,
        }
        auxiliary = {"variety_logits": self.variety_weight}
        values = {
            "model": self.model(),
            "data": data,
            "objective": {"kind": "cross_entropy", "auxiliary_weights": auxiliary},
            "optimizer.learning_rate": {"kind": "constant", "initial": 0.001},
            "optimizer.clip_global_norm": self.clip_global_norm,
            **(changes or {}),
        }
        return [f"{key}={json.dumps(value)}" for key, value in values.items()]

    def write_sound(self, folder: Path) -> None:
        """Writes utterances of the wanted length, each a part of the same noise, with
        texts in which all letters are."""
        import numpy as np

        random = np.random.default_rng(0)
        count = _NUM_BATCHES * self.batch_size
        length = _WINDOW + 1 + _HOP * (self.frames - 1)
        _write_noise(folder / "noise.wav", length + _HOP * count)
        num_letters = self.units - 2
        wanted = np.resize(list(self.letters), count * num_letters)
        letters = random.permutation(wanted).reshape(count, num_letters)
        # A text does not end with a space.
        letters[:, _WORD : num_letters - 1 : _WORD + 1] = " "
        with (folder / "manifest.jsonl").open("w") as file:
            for number, row in enumerate(letters):
                line = {
                    "utt": f"u{number}",
                    "audio": "noise.wav",
                    "offset_s": number * _HOP / _RATE,
                    "dur_s": length / _RATE,
                    "text": "".join(row),
                    "split": "train",
                    "lang": "en",
                    "dialect": f"en-{number % self.num_varieties}",
                }
                print(json.dumps(line), file=file)


FSDD = Sizes()
"""Of ``multidialect_asr/fsdd``."""


def _write_noise(path: Path, num_samples: int) -> None:
    """Writes white noise of 8000 Hz and 16 bits, always the same."""
    import numpy as np

    samples = np.random.default_rng(0).normal(0, 3000, num_samples)
    with wave.open(str(path), "w") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(_RATE)
        file.writeframes(np.clip(samples, -32768, 32767).astype("<i2").tobytes())
