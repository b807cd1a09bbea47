"""Sound from files: one channel, one rate, whatever the file has."""

import importlib
import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from typing import BinaryIO

import numpy as np

from tfmodels.errors import DataError

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_WIDTHS = {_PCM: (8, 16, 24, 32), _FLOAT: (32, 64)}

_TRIM_SECONDS, _MARGIN_SECONDS = 0.01, 0.05
# Of the loudest 10 ms: what is softer at the ends is no part of a word.
_TRIM_DB = 30.0


@dataclass(frozen=True)
class Sound:
    """A recording's header."""

    rate: int
    """Samples a second."""
    channels: int
    bits: int
    """Of a sample; 0 where the form has no such number."""
    size: int
    """Samples of a channel."""

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.size / self.rate


@dataclass(frozen=True)
class _Wave:
    """A WAV file's header, and where its samples are."""

    sound: Sound
    form: int
    start: int


def describe_sound(path: Path) -> Sound:
    """Reads a recording's header.

    Raises:
      DataError: the file is not there, or is no recording that can be read here.
    """
    try:
        with path.open("rb") as file:
            if _is_wave(file):
                return _wave_header(file, path).sound
    except OSError as error:
        raise _unreadable(path, str(error)) from None
    library = _library(path)
    try:
        about = library.info(str(path))
    except (OSError, RuntimeError) as error:
        raise _unreadable(path, str(error)) from None
    return Sound(about.samplerate, about.channels, 0, about.frames)


def read_sound(
    path: Path, offset: float = 0.0, seconds: float | None = None
) -> tuple[np.ndarray, int]:
    """Samples of a recording or of a part of it, the mean of its channels.

    WAV files of 8, 16, 24 or 32 bits, or of floats, are read here; all others, such as
    FLAC, OGG and MP3, by the library soundfile where it is installed.

    Args:
      path: the file.
      offset: where the part begins, in seconds.
      seconds: how long it is; to the end when None.

    Returns:
      float32 [N] from -1 to 1, and the samples a second.

    Raises:
      DataError: the file is not there, is no recording that can be read here, is
        empty, ends before the part does, or holds what is no number.
    """
    try:
        with path.open("rb") as file:
            if _is_wave(file):
                return _read_wave(file, path, offset, seconds)
    except OSError as error:
        raise _unreadable(path, str(error)) from None
    library = _library(path)
    try:
        about = library.info(str(path))
        sound = Sound(about.samplerate, about.channels, 0, about.frames)
        begin, end = _span(path, sound, offset, seconds)
        samples, _ = library.read(
            str(path), start=begin, stop=end, dtype="float32", always_2d=True
        )
    except (OSError, RuntimeError) as error:
        raise _unreadable(path, str(error)) from None
    _check_whole(path, len(samples), end - begin)
    return _mean(path, samples), sound.rate


