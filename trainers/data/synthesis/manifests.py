"""What manifests of synthesis list: lines of JSON, or fields between bars."""

from pathlib import Path
from typing import Any

from tfmodels.errors import DataError
from trainers.data.parallel.files import Report
from trainers.data.parallel.files import fail
from trainers.data.speech.manifest import Utterance
from trainers.data.speech.manifest import read_manifest

_SHORT, _LONG = 4, 8


def read_manifests(config: Any, report: Report = fail) -> dict[str, list[Utterance]]:
    """The utterances of each configured split.

    Args:
      config: a `SynthesisManifestData`.
      report: takes what is wrong with a line, which is then passed over; by default
        that is raised.

    Raises:
      DataError: a manifest cannot be read, or a split is empty.
    """
    entries = [
        entry for path in config.manifests for entry in read_any(Path(path), report)
    ]
    splits = {}
    for split in ("train", *config.held_out_splits()):
        names = getattr(config, split)
        splits[split] = [entry for entry in entries if entry.split in names]
        if not splits[split]:
            found = ", ".join(sorted({entry.split for entry in entries})) or "none"
            raise DataError(
                f"the split {split} is empty. Expected utterances of"
                f" {', '.join(names)} in {', '.join(config.manifests)}. Received the"
                f" splits {found}; correct data.{split}."
            )
    return splits


def read_any(path: Path, report: Report = fail) -> list[Utterance]:
    """All utterances of a manifest of any form, in their order.

    Lines between bars are ``wav|text|speaker|language``, or
    ``id|speaker|language|wav|spec|linear|text|phonemes``, of which each character of
    the last field is a phoneme. Their split is what the file is called.

    Raises:
      DataError: the file cannot be read, or a line is damaged and nobody takes reports.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"cannot read the manifest {path}. Expected a UTF-8 file with a line for"
            f" each utterance. Received: {error}; correct data.manifests."
        ) from None
    if text.lstrip().startswith("{"):
        return read_manifest(path, report)
    utterances = []
    for number, line in enumerate(text.splitlines(), 1):
        fields = line.split("|")
        if len(fields) not in (_SHORT, _LONG):
            report(
                f"line {number:,} of {path} is damaged. Expected a JSON object, or"
                f" {_SHORT} or {_LONG} fields between bars. Received {len(fields)} in"
                f" {line[:70]!r}; correct it, or remove the line."
            )
            continue
        phonemes = None
        if len(fields) == _SHORT:
            audio, words, speaker, language = fields
            name = f"{path.stem}-{number}"
        else:
            name, speaker, language, audio, _, _, words, spoken = fields
            phonemes = tuple(spoken) or None
        utterances.append(
            Utterance(
                utt=name,
                audio=str(path.parent / audio),
                text=words,
                split=path.stem,
                lang=language,
                speaker=speaker,
                phonemes=phonemes,
            )
        )
    return utterances
