"""Language models beside a recogniser: data, searches by brute force, errors."""

import itertools
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from typer.testing import CliRunner

from tests.trainers.data.speech.corpora import write_manifest
from tests.trainers.tasks.test_speech_recognition import VARIETIES
from tests.trainers.tasks.test_speech_recognition import experiment
from tests.trainers.tasks.test_speech_recognition import task_of
from tfmodels.decoding.step import END
from tfmodels.decoding.step import PAD
from tfmodels.decoding.step import START
from tfmodels.errors import ConfigError
from tfmodels.errors import DataError
from tools import cli
from trainers.catalog import implementation
from trainers.data.speech.transcripts import open_transcripts
from trainers.experiment import Experiment
from trainers.runs import RunFolder
from trainers.stages import open_task
from trainers.state import named_variables

WEIGHT, WIDTH = 0.6, 200
# Two units and the end at most: 183 answers, all of which the beam holds.
SEARCH = {
    "beam_width": WIDTH,
    "n_best": 5,
    "length_penalty": 0.0,
    "coverage_penalty": 0.0,
    "pruning_margin": None,
    "max_length_factor": 0.0,
    "max_length_extra": 3,
}
LANGUAGE = {
    "task": {"kind": "language_modeling"},
    "model": {
        "kind": "transformer",
        "vocabulary_size": 14,
        "max_length": 8,
        "num_layers": 1,
        "model_dim": 8,
        "num_heads": 2,
        "feed_forward_dim": 8,
        "dropout_rate": 0.0,
    },
    "objective": {"kind": "cross_entropy"},
}


def language_experiment(manifest: Path, **task: Any) -> Experiment:
    values = {**experiment(manifest).plain(), **LANGUAGE}
    values["task"] = {**values["task"], **task}
    return Experiment.parse(values)


def drawn(model: Any, seed: int, scale: float = 0.7) -> Any:
    random = np.random.default_rng(seed)
    for weight in model.trainable_weights:
        weight.assign(random.normal(0, scale, weight.shape))
    return model


def write_run(folder: Path, config: Experiment, seed: int) -> Any:
    """A run with drawn weights; its model."""
    model = drawn(open_task(config, config.data).build_model(), seed)
    run = RunFolder(folder)
    run.claim(config)
    state = named_variables("model", model.variables, model.weights)
    run.checkpoints().save(state, 1, "train")
    return model


@pytest.fixture(scope="module")
def manifest(tmp_path_factory) -> Path:
    return write_manifest(tmp_path_factory.mktemp("tones"))


@pytest.fixture(scope="module")
def models(manifest) -> dict[str, Any]:
    """Those of American English, and of all others; folders are called as these."""
    config = language_experiment(manifest)
    names = {"en-us": 1, "all": 2}
    return {
        n: write_run(manifest.parent / n, config, seed) for n, seed in names.items()
    }


@pytest.fixture(scope="module")
def runs(manifest, models) -> dict[str, str]:
    return {name: str(manifest.parent / name) for name in models}


@pytest.fixture(scope="module")
def recogniser(manifest) -> Any:
    return drawn(task_of(manifest).build_model(), 3, scale=0.4)


@pytest.fixture(scope="module")
def task(manifest, runs) -> Any:
    settings = {"language_models": runs, "language_weight": WEIGHT, "search": SEARCH}
    return task_of(manifest, task=settings)


@pytest.fixture(scope="module")
def batch(task) -> Any:
    """American, British and German utterances."""
    return next(iter(task.dataset("test")))


@pytest.fixture(scope="module")
def heard(task, recogniser, batch) -> Any:
    memory = recogniser.encode(task.source(batch))
    return task.listener.remembered(recogniser, memory, task.config.search)


def all_answers(length: int = 3, vocabulary: int = 14) -> np.ndarray:
    """Every answer of at most `length` tokens, [n, length]."""
    others = [unit for unit in range(vocabulary) if unit != END]
    return np.array(
        [
            [*units, END, *[PAD] * (length - 1 - count)]
            for count in range(length)
            for units in itertools.product(others, repeat=count)
        ],
        np.int32,
    )


