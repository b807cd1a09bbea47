"""The task of speech recognition: figures, varieties, transcripts, objectives."""

import json
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import pytest
import tensorflow as tf
from matplotlib.figure import Figure

import trainers
from tests.trainers.data.speech.corpora import write_manifest
from tfmodels.decoding.step import END
from tfmodels.errors import ConfigError
from trainers.catalog import implementation
from trainers.configuration import read_yaml
from trainers.experiment import Experiment
from trainers.objectives.config import CrossEntropyConfig
from trainers.runs import load_run
from trainers.stages import open_task
from trainers.tasks.listening import Listener
from trainers.tasks.transcripts import NO_WORDS

TONES = """
task:
  kind: speech_recognition
  search: {beam_width: 3, n_best: 2, max_length_factor: 0.5, max_length_extra: 4}
model:
  kind: las
  feature_dim: 40
  left: 1
  stride: 3
  encoder: {num_layers: 1, hidden_dim: 8, pair_after: [1]}
  attention: {heads: 2, width: 4}
  decoder: {num_layers: 1, hidden_dim: 8, embedding_dim: 4}
  vocabulary_size: 14
  num_varieties: 3
data:
  kind: speech_manifest
  batch_size: 4
  sample_rate: 8000
  mel_bins: 40
  uniform_variety: 0.0
  buckets: [{frames: 40, units: 12}, {frames: 100, units: 18}]
objective: {kind: cross_entropy, auxiliary_weights: {variety_logits: 0.1}}
optimizer:
  kind: adam
  learning_rate: {kind: constant, initial: 0.02}
  clip_global_norm: 1.0
strategy: {kind: data_parallel, devices: cpu}
run: {steps: 8, steps_per_loop: 4, log_every: 4, checkpoint_every: 4}
"""
VARIETIES = ("de", "en-gb", "en-us")


@pytest.fixture(scope="module")
def manifest(tmp_path_factory) -> Path:
    return write_manifest(tmp_path_factory.mktemp("tones"))


def experiment(manifest: Path, **sections: dict[str, Any]) -> Experiment:
    values = read_yaml(TONES, "tones")
    values["data"]["manifest"] = str(manifest)
    for name, section in sections.items():
        kind = section.get("kind", values[name].get("kind"))
        same = kind == values[name].get("kind")
        values[name] = {**values[name], **section} if same else section
    return Experiment.parse(values)


def task_of(manifest: Path, **sections: dict[str, Any]) -> Any:
    made = experiment(manifest, **sections)
    return open_task(made, made.data)


@pytest.fixture(scope="module")
def task(manifest):
    return task_of(manifest)


@pytest.fixture(scope="module")
def model(task):
    """Weights large enough that answers are not all the same."""
    model = task.build_model()
    random = np.random.default_rng(1)
    for weight in model.trainable_weights:
        weight.assign(random.normal(0, 0.5, weight.shape))
    return model


@pytest.fixture(scope="module")
def batches(task):
    """Five held-out utterances in batches of four, some rows of which do not count."""
    return list(task.dataset("test"))


@pytest.fixture(scope="module")
def outputs(task, model, batches):
    return task.outputs(model, batches[0], training=False)


def summed(parts):
    return {
        name: [
            np.sum([np.asarray(part[name][at], np.float64) for part in parts], 0)
            for at in (0, 1)
        ]
        for name in parts[0]
    }


def spoiled(label: np.ndarray, graphemes: Any) -> np.ndarray:
    """Labels with errors: letters of the first column, a lost symbol, a lost word."""
    said = np.array(label)
    said[:, 0] = graphemes.ids["b"]
    is_symbol = (said >= 4) & (said < graphemes.space)
    said[0][is_symbol[0]] = graphemes.symbol(0)
    said[-1, 2] = END
    return said


