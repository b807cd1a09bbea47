"""TFLite files: operators, numeric formats, and what is refused."""

from collections import Counter

import flatbuffers
import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

import tfmodels
from export.flatbuffer import check_builtin
from export.flatbuffer import check_integer
from export.flatbuffer import count_operators
from export.interfaces import Endpoint
from export.lite_runtime import LiteProgram
from export.quantization import dequantize
from export.quantization import quantize
from export.tflite import convert
from tests.export.small import MODEL
from tests.export.small import build
from tfmodels.classification.pixels import normalize_pixels
from tfmodels.errors import CheckFailed
from tfmodels.errors import DataError
from trainers.data.images.arrays import load_digits

pytestmark = pytest.mark.slow

TYPES = {code: name for name, code in vars(schema.TensorType).items()}


def endpoints_of(shape):
    def endpoints(model: keras.Model) -> dict[str, Endpoint]:
        spec = tf.TensorSpec(shape, tf.float32, "image")
        return {"classify": Endpoint(lambda x: model(x, training=False), (spec,))}

    return endpoints


def digits(split: str, count: int) -> np.ndarray:
    return normalize_pixels(load_digits(split).images[:count], "inception").numpy()


def samples(images: np.ndarray):
    return [("classify", {"image": image[None]}) for image in images]


def tensor_types(content: bytes) -> Counter:
    """Element types of all tensors of all subgraphs, read from the file's schema."""
    graphs = schema.ModelT.InitFromPackedBuf(content, 0).subgraphs
    return Counter(TYPES[tensor.type] for graph in graphs for tensor in graph.tensors)


@pytest.fixture(scope="module")
def model() -> keras.Model:
    """Batch-norm statistics of real digits, so that activations have a real spread."""
    keras.utils.set_random_seed(3)
    model = build(stages=MODEL["stages"][:1], heads=[])
    for _ in range(30):
        model(digits("train", 200), training=True)
    return model


@pytest.fixture(scope="module")
def files(model, tmp_path_factory) -> dict:
    """The network in each numeric format, as a path."""
    folder = tmp_path_factory.mktemp("tflite")
    made = {}
    for numbers in ("float32", "float16", "dynamic", "int8", "int16x8"):
        content = convert(
            model,
            endpoints_of([1, 8, 8, 1]),
            numbers,
            samples(digits("train", 100)) if numbers in ("int8", "int16x8") else None,
        )
        made[numbers] = folder / numbers
        made[numbers].write_bytes(content)
    return made


def test_the_operators_are_those_of_the_network(files, model):
    layers = Counter(type(layer).__name__ for layer in model.layers)
    expected = {
        "CONV_2D": layers["Conv2D"],
        "MAX_POOL_2D": layers["MaxPooling2D"],
        "CONCATENATION": layers["Concatenate"],
        "MEAN": 1,
        "FULLY_CONNECTED": 1,
    }
    for numbers in ("float32", "int8"):
        assert count_operators(files[numbers].read_bytes()) == expected


@pytest.mark.parametrize(
    ("numbers", "bound"),
    [
        ("float32", 1e-6),
        ("float16", 2e-3),
        ("dynamic", 2e-2),
        ("int8", 5e-2),
        ("int16x8", 2e-2),
    ],
)
def test_answers_are_those_of_keras(files, model, numbers: str, bound: float):
    images = digits("train", 100)
    expected = model(images)["logits"].numpy()
    received = LiteProgram(files[numbers])("classify", {"image": images})["logits"]
    error = np.max(np.abs(received - expected)) / np.ptp(expected)
    assert error < bound
    assert numbers == "float32" or error > 0


@pytest.mark.parametrize("numbers", ["float32", "dynamic", "int8"])
def test_a_batch_is_answered_as_its_images_one_by_one(files, numbers: str):
    images = digits("test", 5)
    program = LiteProgram(files[numbers])
    together = program("classify", {"image": images})["logits"]
    single = [program("classify", {"image": i[None]})["logits"][0] for i in images]
    np.testing.assert_allclose(together, single, atol=1e-6)


def test_int8_holds_integers_only(files):
    content = files["int8"].read_bytes()
    assert set(tensor_types(content)) <= {"INT8", "INT32", "INT64"}
    interpreter = Interpreter(model_content=content)
    for detail in interpreter.get_input_details() + interpreter.get_output_details():
        assert detail["dtype"] == np.int8
    check_integer(content)


