"""Recordings as files."""

import wave
from pathlib import Path

import numpy as np


def write_wave(path: Path, samples: np.ndarray, rate: int) -> None:
    """Writes a WAV file of 16 bits and one channel.

    Args:
      path: the file.
      samples: floating-point [n], from -1 to 1.
      rate: Hz.
    """
    whole = np.clip(np.rint(samples * 32768), -32768, 32767)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(whole.astype("<i2").tobytes())