def test_figures_against_jiwer(task, batches) -> None:
    """Rows that fill a batch up change nothing."""
    parts, other, said, written, varieties, named = [], [], [], [], [], []
    graphemes = task.graphemes
    for batch in batches:
        label, there = np.asarray(batch["label"]), np.asarray(batch["weight"])
        there = there.any(axis=1)
        answers = spoiled(label, graphemes)
        logits = 20.0 * tf.one_hot(label, graphemes.size)
        made = {
            "logits": logits,
            "recognised": tf.constant(np.stack([answers, label], axis=1)),
            "variety_probs": tf.one_hot([2] * len(label), 3),
            "variety_logits": tf.one_hot(np.full(label.shape, 2), 3),
        }
        parts.append(task.metrics(made, batch))
        noise = np.where(there[:, None], answers, 7)
        noise = tf.constant(np.stack([noise, noise], axis=1))
        probs = np.where(there[:, None], made["variety_probs"], 0.5)
        changed = {**made, "recognised": noise, "variety_probs": tf.constant(probs)}
        other.append(task.metrics(changed, batch))
        for row in np.flatnonzero(there):
            said.append(graphemes.decode(answers[row]))
            written.append(graphemes.decode(label[row]))
            varieties.append(int(batch["variety_id"][row]))
            named.append(graphemes.variety_of(answers[row]))
    assert len(written) == 5
    assert sorted(written) == sorted(task._source.references("test"))
    report = task.report(summed(parts))
    words, letters = (
        jiwer.process_words(written, said),
        jiwer.process_characters(written, said),
    )
    assert 0 < words.wer < 1.5
    assert report["wer"] == pytest.approx(words.wer)
    assert report["word_accuracy"] == pytest.approx(1 - words.wer)
    assert report["cer"] == pytest.approx(letters.cer)
    kinds = [report[f"wer_{kind}"] for kind in ("substitutions", "insertions")]
    assert sum(kinds) + report["wer_deletions"] == pytest.approx(words.wer)
    wrong = [a != b for a, b in zip(said, written, strict=True)]
    assert report["ser"] == pytest.approx(np.mean(wrong))
    assert report["oracle_wer"] == 0
    rates = {}
    for number, name in enumerate(VARIETIES):
        rows = [row for row, variety in enumerate(varieties) if variety == number]
        if rows:
            mine = ([text[row] for row in rows] for text in (written, said))
            rates[name] = jiwer.wer(*mine)
            assert report[f"wer/{name}"] == pytest.approx(rates[name])
    assert len(rates) == 3
    assert report["macro_wer"] == pytest.approx(np.mean([*rates.values()]))
    assert report["variety_accuracy"] == np.mean(np.array(varieties) == 2)
    right = [a == b for a, b in zip(named, varieties, strict=True)]
    assert 0 < np.mean(right) < 1
    assert report["symbol_accuracy"] == pytest.approx(np.mean(right))
    assert report["unit_accuracy"] == 1
    counts = summed(parts)["varieties"][0]
    for number, name in zip(varieties, named, strict=True):
        counts[number, 3 if name is None else name] -= 1
    np.testing.assert_array_equal(counts, 0)
    same = set(parts[0]) - {"oracle_wer"}
    for name in same:
        for ours, theirs in zip(summed(parts)[name], summed(other)[name], strict=True):
            np.testing.assert_allclose(ours, theirs, err_msg=name)


def test_training_does_not_search_and_evaluations_do(task, model, outputs) -> None:
    batch = next(iter(task.dataset("train")))
    made = task.outputs(model, batch, training=True)
    assert set(made) == {"logits", "attention", "variety_logits"}
    found = task.metrics(made, batch)
    assert set(found) == {"unit_accuracy", "nats_per_unit", "variety_step_accuracy"}
    rows = int(np.count_nonzero(batch["weight"][:, 0]))
    found = task.metrics(made, {**batch, "bad": tf.constant([1.0, 0.0, 0.0, 0.0])})
    assert [*map(float, found["bad_examples"])] == [1, 1 + rows]
    assert outputs["recognised"].shape[:2] == (4, 2)
    np.testing.assert_allclose(np.sum(outputs["variety_probs"], axis=1), 1, rtol=1e-5)


