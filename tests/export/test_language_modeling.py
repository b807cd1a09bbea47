"""The functions exported for language modelling, on a network that sorts."""

import json
import subprocess
import sys
from collections import Counter

import keras
import numpy as np
import pytest
import tensorflow as tf

import export
from export.flatbuffer import count_operators
from export.folding import fold
from export.integer_forms import INTEGER_FORMS
from export.lite_runtime import LiteProgram
from export.runtime import KerasProgram
from export.runtime import SavedModelProgram
from export.saved_model import write_saved_model
from export.signatures.language_modeling import LanguageModelingSignatures
from export.tflite import convert
from export.verification import Tally
from tests.trainers.small import SORT
from tfmodels import catalog
from tfmodels.errors import CheckFailed
from tfmodels.errors import DataError
from tfmodels.layers.attention import CausalAttention
from trainers.configuration import read_yaml
from trainers.experiment import Experiment
from trainers.runs import load_run

pytestmark = pytest.mark.slow

FORMATS = ("float32", "float16", "dynamic", "int8", "int16x8")


def signatures_for(**changes) -> LanguageModelingSignatures:
    values = {**read_yaml(SORT, "sort.yaml"), **changes}
    return LanguageModelingSignatures(Experiment.parse(values), {})


@pytest.fixture(scope="module")
def sorting() -> LanguageModelingSignatures:
    return signatures_for()


@pytest.fixture(scope="module")
def model(sorting_run) -> keras.Model:
    """Two blocks that sort three numbers from 0 to 3."""
    return load_run(sorting_run).model


@pytest.fixture(scope="module")
def expected(model, sorting) -> np.ndarray:
    """What Keras answers."""
    return logits(KerasProgram(sorting.device(model)), sorting)


@pytest.fixture(scope="module")
def files(model, sorting, tmp_path_factory) -> dict:
    """The network in each numeric format, as a path."""
    folder = tmp_path_factory.mktemp("tflite")
    samples = list(sorting.calibration(KerasProgram({}), 100))
    for numbers in FORMATS:
        seen = samples if numbers.startswith("int") else None
        content = convert(model, sorting.device, numbers, seen)
        (folder / numbers).write_bytes(content)
    return {numbers: folder / numbers for numbers in FORMATS}


def logits(program, sorting, count: int = 50) -> np.ndarray:
    """Scores of test sequences, one at a time, [count, T, K]."""
    batches = sorting.examples("test", count)
    return np.concatenate([sorting.outputs(program, b)["logits"] for b in batches])


@pytest.mark.parametrize(
    ("numbers", "bound"),
    [
        ("float32", 1e-5),
        ("float16", 5e-3),
        ("dynamic", 5e-2),
        ("int8", 0.15),
        ("int16x8", 2e-2),
    ],
)
def test_answers_are_those_of_keras(files, expected, sorting, numbers, bound):
    received = logits(LiteProgram(files[numbers]), sorting)
    error = np.max(np.abs(received - expected)) / np.ptp(expected)
    assert error < bound
    # The last three positions are those that sort.
    same = received.argmax(-1) == expected.argmax(-1)
    assert np.mean(same[:, -3:]) >= 0.98


def test_the_operators_are_those_of_the_network(files):
    # Per block: four projections and two layers of the feed-forward network, two
    # products of attention, one softmax; one embedding, one output.
    expected = {"FULLY_CONNECTED": 13, "BATCH_MATMUL": 4, "SOFTMAX": 2, "GATHER": 1}
    known = {
        *expected,
        *("ADD", "SUB", "MUL", "MEAN", "RSQRT", "RESHAPE", "TRANSPOSE"),
    }
    plain = {"NEG", "SQUARED_DIFFERENCE", "LESS", "SELECT", "SELECT_V2"}
    for numbers in FORMATS:
        found = count_operators(files[numbers].read_bytes())
        assert {name: found[name] for name in expected} == expected, numbers
        others = plain if numbers[:3] != "int" else {"REDUCE_MIN"}
        assert set(found) - {"DEQUANTIZE"} <= known | others, numbers


