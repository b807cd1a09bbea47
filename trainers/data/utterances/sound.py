"""Recordings, and their frames for an acoustic model."""

import wave
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from typing import Self

import numpy as np
import tensorflow as tf

from tfmodels.audio.frames import NormalizeUtterance
from tfmodels.audio.log_mel import LogMel
from tfmodels.errors import DataError

_LOWEST_HZ = 20.0
# 7600 Hz at 16 kHz, 3800 Hz at 8 kHz.
_HIGHEST_SHARE = 0.475


def sample_rate_of(path: Path) -> int:
    """Samples a second of a WAV file.

    Raises:
      DataError: it is missing, damaged, or not of one channel and 16 bits.
    """
    return read_samples(path, span=(0.0, 0.0))[1]


def read_samples(
    path: Path, span: tuple[float, float] | None = None
) -> tuple[np.ndarray, int]:
    """Samples of a WAV file, float32 [N] from -1 to 1, and how many make a second.

    Args:
      path: the file.
      span: beginning and end of the part that is read, in seconds; all when None. It
        may end a little after the file, but not begin there.

    Raises:
      DataError: the file is missing, damaged, not of one channel and 16 bits, or ends
        long before the part.
    """
    try:
        with wave.open(str(path)) as file:
            form, rate = (file.getnchannels(), file.getsampwidth()), file.getframerate()
            total = file.getnframes()
            begin, end = (0, total)
            if span:
                begin, end = (round(second * rate) for second in span)
            inside = begin <= total and end <= total + rate / 2
            if inside and form == (1, 2):
                file.setpos(begin)
                data = file.readframes(min(end, total) - begin)
    except (OSError, EOFError, wave.Error) as error:
        raise DataError(
            f"cannot read the recording {path}. Expected a WAV file; received {error}."
        ) from None
    if form != (1, 2):
        raise DataError(
            f"{path} is of another kind. Expected one channel of 16 bits; received"
            f" {form[0]} channel(s) of {8 * form[1]} bits."
        )
    if not inside or len(data) < 2 * (min(end, total) - begin):
        raise DataError(
            f"{path} is too short. Expected samples up to number {end}; received"
            f" {total}, {path.stat().st_size} bytes."
        )
    return np.frombuffer(data, "<i2").astype(np.float32) / 32768, rate


def read_wave(path: tf.Tensor) -> tf.Tensor:
    """Samples of a WAV file in graph code, float32 [N] from -1 to 1."""
    sound = tf.audio.decode_wav(tf.io.read_file(path), desired_channels=1)
    return sound.audio[:, 0]


class FrontEnd:
    """Log energies of mel bands, of mean 0 and variance 1 over an utterance.

    Args:
      sample_rate: samples a second.
      num_bins: mel bands.
      lower_hz: lower end of the first band.
      upper_hz: upper end of the last; 0.475 of the sample rate when absent.
    """

    def __init__(
        self,
        sample_rate: int,
        num_bins: int,
        lower_hz: float = _LOWEST_HZ,
        upper_hz: float | None = None,
    ) -> None:
        self.sample_rate = sample_rate
        self.num_bins = num_bins
        self._bounds = lower_hz, upper_hz or _HIGHEST_SHARE * sample_rate
        self._log_mel = LogMel(sample_rate, num_bins, *self._bounds)
        self._normalize = NormalizeUtterance()
        self.window = self._log_mel.window
        """Samples of a frame, without the one that pre-emphasis uses up."""
        self.hop = self._log_mel.hop
        """Samples between the beginnings of neighbouring frames."""

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

    def read(self, path: Path, span: tuple[float, float] | None = None) -> np.ndarray:
        """Frames of a recording or of a part, float32 [T, D].

        As many as in Kaldi, where frames do not reach over the end: alignments and
        lattices fit. `LogMel` needs a sample more, for which a zero stands.

        Raises:
          DataError: see `read_samples`; or the rate is another, or there is no frame.
        """
        samples, rate = read_samples(path, span)
        if rate != self.sample_rate:
            raise DataError(
                f"{path} has another rate. Expected {self.sample_rate} samples a second"
                f" as in the other recordings; received {rate}."
            )
        samples = np.append(samples, np.float32(0))
        if not self.num_frames(len(samples)):
            raise DataError(
                f"{path} holds too short an utterance. Expected at least"
                f" {self.window} samples; received {len(samples) - 1}."
            )
        frames, _ = self(tf.constant(samples[None]), tf.constant([len(samples)]))
        read: np.ndarray = frames[0].numpy()
        return read

    def open(self, name: str) -> tuple[tf.Tensor, tf.Tensor]:
        """See `trainers.data.utterances.sources.FrontEnd.open`: a WAV file."""
        frames = tf.constant(self.read(Path(name))[None])
        return frames, tf.fill([1], tf.shape(frames)[1])

    def describe(self) -> dict[str, Any]:
        """How to make the same frames elsewhere; see `from_description`."""
        return {
            "kind": "log_mel",
            "sample_rate": self.sample_rate,
            "num_bins": self.num_bins,
            "lower_hz": self._bounds[0],
            "upper_hz": self._bounds[1],
            "window": self.window,
            "hop": self.hop,
            "normalization": "each band to mean 0 and variance 1 over the utterance",
        }

    @classmethod
    def from_description(cls, description: Mapping[str, Any]) -> Self:
        """The front end that `describe` was about."""
        keys = ("sample_rate", "num_bins", "lower_hz", "upper_hz")
        return cls(*(description[key] for key in keys))
