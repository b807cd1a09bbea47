"""The task of language modelling: runs from a configuration, figures, predictions."""

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

import trainers
from tests.trainers.small import SORT
from tfmodels.errors import ConfigError
from tfmodels.errors import DataError
from trainers.catalog import implementation
from trainers.configuration import load_experiment
from trainers.configuration import read_yaml
from trainers.experiment import Experiment
from trainers.runs import load_run
from trainers.stages import open_task


def task_of(experiment):
    return open_task(experiment, experiment.data)


@pytest.fixture
def metrics(sorting_run):
    """The final figures of the run."""
    return json.loads((sorting_run / "metrics.json").read_text())


def test_it_learns_to_sort(metrics):
    # Guessing gives 0.25 of the tokens and 0.02 of the sequences.
    assert metrics["test/token_accuracy"] > 0.95
    assert metrics["test/sequence_accuracy"] > 0.9
    expected = np.exp(metrics["test/cross_entropy"])
    assert metrics["test/perplexity"] == pytest.approx(expected, rel=1e-5)
    assert "test/nats_per_character" not in metrics


def test_figures_of_training_and_pictures(sorting_run):
    lines = (sorting_run / "metrics.jsonl").read_text().splitlines()
    history = [line for line in map(json.loads, lines) if "train/loss" in line]
    losses = [line["train/loss"] for line in history]
    assert losses[-1] < 0.5 * losses[0]
    assert {"train/token_accuracy", "train/sequence_accuracy"} <= set(history[-1])
    names = {path.name for path in (sorting_run / "pictures").iterdir()}
    assert {"test_predictions.png", "train_sequences.png"} <= names


def test_predictions_are_sorted(sorting_run):
    run = load_run(sorting_run)
    answers = {text: run.task.predict(run.model, text) for text in ("3 0 1", "2 2 0")}
    assert answers == {"3 0 1": "0 1 3", "2 2 0": "0 2 2"}
    with pytest.raises(DataError, match="Expected 3 numbers from 0 to 3"):
        run.task.predict(run.model, "3 0 9")


def test_evaluating_again_gives_the_same(sorting_run, metrics, tmp_path):
    copy = shutil.copytree(sorting_run, tmp_path / "run")
    assert trainers.evaluate(copy) == pytest.approx(metrics)


@pytest.fixture
def on_text(tmp_path):
    """An experiment on the text ``abcdefgh`` over and over, and one of umlauts."""
    (tmp_path / "train.txt").write_text("abcdefgh" * 40)
    (tmp_path / "test.txt").write_text("äö" * 20)
    values = read_yaml(SORT, "SORT")
    values["model"] |= {"vocabulary_size": 256, "max_length": 12}
    values["data"] = {
        "kind": "text",
        "batch_size": 8,
        "train": str(tmp_path / "train.txt"),
        "test": str(tmp_path / "test.txt"),
    }
    return Experiment.parse(values)


def test_nats_per_character_divide_by_characters(on_text):
    task = task_of(on_text)
    assert task.splits == ("train", "test")
    totals = {}
    for batch in task.dataset("test"):
        outputs = {"logits": tf.zeros([*batch["label"].shape, 256])}
        for name, ratio in task.metrics(outputs, batch).items():
            totals.setdefault(name, []).append([float(part) for part in ratio])
    totals = {name: np.sum(parts, axis=0) for name, parts in totals.items()}
    report = task.report(totals)
    # 79 bytes are predicted, each at log 256 nats; 39 of them begin a character.
    assert report["nats_per_character"] == pytest.approx(79 / 39 * np.log(256))
    assert report["nats_per_token"] == pytest.approx(np.log(256))
    assert report["perplexity"] == pytest.approx(256)


def test_a_text_is_continued_with_the_most_probable_bytes(on_text):
    task = task_of(on_text)

    class Alphabet:
        """After each letter the next one, and after h an a."""

        def __call__(self, tokens, training):
            following = (tokens - ord("a") + 1) % 8 + ord("a")
            return {"logits": tf.one_hot(following, 256)}

    assert task.predict(Alphabet(), "abc") == "defgha"
    assert task.predict(Alphabet(), "a long text that ends with c") == "defgha"
    with pytest.raises(DataError, match="empty text"):
        task.predict(Alphabet(), "")


def test_the_model_is_built_in_the_precision_of_the_run(on_text):
    run = on_text.run.model_copy(update={"precision": "mixed_bfloat16"})
    model = task_of(on_text.model_copy(update={"run": run})).build_model()
    assert model.get_layer("block1_attention_query").compute_dtype == "bfloat16"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["model.vocabulary_size=7"], r"model\.vocabulary_size: .* Expected 6"),
        (["data.length=4"], r"model\.max_length: .* Expected 9; received 7"),
    ],
)
def test_model_and_data_must_fit(tmp_path, changes, message):
    (tmp_path / "sort.yaml").write_text(SORT)
    experiment = load_experiment(tmp_path / "sort.yaml", changes)
    with pytest.raises(ConfigError, match=message):
        task_of(experiment)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("model={kind: googlenet}", "model does not suit the task language_modeling"),
        ("data={kind: digits, batch_size: 8}", "data do not suit the task"),
        ("task={kind: image_classification}", "model does not suit the task image"),
    ],
)
def test_the_parts_of_an_experiment_must_suit_each_other(tmp_path, change, message):
    (tmp_path / "sort.yaml").write_text(SORT)
    with pytest.raises(ConfigError, match=message):
        load_experiment(tmp_path / "sort.yaml", [change])


def test_the_shipped_configuration_is_that_of_the_paper_s_task():
    experiment = load_experiment("gpipe/tiny")
    task = task_of(experiment)
    assert task.build_model().count_params() == 403_922
    batch = next(iter(task.dataset("train")))
    assert batch["tokens"].shape == (64, 25)
    assert np.all(np.sum(batch["weight"], axis=1) == 12)
    assert implementation("task", "language_modeling") is type(task)
