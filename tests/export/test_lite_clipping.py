"""Packed weights in TFLite: what LiteRT computes from them, and traps of kernels."""

from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from export.interfaces import Endpoint
from export.lite_runtime import LiteProgram
from export.optimal_clipping.lite import traps
from export.optimal_clipping.lite.graph import FLOAT32
from export.optimal_clipping.lite.graph import INT4
from export.optimal_clipping.lite.graph import LiteFile
from export.optimal_clipping.lite.graph import blockwise
from export.optimal_clipping.lite.matrices import Matrix
from export.optimal_clipping.lite.packing import fitted
from export.optimal_clipping.lite.packing import solved
from export.optimal_clipping.lite.writing import lite_policy
from export.optimal_clipping.lite.writing import pack_file
from export.tflite import convert
from tfmodels.errors import CheckFailed
from tfmodels.errors import ConfigError
from tfmodels.quantization.policy import ClippingRule
from tfmodels.quantization.policy import Policy
from tfmodels.quantization.rows import rows_of
from tfmodels.quantization.rows import set_rows

TOKENS = np.array([[3, 59, 0, 3]], np.int32)
GROUPED = ClippingRule(layers="table", group_size=32)
KEPT = ClippingRule(layers="kept", keep=True)


def layers() -> keras.Model:
    """A table that also scores, dense layers of 80 inputs and more, a convolution."""
    keras.utils.set_random_seed(4)
    tokens = keras.Input((4,), dtype="int32")
    image = keras.Input((5, 5, 8))
    table = keras.layers.ReversibleEmbedding(60, 64, name="table")
    x = keras.layers.Dense(80, "relu", bias_initializer="normal", name="up")
    y = keras.layers.Dense(64, name="down")(x(table(tokens)))
    kept = keras.layers.Dense(64, name="kept")(y)
    filters = keras.layers.Conv2D(32, 3, activation="relu", name="filters")(image)
    return keras.Model([tokens, image], [table(kept, reverse=True), filters])


def endpoints(model: keras.Model) -> dict[str, Endpoint]:
    named = {layer.name: layer for layer in model.layers}

    def scores(tokens: tf.Tensor) -> dict[str, tf.Tensor]:
        table = named["table"]
        x = named["kept"](
            named["down"](named["up"](tf.gather(table.embeddings, tokens)))
        )
        return {"scores": table(x, reverse=True)}

    def up(x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"y": named["up"](x)}

    def filters(image: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"y": named["filters"](image)}

    return {
        "scores": Endpoint(scores, (tf.TensorSpec([1, 4], tf.int32, "tokens"),)),
        "up": Endpoint(up, (tf.TensorSpec([2, 64], tf.float32, "x"),)),
        "filters": Endpoint(
            filters, (tf.TensorSpec([1, 5, 5, 8], tf.float32, "image"),)
        ),
    }


@pytest.fixture(scope="module")
def floating() -> SimpleNamespace:
    model = layers()
    # Eighths, of which every group has the lowest and the highest level of a grid.
    levels = np.random.default_rng(8).integers(0, 16, (64, 80))
    levels[::32], levels[1::32] = 0, 15
    bias = np.arange(80) - 40
    model.get_layer("up").set_weights([(levels - 5) / 8, bias / 8])
    return SimpleNamespace(model=model, content=convert(model, endpoints, "float32"))


def program(content: bytes, folder: Path) -> LiteProgram:
    (folder / "it.tflite").write_bytes(content)
    return LiteProgram(folder / "it.tflite")


def weights_of(content: bytes) -> dict[str, np.ndarray]:
    """What a file's integers stand for, read by the schema alone; without offsets."""
    found = {}
    for graph in LiteFile(content).graphs:
        for number, tensor in enumerate(graph.tensors):
            data = graph.value(number)
            if tensor.type != INT4 or not len(data):
                continue
            codes = np.stack([data & 15, data >> 4], -1).reshape(graph.shape(number))
            codes = (codes.astype(np.int64) ^ 8) - 8
            details = blockwise(tensor)
            if details is None:
                scale = np.array(tensor.quantization.scale)
                shift = np.array(tensor.quantization.zeroPoint)
                found[tensor.name.decode()] = (codes - shift[:, None]) * scale[:, None]
            else:
                scale = graph.value(details.scales).view(np.float16).astype(np.float64)
                blocks = codes.reshape(-1, details.blockSize) * scale[:, None]
                found[tensor.name.decode()] = blocks.reshape(codes.shape)
    return found


