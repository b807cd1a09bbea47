"""The synthesiser that benchmarks train, and sound for it."""

import json
import string
import wave
from dataclasses import asdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_RATE, _HOP = 22_050, 256
_NUM_BATCHES = 5
# Ids of padding, the end and what is unknown.
_SPECIAL = 3


@dataclass(frozen=True)
class Sizes:
    """Of Tacotron, those of ``multilingual_tts/tiny``, and its batches; float32, Adam.

    Speaker and language stand beside each encoding, and there is no residual encoder:
    so has the peer.
    """

    num_symbols: int = 27
    num_speakers: int = 6
    num_languages: int = 3
    speaker_dim: int = 64
    language_dim: int = 16
    mel_bins: int = 40
    frames_per_step: int = 3
    encoder_dim: int = 64
    attention_dim: int = 32
    filters: int = 8
    """Of the attention to where it looked."""
    kernel: int = 15
    prenet_dim: int = 16
    decoder_dim: int = 128
    postnet_filters: int = 32
    classifier_dim: int = 64
    batch_size: int = 16
    frames: int = 120
    """Of each utterance, a multiple of `frames_per_step`."""
    symbols: int = 24
    """Of each text, the end included."""
    clip_global_norm: float = 1.0

    @property
    def plain(self) -> dict[str, Any]:
        """JSON-like data."""
        return asdict(self)

    def model(self) -> dict[str, Any]:
        """The section ``model``."""
        return {
            "kind": "tacotron",
            "num_symbols": self.num_symbols,
            "num_tones": None,
            "num_speakers": self.num_speakers,
            "speaker_dim": self.speaker_dim,
            "num_languages": self.num_languages,
            "language_dim": self.language_dim,
            "conditioning": "memory",
            "mel_bins": self.mel_bins,
            "frames_per_step": self.frames_per_step,
            "encoder": {"dim": self.encoder_dim, "zoneout_rate": 0.0},
            "attention": {
                "dim": self.attention_dim,
                "filters": self.filters,
                "kernel": self.kernel,
                "location_inputs": "cumulative",
                "bias": True,
            },
            "decoder": {
                "prenet_dim": self.prenet_dim,
                "hidden_dim": self.decoder_dim,
            },
            "postnet": {"filters": self.postnet_filters},
            "residual": None,
            "classifier": {"hidden_dim": self.classifier_dim},
        }

    def overrides(self, folder: Path) -> list[str]:
        """Changes to ``multilingual_tts/tiny`` that train the model on `write_sound`.

        Args:
          folder: where the sound is.
        """
        data = {
            "kind": "synthesis_manifest",
            "manifests": [str(folder / "manifest.jsonl")],
            "test": None,
            "symbols": "characters",
            "buckets": [{"frames": self.frames, "symbols": self.symbols}],
            "batch_size": self.batch_size,
        }
        values = {
            "model": self.model(),
            "data": data,
            "objective": {"kind": "synthesis", "guided_weight": 1.0},
            "optimizer.learning_rate": {"kind": "constant", "initial": 0.001},
            "optimizer.clip_global_norm": self.clip_global_norm,
        }
        return [f"{key}={json.dumps(value)}" for key, value in values.items()]

    def write_sound(self, folder: Path) -> None:
        """Writes utterances of the wanted length, each a part of the same noise, with
        texts in which all letters are."""
        import numpy as np

        random = np.random.default_rng(0)
        count = _NUM_BATCHES * self.batch_size
        length = _HOP * (self.frames - 1)
        noise = random.normal(0, 3000, length + _HOP * count)
        with wave.open(str(folder / "noise.wav"), "w") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(_RATE)
            file.writeframes(np.clip(noise, -32768, 32767).astype("<i2").tobytes())
        letters = list(string.ascii_lowercase[: self.num_symbols - _SPECIAL])
        wanted = np.resize(letters, count * (self.symbols - 1))
        texts = random.permutation(wanted).reshape(count, self.symbols - 1)
        with (folder / "manifest.jsonl").open("w") as file:
            for number, text in enumerate(texts):
                line = {
                    "id": f"u{number}",
                    "wav": "noise.wav",
                    "offset_s": number * _HOP / _RATE,
                    "dur_s": length / _RATE,
                    "text": "".join(text),
                    "speaker": f"s{number % self.num_speakers}",
                    "language": f"l{number % self.num_languages}",
                    "split": "train",
                }
                print(json.dumps(line), file=file)


TINY = Sizes()
"""Of ``multilingual_tts/tiny``."""
