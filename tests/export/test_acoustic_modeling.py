"""The functions exported for acoustic modelling, on a few words and on digits."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import export
import trainers
from export.decoding import Recogniser
from export.flatbuffer import count_operators
from export.folding import fold
from export.integer_forms import INTEGER_FORMS
from export.lite_runtime import LiteProgram
from export.loading import Artefact
from export.runtime import KerasProgram
from export.signatures.acoustic_modeling import AcousticModelingSignatures
from export.tflite import convert
from export.verification import verify_artefact
from tests.conftest import Make
from tests.tfmodels.lattices.enumeration import enumerate_paths
from tests.tfmodels.lattices.enumeration import random_graph
from tests.trainers.data.test_spoken_digits import write_wave
from tests.trainers.words import words
from tfmodels import catalog
from tfmodels.errors import ConfigError
from tfmodels.errors import DataError
from tfmodels.lattices.graph import stack
from trainers.data.utterances.sound import FrontEnd
from trainers.experiment import Experiment
from trainers.runs import load_run
from trainers.stages import open_task

pytestmark = pytest.mark.slow  # they share a run and its export

MODELS = {
    "dnn": {"kind": "acoustic_dnn", "hidden_dims": [8], "left_context": 1},
    "lstm": {"kind": "acoustic_lstm", "num_cells": 6, "projection_dim": 4},
    "tdnn": {
        "kind": "acoustic_tdnn",
        "hidden_dim": 8,
        "offsets": [[-1, 0, 1], [-3, 3]],
    },
}


@pytest.fixture(scope="module")
def artefact(words_run: Path, made_once: Make) -> Artefact:
    path = made_once(
        "words_int16x8",
        lambda folder: export.export(words_run, "tflite_int16x8", folder),
    )
    return export.load(path)


@pytest.fixture(scope="module")
def signatures_of(artefact: Artefact) -> Callable[[str], AcousticModelingSignatures]:
    """Signatures of another network on the same words."""
    names = AcousticModelingSignatures.file_names
    files = {name: (artefact.path / name).read_text() for name in names}

    def make(name: str) -> AcousticModelingSignatures:
        sizes = {"feature_dim": 12, "num_pdfs": 87}
        values = {**words().plain(), "model": {**MODELS[name], **sizes}}
        return AcousticModelingSignatures(Experiment.parse(values), files)

    return make


def build(name: str, **changes: Any) -> keras.Model:
    values = {**MODELS[name], "feature_dim": 12, "num_pdfs": 87, **changes}
    return catalog.build(catalog.find(values["kind"]).config.parse(values))


def test_what_was_trained_passes(artefact: Artefact, words_run: Path) -> None:
    verification = verify_artefact(artefact)
    reference, saved_model, tflite = verification.checks
    assert (verification.split, verification.num_examples) == ("test", 6)
    evaluated = json.loads((words_run / "metrics.json").read_text())
    for name in ("frame_accuracy", "wer", "wer_at_0.25"):
        expected = pytest.approx(evaluated[f"test/{name}"], rel=1e-5)
        assert reference.metrics[name] == expected
    # Keras went step by step, the SavedModel took whole utterances.
    assert saved_model.errors["logits"] <= 1e-5
    assert saved_model.metrics == pytest.approx(reference.metrics, rel=1e-5)
    assert 1e-4 < tflite.errors["logits"] <= tflite.bound


def test_words_are_those_of_the_run(artefact: Artefact, words_run: Path) -> None:
    run = load_run(words_run)
    served = artefact.programs["saved_model"]
    for number in ("0", "5"):
        said = run.task.predict(run.model, number)
        assert said
        assert artefact.predict(number) == said
        assert artefact.signatures.predict(served, number) == said
    with pytest.raises(DataError, match="Expected a number below 6"):
        artefact.predict("6")


def test_the_contract_says_what_a_decoder_needs(artefact: Artefact) -> None:
    contract = artefact.manifest.preprocessing
    streaming = {k: contract["streaming"][k] for k in ("frames_per_step", "lead")}
    assert streaming == {"frames_per_step": 1, "lead": 1}
    assert contract["streaming"]["delay"] == 2
    assert contract["acoustic_scale"] == 0.5
    decoder = Recogniser.parse((artefact.path / contract["decoder"]).read_text())
    task: Any = open_task(words(), words().data)
    np.testing.assert_array_equal(decoder.prior, task.log_prior)
    np.testing.assert_array_equal(decoder.graph.pdf, task.hybrid.graph.pdf)
    np.testing.assert_array_equal(decoder.phone_of_pdf, task.hybrid.phone_of_pdf)
    assert decoder.words == task.hybrid.lexicon.words
    extra = artefact.path / "saved_model/assets.extra/decoder.json"
    assert extra.read_text() == decoder.dump()
    [endpoint] = artefact.manifest.programs["tflite"].endpoints.values()
    assert endpoint.inputs["splice_frames"] == endpoint.outputs["splice_frames"]


def test_alignments_are_best_paths_of_own_graphs(artefact: Artefact) -> None:
    graphs = [random_graph(seed, 3, 7, 4) for seed in (1, 2)]
    scores = np.random.default_rng(0).normal(size=(2, 4, 87)).astype(np.float32)
    inputs = stack(graphs)._asdict()
    inputs = {name: inputs[name] for name in inputs if name not in ("phone", "word")}
    lengths = np.array([4, 3], np.int32)
    found = artefact.programs["saved_model"](
        "align", {"log_likelihoods": scores, "lengths": lengths, **inputs}
    )
    for row, graph in enumerate(graphs):
        paths = enumerate_paths(graph, 0.5 * scores[row, : lengths[row]])
        best = paths.arcs[np.argmax(paths.weights)]
        np.testing.assert_array_equal(found["arc"][row, : lengths[row]], best)
        np.testing.assert_array_equal(
            found["pdf"][row, : lengths[row]], graph.pdf[best]
        )
        assert found["score"][row] == pytest.approx(paths.weights.max(), rel=1e-5)
    assert found["arc"][1, 3] == -1


@pytest.mark.parametrize("name", MODELS)
def test_a_file_of_steps_scores_like_the_whole(name, signatures_of, tmp_path) -> None:
    signatures, model = signatures_of(name), build(name)
    content = convert(model, signatures.device, "float32")
    (tmp_path / "m").write_bytes(content)
    [batch] = list(signatures.examples("test", 4))
    whole = KerasProgram(signatures.serving(model))
    expected = signatures.outputs(whole, batch)["logits"]
    received = signatures.outputs(LiteProgram(tmp_path / "m"), batch)["logits"]
    there = batch["weight"] > 0
    assert there.shape == received.shape[:2] == expected.shape[:2]
    np.testing.assert_allclose(received[there], expected[there], atol=1e-5)
    np.testing.assert_allclose(np.exp(received[there]).sum(-1), 1, rtol=1e-5)


def test_integers_score_nearly_the_same(signatures_of, tmp_path) -> None:
    signatures, model = signatures_of("tdnn"), build("tdnn", hidden_dim=32)
    reference = KerasProgram(signatures.device(model))
    samples = list(signatures.calibration(reference, 8))
    content = convert(model, signatures.device, "int8", samples)
    (tmp_path / "m").write_bytes(content)
    # The utterances of the calibration, so that little exceeds the ranges.
    [batch, _] = list(signatures.examples("train", 8))
    expected, received = (
        signatures.outputs(program, batch)["logits"]
        for program in (reference, LiteProgram(tmp_path / "m"))
    )
    error = np.abs(received - expected)[batch["weight"] > 0].max() / np.ptp(expected)
    assert 0 < error < 0.15
    # The prior has become part of the last layer's bias: sums are of normalizations.
    found = count_operators(content)
    assert (found["FULLY_CONNECTED"], found["ADD"]) == (4, 3)


def test_a_trained_network_keeps_its_answers(taught, tmp_path) -> None:
    out = export.export(taught, "tflite_int8", tmp_path / "out")
    reference, _, tflite = export.verify(out).checks
    assert tflite.agreement >= 0.95
    assert reference.metrics["wer"] < 0.2  # chance is about 1
    assert abs(tflite.metrics["wer"] - reference.metrics["wer"]) <= 0.015


@pytest.fixture(scope="module")
def taught(tmp_path_factory) -> Path:
    """The smallest example of asynchronous sequence training, after its first stage."""
    folder = tmp_path_factory.mktemp("taught")
    changes = (
        "stages=[{name: cross_entropy, steps: 5 epochs}]",
        "data.test_utterances=200",
        "strategy={kind: data_parallel, devices: cpu}",
    )
    trainers.train("async_sequence/tiny", folder / "run", changes)
    return folder / "run"


def test_normalization_for_integers_computes_the_same() -> None:
    model = build("tdnn")
    for weight in model.weights:
        weight.assign_add(0.3 * np.random.default_rng(0).normal(size=weight.shape))
    rewritten = fold(model, INTEGER_FORMS)
    kinds = {type(layer) for layer in rewritten.layers}
    assert INTEGER_FORMS[keras.layers.RMSNormalization] in kinds
    batch = {"features": np.ones((1, 5, 12), np.float32), "lengths": np.array([5])}
    np.testing.assert_allclose(
        rewritten(batch)["logits"], model(batch)["logits"], rtol=1e-4, atol=1e-5
    )


def test_calibration_has_memory_of_its_own_making(signatures_of) -> None:
    signatures, model = signatures_of("lstm"), build("lstm")
    program = KerasProgram(signatures.device(model))
    steps = [inputs for _, inputs in signatures.calibration(program, 3)]
    assert {name: array.shape for name, array in steps[-1].items()} == {
        "features": (1, 1, 12),
        **{f"lstm{n}_output": (1, 4) for n in (1, 2)},
        **{f"lstm{n}_cells": (1, 6) for n in (1, 2)},
    }
    assert not steps[0]["lstm2_cells"].any()
    assert all(step["lstm2_cells"].any() for step in steps[3:])


def test_a_head_for_training_does_not_leave(signatures_of) -> None:
    model = build("tdnn", cross_entropy_head=True)
    deployed = signatures_of("tdnn").deployed(model)
    assert list(deployed.output) == ["logits"]
    assert "pre_cross_entropy_logits" not in [layer.name for layer in deployed.layers]


def test_models_that_leave_in_steps_are_not_cut(words_run, tmp_path) -> None:
    with pytest.raises(ConfigError, match="without stages"):
        export.export(words_run, "tflite_stages_int8", tmp_path / "out")


def test_a_recording_is_recognised_without_the_data_set(tmp_path) -> None:
    values = {
        **words().plain(),
        "task": {"kind": "acoustic_modeling", "tying": "monophone"},
        "data": {"kind": "fsdd", "path": "absent", "batch_size": 4},
        "model": {**MODELS["tdnn"], "feature_dim": 40, "num_pdfs": 4},
    }
    graph = random_graph(3, 40, 300, 4)
    decoder = Recogniser(
        ("", "yes", "no"), ("", "a"), np.ones(4, int), np.zeros(4), 1.0, graph
    )
    front_end = json.dumps(FrontEnd(8000, 40).describe())
    files = {"decoder.json": decoder.dump(), "front_end.json": front_end}
    signatures = AcousticModelingSignatures(Experiment.parse(values), files)
    model = catalog.build(Experiment.parse(values).model)
    noise = np.random.default_rng(0).integers(-9000, 9000, 8000)
    write_wave(tmp_path / "noise.wav", noise)
    whole, steps = (
        KerasProgram(endpoints)
        for endpoints in (signatures.serving(model), signatures.device(model))
    )
    said = signatures.predict(steps, str(tmp_path / "noise.wav"))
    assert said.split()
    assert signatures.predict(whole, str(tmp_path / "noise.wav")) == said
    assert signatures.preprocessing()["features"]["sample_rate"] == 8000
    with pytest.raises(DataError, match="cannot read the recording"):
        signatures.predict(steps, "absent.wav")