def reference(model: keras.Model, policy: Policy) -> keras.Model:
    """The same model of weights that were rounded, all in floating point."""
    copy = layers()
    copy.set_weights(model.get_weights())
    for layer in copy.layers:
        if layer.name == "filters":
            kernel = layer.kernel.numpy()
            rule = policy.rule("filters", "linear")
            rows = np.moveaxis(kernel, -1, 0).reshape(32, -1)
            made = solved(Matrix("filters", 0, rows, rule, True))[1].quantized
            rows = made.dequantize().reshape(32, 3, 3, 8)
            layer.kernel.assign(np.moveaxis(rows, 0, -1))
        elif layer.weights:
            kind = "table" if layer.name == "table" else "linear"
            rule = policy.rule(layer.name, kind)
            if rule is not None:
                matrix = Matrix(layer.name, 0, rows_of(layer), rule, False)
                set_rows(layer, solved(matrix)[1].quantized.dequantize())
    return copy


def close(found: np.ndarray, expected: np.ndarray, share: float) -> None:
    spread = float(np.ptp(expected))
    np.testing.assert_allclose(found, expected, rtol=0, atol=share * spread)


@pytest.mark.parametrize("rules", [(KEPT,), (KEPT, GROUPED)])
def test_what_is_computed_is_what_the_codes_say(floating, tmp_path, rules):
    policy = lite_policy(4, rules)
    expected = reference(floating.model, policy)
    image = np.random.default_rng(5).normal(size=(1, 5, 5, 8)).astype(np.float32)
    scores, filters = expected([TOKENS, image])
    for form, share in (("weight_only", 1e-5), ("dynamic", 0.03)):
        made, figures, kept = pack_file(floating.content, floating.model, policy, form)
        assert len(made) < 0.62 * len(floating.content)
        assert [(each.path, each.reason) for each in kept] == [
            ("kept", "a rule keeps it in floating point")
        ]
        assert {f.path for f in figures} == {"table", "up", "down", "filters"}
        run = program(made, tmp_path)
        close(run("scores", {"tokens": TOKENS})["scores"], scores.numpy(), share)
        close(run("filters", {"image": image})["y"], filters.numpy(), 1e-5)
        # A batch longer than the one converted.
        longer = np.vstack([TOKENS, TOKENS])
        with_more = run("scores", {"tokens": longer})["scores"]
        close(with_more, np.vstack([scores.numpy()] * 2), share)


def test_whole_activations_are_exact(floating, tmp_path):
    """Integers with both ends of int8 are activations without an error."""
    policy = lite_policy(4, (ClippingRule(layers="up", method="minmax"),))
    made, *_ = pack_file(floating.content, floating.model, policy)
    x = np.random.default_rng(6).integers(-128, 128, (2, 64)).astype(np.float32)
    x[:, 0], x[:, 1] = -128, 127
    codes = weights_of(made)
    up = floating.model.get_layer("up")
    kernel, bias = (w.astype(np.float64) for w in up.get_weights())
    # The file has the symmetric part of the weights; offsets are apart, in groups.
    offset = (kernel.T - codes["up"]).reshape(80, 2, 32)
    np.testing.assert_allclose(
        offset, np.broadcast_to(offset[..., :1], offset.shape), atol=1e-6
    )
    expected = np.maximum(x @ kernel + bias, 0)
    found = program(made, tmp_path)("up", {"x": x})["y"]
    # Every sum is a number of float32: nothing at all is lost.
    np.testing.assert_array_equal(found, expected)


def test_each_matrix_is_there_once_in_four_bits(floating):
    made, figures, _ = pack_file(floating.content, floating.model, lite_policy(4))
    file = LiteFile(made)
    found = {entry.name: entry for entry in traps.constants(file) if entry.name}
    assert found["up"][1:] == ("INT4", (80, 64), 80 * 32)
    # 80 inputs are three blocks of 32, the last with zeros behind.
    assert found["down"][1:] == ("INT4", (64, 96), 64 * 48)
    # One buffer for vectors and scores.
    assert found["table"][1:] == ("INT8", (60, 64), 60 * 64)
    assert found["filters"][1:] == ("INT4", (32, 72), 32 * 36)
    assert not any(e.type == "FLOAT32" for e in found.values())
    rows = {f.path: f.rule for f in figures}
    assert rows["filters"].zero_point == "integer"
    assert rows["filters"].group_size is None  # 72 is not whole groups of 32.
    assert rows["up"].group_size == 32


