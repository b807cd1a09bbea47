"""Two dialects of tones that contradict each other: nothing but their name tells them.

Ten words, each of two tones. Four of them, in pairs, mean one another in the other
dialect. Who does not know the dialect is wrong half of the time on those four, on 20 %
of all words; who takes it for the other one, always.
"""

import itertools
from pathlib import Path

import numpy as np

from tools.console import print_to_terminal
from tools.prepare.sound import write_wave

_RATE = 8000
_HZ = (400.0, 640.0, 1000.0, 1560.0, 2400.0)
_EXCHANGED = {0: 1, 1: 0, 2: 3, 3: 2}
_DIALECTS = ("north", "south")
_RECORDINGS = 12
_SECONDS = 0.08
_LOUDNESS = 0.3


def prepare_tones(output: Path) -> dict[str, str]:
    """Writes recordings with the names of the Free Spoken Digit Dataset.

    Those of words that mean something else elsewhere are once more in ``exchanged/``.

    Args:
      output: folder to write into.

    Returns:
      The section `data` of an experiment that reads them, without `batch_size`.
    """
    rng = np.random.default_rng(0)
    pairs = list(itertools.permutations(_HZ, 2))[::2]
    (output / "exchanged").mkdir(parents=True, exist_ok=True)
    for dialect, word, number in itertools.product(
        _DIALECTS, range(len(pairs)), range(_RECORDINGS)
    ):
        digit = word if dialect == _DIALECTS[0] else _EXCHANGED.get(word, word)
        sound = np.concatenate([_tone(hz, rng) for hz in pairs[word]])
        name = f"{digit}_{dialect}_{number}.wav"
        for folder in (output, output / "exchanged")[: 1 + (word in _EXCHANGED)]:
            write_wave(folder / name, sound, _RATE)
    count = len(_DIALECTS) * len(pairs) * _RECORDINGS
    print_to_terminal(f"{count} recordings of {len(pairs)} words in two dialects")
    return {
        "kind": "connected_digits",
        "english": str(output),
        "accents": f"{{{', '.join(f'{name}: {name}' for name in _DIALECTS)}}}",
    }


def _tone(hz: float, rng: np.random.Generator) -> np.ndarray:
    """A tone of nearly that pitch, whose ends are faded."""
    time = np.arange(round(_SECONDS * rng.uniform(0.9, 1.1) * _RATE)) / _RATE
    wave = np.sin(2 * np.pi * hz * rng.uniform(0.97, 1.03) * time)
    return _LOUDNESS * wave * np.hanning(len(wave)) ** 0.25
