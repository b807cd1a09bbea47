"""The task of acoustic modelling: states, prior, words, runs from a configuration."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests.trainers.words import words
from tfmodels.errors import ConfigError
from tfmodels.errors import DataError
from tfmodels.lattices.language_model import from_bigram
from trainers.data.utterances.digits import digits_lexicon
from trainers.experiment import Experiment
from trainers.interfaces import Batch
from trainers.objectives.sequence_discriminative.config import (
    SequenceDiscriminativeConfig,
)
from trainers.objectives.sequence_discriminative.objective import SequenceDiscriminative
from trainers.runs import load_run
from trainers.stages import open_task
from trainers.tasks.acoustic_modeling import AcousticModeling
from trainers.tasks.config import AcousticModelingConfig
from trainers.tasks.hybrid import make_hybrid


def task_of(experiment: Experiment) -> Any:
    return open_task(experiment, experiment.data)


@pytest.fixture(scope="module")
def task() -> AcousticModeling:
    return task_of(words())


@pytest.fixture(scope="module")
def batch(task: AcousticModeling) -> Batch:
    return list(task.dataset("test"))[
        -1
    ]  # two utterances, and two rows that fill it up


def report(task: AcousticModeling, logits: tf.Tensor, batch: Batch) -> dict[str, float]:
    totals = task.metrics({"logits": logits}, batch)
    return task.report(
        {name: (a.numpy(), b.numpy()) for name, (a, b) in totals.items()}
    )


def test_batches_say_which_frames_are_scored(batch: Batch) -> None:
    assert batch["weight"].shape == batch["label"].shape == (4, 60)
    frames = tf.reduce_sum(batch["weight"], axis=1).numpy()
    assert frames[:2].tolist() == batch["lengths"][:2].numpy().tolist()
    assert frames[2:].tolist() == [0, 0]
    assert "alignment" not in batch


def test_the_right_states_are_the_right_words(
    task: AcousticModeling, batch: Batch
) -> None:
    figures = report(task, 30 * tf.one_hot(batch["label"], 87), batch)
    assert figures["frame_accuracy"] == 1
    assert figures["wer"] == figures["wer_at_0.25"] == 0


def test_errors_are_of_words_that_were_said(
    task: AcousticModeling, batch: Batch
) -> None:
    # Of silence in all frames no word can be understood but what the grammar allows.
    silent = tf.tile(30 * tf.one_hot([0, 1, 1, 2], 87)[None, :, :], [4, 15, 1])
    figures = report(task, silent, batch)
    kinds = [figures[name] for name in ("substitutions", "insertions", "deletions")]
    assert figures["wer"] == pytest.approx(sum(kinds))
    assert figures["word_accuracy"] == pytest.approx(1 - sum(kinds))
    assert figures["deletions"] > 0.5
    # Another's words: the totals are those of utterances one by one.
    swapped = tf.reverse(30 * tf.one_hot(batch["label"], 87), [0])
    rows = [
        task.metrics({"logits": swapped[i : i + 1]}, _row(batch, i))["word_errors"]
        for i in range(4)
    ]
    whole = task.metrics({"logits": swapped}, batch)["word_errors"]
    for part in range(2):
        expected = sum(row[part].numpy() for row in rows)
        np.testing.assert_allclose(whole[part], expected)


def _row(batch: Batch, row: int) -> Batch:
    return {name: value[row : row + 1] for name, value in batch.items()}


def test_the_prior_counts_frames_once_more_than_there_are(
    task: AcousticModeling,
) -> None:
    counts = np.ones(87)
    for batch in task.dataset("train").take(task.steps_per_epoch):
        there = batch["weight"].numpy() > 0
        counts += np.bincount(batch["label"].numpy()[there], minlength=87)
    np.testing.assert_allclose(task.log_prior, np.log(counts / counts.sum()), rtol=1e-5)


def test_the_graph_is_small_enough_to_be_sent(task: AcousticModeling) -> None:
    graph = task.hybrid.graph
    assert max(value.nbytes for value in graph) < 64_000
    assert set(graph.word.tolist()) == set(range(41))
    assert task.hybrid.phone_of_pdf[0] == np.flatnonzero(task.hybrid.is_silence)[0]


def test_a_model_that_skips_frames_has_fewer_labels(batch: Batch) -> None:
    offsets = [[0], [-3, 0]]
    model = {"feature_dim": 12, "num_pdfs": 87, "hidden_dim": 4, "offsets": offsets}
    values = {**words().plain(), "model": {"kind": "acoustic_tdnn", **model}}
    slow = task_of(Experiment.parse(values))
    thin = list(slow.dataset("test"))[-1]
    np.testing.assert_array_equal(thin["label"], batch["label"][:, ::3])
    np.testing.assert_array_equal(thin["weight"], batch["weight"][:, ::3])
    logits = slow.outputs(slow.build_model(), thin, training=False)["logits"]
    assert logits.shape == (4, 20, 87)
    assert 0 <= report(slow, logits, thin)["frame_accuracy"] < 0.5


@pytest.mark.parametrize("key", ["num_pdfs", "feature_dim"])
def test_models_of_other_data_are_refused(key: str) -> None:
    with pytest.raises(ConfigError, match=rf"model\.{key}: the data, word_loop"):
        task_of(words(model={key: 40}))


def test_states_are_those_of_alignments_if_there_are_any() -> None:
    with pytest.raises(ConfigError, match=r"task\.tying: .* in states of their own"):
        task_of(words(task={"tying": "monophone"}))
    uniform = np.full((11, 10), 0.1, np.float32)
    source: Any = SimpleNamespace(
        lexicon=digits_lexicon(),
        grammar=from_bigram(uniform),
        tying=None,
        is_aligned=False,
    )
    with pytest.raises(ConfigError, match=r"task\.tying: .* know no states"):
        make_hybrid(AcousticModelingConfig(), source)
    config = AcousticModelingConfig(tying="monophone", topology="chain")
    assert make_hybrid(config, source).tying.num_pdfs == 40
    config = AcousticModelingConfig(tying="left_biphone")
    # Three states: of silence, and of 19 phones after each of 20 and at the beginning.
    assert make_hybrid(config, source).tying.num_pdfs == 3 * (1 + 19 * 21)


def test_sequence_training_begins_where_cross_entropy_ended(words_run: Path) -> None:
    lines = map(json.loads, (words_run / "metrics.jsonl").read_text().splitlines())
    before, after = (line for line in lines if "test/wer" in line)
    # The second stage has taken a step, of length 0.
    assert (before["step"], after["step"]) == (12, 13)
    assert "test/mmi" in after
    shared = set(before) - {"step", "time", "test/loss"}
    assert {"test/wer", "test/cross_entropy", "test/insertions"} <= shared
    for name in shared:
        assert after[name] == pytest.approx(before[name], rel=1e-5), name


def test_predictions_and_pictures(words_run: Path) -> None:
    run = load_run(words_run)
    answer = run.task.predict(run.model, "5")
    assert set(answer.split()) <= set(run.task.hybrid.lexicon.words)
    for wrong in ("6", "-1", "x"):
        with pytest.raises(DataError, match="Expected a number below 6"):
            run.task.predict(run.model, wrong)
    names = {path.name for path in (words_run / "pictures").iterdir()}
    assert "test_predictions.png" in names


def test_steps_hold_no_utterances_and_no_large_constants(
    task: AcousticModeling,
) -> None:
    config = SequenceDiscriminativeConfig(acoustic_scale=0.5)
    objective = SequenceDiscriminative(config, task)
    model = task.build_model()

    @tf.function(autograph=False)
    def step(iterator: Any) -> Any:
        loss, outputs = objective.loss_with_model(task, model, next(iterator), True)
        return loss, task.metrics(outputs, next(iterator))

    @tf.function(autograph=False)
    def read() -> tf.data.Dataset:
        return task.dataset("train")

    whole = step.get_concrete_function(iter(task.dataset("train"))).graph
    for graph in (
        whole.as_graph_def(),
        read.get_concrete_function().graph.as_graph_def(),
    ):
        nodes = [*graph.node, *(n for f in graph.library.function for n in f.node_def)]
        assert not [node.name for node in nodes if "PyFunc" in node.op]
        constants = [n.attr["value"].tensor for n in nodes if n.op == "Const"]
        assert 0 < max(constant.ByteSize() for constant in constants) < 64_000
