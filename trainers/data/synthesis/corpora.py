"""Published corpora of voices, as their files lie on disk."""

import hashlib
from collections.abc import Callable
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tfmodels.errors import DataError
from tfmodels.text.pinyin import check_tones
from trainers.data.speech.manifest import Utterance
from trainers.data.speech.recordings import read_sound
from trainers.data.speech.recordings import sounding

_HELD_OUT = {0: "validation", 1: "test"}
_PARTS = 50


def ljspeech(source: Path) -> Iterator[Utterance]:
    """LJSpeech 1.1 (public domain): one voice, ``metadata.csv`` and ``wavs/``.

    Raises:
      DataError: the table is missing or a line is damaged.
    """
    for number, line in _lines(source / "metadata.csv"):
        fields = line.split("|")
        if len(fields) != 3:
            raise _damaged(source / "metadata.csv", number, "id|text|normalised", line)
        name = fields[0]
        audio = source / "wavs" / f"{name}.wav"
        yield _utterance(name, audio, fields[2] or fields[1], "en-us", "LJ")


def css10(source: Path) -> Iterator[Utterance]:
    """CSS10 (public domain): a folder of each language, of one voice each.

    Raises:
      DataError: there is no such folder, or a line is damaged.
    """
    tables = sorted(source.glob("*/transcript.txt"))
    for table in tables or [source / "transcript.txt"]:
        language = table.parent.name
        for number, line in _lines(table):
            fields = line.split("|")
            if len(fields) != 4:
                raise _damaged(table, number, "path|text|normalised|seconds", line)
            name = f"{language}-{Path(fields[0]).stem}"
            audio = table.parent / fields[0]
            yield _utterance(name, audio, fields[2], language, language)


def vctk(source: Path) -> Iterator[Utterance]:
    """VCTK 0.92 (CC BY 4.0): 110 voices, the first microphone.

    Raises:
      DataError: there are no transcripts.
    """
    folder = source / "txt"
    for text in _files(folder, "p*/*.txt", "txt/p225/p225_001.txt"):
        speaker = text.parent.name
        audio = source / "wav48_silence_trimmed" / speaker / f"{text.stem}_mic1.flac"
        # Some voices have no second half of the recordings.
        if audio.exists():
            words = text.read_text(encoding="utf-8").strip()
            yield _utterance(text.stem, audio, words, "en", speaker)


def libritts(source: Path) -> Iterator[Utterance]:
    """LibriTTS and LibriTTS-R (CC BY 4.0): sets such as ``train-clean-100``.

    Raises:
      DataError: there are no transcripts.
    """
    example = "dev-clean/84/121123/84_121123_000007_000001.normalized.txt"
    for text in _files(source, "*/*/*/*.normalized.txt", example):
        name = text.name.removesuffix(".normalized.txt")
        part, speaker = text.parts[-4], text.parts[-3]
        words = text.read_text(encoding="utf-8").strip()
        audio = text.parent / f"{name}.wav"
        split = {"dev": "validation", "test": "test"}.get(part.split("-")[0], "train")
        yield replace(_utterance(name, audio, words, "en-us", speaker), split=split)


def aishell3(source: Path) -> Iterator[Utterance]:
    """AISHELL-3 (Apache 2.0): Mandarin, 218 voices, as pinyin with digits of tones.

    Raises:
      DataError: a table is missing, a line is damaged, or a syllable has no tone.
    """
    for part in ("train", "test"):
        table = source / part / "content.txt"
        for number, line in _lines(table):
            file, _, said = line.partition("\t")
            words = said.split()
            if not words or len(words) % 2:
                raise _damaged(table, number, "file<TAB>sign pinyin sign pinyin", line)
            text = " ".join(words[1::2])
            check_tones(text)
            name = Path(file).stem
            speaker = name[:7]
            audio = source / part / "wav" / speaker / file
            made = _utterance(name, audio, text, "cmn-latn-pinyin", speaker)
            yield replace(made, split=part) if part == "test" else made


CORPORA: dict[str, Callable[[Path], Iterator[Utterance]]] = {
    "ljspeech": ljspeech,
    "css10": css10,
    "vctk": vctk,
    "libritts": libritts,
    "aishell3": aishell3,
}


def without_silence(utterance: Utterance, decibel: float = 50.0) -> Utterance:
    """The part of a recording that sounds, with 50 ms around it.

    Args:
      utterance: with all of a recording.
      decibel: what is so far below the loudest 10 ms is silence.

    Raises:
      DataError: the recording cannot be read.
    """
    samples, rate = read_sound(Path(utterance.audio))
    first, last = sounding(samples, rate, decibel)
    return replace(
        utterance,
        offset_s=round(first / rate, 4),
        dur_s=round((last - first) / rate, 4),
    )


def _utterance(
    name: str, audio: Path, text: str, language: str, speaker: str
) -> Utterance:
    """Of a split that follows from its name: a fiftieth is for validation and test."""
    number = int(hashlib.sha256(name.encode()).hexdigest(), 16) % _PARTS
    split = _HELD_OUT.get(number, "train")
    return Utterance(name, str(audio), text, split, language, None, speaker)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"cannot read the table {path}. Expected a UTF-8 file of the corpus."
            f" Received: {error}; correct --source."
        ) from None
    return ((n, line) for n, line in enumerate(lines, 1) if line.strip())


def _files(folder: Path, pattern: str, example: str) -> list[Path]:
    found = sorted(folder.glob(pattern))
    if not found:
        raise DataError(
            f"{folder} is not the corpus. Expected files such as {example}. Received"
            " none; correct --source."
        )
    return found


def _damaged(path: Path, number: int, expected: str, received: str) -> DataError:
    return DataError(
        f"line {number:,} of {path} is damaged. Expected {expected}. Received"
        f" {received[:70]!r}; correct it, or remove the line."
    )
