"""Recordings read for preparation and prediction, and their features."""

import wave
from pathlib import Path

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


class FrontEnd:
    """Log energies of mel bands, of mean 0 and variance 1 over an utterance.

    As many frames as in Kaldi, where frames do not reach over the end: alignments and
    lattices fit. `LogMel` needs a sample more, for which a zero stands.
    """

    def __init__(self, sample_rate: int, num_bins: int) -> None:
        """Takes samples a second, and mel bands."""
        self.sample_rate = sample_rate
        self.num_bins = num_bins
        highest = _HIGHEST_SHARE * sample_rate
        self._log_mel = LogMel(sample_rate, num_bins, _LOWEST_HZ, highest)
        self._normalize = NormalizeUtterance()

    def __call__(
        self, path: Path, span: tuple[float, float] | None = None
    ) -> np.ndarray:
        """Features of a recording or of a part, float32 [T, D].

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
        if not self._log_mel.num_frames(len(samples)):
            raise DataError(
                f"{path} holds too short an utterance. Expected at least"
                f" {self._log_mel.window} samples; received {len(samples) - 1}."
            )
        features = self._log_mel(tf.constant(samples[None]))
        lengths = tf.fill([1], tf.shape(features)[1])
        normalized: np.ndarray = self._normalize(features, lengths)[0].numpy()
        return normalized
