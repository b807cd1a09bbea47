"""Speech Commands (CC BY 4.0): single English words, a folder for each."""

import hashlib
import re
from pathlib import Path

from tfmodels.errors import DataError
from trainers.data.speech.manifest import Utterance

_LISTS = {"validation": "validation_list.txt", "test": "testing_list.txt"}
_SPEAKER = re.compile(r"_nohash_.*$")
_MOST_FILES = 2**27 - 1
_VALIDATION_PERCENT, _TEST_PERCENT = 10.0, 10.0


def speech_commands(source: Path) -> list[Utterance]:
    """All words, in the order of their names; background noise is none.

    A speaker is in one split only: that of the lists of files where they are there,
    else the one that the data set's own rule computes of the speaker's name.

    Raises:
      DataError: there are no recordings.
    """
    lists = {split: _listed(source / name) for split, name in _LISTS.items()}
    have_lists = any(lists.values())
    utterances = []
    for path in sorted(source.glob("[!_]*/*.wav")):
        name = f"{path.parent.name}/{path.name}"
        speaker = _SPEAKER.sub("", path.stem)
        split = which_split(path.name)
        if have_lists:
            split = next((s for s, names in lists.items() if name in names), "train")
        utterances.append(
            Utterance(
                utt=name.removesuffix(".wav"),
                audio=str(path),
                text=path.parent.name,
                split=split,
                lang="en",
                speaker=speaker,
            )
        )
    if not utterances:
        raise DataError(
            f"{source} is not Speech Commands. Expected files such as"
            " yes/0a7c2a8d_nohash_0.wav. Received none; correct --source."
        )
    return utterances


def which_split(name: str) -> str:
    """The split of a file, as the data set's README computes it of its speaker."""
    speaker = _SPEAKER.sub("", Path(name).name)
    digest = int(hashlib.sha1(speaker.encode()).hexdigest(), 16)
    percent = digest % (_MOST_FILES + 1) * (100.0 / _MOST_FILES)
    if percent < _VALIDATION_PERCENT:
        return "validation"
    return "test" if percent < _VALIDATION_PERCENT + _TEST_PERCENT else "train"


def _listed(path: Path) -> set[str]:
    """Names in a list of files; none where it is not there."""
    if not path.exists():
        return set()
    return set(path.read_text(encoding="utf-8").split())
