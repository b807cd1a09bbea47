"""Models in a chain of TFLite files: equal to the whole, however they are cut."""

import types
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import export
from export.interfaces import Endpoint
from export.interfaces import Job
from export.lite_runtime import StagedLiteProgram
from export.signatures import signatures_class
from export.stages import cut
from export.stages import write_stages
from export.tflite import convert
from tests.trainers.small import SORT
from tfmodels import catalog
from tfmodels.errors import CheckFailed
from tfmodels.errors import ConfigError
from tfmodels.errors import DataError
from trainers.configuration import read_yaml
from trainers.experiment import Experiment
from trainers.runs import load_run

AMOEBANET = {
    "task": {"kind": "image_classification"},
    "model": {
        "kind": "amoebanet",
        "input_shape": [32, 32, 1],
        "num_classes": 10,
        "num_layers": 3,
        "num_filters": 8,
        "batch_norm": {"momentum": 0.9},
    },
    "data": {"kind": "digits", "batch_size": 64},
    "objective": {"kind": "cross_entropy"},
    "optimizer": {"kind": "adam", "learning_rate": {"kind": "constant", "initial": 1}},
    "run": {"steps": 1},
}
PIPELINE = {"kind": "pipeline", "devices": "cpu", "stages": 3}
FILES = {"labels.txt": "\n".join("0123456789")}


def job(folder: Path, values: dict, **changes) -> Job:
    """An export of a network with fresh weights."""
    experiment = Experiment.parse({**values, **changes})
    signatures = signatures_class(experiment.task.kind)(experiment, FILES)
    model = signatures.deployed(catalog.build(experiment.model))
    run = types.SimpleNamespace(experiment=experiment)
    return Job(run, model, signatures, folder)


def sorting() -> dict:
    return read_yaml(SORT, "sort.yaml")


@pytest.mark.parametrize("numbers", ["float32", "int8"])
@pytest.mark.slow
def test_a_chain_predicts_and_verifies(sorting_artefact, sorting_run, numbers: str):
    folder = sorting_artefact(f"tflite_stages_{numbers}")
    loaded, run = export.load(folder), load_run(sorting_run)
    for text in ("3 1 2", "0 0 3"):
        assert loaded.predict(text) == run.task.predict(run.model, text)
    check = export.verify(folder).checks[-1]
    assert check.kind == "tflite_stages"
    assert check.agreement >= 0.98
    if numbers == "float32":
        assert check.errors["logits"] <= 1e-5
    sizes = [path.stat().st_size for path in (folder / "stages").iterdir()]
    assert check.num_bytes == sum(sizes)
    assert len(sizes) == 2


def test_the_manifest_holds_the_contract_of_every_file(sorting_artefact):
    folder = sorting_artefact("tflite_stages_int8")
    program = export.load(folder).manifest.programs["tflite_stages"]
    first, second = program.parts
    assert (folder / first.path).name == "stage_0000.tflite"
    assert (folder / second.path).is_file()
    whole = program.endpoints["score"]
    assert whole.inputs == first.endpoints["score"].inputs
    assert whole.outputs == second.endpoints["score"].outputs
    assert whole.inputs["tokens"].dtype == "int32"
    [(name, made)] = first.endpoints["score"].outputs.items()
    [(same, read)] = second.endpoints["score"].inputs.items()
    assert name == same
    assert made.shape == read.shape == (1, 7, 16)
    assert made.dtype == read.dtype == "int8"
    # The integers that one file writes are those that the next one reads.
    assert made.quantization.zero_point == read.quantization.zero_point
    assert made.quantization.scale == pytest.approx(read.quantization.scale, rel=1e-5)
    assert sum(program.operators.values()) == sum(
        count for part in program.parts for count in part.operators.values()
    )


def crossing_network() -> keras.Model:
    """Four layers in a row, each of which also reads the one before the last."""
    x = previous = image = keras.Input((5,), name="image")
    endpoints = {}
    for number in range(4):
        joined = keras.layers.Concatenate()([x, previous])
        previous, x = x, keras.layers.Dense(6, "tanh")(joined)
        endpoints[f"layer{number}"] = x
    logits = keras.layers.Dense(3, name="logits")(x)
    model = keras.Model(image, {"logits": logits})
    model.endpoints = endpoints
    return model


@pytest.fixture
def crossing(tmp_path) -> Job:
    """An export of it, in three parts."""

    def device(model: keras.Model) -> dict[str, Endpoint]:
        spec = tf.TensorSpec([1, 5], tf.float32, "pixels")
        return {"classify": Endpoint(lambda x: dict(model(x)), (spec,))}

    experiment = Experiment.parse({**sorting(), "export": {"stages": 3}})
    return Job(
        types.SimpleNamespace(experiment=experiment),
        crossing_network(),
        types.SimpleNamespace(device=device),
        tmp_path,
    )