def prices(logits: Any, ids: np.ndarray) -> np.ndarray:
    """Logs of answers by what a model says when it is told them, [n]."""
    logs = np.asarray(tf.nn.log_softmax(logits), np.float64)[:, : ids.shape[1]]
    each = np.take_along_axis(logs, ids[:, :, None], axis=2)[:, :, 0]
    counts = np.cumsum(ids == END, axis=1) - (ids == END) == 0
    return np.sum(each * counts, axis=1)


def before(ids: np.ndarray, length: int) -> np.ndarray:
    shifted = np.pad(ids[:, :-1], [(0, 0), (1, 0)], constant_values=START)
    return np.pad(shifted, [(0, 0), (0, length - ids.shape[1])])


def of_recogniser(model: Any, source: Any, row: int, ids: np.ndarray) -> np.ndarray:
    inputs = {
        name: np.repeat(x[row : row + 1], len(ids), 0) for name, x in source.items()
    }
    return prices(model({**inputs, "target": before(ids, ids.shape[1])})["logits"], ids)


def of_language(model: Any, ids: np.ndarray) -> np.ndarray:
    return prices(model(before(ids, 8))["logits"], ids)


def model_of(models: dict[str, Any], batch: Any, row: int) -> Any:
    name = VARIETIES[int(batch["variety_id"][row])]
    return models.get(name, models["all"])


def test_the_search_finds_what_both_together_find_best(
    task, recogniser, models, batch, heard
) -> None:
    """Each variety with its own; scores are the sums of whole sequences."""
    ids, source, changed = all_answers(), task.source(batch), 0
    assert len({int(number) for number in batch["variety_id"]}) == 3
    for row in range(len(batch["variety_id"])):
        alone = of_recogniser(recogniser, source, row, ids)
        scores = alone + WEIGHT * of_language(model_of(models, batch, row), ids)
        best = np.argsort(-scores)[:5]
        np.testing.assert_array_equal(heard.hypotheses.ids[row], ids[best])
        np.testing.assert_allclose(
            heard.hypotheses.scores[row], scores[best], rtol=1e-4
        )
        changed += int(np.any(np.argsort(-alone)[:5] != best))
    assert changed
    outputs = task.outputs(recogniser, batch, training=False)
    np.testing.assert_array_equal(outputs["recognised"], heard.hypotheses.ids)


def test_the_second_pass(
    manifest, runs, task, recogniser, models, batch, heard
) -> None:
    """Over all answers, since the beam holds them all; the best two stay."""
    settings = {"language_models": runs, "language_weight": WEIGHT}
    second = {"language_weight": 2.5, "word_reward": 1.5}
    search = {**SEARCH, "n_best": 2}
    other = task_of(manifest, task={**settings, "search": search, "rescoring": second})
    memory = recogniser.encode(task.source(batch))
    found = other.listener.remembered(recogniser, memory, other.config.search)
    ids, changed = all_answers(), 0
    words = [len(task.graphemes.decode(each).split()) for each in ids]
    for row in range(len(batch["variety_id"])):
        scores = of_recogniser(recogniser, task.source(batch), row, ids)
        scores += 2.5 * of_language(model_of(models, batch, row), ids)
        scores += 1.5 * np.array(words)
        best = np.argsort(-scores)[:2]
        np.testing.assert_array_equal(found.hypotheses.ids[row], ids[best])
        np.testing.assert_allclose(
            found.hypotheses.scores[row], scores[best], rtol=1e-4
        )
        first = np.asarray(heard.hypotheses.ids[row, 0])
        changed += int(np.any(ids[best[0]] != first))
    assert changed


WORD_ERRORS = {
    "kind": "minimum_word_error",
    "num_answers": 4,
    "language_weight": WEIGHT,
    "max_length_factor": 0.0,
    "max_length_extra": 3,
}


