"""Recordings of spoken digits as frames for an acoustic model, one file at a time."""

import wave
from pathlib import Path
from typing import Any

import tensorflow as tf

from tfmodels.audio.frames import NormalizeUtterance
from tfmodels.audio.log_mel import LogMel
from tfmodels.errors import DataError

SAMPLE_RATE = 8000
"""Samples in a second."""

_NUM_BINS = 40
_LOWER_HZ, _UPPER_HZ = 60.0, 3800.0


class SpokenDigitsFrontEnd:
    """Samples to frames: log-mel, normalized over the utterance. Needs no data set."""

    feature_dim = _NUM_BINS

    def __init__(self) -> None:
        self._log_mel = LogMel(SAMPLE_RATE, _NUM_BINS, _LOWER_HZ, _UPPER_HZ)
        self._normalize = NormalizeUtterance()

    @property
    def window(self) -> int:
        """Samples of a frame, without the one that pre-emphasis uses up."""
        return self._log_mel.window

    @property
    def hop(self) -> int:
        """Samples between the beginnings of neighbouring frames."""
        return self._log_mel.hop

    def num_frames(self, num_samples: Any) -> Any:
        """Frames of so many samples, an int or an int32 tensor like the argument."""
        return self._log_mel.num_frames(num_samples)

    def __call__(
        self, samples: tf.Tensor, num_samples: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Frames of a batch.

        Args:
          samples: float32 [B, L] from -1 to 1.
          num_samples: int32 [B], before the padding.

        Returns:
          float32 [B, T, D], 0 in the padding, and int32 [B], how many there are.
        """
        lengths = self.num_frames(num_samples)
        return self._normalize(self._log_mel(samples, num_samples), lengths), lengths

    def open(self, name: str) -> tuple[tf.Tensor, tf.Tensor]:
        """The features of a WAV file of one channel, 16 bits and 8 kHz.

        Raises:
          DataError: the file is missing, damaged, of another kind or too short.
        """
        length = count_samples(Path(name))
        if not self.num_frames(length):
            raise DataError(
                f"{name} is too short. Expected at least {self.window + 1} samples;"
                f" received {length}."
            )
        return self(read_wave(tf.constant(name))[None], tf.constant([length]))

    def describe(self) -> dict[str, Any]:
        """How to make the same frames elsewhere."""
        return {
            "kind": "log_mel",
            "sample_rate": SAMPLE_RATE,
            "num_bins": _NUM_BINS,
            "lower_hz": _LOWER_HZ,
            "upper_hz": _UPPER_HZ,
            "window": self.window,
            "hop": self.hop,
            "normalization": "each band to mean 0 and variance 1 over the utterance",
        }


def read_wave(path: tf.Tensor) -> tf.Tensor:
    """Samples of a file, float32 [n] from -1 to 1."""
    sound = tf.audio.decode_wav(tf.io.read_file(path), desired_channels=1)
    return sound.audio[:, 0]


def count_samples(path: Path) -> int:
    """Samples of a recording.

    Raises:
      DataError: it is no whole WAV file of 16 bits, one channel and 8 kHz.
    """
    try:
        with wave.open(str(path)) as file:
            form = file.getnchannels(), file.getsampwidth(), file.getframerate()
            promised = file.getnframes()
            whole = path.stat().st_size >= 2 * promised
    except (OSError, EOFError, wave.Error) as error:
        raise DataError(
            f"cannot read the recording {path}: {error}. Expected a WAV file."
        ) from None
    if form != (1, 2, SAMPLE_RATE) or not whole or not promised:
        raise DataError(
            f"{path} is not of the Free Spoken Digit Dataset. Expected a whole file of"
            f" one channel, 16 bits and {SAMPLE_RATE} Hz; received {form[0]}"
            f" channel(s), {8 * form[1]} bits and {form[2]} Hz, {promised} samples"
            f" promised in {path.stat().st_size} bytes."
        )
    return promised
