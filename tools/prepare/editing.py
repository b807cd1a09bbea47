"""Ends of recordings: what is silent left out of the manifest, and fades in copies."""

import dataclasses
from collections.abc import Callable
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from typing import NamedTuple

from tfmodels.errors import DataError
from tools.prepare.sound import write_wave

if TYPE_CHECKING:
    import numpy as np

    from trainers.data.speech.manifest import Utterance

    Fade = Callable[[np.ndarray, int], np.ndarray]


class Ends(NamedTuple):
    """What becomes of the ends of recordings."""

    trim_db: float | None = None
    """Leave out, but for 50 ms, what is so many decibels below the loudest."""
    fade_ms: float | None = None
    """Let them come and go in so many milliseconds: in copies, others stay."""


def timed(
    entries: Iterable["Utterance"], ends: Ends, output: Path
) -> list["Utterance"]:
    """Utterances with the lengths that headers say, or where there is sound.

    Args:
      entries: from corpora, without times.
      ends: what becomes of their ends.
      output: copies become 16-bit WAV files in its folder ``faded``.

    Raises:
      DataError: a recording cannot be read, or is to be faded, and tensorflow-io is
        not installed.
    """
    from rich.progress import track

    from trainers.data.speech.recordings import describe_sound
    from trainers.data.speech.recordings import read_sound
    from trainers.data.speech.recordings import sounding

    fade = None if ends.fade_ms is None else _open_fade(ends.fade_ms)
    found = []
    for number, entry in enumerate(track(list(entries), "recordings")):
        path, first = Path(entry.audio), 0.0
        if ends == Ends():
            seconds = describe_sound(path).seconds
        else:
            samples, rate = read_sound(path)
            begin, end = 0, len(samples)
            if ends.trim_db is not None:
                begin, end = sounding(samples, rate, ends.trim_db)
            seconds = (end - begin) / rate
            first = begin / rate
            if fade is not None:
                path, first = output / "faded" / f"{number:06}.wav", 0.0
                path.parent.mkdir(parents=True, exist_ok=True)
                write_wave(path, fade(samples[begin:end], rate), rate)
        changed: dict[str, Any] = {"offset_s": round(first, 4), "audio": str(path)}
        found.append(dataclasses.replace(entry, dur_s=round(seconds, 4), **changed))
    return found


def _open_fade(milliseconds: float) -> "Fade":
    """A function of samples and their rate, by tensorflow-io.

    Its native library does not load beside newer TensorFlow, of which it warns; its
    operations on sound are TensorFlow's own.
    """
    import warnings

    import numpy as np

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import tensorflow_io as tfio
    except ImportError:
        raise DataError(
            "--fade: tensorflow-io is not installed. Expected the extra io: pip install"
            f" 'tfmodels[io]'. Received --fade {milliseconds:g}."
        ) from None

    def fade(samples: "np.ndarray", rate: int) -> "np.ndarray":
        most = len(samples) // 2
        length = min(round(milliseconds / 1000 * rate), most)
        if length < 1:
            return samples
        faded = tfio.audio.fade(samples, fade_in=length, fade_out=length, mode="linear")
        return np.asarray(faded)

    return fade
