"""What answers cost, by hand."""

from types import SimpleNamespace
from typing import Any

import pytest
import tensorflow as tf

from tests.tfmodels.metrics.test_words import ascii_table
from tests.tfmodels.metrics.test_words import spelled
from tfmodels.errors import ConfigError
from tfmodels.metrics.words import WordTable
from trainers.objectives.minimum_word_error.config import MinimumWordErrorConfig
from trainers.objectives.minimum_word_error.objective import MinimumWordError
from trainers.objectives.minimum_word_error.risks import risk_called

SAID = spelled(["fly to perris", "now", "one", "one"], 14)
WRITTEN = spelled(["fly to paris now", "fly to paris", "one", ""], 17)


def length_difference(
    answers: tf.Tensor, references: tf.Tensor, table: WordTable
) -> tf.Tensor:
    counts = [
        tf.math.count_nonzero(ids, axis=1, dtype=tf.float32)
        for ids in (answers, references)
    ]
    return tf.abs(counts[0] - counts[1])


@pytest.mark.parametrize(
    ("name", "weights", "expected"),
    [
        ("words", {}, [2, 3, 0, 1]),
        ("normalized_words", {}, [2 / 4, 3 / 3, 0, 1]),
        # A wrong name costs five words, wherever it is; a right one nothing.
        ("words", {"paris": 5.0, "one": 2.0}, [6, 7, 0, 2]),
        ("normalized_words", {"paris": 5.0}, [6 / 4, 7 / 3, 0, 1]),
        ("characters", {}, [6, 11, 0, 3]),
        (f"{__name__}.length_difference", {}, [3, 9, 0, 3]),
    ],
)
def test_costs(name: str, weights: dict[str, float], expected: list[float]) -> None:
    spelled_weights = {tuple(map(ord, word)): cost for word, cost in weights.items()}
    risk = risk_called(name, spelled_weights)
    found = risk(SAID, WRITTEN, ascii_table()).numpy().tolist()
    assert found == pytest.approx(expected)


def task(**values: Any) -> Any:
    given = {"words": ascii_table(), "source": dict, "language_models": None}
    return SimpleNamespace(**{**given, **values})


@pytest.mark.parametrize(
    ("values", "given", "message"),
    [
        ({"risk": "no.such"}, task(), r"objective\.risk: cannot be imported"),
        ({"risk": "wer"}, task(), r"objective\.risk: cannot be imported"),
        ({}, SimpleNamespace(), "the task knows no words"),
        ({"word_weights": {"a": 2.0}}, task(), "how words are written"),
        ({"word_weights": {"a b": 2.0}}, task(units=lambda t: [*map(ord, t)]), "a b"),
        ({"language_weight": 0.3}, task(), "there is no language model"),
    ],
)
def test_what_a_task_does_not_have(values: Any, given: Any, message: str) -> None:
    config = MinimumWordErrorConfig.parse(values)
    with pytest.raises(ConfigError, match=message):
        MinimumWordError(config, given)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"answers": "samples", "posterior_scale": 0.5}, "posterior_scale belongs to"),
        ({"answers": "samples", "num_answers": 1}, "num_answers of at least 2"),
        ({"unbiased_mean": True}, "answers: samples with baseline: mean"),
        ({"risk": "characters", "word_weights": {"a": 2.0}}, "word_weights belong to"),
        ({"word_weights": {"a": -1.0}}, "word_weights of 0 or more"),
    ],
)
def test_settings_that_do_not_go_together(values: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        MinimumWordErrorConfig.parse(values)
