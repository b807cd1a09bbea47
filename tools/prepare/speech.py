"""Prepares published corpora of speech: one manifest for any of them."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tfmodels.errors import ConfigError
from tools.console import print_to_terminal
from tools.prepare.editing import Ends
from tools.prepare.editing import timed

if TYPE_CHECKING:
    from trainers.data.speech.manifest import Utterance

CORPORA = (
    "librispeech",
    "common_voice",
    "speech_commands",
    "fsdd",
    "arabic_digits",
    "connected_digits",
    "espeak",
)
"""Names that `prepare_speech` knows."""

_SHOWN = 20
_AS_THEY_ARE = Ends()
_RATES = {"fsdd": 8000, "arabic_digits": 8000, "connected_digits": 8000}


def prepare_speech(
    name: str,
    source: Path | None,
    output: Path,
    accents: Path | None = None,
    utterances: int = 200,
    ends: Ends = _AS_THEY_ARE,
) -> dict[str, str]:
    """Writes the manifest of a corpus, and with eSpeak NG its recordings.

    Args:
      name: one of `CORPORA`.
      source: the corpus's folder.
      output: folder for the manifest.
      accents: Common Voice: the user's table of accents.
      utterances: eSpeak NG: how many of each dialect.
      ends: what becomes of the ends of recordings.

    Returns:
      The section `data` of an experiment that reads it, without `batch_size`.

    Raises:
      ConfigError: `source` is missing, or ends of `connected_digits` are to be changed.
      DataError: the corpus is damaged.
    """
    from trainers.data.speech.manifest import write_manifest

    if name == "espeak":
        found = timed(_spoken(output, utterances), ends, output)
    elif source is None:
        raise ConfigError(
            f"the folder of {name} is missing. Expected --source. Received none."
        )
    elif name == "connected_digits":
        from tools.prepare.connected import connected_digits

        if ends != _AS_THEY_ARE:
            raise ConfigError(
                "connected_digits are joined as the other recogniser hears them."
                f" Expected no --trim-silence and no --fade. Received {ends.trim_db}"
                f" and {ends.fade_ms}."
            )
        found = list(connected_digits(source, output))
    else:
        found = timed(_FIND[name](source, accents), ends, output)
    path = output / "manifest.jsonl"
    write_manifest(path, found)
    counts = Counter(utterance.split for utterance in found)
    for split, count in counts.items():
        print_to_terminal(f"{split}: {count:,} utterances")
    return _section(name, path, found, counts)


def _section(
    name: str, path: Path, found: list["Utterance"], counts: Counter[str]
) -> dict[str, str]:
    """What to write into a configuration; split names are those of the manifest."""
    parts = {
        key: [split for split in counts if split.startswith(start)]
        for key, start in {
            "train": "train",
            "validation": "val",
            "test": "test",
        }.items()
    }
    parts["validation"] += [split for split in counts if split.startswith("dev")]
    section = {"kind": "speech_manifest", "manifest": str(path)}
    for key, names in parts.items():
        if names or key == "test":
            section[key] = f"[{', '.join(names)}]" if names else "null"
    if all(utterance.dialect is None for utterance in found):
        section["variety"] = "lang"
    if name in _RATES:
        section["sample_rate"], section["mel_bins"] = str(_RATES[name]), "40"
    section["buckets"] = "[{frames: 400, units: 60}, {frames: 1700, units: 320}]"
    return section


def _spoken(output: Path, utterances: int) -> list["Utterance"]:
    from rich.progress import Progress

    from trainers.data.speech.published.espeak import VOICES
    from trainers.data.speech.published.espeak import speak

    with Progress() as progress:
        bar = progress.add_task("eSpeak NG", total=utterances * len(VOICES))
        entries = speak(output, utterances, progress=lambda: progress.advance(bar))
    print_to_terminal(
        "eSpeak NG makes formant speech: nobody has said this, and figures on it say"
        " nothing about recordings of people."
    )
    return entries


def _librispeech(source: Path, _: Path | None) -> list["Utterance"]:
    from trainers.data.speech.published.librispeech import SIZES
    from trainers.data.speech.published.librispeech import librispeech

    found = librispeech(source)
    for split, count in Counter(utterance.split for utterance in found).items():
        if count != SIZES[split]:
            print_to_terminal(
                f"{split} is not whole: {count:,} of {SIZES[split]:,} utterances"
            )
    return found


def _common_voice(source: Path, accents: Path | None) -> list["Utterance"]:
    from trainers.data.speech.published.common_voice import common_voice
    from trainers.data.speech.published.common_voice import read_accents

    found = common_voice(source, None if accents is None else read_accents(accents))
    for accent, count in found.unknown_accents.most_common(_SHOWN):
        print_to_terminal(f"left out, not in --accents: {accent!r}, {count:,} times")
    if found.in_several_splits:
        print_to_terminal(
            f"left out, of speakers who are held out: {found.in_several_splits:,}"
        )
    return found.utterances


def _speech_commands(source: Path, _: Path | None) -> list["Utterance"]:
    from trainers.data.speech.published.speech_commands import speech_commands

    return speech_commands(source)


def _fsdd(source: Path, _: Path | None) -> Iterator["Utterance"]:
    from trainers.data.speech.config import ACCENTS
    from trainers.data.speech.digit_clips import english_clips

    return (clip.utterance for clip in english_clips(source, ACCENTS))


def _arabic_digits(source: Path, _: Path | None) -> Iterator["Utterance"]:
    from trainers.data.speech.digit_clips import arabic_clips

    return (clip.utterance for clip in arabic_clips(source))


_FIND = {
    "librispeech": _librispeech,
    "common_voice": _common_voice,
    "speech_commands": _speech_commands,
    "fsdd": _fsdd,
    "arabic_digits": _arabic_digits,
}
