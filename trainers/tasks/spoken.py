"""What a synthesiser says, as sound that can be written to a file."""

import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trainers.files import writing

_LOUDEST = 32_767


@dataclass(frozen=True)
class Spoken:
    """A text that has been said."""

    samples: np.ndarray
    """float32 [N], from -1 to 1; louder ones are cut."""
    sample_rate: int
    """Hz."""
    stop_reason: str
    """Why it ends there: `stop` if the model said so."""
    unknown: tuple[str, ...] = ()
    """Symbols of the text that the model does not know, and passed over."""

    def __str__(self) -> str:
        seconds = len(self.samples) / self.sample_rate
        text = f"{seconds:.2f} s of speech, ended by {self.stop_reason}"
        if self.unknown:
            text += f"; unknown symbols: {' '.join(self.unknown)}"
        return text

    def write(self, path: Path) -> None:
        """Writes a WAV file of 16 bits.

        Raises:
          DataError: the folder cannot be written.
        """
        values = np.rint(np.clip(self.samples, -1, 1) * _LOUDEST).astype("<i2")
        with writing(path), path.open("wb") as raw, wave.open(raw, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(self.sample_rate)
            file.writeframes(values.tobytes())