def test_the_other_formats_are_what_their_names_say(files):
    types = {name: tensor_types(path.read_bytes()) for name, path in files.items()}
    assert set(types["float32"]) <= {"FLOAT32", "INT32"}
    assert types["float16"]["FLOAT16"] > 0
    assert types["dynamic"]["INT8"] > 0
    assert types["int16x8"]["INT16"] > types["int16x8"]["INT8"] > 0
    for numbers in ("float32", "float16", "dynamic", "int16x8"):
        with pytest.raises(CheckFailed, match="not integer-only"):
            check_integer(files[numbers].read_bytes())


def test_local_response_normalization_is_refused_in_int8():
    shape = [32, 32, 1]
    model = build(
        variant="paper", batch_norm=None, heads=[], stem="standard", input_shape=shape
    )
    images = np.random.default_rng(0).normal(size=(3, *shape)).astype(np.float32)
    with pytest.raises(CheckFailed) as caught:
        convert(model, endpoints_of([1, *shape]), "int8", samples(images))
    message = str(caught.value)
    assert "LOCAL_RESPONSE_NORMALIZATION" in message
    assert "model.variant: bn" in message


class Unsupported(keras.layers.Layer):
    def call(self, inputs):
        return {"y": tf.math.erfinv(inputs)}


def test_operations_that_tflite_lacks_are_named():
    image = keras.Input((4,))
    model = keras.Model(image, Unsupported()(image))
    with pytest.raises(CheckFailed, match=r"tf\.Erfinv"):
        convert(model, endpoints_of([1, 4]), "float32")


def test_tensorflow_operators_are_refused():
    operator_code = schema.OperatorCodeT()
    operator_code.builtinCode = schema.BuiltinOperator.CUSTOM
    operator_code.customCode = b"FlexErfinv"
    operator = schema.OperatorT()
    operator.opcodeIndex, operator.inputs, operator.outputs = 0, [-1], []
    graph = schema.SubGraphT()
    graph.operators, graph.tensors = [operator], []
    model = schema.ModelT()
    model.operatorCodes, model.subgraphs = [operator_code], [graph]

    builder = flatbuffers.Builder(0)
    builder.Finish(model.Pack(builder), b"TFL3")
    content = bytes(builder.Output())
    assert count_operators(content) == {"FlexErfinv": 1}
    with pytest.raises(CheckFailed, match="FlexErfinv"):
        check_builtin(content)


def test_a_file_that_is_not_tflite_is_a_data_error(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(b"not a model at all")
    with pytest.raises(DataError, match="TFL3"):
        count_operators(path.read_bytes())
    with pytest.raises(DataError, match=r"model\.tflite"):
        LiteProgram(path)


def test_quantization_rounds_and_saturates():
    detail = {"quantization": (0.5, 10), "dtype": np.int8}
    values = np.array([-100.0, -0.2, 0.0, 0.3, 1.0, 100.0], np.float32)
    integers = quantize(values, detail)
    assert integers.dtype == np.int8
    np.testing.assert_array_equal(integers, [-128, 10, 10, 11, 12, 127])
    np.testing.assert_array_equal(
        dequantize(integers, detail), [-69.0, 0.0, 0.0, 0.5, 1.0, 58.5]
    )
    np.testing.assert_array_equal(quantize(integers, detail), integers)
    plain = {"quantization": (0.0, 0), "dtype": np.float32}
    np.testing.assert_array_equal(dequantize(quantize(values, plain), plain), values)


@pytest.mark.parametrize(
    ("numbers", "num_bytes"), [("float32", 27_997_484), ("int8", 7_221_528)]
)
def test_a_full_size_network(numbers: str, num_bytes: int):
    # Bytes and operators were measured on this network before this code was written.
    model = tfmodels.build("googlenet", variant="bn").deploy()
    images = np.random.default_rng(0).uniform(-1, 1, (2, 224, 224, 3))
    content = convert(
        model,
        endpoints_of([1, 224, 224, 3]),
        numbers,
        samples(images.astype(np.float32)) if numbers == "int8" else None,
    )
    assert len(content) == pytest.approx(num_bytes, rel=0.01)
    assert count_operators(content) == {
        "CONV_2D": 57,
        "MAX_POOL_2D": 13,
        "CONCATENATION": 9,
        "MEAN": 1,
        "FULLY_CONNECTED": 1,
    }