def test_several_tensors_may_cross_a_cut(crossing):
    chain = cut(crossing)
    reads = [set(part.reads) for part in chain.parts[1:]]
    assert [len(each) for each in reads] == [2, 2]
    assert reads[0] & reads[1], "no tensor skips a part"
    assert write_stages(crossing, "float32") == {"tflite_stages": "stages"}
    program = StagedLiteProgram(crossing.folder / "stages")
    image = np.random.default_rng(0).normal(size=(1, 5)).astype(np.float32)
    outputs = program("classify", {"pixels": image})
    assert list(outputs) == ["logits"]
    expected = crossing.model(image)["logits"]
    np.testing.assert_allclose(outputs["logits"], expected, atol=1e-6)
    endpoint = program.describe("stages").endpoints["classify"]
    assert (list(endpoint.inputs), list(endpoint.outputs)) == (["pixels"], ["logits"])


def test_calibration_gives_each_part_what_it_reads(crossing):
    chain = cut(crossing)
    images = np.random.default_rng(0).normal(size=(2, 1, 5)).astype(np.float32)
    samples = list(chain.samples([{"pixels": image} for image in images]))
    assert [len(seen) for seen in samples] == [2, 2, 2]
    last = chain.parts[-1]
    for image, (name, arrays) in zip(images, samples[-1], strict=True):
        assert name == "classify"
        values = [arrays[chain.name(number)] for number in last.reads]
        [logits] = last.model(values).values()
        np.testing.assert_allclose(logits, crossing.model(image)["logits"], atol=1e-6)


@pytest.mark.slow
def test_amoebanet_in_a_chain_is_folded_and_equal(tmp_path):
    made = job(tmp_path, AMOEBANET, export={"stages": 3})
    images = np.random.default_rng(0).normal(size=(8, 32, 32, 1)).astype(np.float32)
    for _ in range(10):
        made.model(images, training=True)
    assert max(len(part.reads) for part in cut(made).parts) > 1
    write_stages(made, "float32")
    program = StagedLiteProgram(tmp_path / "stages")
    received = [program("classify", {"image": image[None]}) for image in images]
    np.testing.assert_allclose(
        np.concatenate([outputs["logits"] for outputs in received]),
        made.model(images)["logits"],
        rtol=1e-5,
        atol=1e-5,
    )
    # Batch normalisation has gone into the convolutions before it.
    convolutions = [
        layer for layer in made.model.layers if isinstance(layer, keras.layers.Conv2D)
    ]
    operators = program.describe("stages").operators
    assert operators["CONV_2D"] == len(convolutions)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, 2),
        ({"strategy": PIPELINE}, 3),
        ({"strategy": {**PIPELINE, "stages": 2, "chunks": 2}}, 4),
        ({"strategy": PIPELINE, "export": {"stages": 5}}, 5),
        ({"export": {"stages": 1}}, 1),
    ],
)
def test_there_are_as_many_parts_as_stages(tmp_path, changes: dict, expected: int):
    chain = cut(job(tmp_path, sorting(), **changes))
    assert len(chain.parts) == expected


def test_the_parts_hold_about_as_many_weights_each(tmp_path):
    values = sorting()
    values["model"]["num_layers"] = 6
    chain = cut(job(tmp_path, values, export={"stages": 3}))
    sizes = [part.model.count_params() for part in chain.parts]
    block = 4 * (16 * 16 + 16) + 2 * 16 * 32 + 32 + 16 + 4 * 16
    assert max(sizes) - min(sizes) < block


def test_more_parts_than_items_are_refused(tmp_path):
    made = job(tmp_path, sorting(), export={"stages": 50})
    with pytest.raises(ConfigError, match=r"export\.stages(.|\n)*received 50"):
        write_stages(made, "float32")
    assert not list(tmp_path.iterdir())


def test_weights_that_no_file_can_hold_are_refused(tmp_path, monkeypatch):
    made = job(tmp_path, sorting())
    num_bytes = 4 * made.model.count_params()
    monkeypatch.setattr("export.tflite._LARGEST", num_bytes - 1)
    with pytest.raises(CheckFailed, match="tflite_stages") as caught:
        convert(made.model, made.signatures.device, "float32")
    assert f"{num_bytes:,}" in str(caught.value)


def test_a_folder_without_stages_is_a_data_error(tmp_path):
    with pytest.raises(DataError, match="holds no program"):
        StagedLiteProgram(tmp_path)
    (tmp_path / "stage_0000.tflite").write_bytes(b"damaged")
    with pytest.raises(DataError, match=r"stage_0000\.tflite"):
        StagedLiteProgram(tmp_path)
