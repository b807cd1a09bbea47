"""Translations that are given, in part or whole, and models that translate together."""

from pathlib import Path
from typing import Any
from typing import NamedTuple

import numpy as np
import pytest
import tensorflow as tf

from tests.trainers.small import SORT
from tests.trainers.translating import numbers
from tests.trainers.translating import write_run
from tfmodels.errors import ConfigError
from tfmodels.errors import DataError
from tools.predict import predict_command
from trainers.configuration import read_yaml
from trainers.experiment import Experiment
from trainers.runs import RunFolder
from trainers.runs import load_run
from trainers.stages import open_task


class Runs(NamedTuple):
    """Two runs with weights of their own."""

    folders: tuple[Path, Path]
    models: tuple[Any, Any]


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Runs:
    root = tmp_path_factory.mktemp("runs")
    experiments = numbers(), numbers(model={"wiring": "gnmt_v2", "hidden_dim": 8})
    folders = root / "first", root / "second"
    models = (write_run(folders[n], experiments[n], n) for n in (0, 1))
    return Runs(folders, tuple(models))


def task_of(**settings: Any) -> Any:
    experiment = numbers(task=settings)
    return open_task(experiment, experiment.data)


def told(models: Any, source: list[int], ids: list[int]) -> tuple[Any, Any]:
    """Mean probabilities of what follows each token, and mean attention."""
    inputs = {"source": np.array([source]), "target": np.array([[1, *ids[:-1]]])}
    made = [model(inputs) for model in models]
    probs = np.mean([tf.nn.softmax(each["logits"][0]) for each in made], axis=0)
    return probs, np.mean([each["attention"][0] for each in made], axis=0)


def test_a_translation_that_is_given_has_the_price_of_its_tokens(runs):
    """Of two models the price of the mean probability (arXiv 1609.08144, section 8)."""
    _, second = runs.folders
    task = task_of(target="vierzig", ensemble=[str(second)])
    (answer,) = task.predict(runs.models[0], "forty")
    assert answer.text == "vierzig"
    source = task._source.encode("forty")
    ids = task._source.encode_target("vierzig")
    assert ids[-1] == source[-1] == 2
    probs, attention = told(runs.models, source, ids)
    price = np.log(probs[np.arange(len(ids)), ids]).sum()
    assert answer.log_prob == pytest.approx(price, rel=1e-5)
    covered = np.log(np.minimum(attention.sum(axis=0), 1)).sum()
    score = price / ((5 + len(ids)) / 6) ** 0.2 + 0.2 * covered
    assert answer.score == pytest.approx(score, rel=1e-5)
    names = task.vocabulary.names
    seen = [names[source[place]] for place in attention.argmax(axis=1)]
    pieces = [names[number] for number in ids]
    assert list(answer.alignment) == list(zip(pieces, seen, strict=True))[:-1]
    # So are whole targets, of which perplexities are made.
    inputs = {"source": np.array([source]), "target": np.array([[1, *ids[:-1]]])}
    logits = task._together(runs.models[0])(inputs, training=False)["logits"]
    np.testing.assert_allclose(logits[0], np.log(probs), atol=1e-5)
    alone, _ = told(runs.models[:1], source, ids)
    assert np.abs(alone - probs).max() > 1e-3


@pytest.mark.slow
def test_translations_begin_as_they_are_told_to(runs):
    task = task_of(prefix="vier")
    answers = task.predict(runs.models[0], "forty")
    assert all(answer.text.startswith("vier") for answer in answers)
    ids = task._source.encode_target(answers[0].text)
    if len(ids) == len(answers[0].alignment) + 1:
        probs, _ = told(runs.models[:1], task._source.encode("forty"), ids)
        price = np.log(probs[np.arange(len(ids)), ids]).sum()
        assert answers[0].log_prob == pytest.approx(price, rel=1e-5)
    for key in ("prefix", "target"):
        with pytest.raises(DataError, match=r"at most 14 pieces.* 101;.*task.prefix"):
            task_of(**{key: "\u2603" * 33}).predict(runs.models[0], "six")
    with pytest.raises(ConfigError, match="one of the keys prefix and target"):
        task_of(prefix="a", target="b")


def test_the_command_takes_any_text(monkeypatch):
    changes = []

    class Found:
        def predict(self, model, source):
            return self

        def table(self, count):
            return f"table of {count}"

    def opened(folder, overrides):
        changes.extend(overrides)
        return type("Run", (), {"task": Found(), "model": None})

    monkeypatch.setattr("trainers.runs.load_run", opened)
    text = 'ja: "so" # {x} \u00fc'
    predict_command(Path("r"), ["a"], target=text, ensemble=["b", "c"])
    experiment = numbers().plain()
    read = {
        key: read_yaml(f"value: {value}", "override")["value"]
        for key, _, value in (change.partition("=") for change in changes)
    }
    assert read == {"task.target": text, "task.ensemble": ["b", "c"]}
    assert "target" in experiment["task"]


def test_runs_that_do_not_go_together(runs, tmp_path):
    other = tmp_path / "other"
    write_run(other, numbers(data={"train_examples": 250}), 0)
    with pytest.raises(ConfigError, match=r"other has another vocabulary.*300.*300"):
        task_of(ensemble=[str(other)])
    with pytest.raises(DataError, match=r"task.ensemble: .*nowhere holds no run"):
        task_of(ensemble=[str(tmp_path / "nowhere")])
    RunFolder(tmp_path).claim(Experiment.parse(read_yaml(SORT, "sort")))
    with pytest.raises(ConfigError, match=r"does not translate.* language_modeling"):
        task_of(ensemble=[str(tmp_path)])


def test_the_vocabulary_of_another_model(runs):
    """Of the same size and kind; its pieces have other ids."""
    first, _ = runs.folders
    assert load_run(first).task.vocabulary.size == 300
    with pytest.raises(DataError, match="first was trained with another vocabulary"):
        load_run(first, ["data.train_examples=250"])
