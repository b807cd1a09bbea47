"""What a synthesiser's encodings of text tell of speaker and language: a fresh probe.

An adversary in training says little of itself: it is fought against. A classifier that
is trained afterwards, on encodings that no longer change, says what is left in them.
"""

from collections.abc import Iterator
from typing import Any
from typing import NamedTuple

import numpy as np
from sklearn.linear_model import LogisticRegression

from tfmodels.errors import ConfigError
from tfmodels.errors import DataError
from tfmodels.text.symbols import END
from trainers.runs import Run
from trainers.tasks.speech_synthesis import SpeechSynthesis

_MOST = 20_000
"""Symbols that a probe learns from."""


class Probe(NamedTuple):
    """How often a probe is right about held-out symbols."""

    accuracy: float
    chance: float
    """Of who always says what is most frequent."""
    symbols: int
    """How many it was asked about."""


def probe(run: Run, split: str = "test") -> dict[str, Probe]:
    """Trains logistic regressions on encodings of the training split.

    ``language`` is asked of symbols that several languages have, and no others: which
    language an unshared symbol is of is no secret. ``speaker`` is asked of all. Texts
    say nothing of their speaker but for the language, of which each is learned: more
    than ``1 / n`` of n speakers of a language cannot be right, but by memory of texts.

    Args:
      run: of the task speech_synthesis.
      split: what it is asked about, of pairs that training has.

    Raises:
      ConfigError: the run is of another task, or has no such split.
      DataError: the languages share no symbol.
    """
    task: Any = run.task
    if not isinstance(task, SpeechSynthesis) or split not in task.splits:
        raise ConfigError(
            f"{run.folder.path} cannot be probed. Expected a run of task.kind:"
            f" speech_synthesis with the split {split}. Received task.kind:"
            f" {run.experiment.task.kind} with {', '.join(run.task.splits)}."
        )
    learned = [np.concatenate(part) for part in zip(*_rows(run, "train"), strict=True)]
    asked = [np.concatenate(part) for part in zip(*_rows(run, split), strict=True)]
    pairs = {(s, k) for s, k in zip(learned[2], learned[3], strict=True)}
    seen = [(s, k) in pairs for s, k in zip(asked[2], asked[3], strict=True)]
    asked = [part[np.array(seen)] for part in asked]
    of_language = [set(learned[1][learned[3] == k]) for k in np.unique(learned[3])]
    count = sum((np.isin(learned[1], list(each)) for each in of_language), 0)
    is_shared = {s for s in np.unique(learned[1][count > 1]) if s > END}
    if not is_shared:
        raise DataError(
            "the languages share no symbol. Expected some that two of them have."
            f" Received {len(of_language)} languages apart; a probe would tell nothing."
        )
    shared = list(is_shared)
    chosen = {"speaker": (learned, asked, 2)}
    chosen["language"] = (
        [part[np.isin(learned[1], shared)] for part in learned],
        [part[np.isin(asked[1], shared)] for part in asked],
        3,
    )
    return {name: _probed(*each) for name, each in chosen.items()}


def _probed(learned: list[np.ndarray], asked: list[np.ndarray], label: int) -> Probe:
    step = -(-len(learned[0]) // _MOST)
    mean, deviation = learned[0].mean(0), learned[0].std(0) + 1e-6
    model = LogisticRegression(max_iter=300)
    model.fit((learned[0][::step] - mean) / deviation, learned[label][::step])
    found = model.predict((asked[0] - mean) / deviation) == asked[label]
    often = np.bincount(asked[label]).max() / len(asked[label])
    return Probe(float(np.mean(found)), float(often), len(found))


def _rows(run: Run, split: str) -> Iterator[tuple[np.ndarray, ...]]:
    """Encodings, symbols, speakers and languages of the symbols of each batch."""
    task: Any = run.task
    model: Any = run.model
    batches = task.dataset(split)
    if split == "train":
        batches = batches.take(task.steps_per_epoch)
    for batch in batches:
        encodings, mask = model.encoder.run(task.source(batch))
        there = (mask.numpy()[..., 0] * batch["weight"].numpy()[:, None]) > 0
        count = there.shape[1]
        labels = [
            np.repeat(np.argmax(batch[name], -1)[:, None], count, 1)[there]
            for name in ("speaker", "language")
        ]
        symbols = batch["symbols"].numpy()[there]
        yield encodings.numpy()[there], symbols, *labels
