"""A corpus spoken by eSpeak NG, in four English dialects, Spanish and German.

That is formant speech of a program, not of people: it shows that dialects are told
apart and texts are written, and says nothing about recordings of people.

eSpeak NG is under the GPL, version 3. It comes with the optional extra ``speech`` and
runs in a process of its own; nothing of it is here, and this process never loads it.
"""

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np

from trainers.data.speech.manifest import Utterance
from trainers.data.speech.published.espeak_process import asked

VOICES = {
    "en-us": "en",
    "en-gb": "en",
    "en-gb-scotland": "en",
    "en-029": "en",
    "es": "es",
    "de": "de",
}
"""Dialects, which are eSpeak's names of voices, and their languages."""
_SENTENCES = {
    "en": (
        ("the teacher", "my brother", "the old doctor", "our neighbour", "the farmer"),
        ("is looking for", "has bought", "will never sell", "cannot find", "draws"),
        ("a red car", "the garden", "two small horses", "his other book", "the water"),
        ("in the morning", "near the river", "after the party", "on Thursday", "here"),
    ),
    "es": (
        ("el profesor", "mi hermano", "la doctora", "nuestra vecina", "el niño"),
        ("busca", "ha comprado", "nunca vende", "no encuentra", "dibuja"),
        ("un coche rojo", "el jardín", "dos caballos", "su otro libro", "el agua"),
        ("por la mañana", "cerca del río", "después de la fiesta", "el jueves", "aquí"),
    ),
    "de": (
        ("der Lehrer", "mein Bruder", "die alte Ärztin", "unser Nachbar", "das Kind"),
        ("sucht", "kauft", "verkauft niemals", "findet", "zeichnet"),
        ("ein rotes Auto", "den Garten", "zwei kleine Pferde", "sein Buch", "Wasser"),
        ("am Morgen", "neben dem Fluss", "nach dem Fest", "am Donnerstag", "hier"),
    ),
}
_SPEAKERS = ("m1", "m2", "m3", "m4", "m5", "m6", "f1", "f2", "f3", "f4")
_HELD_OUT_SPEAKERS = ("m7", "f5")
# Every so many-th sentence is only for testing.
_HELD_OUT_SENTENCES = 5
_TEST_SHARE = 0.2
# Words a minute and eSpeak's pitch, lowest and highest.
_RATE, _PITCH = (140, 200), (30, 70)


def speak(
    output: Path, utterances: int, seed: int = 0, progress: Callable[[], object] = int
) -> list[Utterance]:
    """Has eSpeak NG say sentences and writes a WAV file for each.

    Sentences and speakers (variants of voices) of the test split are in no other.

    Args:
      output: folder for the recordings.
      utterances: of each dialect, a fifth of which is the test split.
      seed: origin of all that is drawn.
      progress: called after each utterance.

    Raises:
      DataError: eSpeak NG is not installed, or has no such voice.
    """
    folder = output / "wav"
    folder.mkdir(parents=True, exist_ok=True)
    wanted = _drawn(folder, utterances, np.random.default_rng(seed))
    jobs = [job for _, job in wanted]
    for _ in asked(jobs):
        progress()
    return [utterance for utterance, _ in wanted]


def _drawn(
    folder: Path, count: int, rng: np.random.Generator
) -> list[tuple[Utterance, dict[str, object]]]:
    """Utterances, and what the process is told of each."""
    wanted = []
    for dialect, language in VOICES.items():
        all_sentences = [" ".join(p) for p in itertools.product(*_SENTENCES[language])]
        # In an order that has nothing to do with their parts.
        order = np.random.default_rng(0).permutation(len(all_sentences))
        for number in range(count):
            is_test = number < round(_TEST_SHARE * count)
            kept = [
                all_sentences[place]
                for rank, place in enumerate(order)
                if (rank % _HELD_OUT_SENTENCES == 0) == is_test
            ]
            text = kept[rng.integers(len(kept))]
            speakers = _HELD_OUT_SPEAKERS if is_test else _SPEAKERS
            speaker = speakers[rng.integers(len(speakers))]
            name = f"{dialect}-{number:05d}"
            path = folder / f"{name}.wav"
            utterance = Utterance(
                utt=name,
                audio=str(path),
                text=text,
                split="test" if is_test else "train",
                lang=language,
                dialect=dialect,
                speaker=speaker,
            )
            job = {
                "voice": dialect,
                "variant": speaker,
                "text": text,
                "path": str(path.resolve()),
                "rate": int(rng.integers(*_RATE)),
                "pitch": int(rng.integers(*_PITCH)),
            }
            wanted.append((utterance, job))
    return wanted
