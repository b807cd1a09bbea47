"""Exports in parts: files for single endpoints, what endpoints hold, whole numbers."""

from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from export.folding import fold
from export.interfaces import Endpoint
from export.interfaces import Job
from export.lite_runtime import LiteProgram
from export.lite_runtime import LitePrograms
from export.runtime import SavedModelProgram
from export.saved_model import write_saved_model
from export.tflite import write_tflite
from export.verification import Tally
from tfmodels.errors import DataError


class Halves:
    """Two endpoints of a network of two layers, the second in floating point."""

    floating = ("second",)

    def device(self, model):
        first, second = model.layers[-2:]
        specs = tuple(tf.TensorSpec([1, n], tf.float32, "x") for n in (4, 6))
        return {
            "first": Endpoint(lambda x: {"y": first(x)}, specs[:1]),
            "second": Endpoint(lambda x: {"y": second(x)}, specs[1:]),
        }

    def calibration(self, program, count):
        for x in np.random.default_rng(0).normal(size=(count, 1, 4)).astype(np.float32):
            yield "first", {"x": x}
            yield "second", {"x": program("first", {"x": x})["y"]}


RUN: Any = SimpleNamespace(
    experiment=SimpleNamespace(
        export=SimpleNamespace(calibration_examples=100, fuse_1x1=False)
    )
)
"""As much of a run as its export needs here."""


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    x = keras.Input((4,))
    hidden = keras.layers.Dense(6, name="one")(x)
    return keras.Model(x, keras.layers.Dense(3, name="two")(hidden))


def job(model, folder):
    folder.mkdir()
    return Job(RUN, model, Halves(), folder)


@pytest.fixture(scope="module")
def parts(model, tmp_path_factory):
    """The folder of files that int16x8 makes."""
    folder = tmp_path_factory.mktemp("export") / "int16x8"
    assert write_tflite(job(model, folder), "int16x8") == {"tflite_files": "tflite"}
    return folder / "tflite"


def test_some_endpoints_stay_in_floating_point(parts):
    files = sorted(path.name for path in parts.iterdir())
    assert files == ["first.tflite", "second.tflite"]
    types = [
        {tensor["dtype"] for tensor in Interpreter(str(path)).get_tensor_details()}
        for path in sorted(parts.iterdir())
    ]
    assert np.int16 in types[0]
    assert np.int16 not in types[1]


def test_files_of_a_folder_are_one_program(parts, model):
    program = LitePrograms(parts)
    assert program.endpoints == ("first", "second")
    assert program.inputs("second") == {"x": (1, 6)}
    x = np.random.default_rng(1).normal(size=(1, 4)).astype(np.float32)
    hidden = program("first", {"x": x})["y"]
    np.testing.assert_allclose(
        program("second", {"x": hidden})["y"], model(x), atol=0.1
    )
    entry = program.describe("tflite")
    assert [part.path for part in entry.parts] == [
        "tflite/first.tflite",
        "tflite/second.tflite",
    ]
    assert set(entry.endpoints) == {"first", "second"}
    counts = [part.operators["FULLY_CONNECTED"] for part in entry.parts]
    assert entry.operators["FULLY_CONNECTED"] == sum(counts) == 2


def test_without_calibration_there_is_one_file(model, tmp_path):
    made = write_tflite(job(model, tmp_path / "float"), "float32")
    assert made == {"tflite": "model.tflite"}
    program = LiteProgram(tmp_path / "float" / "model.tflite")
    assert set(program.endpoints) == {"first", "second"}


def test_an_empty_folder_is_no_program(tmp_path):
    with pytest.raises(DataError, match="holds no program"):
        LitePrograms(tmp_path)


def test_a_model_that_is_no_graph_has_nothing_to_fold():
    class Twice(keras.Model):
        def call(self, x):
            return 2 * x

    model = Twice()
    assert fold(model) is model


class Colours(tf.Module):
    """A table, which a SavedModel must initialise when it is loaded."""

    def __init__(self):
        super().__init__()
        pairs = tf.lookup.KeyValueTensorInitializer(["red", "blue"], [3.0, 5.0])
        self.table = tf.lookup.StaticHashTable(pairs, default_value=0.0)


def test_what_endpoints_hold_is_saved_with_them(model, tmp_path):
    colours = Colours()
    spec = tf.TensorSpec([None], tf.string, "name")
    endpoint = Endpoint(
        lambda name: {"value": colours.table.lookup(name)}, (spec,), (colours,)
    )
    write_saved_model(model, {"look": endpoint}, tmp_path)
    found = SavedModelProgram(tmp_path)(
        "look", {"name": np.array(["blue", "x", "red"])}
    )
    np.testing.assert_array_equal(found["value"], [5, 0, 3])


def test_whole_numbers_have_no_size_of_error():
    """A wrong token is wrong, however near its number; agreement counts that."""
    tally = Tally()
    one = {"logits": np.zeros((1, 2)), "ids": np.array([[1, 2]])}
    two = {"logits": np.array([[0.0, 0.5]]), "ids": np.array([[1, 200]])}
    tally.add(one, two, np.array([False]), np.ones(1, np.float32))
    assert tally.errors == {"logits": 0.5}
    assert (tally.agreed, tally.weight) == (0.0, 1.0)