@pytest.mark.parametrize("numbers", FORMATS)
def test_tokens_are_int32_in_every_format(files, numbers: str):
    endpoint = LiteProgram(files[numbers]).describe("x").endpoints["score"]
    tokens, scores = endpoint.inputs["tokens"], endpoint.outputs["logits"]
    assert (tokens.shape, tokens.dtype, tokens.quantization) == ((1, 7), "int32", None)
    assert scores.shape == (1, 7, 6)
    assert scores.dtype == ("int8" if numbers == "int8" else "float32")
    assert bool(scores.quantization) == (numbers == "int8")


@pytest.mark.parametrize("tied", [False, True])
def test_integer_forms_compute_the_same(tied: bool):
    values = read_yaml(SORT, "sort.yaml")
    values["model"].update(tie_embeddings=tied, positions="sinusoidal")
    original = catalog.build(Experiment.parse(values).model)
    for weight in original.weights:
        noise = np.random.default_rng(0).normal(size=weight.shape)
        weight.assign_add(0.3 * noise)
    rewritten = fold(original, INTEGER_FORMS)
    layers = Counter(type(layer) for layer in original.layers)
    replaced = Counter(type(layer) for layer in rewritten.layers)
    found = INTEGER_FORMS.keys() & layers
    assert len(found) == 3
    for old in found:
        assert replaced[INTEGER_FORMS[old]] == layers[old]
        assert replaced[old] == 0
    tokens = np.random.default_rng(1).integers(0, 6, (20, 7))
    np.testing.assert_allclose(
        rewritten(tokens)["logits"], original(tokens)["logits"], atol=2e-4
    )


def test_attention_for_integers_hides_the_future():
    layer = INTEGER_FORMS[CausalAttention](2)
    x = np.random.default_rng(0).normal(size=(1, 6, 8)).astype(np.float32)
    changed = x.copy()
    changed[:, 4:] += 3.0
    before, after = layer([x, x, x]).numpy(), layer([changed] * 3).numpy()
    # What may leak has at most the share exp(-12) of the weights.
    np.testing.assert_allclose(before[:, :4], after[:, :4], atol=1e-4)
    assert np.max(np.abs(before[:, 4:] - after[:, 4:])) > 0.5


@pytest.fixture(scope="module")
def served(model, sorting, tmp_path_factory) -> SavedModelProgram:
    folder = tmp_path_factory.mktemp("served")
    write_saved_model(model, sorting.serving(model), folder)
    return SavedModelProgram(folder)


def test_sequences_of_any_length_are_served(served, model):
    tokens = np.random.default_rng(0).integers(0, 6, (5, 7)).astype(np.int32)
    expected = model(tokens)["logits"].numpy()
    for length in (1, 4, 7):
        answers = served("serving_default", {"tokens": tokens[:, :length]})
        np.testing.assert_allclose(
            answers["logits"], expected[:, :length], rtol=1e-4, atol=1e-5
        )
        softmax = np.exp(expected[:, :length].astype(np.float64))
        softmax /= softmax.sum(-1, keepdims=True)
        np.testing.assert_allclose(answers["probabilities"], softmax, atol=1e-5)
    with pytest.raises(tf.errors.InvalidArgumentError):
        served("serve", {"tokens": np.zeros((1, 8), np.int32)})


@pytest.mark.parametrize("preset", ["saved_model", "tflite_int8"])
def test_an_artefact_predicts_what_its_run_predicts(
    sorting_artefact, sorting_run, preset
):
    loaded, run = export.load(sorting_artefact(preset)), load_run(sorting_run)
    for text in ("3 1 2", "0 0 3", "2 1 0", "1 1 1"):
        assert loaded.predict(text) == run.task.predict(run.model, text)
    assert loaded.predict("3 1 2") == "1 2 3"


