"""The vocabulary of an experiment: read from its file, or learned and written there."""

import json
from collections.abc import Iterable
from collections.abc import Iterator
from pathlib import Path
from unicodedata import normalize

from tfmodels.errors import DataError
from tfmodels.text.learning import count_words
from tfmodels.text.learning import learn_vocabulary
from tfmodels.text.vocabulary import Vocabulary
from trainers.data.parallel.config import ParallelData
from trainers.files import write_atomically


def open_vocabulary(
    config: ParallelData,
    languages: tuple[str, ...],
    training: Iterable[tuple[str, str]],
    write: bool = True,
) -> Vocabulary:
    """Reads the file that is configured, or learns what is to be there.

    Args:
      config: the section `data`.
      languages: target languages of the training text that need a token.
      training: its pairs; looked at only if there is no file.
      write: whether a learned vocabulary is written.

    Raises:
      ConfigError: the size has no room for the characters.
      DataError: the file is damaged, or of another kind or other languages.
    """
    path = None if config.vocabulary is None else Path(config.vocabulary)
    if path is not None and path.exists():
        vocabulary = read_vocabulary(path)
        expected = (config.segmentation, languages)
        if (vocabulary.kind, vocabulary.languages) != expected:
            raise DataError(
                f"the vocabulary {path} is of other data. Expected the kind"
                f" {config.segmentation} and the languages {list(languages)}. Received"
                f" {vocabulary.kind} and {list(vocabulary.languages)}; correct"
                " data.vocabulary, or remove the file to have it learned anew."
            )
        return vocabulary
    vocabulary = learn_vocabulary(
        count_words(_sides(training)),
        config.vocabulary_size,
        kind=config.segmentation,
        criterion=config.criterion,
        max_alphabet=config.alphabet,
        languages=languages,
    )
    if path is not None and write:
        write_vocabulary(path, vocabulary)
    return vocabulary


def read_vocabulary(path: Path) -> Vocabulary:
    """Reads what `write_vocabulary` wrote.

    Raises:
      DataError: the file is not there or damaged.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"cannot read the vocabulary {path}: {error}. Expected JSON with the keys"
            " kind, languages and pieces; correct data.vocabulary, or remove the file"
            " to have it learned anew."
        ) from None
    return Vocabulary.from_plain(values if isinstance(values, dict) else {})


def write_vocabulary(path: Path, vocabulary: Vocabulary) -> None:
    """Writes JSON with one piece in each line.

    Raises:
      DataError: the folder cannot be written.
    """
    text = json.dumps(vocabulary.plain(), ensure_ascii=False, indent=0)
    write_atomically(path, f"{text}\n")


def _sides(pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    for pair in pairs:
        for text in pair:
            yield normalize("NFC", text)
