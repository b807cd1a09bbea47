"""A corpus of six voices and three languages that eSpeak NG says.

That is formant speech of a program, not of people: what is learned from it says nothing
about recordings of people. A voice is the same in every language, so what a voice says
in a language that training never has of it is there too, as the truth to compare with.
"""

import hashlib
import json
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tfmodels.text.mnemonics import Phonemes
from tfmodels.text.mnemonics import is_pause
from tfmodels.text.mnemonics import parse_mnemonics
from tfmodels.text.pinyin import check_tones
from trainers.data.speech.manifest import Utterance
from trainers.data.speech.published.espeak_process import asked
from trainers.data.synthesis.espeak_phrases import SIZES
from trainers.data.synthesis.espeak_phrases import VOICES
from trainers.data.synthesis.espeak_phrases import WORDS
from trainers.data.synthesis.espeak_phrases import phrases
from trainers.files import write_atomically

_RATE = 175
# Of the silence behind the last phoneme, which else is about 300 ms.
_TAIL_MS = 40


def is_tonal(voice: str) -> bool:
    """Whether mnemonics of a voice of eSpeak NG end vowels in tones."""
    return voice.startswith("cmn")


def phonemes_of(text: str, voice: str) -> Phonemes:
    """Phonemes of a text that a user writes.

    Args:
      text: of any number of clauses.
      voice: eSpeak NG's name of the language, such as ``de`` or ``cmn``.

    Raises:
      DataError: eSpeak NG is not installed or has no such voice, there is nothing to
        say, or pinyin has no tones.
    """
    if voice.endswith("pinyin"):
        check_tones(text)
    job: dict[str, object] = {"voice": voice, "variant": "", "text": text}
    (answer,) = asked([{**job, "spell": True}])
    return parse_mnemonics(answer["clauses"], is_tonal(voice))


def speak_voices(
    output: Path,
    seed: int = 0,
    progress: Callable[[], object] = int,
    sizes: dict[str, int] = SIZES,
    voices: dict[str, str] = VOICES,
) -> list[Utterance]:
    """Has eSpeak NG say phrases, writes WAV files and their checksums.

    A voice says the training split in its own language and all others in each. Every
    voice has a process of its own, which makes the same files each time.

    Args:
      output: folder for the recordings.
      seed: origin of the phrases.
      progress: called after each utterance.
      sizes: phrases of each split and language.
      voices: variants of eSpeak NG, and the language of each.

    Raises:
      DataError: eSpeak NG is not installed, or has no such voice.
    """
    folder = output / "wav"
    folder.mkdir(parents=True, exist_ok=True)
    texts = {language: phrases(language, seed, sizes) for language in WORDS}
    utterances = []
    for voice, own in voices.items():
        wanted = [*_wanted(folder, voice, own, texts)]
        jobs: list[dict[str, object]] = [
            {
                "voice": each.lang,
                "variant": voice,
                "text": each.text,
                "path": str(Path(each.audio).resolve()),
                "rate": _RATE,
                "spell": True,
            }
            for each in wanted
        ]
        for each, answer in zip(wanted, asked(jobs), strict=True):
            utterances.append(_timed(each, answer))
            progress()
    sums = {
        Path(each.audio).name: hashlib.sha256(Path(each.audio).read_bytes()).hexdigest()
        for each in utterances
    }
    write_atomically(output / "checksums.json", json.dumps(sums, indent=1))
    return utterances


def _wanted(
    folder: Path, voice: str, own: str, texts: dict[str, dict[str, list[str]]]
) -> Iterator[Utterance]:
    for language, of_split in texts.items():
        for split, all_phrases in of_split.items():
            if split == "train" and language != own:
                continue
            for number, text in enumerate(all_phrases):
                name = f"{voice}-{language}-{split}-{number:03d}"
                yield Utterance(
                    utt=name,
                    audio=str(folder / f"{name}.wav"),
                    text=text,
                    split=split,
                    lang=language,
                    dialect=language,
                    speaker=voice,
                )


def _timed(utterance: Utterance, answer: dict[str, Any]) -> Utterance:
    """An utterance with phonemes and, where they fit the sound, their times."""
    found = parse_mnemonics(answer["clauses"], is_tonal(str(utterance.lang)))
    durations, end = durations_of(found.is_spoken, answer["events"])
    return Utterance(
        **{
            **utterance.__dict__,
            "phonemes": found.names,
            "tones": found.tones,
            "durations_ms": durations,
            "dur_s": min((end + _TAIL_MS) / 1000, answer["seconds"]),
        }
    )


def durations_of(
    is_spoken: Sequence[bool], events: Sequence[tuple[str, int]]
) -> tuple[tuple[float, ...] | None, int]:
    """How long each symbol is, and where the last phoneme ends.

    A pause is of the space or the punctuation before the phoneme that follows it.

    Args:
      is_spoken: which symbols are phonemes.
      events: name and milliseconds of each phoneme and pause.

    Returns:
      Milliseconds of each symbol, None where the sound has another number of phonemes
      than the text; and milliseconds from the beginning.
    """
    spoken = [n for n, (name, _) in enumerate(events) if not is_pause(name)]
    last = spoken[-1] if spoken else -1
    end = events[min(last + 1, len(events) - 1)][1] if events else 0
    if len(spoken) != sum(is_spoken):
        return None, end
    starts: list[int] = []
    place = 0
    for number, is_phoneme in enumerate(is_spoken):
        if is_phoneme:
            starts.append(events[spoken[place]][1] if number else 0)
            place += 1
        elif place == len(spoken):
            starts.append(end)
        else:
            behind = spoken[place - 1] + 1
            starts.append(events[behind][1])
    ends = [*starts[1:], end]
    durations = (float(b - a) for a, b in zip(starts, ends, strict=True))
    return tuple(durations), end
