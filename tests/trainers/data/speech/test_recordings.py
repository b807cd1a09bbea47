"""Recordings of all kinds become one channel of one rate."""

import importlib
import struct

import numpy as np
import pytest

from tfmodels.errors import DataError
from trainers.data.speech.recordings import describe_sound
from trainers.data.speech.recordings import read_sound
from trainers.data.speech.recordings import resampled
from trainers.data.speech.recordings import trimmed

RATE = 8000


def wav(samples, bits=16, rate=RATE, form=1, extensible=False):
    """Bytes of a WAV file of integers or floats [N, channels], by hand."""
    samples = np.asarray(samples)
    channels = samples.shape[1]
    if form == 3:
        data = samples.astype(f"<f{bits // 8}").tobytes()
    elif bits == 8:
        data = (samples + 128).astype(np.uint8).tobytes()
    else:
        wide = samples.astype("<i4").tobytes()
        size = bits // 8
        data = b"".join(wide[i : i + size] for i in range(0, len(wide), 4))
    frame = channels * bits // 8
    kind = 0xFFFE if extensible else form
    head = struct.pack("<HHIIHH", kind, channels, rate, rate * frame, frame, bits)
    if extensible:
        head += struct.pack("<HHI", 22, bits, 0) + struct.pack("<H", form) + bytes(14)
    odd = b"LIST" + struct.pack("<I", 3) + b"abc\0"
    chunks = b"fmt " + struct.pack("<I", len(head)) + head + odd
    chunks += b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.wav"


@pytest.mark.parametrize("extensible", [False, True])
@pytest.mark.parametrize("bits", [8, 16, 24, 32])
def test_integers(path, bits, extensible) -> None:
    full = 2 ** (bits - 1)
    numbers = np.array([[0], [full // 2], [-full // 4], [full - 1], [-full]])
    path.write_bytes(wav(numbers, bits, extensible=extensible))
    samples, rate = read_sound(path)
    assert rate == RATE
    assert samples.dtype == np.float32
    np.testing.assert_allclose(samples, numbers[:, 0] / full, atol=1e-7)
    about = describe_sound(path)
    assert (about.rate, about.channels, about.bits, about.size) == (RATE, 1, bits, 5)


@pytest.mark.parametrize("bits", [32, 64])
def test_floats_of_three_channels(path, bits) -> None:
    numbers = np.random.default_rng(0).uniform(-1, 1, [7, 3])
    path.write_bytes(wav(numbers, bits, rate=44_100, form=3))
    samples, rate = read_sound(path)
    assert rate == 44_100
    np.testing.assert_allclose(samples, numbers.mean(axis=1), atol=1e-6)


def test_parts(path) -> None:
    numbers = np.arange(4000)[:, None]
    path.write_bytes(wav(numbers))
    samples, _ = read_sound(path, 0.25, 0.125)
    np.testing.assert_allclose(samples * 32768, np.arange(2000, 3000), atol=1e-3)
    # Rounded lengths may end a little behind the file.
    assert len(read_sound(path, 0.25, 0.2505)[0]) == 2000
    for offset, seconds in ((0.6, None), (0.4, 0.2), (0.1, 0.0)):
        with pytest.raises(DataError, match=r"no such sound.*Expected.*Received"):
            read_sound(path, offset, seconds)


def test_what_cannot_be_read_is_named(path, monkeypatch) -> None:
    whole = wav(np.ones([100, 1]))
    wrong = {
        whole[:-10]: "too early",
        whole[:30]: "ends before its samples",
        wav(np.ones([0, 1])): "holds no sound",
        wav(np.array([[0.5], [np.nan], [np.inf]]), 32, form=3): "2 that are infinite",
        wav(np.ones([4, 1]), form=7): "form 7",
    }
    for content, reason in wrong.items():
        path.write_bytes(content)
        with pytest.raises(
            DataError,
            match=f"a.wav.*Expected.*Received.*{reason}|"
            f"a.wav.*{reason}.*Expected.*Received",
        ):
            read_sound(path)
    path.unlink()
    with pytest.raises(DataError, match=r"a.wav.*No such file"):
        read_sound(path)
    monkeypatch.setattr(importlib, "import_module", _missing)
    path.write_text("not audio at all")
    for read in (read_sound, describe_sound):
        with pytest.raises(DataError, match=r"no WAV file.*soundfile.*Received"):
            read(path)


def _missing(name):
    raise ImportError(name)


def test_other_forms(tmp_path) -> None:
    soundfile = pytest.importorskip("soundfile", reason="needs tfmodels[sound]")
    path = tmp_path / "a.flac"
    numbers = np.arange(-500, 500, dtype=np.int16)
    soundfile.write(path, np.stack([numbers, numbers + 2], -1), RATE, "PCM_16")
    samples, rate = read_sound(path, 0.025, 0.05)
    assert rate == RATE
    np.testing.assert_allclose(samples * 32768, numbers[200:600] + 1, atol=1e-3)
    assert describe_sound(path).size == 1000
    path.write_text("not audio at all")
    with pytest.raises(DataError, match=r"a.flac.*Expected.*Received"):
        read_sound(path)


def test_resampling_keeps_tones_and_drops_what_has_no_room() -> None:
    time = np.arange(16_000) / 16_000
    low, high = (np.sin(2 * np.pi * hz * time) for hz in (500, 6000))
    half = resampled((low + high).astype(np.float32), 16_000, 8000)
    assert half.shape == (8000,)
    np.testing.assert_allclose(half[100:-100], low[::2][100:-100], atol=0.02)
    odd = resampled(low.astype(np.float32), 44_100, 16_000)
    assert len(odd) == -(-16_000 * 160 // 441)


def test_trimming_leaves_a_margin() -> None:
    rng = np.random.default_rng(0)
    quiet = 0.001 * rng.standard_normal(8000).astype(np.float32)
    quiet[2400:4800] += 0.3
    kept = trimmed(quiet, RATE)
    np.testing.assert_array_equal(kept, quiet[2000:5200])
    loud = np.ones(500, np.float32)
    np.testing.assert_array_equal(trimmed(loud, RATE), loud)
    np.testing.assert_array_equal(trimmed(np.zeros(500), RATE), np.zeros(500))