def test_rules_that_no_kernel_can_follow():
    assert fitted(ClippingRule(bits=8), 96, False).group_size is None
    assert fitted(ClippingRule(group_size=64), 64, False).group_size is None
    assert fitted(ClippingRule(group_size=96), 200, False).group_size == 96
    with pytest.raises(ConfigError, match="multiple of 32"):
        fitted(ClippingRule(group_size=48), 96, False)
    with pytest.raises(ConfigError, match="without examples"):
        fitted(ClippingRule(calibration="ranges"), 96, False)


def _zero_points_of_blocks(graph, number, tensor):
    blockwise(tensor).zeroPoints = blockwise(tensor).scales


def _blocks_of_16(graph, number, tensor):
    blockwise(tensor).blockSize = 16


def _scales_of_float16(graph, number, tensor):
    scales = np.full(80 * 2, 0.1003, np.float16)
    blockwise(tensor).scales = graph.constant(scales)


def _reader(name):
    def change(graph, number, tensor):
        y = graph.add([1])
        graph.operators += [graph.operator(name, [number, number], [y])]

    return change


def _zero_point(graph, number, tensor):
    tensor.quantization.zeroPoint = np.array([7] * graph.shape(number)[0])


def _cut(graph, number, tensor):
    tensor.buffer = graph.file.buffer(graph.value(number)[:-1])


def _unsigned(graph, number, tensor):
    tensor.type = next(code for code, name in traps.TYPES.items() if name == "UINT4")


def _floats_too(graph, number, tensor):
    rows = np.arange(80 * 64, dtype=np.float32)
    y = graph.add([80, 64], FLOAT32, buffer=graph.file.buffer(rows), name=b"up")
    graph.operators += [graph.operator("ADD", [y, y], [graph.add([80, 64])])]


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("up", _zero_points_of_blocks, "zero points of blocks are not read"),
        ("up", _blocks_of_16, "no kernel for blocks of 16"),
        ("up", _scales_of_float16, "no positive bfloat16"),
        ("up", _reader("DEQUANTIZE"), "only FULLY_CONNECTED knows blocks"),
        ("table", _reader("GATHER"), "GATHER reads codes"),
        ("table", _reader("MUL"), "MUL has no kernel"),
        ("table", _zero_point, "only DEQUANTIZE knows zero points"),
        ("up", _cut, "are not 5120 codes"),
        ("up", _unsigned, "UINT4 has no kernel"),
        ("up", _floats_too, "up: it is still in float32"),
    ],
)
def test_traps_are_seen(floating, name, change, message):
    made, *_ = pack_file(floating.content, floating.model, lite_policy(4, (KEPT,)))
    originals = {np.arange(80 * 64, dtype=np.float32).tobytes()}
    paths = ("up", "down", "table", "filters")
    traps.check_file(made, originals, paths)
    with pytest.raises(CheckFailed, match="other: it is there 0 times"):
        traps.check_file(made, originals, (*paths, "other"))
    file = LiteFile(made)
    graph, number = next(
        (graph, number)
        for graph in file.graphs
        for number, tensor in enumerate(graph.tensors)
        if tensor.name == name.encode()
    )
    change(graph, number, graph.tensors[number])
    with pytest.raises(CheckFailed, match=message):
        traps.check_file(file.packed(), originals, paths)


def test_a_gain_merged_into_weights_is_noticed():
    inputs = keras.Input((32,))
    dense = keras.layers.Dense(16, use_bias=False, name="dense")
    model = keras.Model(inputs, dense(inputs))
    gain = tf.constant(np.linspace(0.5, 2, 32, dtype=np.float32))

    def merged(leaving: keras.Model) -> dict[str, Endpoint]:
        spec = (tf.TensorSpec([1, 32], tf.float32, "x"),)
        layer = leaving.get_layer("dense")
        return {"f": Endpoint(lambda x: {"y": layer(x * gain)}, spec)}

    content = convert(model, merged, "float32")
    with pytest.raises(CheckFailed, match=r"multiplied by a constant.*: dense"):
        pack_file(content, model, lite_policy(4))
    everything = Policy((ClippingRule(keep=True),))
    with pytest.raises(CheckFailed, match="nothing to pack"):
        pack_file(content, model, everything)