def test_the_variety_is_that_of_the_steps_of_the_best_answer(
    task, model, batches, outputs
) -> None:
    batch = batches[0]
    ids = np.asarray(outputs["recognised"])[0, 0]
    length = 1 + ids.tolist().index(END)
    target = tf.constant([[1, *ids[: length - 1]]])
    inputs = {name: value[:1] for name, value in task.source(batch).items()}
    logits = model({**inputs, "target": target})["variety_logits"][0]
    mean = np.mean(tf.nn.log_softmax(logits), axis=0)
    expected = np.exp(mean) / np.exp(mean).sum()
    np.testing.assert_allclose(outputs["variety_probs"][0], expected, rtol=1e-4)


class Deaf:
    """Notes what it is told of varieties, and hears nothing but `certain`."""

    def __init__(self, model: Any, certain: Any) -> None:
        self._model, self.certain, self.told = model, tf.constant(certain), []
        self.initial_state, self.step = model.initial_state, model.step

    def encode(self, source: Any) -> Any:
        self.told.append(np.asarray(source["variety"])[0].tolist())
        return self._model.encode(source)

    def decode_targets(self, memory: Any, target: Any) -> Any:
        shape = [*target.shape, 1]
        return {"variety_logits": tf.tile(tf.math.log(self.certain), shape)}


@pytest.mark.parametrize(
    ("settings", "told", "heard"),
    [
        ({"unknown_variety": "mixture"}, [[1 / 3] * 3], [0.2, 0.3, 0.5]),
        ({}, [[1 / 3] * 3, [0.2, 0.3, 0.5]], [0.2, 0.3, 0.5]),
        (
            {"unknown_variety": "argmax", "threshold": 0.5},
            [[1 / 3] * 3, [0, 0, 1]],
            [0.2, 0.3, 0.5],
        ),
        (
            {"unknown_variety": "argmax", "threshold": 0.6},
            [[1 / 3] * 3, [1 / 3] * 3],
            [0.2, 0.3, 0.5],
        ),
        (
            {"believed": {"de": 6.0, "en-us": 2.0}},
            [[0.75, 0, 0.25], [0.15 / 0.275, 0, 0.125 / 0.275]],
            [0.15 / 0.275, 0, 0.125 / 0.275],
        ),
    ],
)
def test_what_is_told_of_an_unknown_variety(
    task, model, batches, settings, told, heard
) -> None:
    config = task.config.model_copy(update=settings)
    deaf: Any = Deaf(model, [[[0.2, 0.3, 0.5]]])
    listener = Listener(config, task.graphemes)
    source = {name: value[:1] for name, value in task.source(batches[0]).items()}
    found = listener.untold(deaf, source, config.search)
    np.testing.assert_allclose(deaf.told, told, atol=1e-5)
    np.testing.assert_allclose(found.variety[0], heard, atol=1e-5)


def test_what_is_told_of_a_variety_that_changes(task, model, batches) -> None:
    """In each frame what is believed from that second on; over all, their mean."""
    changes = {0.1: {"de": 3.0, "en-gb": 1.0}, 0.05: {"en-us": 1.0}}
    config = task.config.model_copy(update={"believed_from": changes})
    deaf: Any = Deaf(model, [[[0.5, 0.3, 0.2]]])
    source = {name: value[:1] for name, value in task.source(batches[0]).items()}
    source["lengths"] = np.array([16], np.int32)
    found = Listener(config, task.graphemes).untold(deaf, source, config.search)
    expected = [[1 / 3] * 3] * 5 + [[0, 0, 1]] * 5 + [[0.75, 0.25, 0]] * 200
    (told,) = deaf.told
    np.testing.assert_allclose(told, expected[: len(told)], atol=1e-6)
    mean = np.mean(expected[:16], axis=0)
    heard = mean * [0.5, 0.3, 0.2]
    np.testing.assert_allclose(found.variety[0], heard / heard.sum(), atol=1e-5)