def test_a_process_that_built_no_model_reads_an_artefact(sorting_artefact):
    code = "import export, sys; export.load(sys.argv[1]).reference()"
    command = [sys.executable, "-c", code, str(sorting_artefact("saved_model"))]
    subprocess.run(command, check=True, timeout=120)


@pytest.mark.parametrize("text", ["", "3 1", "3 1 4", "three one two"])
def test_text_that_cannot_be_tokens_is_a_data_error(sorting_artefact, text: str):
    with pytest.raises(DataError, match="numbers from 0 to 3"):
        export.load(sorting_artefact("saved_model")).predict(text)


def test_what_was_trained_passes(sorting_artefact, sorting_run):
    verification = export.verify(sorting_artefact("tflite_int8"))
    keras_check, saved_model, tflite = verification.checks
    assert (verification.split, verification.num_examples) == ("test", 50)
    assert verification.accuracy == "token_accuracy"
    evaluated = json.loads((sorting_run / "metrics.json").read_text())
    for name in ("token_accuracy", "sequence_accuracy", "perplexity"):
        expected = pytest.approx(evaluated[f"test/{name}"], rel=1e-5)
        assert keras_check.metrics[name] == expected
    assert saved_model.errors["logits"] <= 1e-5
    assert 1e-4 < tflite.errors["logits"] <= tflite.bound
    assert tflite.agreement >= 0.99


def test_agreement_is_weighted():
    scores = {"logits": np.zeros((2, 3, 4))}
    agreed = np.array([[True, False, True], [True, True, False]])
    weights = np.array([[0.0, 1.0, 1.0], [2.0, 0.0, 0.0]], np.float32)
    tally = Tally()
    tally.add(scores, scores, agreed, weights)
    tally.add(scores, scores, agreed, 0 * weights)
    assert (tally.agreed, tally.weight, tally.num_examples) == (3.0, 4.0, 2)


def test_a_program_that_scores_differently_fails(sorting_artefact, monkeypatch):
    loaded = export.load(sorting_artefact("saved_model"))

    def reverse(program, batch):
        found = program("serve" if "serve" in program.endpoints else "score", batch)
        flip = slice(None, None, -1 if "serve" in program.endpoints else 1)
        return {"logits": found["logits"][..., flip]}

    monkeypatch.setattr(
        loaded.signatures,
        "outputs",
        lambda program, batch: reverse(program, {"tokens": batch["tokens"]}),
    )
    verification = export.verification.verify_artefact(loaded, 20)
    with pytest.raises(CheckFailed) as caught:
        verification.check()
    for expected in ("error of logits", "min_agreement", "token_accuracy drops"):
        assert expected in str(caught.value)


def test_examples_are_those_of_evaluation(sorting, sorting_run):
    task = load_run(sorting_run).task
    batches = list(task.dataset("test").as_numpy_iterator())
    whole = np.concatenate([batch["tokens"] for batch in batches])[:50]
    single = list(sorting.examples("test", 10**6))
    np.testing.assert_array_equal(
        np.concatenate([batch["tokens"] for batch in single]), whole
    )
    some = np.concatenate([batch["tokens"] for batch in sorting.examples("test", 5)])
    np.testing.assert_array_equal(some, whole[::10])


def test_a_text_is_continued_without_the_files_of_the_data():
    model = {**read_yaml(SORT, "sort.yaml")["model"], "vocabulary_size": 256}
    data = {"kind": "text", "train": "absent.txt", "batch_size": 8}
    signatures = signatures_for(model=model, data=data)

    class NextByte:
        """Scores best the byte after the last one."""

        endpoints = ("score",)

        def __call__(self, endpoint, inputs):
            assert inputs["tokens"].shape == (1, 7)
            assert inputs["tokens"].dtype == np.int32
            return {"logits": np.eye(256)[(inputs["tokens"] + 1) % 256]}

    assert signatures.predict(NextByte(), "xyzabc") == "defg"
    with pytest.raises(DataError, match="empty text"):
        signatures.predict(NextByte(), "")