def test_word_error_training_has_the_models(
    manifest, task, recogniser, models, batch
) -> None:
    config = experiment(manifest, objective=WORD_ERRORS).objective
    made = implementation("objective", "minimum_word_error")
    _, outputs = made(config, task).loss_with_model(task, recogniser, batch, True)
    for row in range(len(batch["variety_id"])):
        ids = np.asarray(outputs["answers"][row])
        expected = of_recogniser(recogniser, task.source(batch), row, ids)
        expected += WEIGHT * of_language(model_of(models, batch, row), ids)
        found = outputs["answer_log_probs"][row]
        np.testing.assert_allclose(found, expected, rtol=1e-4)
    with pytest.raises(ConfigError, match="Expected a task with language models"):
        made(config, task_of(manifest))


@pytest.mark.slow
def test_word_error_training_with_the_models_compiles_once(
    manifest, task, recogniser, batch
) -> None:
    config = experiment(manifest, objective=WORD_ERRORS).objective
    taught = implementation("objective", "minimum_word_error")(config, task)
    variables = [each.value for each in recogniser.trainable_variables]
    traced = []

    def step(batch: Any) -> Any:
        traced.append(batch)
        with tf.GradientTape() as tape:
            loss, outputs = taught.loss_with_model(task, recogniser, batch, True)
        found = tape.gradient(loss.total, variables)
        gradients = [tf.convert_to_tensor(each) for each in found if each is not None]
        answers = {name: outputs[name] for name in outputs if "answer" in name}
        return loss, answers, gradients

    plain, compiled = (
        tf.function(step, autograph=False, jit_compile=xla) for xla in (None, True)
    )
    backwards = {name: values[::-1] for name, values in batch.items()}
    for each in (batch, backwards):
        expected, found = plain(each), compiled(each)
        tf.nest.map_structure(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5),
            expected,
            found,
        )
    assert len(traced) == 2
    _, answers, gradients = expected
    assert np.ptp(answers["answer_errors"]) > 0
    assert max(np.abs(each).max() for each in gradients) > 1e-3


def test_transcripts_are_what_a_recogniser_is_to_say(manifest, task, batch) -> None:
    config = language_experiment(manifest, varieties=["en-gb", "de"])
    language = open_task(config, config.data)
    batches = list(language.dataset("test"))
    spoken = task._source.utterances("test")
    expected = [
        task.graphemes.label(each.text, each.variety)[:8]
        for each in spoken
        if each.variety != "en-us"
    ]
    label = np.concatenate([each["label"] for each in batches])
    weight = np.concatenate([each["weight"] for each in batches])
    tokens = np.concatenate([each["tokens"] for each in batches])
    assert 0 < len(expected) < len(spoken)
    assert weight.any(axis=1).sum() == len(expected)
    for row, wanted in enumerate(expected):
        assert label[row, : len(wanted)].tolist() == wanted
        assert tokens[row, : len(wanted)].tolist() == [START, *wanted][:-1]
        assert weight[row].sum() == len(wanted)
    assert language.graphemes.names == task.graphemes.names
    (manifest.parent / "lines.txt").write_text("zu\n\nab ab\n", encoding="utf-8")
    texts = {"de": str(manifest.parent / "lines.txt")}
    config = language_experiment(manifest, varieties=["en-us"], texts=texts)
    train = open_transcripts(config.data, "train", 8, ["en-us"], texts)
    plain = open_transcripts(config.data, "train", 8, ["en-us"])
    more = np.arange(plain.size, train.size)
    label = train.read(tf.constant(more), tf.constant(0))["label"]
    said = [task.graphemes.label(text, "de") for text in ("zu", "ab ab")]
    assert label.numpy().tolist() == [each + [PAD] * (8 - len(each)) for each in said]
    # A held-out split has transcripts alone.
    held_out = open_task(config, config.data).dataset("test")
    assert sum(np.sum(np.any(each["weight"], axis=1)) for each in held_out) == 2
    text = language.predict(language.build_model(), "ab z")
    assert set(text) <= set("".join(task.graphemes.surfaces))