@pytest.mark.parametrize(
    ("key", "value"),
    [("believed", {"fr": 1.0}), ("believed_from", {1.5: {"de": 1.0, "fr": 1.0}})],
)
def test_varieties_that_there_are_not_cannot_be_believed(task, key, value) -> None:
    config = task.config.model_copy(update={key: value})
    with pytest.raises(ConfigError, match=f"task.{key} names varieties.*fr"):
        Listener(config, task.graphemes)


@pytest.mark.slow
def test_only_what_is_believed_is_said(manifest, model, batches) -> None:
    """An untrained model says letters of a language alone, and no other symbol."""
    settings = {"believed": {"de": 1.0}, "restrict_characters": True}
    bound = task_of(manifest, task={**settings, "variety_known": False})
    made = bound.outputs(model, batches[0], training=False)
    units = np.unique(made["recognised"])
    assert len(units) > 2
    assert set(units) <= {0, *np.flatnonzero(bound.graphemes.mask(["de"]))}
    np.testing.assert_allclose(made["variety_probs"], [[1, 0, 0]] * 4, atol=1e-6)


@pytest.mark.slow
def test_transcripts_come_best_first(task, model, manifest) -> None:
    answers = task.predict(model, str(manifest.parent / "7.wav"))
    assert 1 < len(answers) <= 3
    assert str(answers) == (answers[0].text or NO_WORDS)
    scores = [answer.score for answer in answers]
    assert scores == sorted(scores, reverse=True)
    for answer in answers:
        assert answer.variety in VARIETIES
        assert 0 < answer.probability < 1
        assert all(0 <= second < 0.42 for _, second in answer.alignment)
        letters = [unit for unit, _ in answer.alignment if not unit.startswith("<")]
        assert "".join(letters) == answer.text.replace(" ", "").replace("\ufffd", "")
    assert len(answers.table(2).splitlines()) == 4


@pytest.mark.slow
def test_pictures_and_health(task, model, batches, outputs) -> None:
    totals = task.metrics(outputs, batches[0])
    drawn = task.figures(outputs, batches[0], totals)
    assert set(drawn) == {"predictions", "sound", "attention", "varieties"}
    text = " ".join(line.get_text() for line in drawn["predictions"].texts)
    assert ascii(task.show(batches[0]["label"][0]))[1:-1] in text
    assert isinstance(task.samples(batches[0])["sound"], Figure)
    peak = task.diagnostics(model, batches[0])["attention_peak"]
    weights = np.asarray(outputs["attention"])[np.asarray(batches[0]["weight"]) > 0]
    assert peak == pytest.approx(weights.max(axis=1).mean(), rel=1e-5)


def test_the_model_knows_what_frames_are_like(task, model) -> None:
    mean, deviation = task._source.statistics()
    np.testing.assert_array_equal(model.feature_mean, mean)
    np.testing.assert_array_equal(model.feature_std, deviation)
    assert np.ptp(mean) > 1


def test_both_heads_learn_the_variety(manifest) -> None:
    """Of each unit: the sums are those of the definition."""
    heads = {"variety_logits": 0.1, "encoder_variety_logits": 0.2}
    both = task_of(manifest, model={"encoder_head": True})
    config = experiment(manifest, objective={"auxiliary_weights": heads}).objective
    objective = implementation("objective", "cross_entropy")(config, both)
    batch = next(iter(both.dataset("train")))
    loss, made = objective.loss_with_model(both, both.build_model(), batch, True)
    weight, variety = np.asarray(batch["weight"]), np.asarray(batch["variety_id"])
    total = 0.0
    for name, factor in {"logits": 1.0, **heads}.items():
        logs = np.asarray(tf.nn.log_softmax(made[name]))
        wanted = np.asarray(batch["label"])
        if name != "logits":
            wanted = np.repeat(variety[:, None], wanted.shape[1], axis=1)
        nats = -np.take_along_axis(logs, wanted[..., None], -1)[..., 0]
        total += factor * np.sum(weight * nats)
    assert float(loss.total) == pytest.approx(total, rel=1e-5)
    assert float(loss.weight) == weight.sum()
    assert {"variety_cross_entropy", "encoder_variety_cross_entropy"} < set(loss.terms)


