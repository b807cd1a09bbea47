"""LibriSpeech (CC BY 4.0): read English, in folders of speakers and chapters."""

from pathlib import Path

from tfmodels.errors import DataError
from trainers.data.speech.manifest import Utterance

SIZES = {
    "train-clean-100": 28_539,
    "train-clean-360": 104_014,
    "train-other-500": 148_688,
    "dev-clean": 2703,
    "dev-other": 2864,
    "test-clean": 2620,
    "test-other": 2939,
}
"""Utterances of each part, as published."""


def librispeech(source: Path) -> list[Utterance]:
    """All utterances of the parts that are there, in the order of their names.

    Args:
      source: the folder ``LibriSpeech``, or the one that it is in.

    Raises:
      DataError: there is no part; or a transcript has no recording, or a recording no
        transcript.
    """
    folder = source / "LibriSpeech" if (source / "LibriSpeech").is_dir() else source
    utterances = []
    for part in SIZES:
        for chapter in sorted((folder / part).glob("*/*/")):
            utterances += _chapter(part, chapter)
    if not utterances:
        raise DataError(
            f"{source} is not LibriSpeech. Expected folders such as"
            " LibriSpeech/dev-clean/84/121123 with recordings and a transcript."
            " Received none; correct --source."
        )
    return utterances


def _chapter(part: str, folder: Path) -> list[Utterance]:
    speaker, chapter = folder.parent.name, folder.name
    table = folder / f"{speaker}-{chapter}.trans.txt"
    try:
        lines = table.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"cannot read the transcripts {table}. Expected a name and a text in each"
            f" line. Received: {error}."
        ) from None
    texts = dict(line.split(" ", 1) for line in lines if " " in line)
    recordings = {path.stem for path in folder.glob("*.flac")}
    odd = sorted(texts.keys() ^ recordings)
    if odd:
        raise DataError(
            f"{folder} is not whole. Expected a recording for each transcript and the"
            f" other way round. Received {odd[0]} with only one of them"
            f"{', and others' if odd[1:] else ''}; unpack the archive anew."
        )
    return [
        Utterance(
            utt=name,
            audio=str(folder / f"{name}.flac"),
            text=text,
            split=part,
            lang="en",
            speaker=speaker,
        )
        for name, text in sorted(texts.items())
    ]
