"""The table of graphemes of an experiment: read from its file, or made and written."""

import json
from pathlib import Path

from tfmodels.errors import DataError
from tfmodels.text.graphemes import Graphemes
from tfmodels.text.graphemes import Variety
from tfmodels.text.graphemes import build_graphemes
from tfmodels.text.graphemes import normalized
from trainers.data.speech.config import SpeechData
from trainers.data.speech.corpus import Spoken
from trainers.files import write_atomically


def open_graphemes(
    config: SpeechData,
    training: tuple[Spoken, ...],
    names: tuple[str, ...] | None,
    write: bool = True,
) -> Graphemes:
    """Reads the configured file, or makes what is to be there.

    Args:
      config: the section `data`.
      training: the utterances whose characters a new table has.
      names: all varieties; those of the training utterances, sorted, when None.
      write: whether a new table is written.

    Raises:
      DataError: the file is damaged or of other varieties, or a variety is of two
        languages.
    """
    languages: dict[str, str] = {}
    for each in training:
        if languages.setdefault(each.variety, each.language) != each.language:
            raise DataError(
                f"the variety {each.variety} is of two languages. Expected each to be"
                f" of one. Received {languages[each.variety]}, and {each.language} in"
                f" {each.name}; correct the manifest."
            )
    lower = {n: languages.get(n, n) not in config.keep_case for n in names or languages}
    varieties = tuple(
        Variety(name, languages.get(name, name), lower[name])
        for name in names or sorted(languages)
    )
    path = None if config.graphemes is None else Path(config.graphemes)
    if path is not None and path.exists():
        graphemes = read_graphemes(path)
        _check_varieties(path, graphemes, varieties)
        _check_pieces(path, graphemes, config.pieces)
        return graphemes
    texts = (
        (each.language, normalized(each.text, each.language not in config.keep_case))
        for each in training
    )
    graphemes = build_graphemes(varieties, texts, config.pieces)
    if path is not None and write:
        text = json.dumps(graphemes.plain(), ensure_ascii=False, indent=1)
        write_atomically(path, f"{text}\n")
    return graphemes


def read_graphemes(path: Path) -> Graphemes:
    """Reads what `open_graphemes` wrote.

    Raises:
      DataError: the file is not there or damaged.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"cannot read the table of graphemes {path}: {error}. Expected JSON with"
            " varieties and alphabets; correct data.graphemes, or remove the file to"
            " have it made anew."
        ) from None
    return Graphemes.from_plain(values if isinstance(values, dict) else {})


def _check_varieties(
    path: Path, graphemes: Graphemes, varieties: tuple[Variety, ...]
) -> None:
    if graphemes.varieties != varieties:
        raise DataError(
            f"the table of graphemes {path} is of other data. Expected the varieties"
            f" {[v.name for v in varieties]} in this order, of the same languages and"
            f" case. Received {[v.name for v in graphemes.varieties]}; correct"
            " data.graphemes or data.varieties, or remove the file to have it made"
            " anew."
        )


def _check_pieces(path: Path, graphemes: Graphemes, wanted: int) -> None:
    number = len(graphemes.pieces)
    # There are fewer where no more could be learned.
    if number > wanted or (wanted and not number):
        raise DataError(
            f"the table of graphemes {path} has other units. Expected at most"
            f" data.pieces: {wanted} pieces of words. Received {number}; correct"
            " data.pieces, or remove the file to have it made anew."
        )