def test_a_recogniser_that_begins_from_one_that_is_told_nothing(
    manifest, runs, batch, tmp_path
) -> None:
    def begun(folder: Any) -> Any:
        adapters = {"conditioning": {"kind": "adapter", "bottleneck": 2}}
        task = {"start_from": str(folder)}
        return task_of(manifest, task=task, model=adapters).build_model()

    nothing = {"conditioning": None, "step_head": False}
    pooled = write_run(tmp_path / "pooled", experiment(manifest, model=nothing), 3)
    source = {n: batch[n] for n in ("features", "lengths", "variety", "target")}
    logits = begun(tmp_path / "pooled")(source)["logits"]
    np.testing.assert_allclose(logits, pooled(source)["logits"], atol=1e-5)
    with pytest.raises(ConfigError, match=r"model.kind: las. Received .* transformer"):
        begun(runs["all"])
    with pytest.raises(DataError, match=r"task.start_from: .*holds no run"):
        begun(tmp_path / "nowhere")


def test_what_does_not_fit(manifest, runs, models, tmp_path) -> None:
    def opened(**folders: Any) -> Any:
        return task_of(manifest, task={"language_models": folders})

    with pytest.raises(ConfigError, match=r"de, en-gb, en-us, or for all.* en, en-us"):
        opened(en=runs["all"], **{"en-us": runs["en-us"]})
    with pytest.raises(ConfigError, match="one for each of de, en-gb, en-us"):
        opened(de=runs["all"])
    with pytest.raises(
        DataError, match=r"task.language_models: .*nowhere holds no run"
    ):
        opened(all=str(tmp_path / "nowhere"))
    recognition = RunFolder(tmp_path / "speech")
    recogniser = task_of(manifest).build_model()
    recognition.claim(experiment(manifest))
    state = named_variables("model", recogniser.variables, recogniser.weights)
    recognition.checkpoints().save(state, 1, "train")
    with pytest.raises(ConfigError, match=r"Received task.kind: speech_recognition"):
        opened(all=str(recognition.path))
    lines = manifest.read_text(encoding="utf-8")
    other = manifest.with_name("other.jsonl")
    other.write_text(lines.replace("ab ", "xyb "), encoding="utf-8")
    values = language_experiment(other).plain()
    values["model"]["vocabulary_size"] = 15
    write_run(tmp_path / "other", Experiment.parse(values), 0)
    with pytest.raises(ConfigError, match=r"Expected 14: <pad> .* Received 15: <pad> "):
        opened(all=str(tmp_path / "other"))
    with pytest.raises(ConfigError, match=r"no language model to rescore with"):
        experiment(manifest, task={"rescoring": {"language_weight": 1.0}})
    config = language_experiment(manifest, varieties=["fr"])
    with pytest.raises(ConfigError, match=r"of de, en-gb, en-us. Received fr"):
        open_task(config, config.data)


@pytest.mark.slow
def test_from_the_command_line(manifest, tmp_path) -> None:
    """A language model that has learned weighs in a prediction."""
    language = language_experiment(manifest).plain()
    language["run"] |= {"steps": 20, "checkpoint_every": 20}
    language["optimizer"] |= {"learning_rate": {"kind": "constant", "initial": 0.05}}
    for name, values in (("lm", language), ("speech", experiment(manifest).plain())):
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(values), encoding="utf-8")
        command("train", path, "--workdir", tmp_path / name)
    nats = json.loads((tmp_path / "lm/metrics.json").read_text())["test/nats_per_token"]
    assert nats < 0.6 * np.log(14)
    said = [
        command(
            *("predict", tmp_path / "speech", manifest.parent / "9.wav"),
            *("--set", f"task.language_models={{all: {tmp_path / 'lm'}}}"),
            *("--set", f"task.language_weight={weight}", "--nbest", "1"),
        )
        for weight in (0, 0.5)
    ]
    assert said[0] != said[1]


def command(*words: Any) -> str:
    result = CliRunner().invoke(cli.app, [*map(str, words)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return re.sub(r"\s+", " ", result.output)
