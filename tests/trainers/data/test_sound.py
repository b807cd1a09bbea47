"""Recordings as they are read for preparation, and their frames."""

import wave
from pathlib import Path

import numpy as np
import pytest

from tfmodels.errors import DataError
from trainers.data.utterances.sound import FrontEnd
from trainers.data.utterances.sound import read_samples

RATE = 8000


def recording(path: Path, num_samples: int, channels: int = 1) -> Path:
    """A file of noise."""
    values = np.random.default_rng(0).integers(-9000, 9000, num_samples * channels)
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, 2, RATE, 0, "NONE", ""))
        file.writeframes(values.astype("<i2").tobytes())
    return path


def test_parts_are_parts(tmp_path: Path) -> None:
    path = recording(tmp_path / "a.wav", 4000)
    whole, rate = read_samples(path)
    assert (len(whole), rate) == (4000, RATE)
    assert np.abs(whole).max() == pytest.approx(9000 / 32768, rel=0.01)
    part, _ = read_samples(path, (0.1, 0.25))
    np.testing.assert_array_equal(part, whole[800:2000])
    # Segments of Kaldi's folders often end a little after the recording.
    late, _ = read_samples(path, (0.4, 0.52))
    np.testing.assert_array_equal(late, whole[3200:])
    with pytest.raises(DataError, match="up to number 9600; received 4000"):
        read_samples(path, (0.4, 1.2))


@pytest.mark.parametrize("num_samples", [200, 279, 280, 281, 1000])
def test_as_many_frames_as_kaldi(tmp_path: Path, num_samples: int) -> None:
    path = recording(tmp_path / "a.wav", num_samples)
    features = FrontEnd(RATE, 6).read(path)
    # With snip-edges, its default: windows of 200 samples every 80.
    assert features.shape == (1 + (num_samples - 200) // 80, 6)
    assert features.mean() == pytest.approx(0, abs=1e-5)


def test_recordings_that_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="2 channel"):
        read_samples(recording(tmp_path / "two.wav", 500, channels=2))
    path = recording(tmp_path / "a.wav", 199)
    with pytest.raises(DataError, match="at least 200 samples; received 199"):
        FrontEnd(RATE, 6).read(path)
    with pytest.raises(DataError, match="Expected 16000 samples a second"):
        FrontEnd(16_000, 6).read(path)
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(DataError, match="too short"):
        read_samples(path)
