"""A language model with memory in TFLite, against the whole graph again and again."""

from pathlib import Path

import keras
import numpy as np
import pytest
from tensorflow.lite.tools import flatbuffer_utils

from export.lite_runtime import LiteProgram
from export.runtime import KerasProgram
from export.signatures.language_modeling import LanguageModelingSignatures
from export.tflite import convert
from tfmodels import catalog
from trainers.configuration import load_experiment
from trainers.tasks.language_modeling import continuation

SETTINGS = (
    "model.max_length=12",
    "model.model_dim=16",
    "model.num_layers=2",
    "model.num_heads=2",
    "model.num_key_value_heads=1",
    "model.feed_forward_dim=24",
)


@pytest.mark.slow
def test_texts_go_on_the_same_in_every_form(tmp_path: Path):
    experiment = load_experiment("optimal_clipping/tiny", SETTINGS)
    model = catalog.build(experiment.model)
    random = np.random.default_rng(3)
    for weight in model.weights:
        weight.assign(weight + random.normal(0, 0.3, weight.shape))
    signatures = LanguageModelingSignatures(experiment, {})
    assert signatures.floating == ("prefill", "decode")
    content = convert(model, signatures.device, "float32")
    (tmp_path / "it.tflite").write_bytes(content)
    programs = [
        KerasProgram(signatures.device(model)),
        LiteProgram(tmp_path / "it.tflite"),
    ]
    for text in ("T", "To be", "To be, or not to be"):
        expected = continuation(
            lambda tokens: model(tokens)["logits"].numpy(),
            signatures._notation,
            text,
            12,
        )
        assert len(set(expected)) > 1
        for program in programs:
            assert set(program.endpoints) == {"score", "prefill", "decode"}
            assert signatures.predict(program, text) == expected
    # Each matrix is there once, as it was trained, for all three.
    stored = [bytes(b.data) for b in read_buffers(content) if b.data is not None]
    for layer in model.layers:
        if isinstance(layer, keras.layers.Dense):
            assert stored.count(layer.kernel.numpy().T.tobytes()) == 1, layer.name
    table = model.get_layer("embedding").embeddings.numpy()
    assert stored.count(table.tobytes()) == 1
    assert sum(len(data) == table.nbytes for data in stored) == 1


def read_buffers(content: bytes) -> list:
    return flatbuffer_utils.read_model_from_bytearray(bytearray(content)).buffers


def test_memory_matters():
    """Without what was seen before, the answers are others: it is used."""
    experiment = load_experiment("optimal_clipping/tiny", SETTINGS)
    model = catalog.build(experiment.model)
    endpoint = LanguageModelingSignatures(experiment, {}).device(model)
    program = KerasProgram(endpoint)
    shape = program.inputs("decode")["keys"]
    given = {"tokens": np.int32([[65]]), "places": np.int32([3])}
    logits = [
        program("decode", {**given, "keys": x, "values": x})["logits"]
        for x in (np.zeros(shape, np.float32), np.ones(shape, np.float32))
    ]
    assert np.abs(logits[0] - logits[1]).max() > 1e-3
