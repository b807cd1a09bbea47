"""Back-off language models in the ARPA form."""

import math
from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path

from tfmodels.errors import DataError
from tfmodels.lattices.language_model import BEGIN
from tfmodels.lattices.language_model import END
from tfmodels.lattices.language_model import BackoffModel
from trainers.data.kaldi.lines import Line
from trainers.data.kaldi.lines import filled_lines
from trainers.data.kaldi.lines import write_lines

_LOG_10 = math.log(10)
_MARKS = {"<s>": BEGIN, "</s>": END}


def read_arpa(path: Path, words: Sequence[str]) -> BackoffModel:
    """A model over the words of a table.

    N-grams with a word that the table does not have are left out, as nothing could
    recognise them.

    Args:
      path: the file.
      words: name of each number, as `read_symbols` returns them.

    Raises:
      DataError: a line is damaged, or sections and their sizes differ.
    """
    numbers = {name: number for number, name in enumerate(words) if number} | _MARKS
    log_probs: dict[tuple[int, ...], float] = {}
    backoffs: dict[tuple[int, ...], float] = {}
    expected: dict[int, int] = {}
    found: dict[int, int] = {}
    order = 0
    for line in _between_marks(path):
        if line.text.startswith("ngram "):
            size, count = line.integers(line.text[len("ngram ") :].split("="))
            expected[size], found[size] = count, 0
        elif line.text.startswith("\\"):
            order = _section(line, expected)
        else:
            found[order] = found.get(order, 0) + 1
            gram, log_prob, backoff = _entry(line, order)
            if all(name in numbers for name in gram):
                key = tuple(numbers[name] for name in gram)
                log_probs[key] = log_prob
                if backoff:
                    backoffs[key] = backoff
    if found != expected or not log_probs:
        raise DataError(
            f"{path} is incomplete. Expected n-grams as announced, {expected};"
            f" received {found}, {len(log_probs)} of them of known words."
        )
    return BackoffModel(log_probs, backoffs)


def write_arpa(path: Path, model: BackoffModel, words: Sequence[str]) -> None:
    """Writes a model with the names of its words."""
    write_lines(path, _lines(model, dict(enumerate(words)) | _NAMES))


_NAMES = {number: name for name, number in _MARKS.items()}


def _lines(model: BackoffModel, names: dict[int, str]) -> Iterator[str]:
    # The start and other histories have a line though nothing predicts them.
    grams = set(model.log_probs) | {gram for gram in model.backoffs if gram}
    order = max(map(len, grams))
    sections = {
        size: sorted(gram for gram in grams if len(gram) == size)
        for size in range(1, order + 1)
    }
    yield "\\data\\"
    yield from (f"ngram {size}={len(found)}" for size, found in sections.items())
    for size, found in sections.items():
        yield f"\n\\{size}-grams:"
        for gram in found:
            log_prob = model.log_probs.get(gram, -99 * _LOG_10) / _LOG_10
            parts = [f"{log_prob:.9g}", " ".join(names[word] for word in gram)]
            if gram in model.backoffs:
                parts.append(f"{model.backoffs[gram] / _LOG_10:.9g}")
            yield "\t".join(parts)
    yield "\n\\end\\"


def _between_marks(path: Path) -> Iterator[Line]:
    r"""The lines after ``\data\`` and before ``\end\``."""
    lines = filled_lines(path)
    for line in lines:
        if line.text.strip() == "\\data\\":
            break
    else:
        raise Line(path, 1, "").error("\\data\\ in some line")
    for line in lines:
        if line.text.strip() == "\\end\\":
            return
        yield line
    raise line.error("\\end\\ after the last n-gram")


def _section(line: Line, expected: dict[int, int]) -> int:
    text = line.text.strip().removeprefix("\\").removesuffix("-grams:")
    (order,) = line.integers([text])
    if order not in expected:
        raise line.error("a size that was announced")
    return order


def _entry(line: Line, order: int) -> tuple[list[str], float, float]:
    """Words, natural log of the probability and of the back-off weight."""
    fields = line.fields
    if not order or not order + 1 <= len(fields) <= order + 2:
        raise line.error(f"log10 probability, {order} words [, log10 weight]")
    log_prob, *backoff = line.numbers([fields[0], *fields[order + 1 :]])
    weight = backoff[0] if backoff else 0.0
    return fields[1 : order + 1], log_prob * _LOG_10, weight * _LOG_10