def test_a_head_of_no_weight_changes_nothing(manifest, task, model) -> None:
    """Bit by bit; and nor does what comes where nothing counts."""
    batch = next(iter(task.dataset("train")))
    made = task.outputs(model, batch, training=True)
    there = batch["weight"] > 0
    assert not bool(tf.reduce_all(there))
    filled = {
        **batch,
        "label": tf.where(there, batch["label"], 7),
        "variety_label": tf.where(there, batch["variety_label"], 2),
    }
    losses = {}
    for weight in (None, 0.0, 0.1):
        heads = {} if weight is None else {"variety_logits": weight}
        values = {"kind": "cross_entropy", "auxiliary_weights": heads}
        config = CrossEntropyConfig.parse(values)
        objective = implementation("objective", "cross_entropy")(config, task)
        losses[weight] = float(objective.loss(made, batch).total)
        assert float(objective.loss(made, filled).total) == losses[weight]
    assert losses[0.0] == losses[None] != losses[0.1]


def test_drawn_targets_keep_their_variety(task, manifest) -> None:
    values = {
        "kind": "reward_augmented",
        "base": {"kind": "cross_entropy", "auxiliary_weights": {"variety_logits": 0.1}},
        "reward": "edit",
        "tau": 1.0,
        "protect_last": True,
    }
    config = experiment(manifest, objective=values).objective
    objective = implementation("objective", "reward_augmented")(config, task)
    plain = next(iter(task.dataset("train")))
    batch = objective.change_batch(plain)
    label, variety = np.asarray(batch["label"]), np.asarray(batch["variety_id"])
    there = np.asarray(batch["weight"]) > 0
    assert np.any(label[:, :4] != np.asarray(plain["label"])[:, :4])
    np.testing.assert_array_equal(batch["variety_label"], variety[:, None] * there)
    symbols = [task.graphemes.variety_of(row) for row in label]
    assert symbols == variety.tolist()


def test_what_does_not_fit(manifest) -> None:
    with pytest.raises(ConfigError, match=r"vocabulary_size: .* Expected 14"):
        task_of(manifest, model={"vocabulary_size": 15})
    with pytest.raises(ConfigError, match=r"task.believed.* de, en-gb, en-us.* fr"):
        task_of(manifest, task={"believed": {"fr": 1.0}})
    with pytest.raises(ConfigError, match=r"Expected task.kind: translation"):
        experiment(manifest, objective={"kind": "expected_reward"})


@pytest.mark.slow
def test_it_learns_and_resumes_and_then_lowers_word_errors(manifest, tmp_path) -> None:
    values = experiment(manifest).plain()
    values["run"] = {**values["run"], "steps": None}
    risk = {"kind": "minimum_word_error", "num_answers": 2, "max_length_factor": 0.5}
    values["stages"] = [
        {"name": "likelihood", "steps": 40},
        {"name": "errors", "steps": 4, "objective": risk},
    ]
    path = tmp_path / "tones.json"
    path.write_text(json.dumps(values), encoding="utf-8")
    workdir = tmp_path / "run"
    trainers.train(path, workdir)
    lines = (workdir / "metrics.jsonl").read_text().splitlines()
    logged = [json.loads(line) for line in lines]
    nats = [line["train/cross_entropy"] for line in logged if "train/loss" in line]
    assert nats[9] < 0.8 * nats[0]
    assert "train/expected_errors" in str(logged[-2:])
    final = json.loads((workdir / "metrics.json").read_text())
    assert trainers.evaluate(workdir) == pytest.approx(final)
    run = load_run(workdir, ["task.variety_known=false"])
    assert run.task.predict(run.model, str(manifest.parent / "9.wav"))