def resampled(samples: np.ndarray, rate: int, wanted: int) -> np.ndarray:
    """Samples at another rate, float32, without what that rate cannot hold."""
    if rate == wanted:
        return samples
    # Slow to import, and most recordings need no other rate.
    from scipy.signal import resample_poly

    common = math.gcd(rate, wanted)
    result = resample_poly(samples.astype(np.float64), wanted // common, rate // common)
    return result.astype(np.float32)


def trimmed(samples: np.ndarray, rate: int) -> np.ndarray:
    """Samples without the quiet at both ends, but for 50 ms of it.

    Quiet are 10 ms whose energy is 30 dB below that of the loudest.
    """
    first, last = sounding(samples, rate, _TRIM_DB)
    return samples[first:last]


def sounding(samples: np.ndarray, rate: int, decibel: float) -> tuple[int, int]:
    """First sample that is no silence, and the one after the last, with 50 ms more.

    Args:
      samples: float32 [N].
      rate: Hz.
      decibel: silent are 10 ms that are so far below the loudest.
    """
    size = round(_TRIM_SECONDS * rate)
    count = len(samples) // size
    energy = np.square(samples[: count * size].reshape(count, size)).mean(axis=1)
    loud = np.flatnonzero(energy > energy.max(initial=0) * 10 ** (-decibel / 10))
    if not len(loud):
        return 0, len(samples)
    margin = round(_MARGIN_SECONDS * rate)
    first, last = loud[0] * size - margin, (loud[-1] + 1) * size + margin
    return max(int(first), 0), min(int(last), len(samples))


def _is_wave(file: BinaryIO) -> bool:
    head = file.read(12)
    return head[:4] == b"RIFF" and head[8:] == b"WAVE"


def _wave_header(file: BinaryIO, path: Path) -> _Wave:
    """Walks over the chunks behind the file's first 12 bytes."""
    form = None
    while len(head := file.read(8)) == 8:
        name, size = struct.unpack("<4sI", head)
        if name == b"data" and form is not None:
            return _described(path, form, file.tell(), size)
        content = file.read(size + size % 2)
        if name == b"fmt " and size >= 16:
            form = content
    raise _unreadable(path, "a WAV file that ends before its samples")


def _described(path: Path, form: bytes, start: int, size: int) -> _Wave:
    kind, channels, rate, _, _, bits = struct.unpack("<HHIIHH", form[:16])
    if kind == _EXTENSIBLE and len(form) >= 26:
        kind = struct.unpack("<H", form[24:26])[0]
    if bits not in _WIDTHS.get(kind, ()) or not channels or not rate:
        raise _unreadable(
            path,
            f"a WAV file of form {kind}: {bits} bits, {channels} channels, {rate} Hz",
        )
    # A stream's length is not known when its header is written.
    size = min(size, path.stat().st_size - start) if size >= 2**32 - 2**16 else size
    return _Wave(Sound(rate, channels, bits, 8 * size // bits // channels), kind, start)


def _read_wave(
    file: BinaryIO, path: Path, offset: float, seconds: float | None
) -> tuple[np.ndarray, int]:
    header = _wave_header(file, path)
    sound = header.sound
    begin, end = _span(path, sound, offset, seconds)
    frame = sound.channels * sound.bits // 8
    file.seek(header.start + begin * frame)
    data = file.read((end - begin) * frame)
    _check_whole(path, len(data) // frame, end - begin)
    samples = _decoded(data, header.form, sound.bits)
    return _mean(path, samples.reshape(-1, sound.channels)), sound.rate


def _mean(path: Path, channels: np.ndarray) -> np.ndarray:
    """The mean of channels, [N, c]."""
    finite = np.isfinite(channels)
    if not finite.all():
        raise DataError(
            f"{path} holds samples that are no numbers. Expected numbers from -1 to 1."
            f" Received {np.size(finite) - np.count_nonzero(finite)} that are infinite"
            " or not a number; write the recording again."
        )
    return channels.mean(axis=1, dtype=np.float32)


def _decoded(data: bytes, form: int, bits: int) -> np.ndarray:
    """Numbers from -1 to 1 of all channels, float32."""
    if form == _FLOAT:
        return np.frombuffer(data, f"<f{bits // 8}").astype(np.float32)
    if bits == 8:
        return (np.frombuffer(data, np.uint8).astype(np.float32) - 128) / 128
    if bits == 24:
        parts = np.frombuffer(data, np.uint8).reshape(-1, 3)
        # The low byte of 32 bits is empty.
        wide = np.zeros([len(parts), 4], np.uint8)
        wide[:, 1:] = parts
        data, bits = wide.tobytes(), 32
    whole = np.frombuffer(data, f"<i{bits // 8}")
    return (whole / np.float64(2 ** (bits - 1))).astype(np.float32)


def _span(
    path: Path, sound: Sound, offset: float, seconds: float | None
) -> tuple[int, int]:
    """First sample of a part, and the one after its last."""
    if not sound.size:
        raise DataError(
            f"{path} holds no sound. Expected speech. Received a recording of no"
            " samples; record it again, or leave it out."
        )
    begin = round(offset * sound.rate)
    end = sound.size if seconds is None else round((offset + seconds) * sound.rate)
    # Lengths in tables are rounded.
    if sound.size < end <= sound.size + sound.rate // 100:
        end = sound.size
    if not begin < end <= sound.size:
        length = "to the end" if seconds is None else f"{seconds:.3f} s of it"
        raise DataError(
            f"there is no such sound in {path}. Expected a part of its"
            f" {sound.seconds:.3f} s, not an empty one. Received the part from"
            f" {offset:.3f} s on, {length}; correct offset_s and dur_s, or remove the"
            " utterance."
        )
    return begin, end


def _check_whole(path: Path, found: int, wanted: int) -> None:
    if found < wanted:
        raise _unreadable(path, f"a file that ends {wanted - found} samples too early")


def _library(path: Path) -> Any:
    """The module soundfile.

    Raises:
      DataError: it is not installed.
    """
    try:
        return importlib.import_module("soundfile")
    except ImportError:
        raise DataError(
            f"{path} is no WAV file, and there is nothing that could read others."
            " Expected a WAV file, or the library soundfile for FLAC, OGG and MP3"
            " (pip install 'tfmodels[sound]'). Received a file of another kind."
        ) from None


def _unreadable(path: Path, received: str) -> DataError:
    return DataError(
        f"cannot read the recording {path}. Expected WAV, FLAC, OGG or MP3, whole."
        f" Received: {received}."
    )
