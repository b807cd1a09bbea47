"""The network as a graph to cut, to train, to save and to convert."""

import dataclasses
import functools
from collections import Counter

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfmodels
from export.flatbuffer import count_operators
from export.interfaces import Endpoint
from export.lite_runtime import LiteProgram
from export.tflite import convert
from tfmodels.classification.model import ImageClassifier
from tfmodels.errors import ConfigError

TINY = {
    "input_shape": [64, 64, 3],
    "num_classes": 10,
    "num_layers": 3,
    "num_filters": 16,
    "batch_norm": {"momentum": 0.9},
}
WEIGHTED = (
    keras.layers.Conv2D,
    keras.layers.BatchNormalization,
    keras.layers.Dense,
)


@dataclasses.dataclass(frozen=True)
class Trained:
    """A network that has done one step of gradient descent."""

    model: ImageClassifier
    losses: tuple[float, float]
    """On the same images before and after the step."""
    gradients: dict[str, np.ndarray]


@functools.cache
def trained() -> Trained:
    keras.utils.set_random_seed(1)
    model = tfmodels.build("amoebanet", **TINY)
    labels = np.arange(8)
    variables = [variable.value for variable in model.trainable_variables]

    def loss() -> tf.Tensor:
        scores = model(images(8), training=True)["logits"]
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, scores)
        return tf.reduce_mean(losses)

    with tf.GradientTape() as tape:
        before = loss()
    gradients = tape.gradient(before, variables)
    for variable, gradient in zip(variables, gradients, strict=True):
        variable.assign_sub(0.01 * gradient)
    paths = [variable.path for variable in model.trainable_variables]
    values = [gradient.numpy() for gradient in gradients]
    return Trained(
        model, (float(before), float(loss())), dict(zip(paths, values, strict=True))
    )


def images(count: int) -> np.ndarray:
    shape = (count, *TINY["input_shape"])
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def test_two_tensors_cross_a_cut_before_a_cell():
    """Keras refuses to make a model whose output needs more than its inputs."""
    model = trained().model
    stem, first, *cells, logits = model.endpoints.values()
    keras.Model(model.inputs[0], stem)
    keras.Model(stem, first)
    maps = [stem, first, *cells]
    for older, newer, output in zip(maps, maps[1:], maps[2:], strict=False):
        keras.Model([older, newer], output)
        with pytest.raises(ValueError, match="connected"):
            keras.Model(newer, output)
    keras.Model(cells[-1], logits)


def test_every_weight_belongs_to_a_plain_layer_of_the_graph():
    model = trained().model
    with_weights = [layer for layer in model.layers if layer.weights]
    assert {type(layer) for layer in with_weights} == set(WEIGHTED)
    assert sum(len(layer.weights) for layer in with_weights) == len(model.weights)
    activations = {
        layer.activation for layer in model.layers if isinstance(layer, WEIGHTED[::2])
    }
    assert activations == {keras.activations.linear}


def test_one_step_down_the_gradient_lowers_the_loss():
    before, after = trained().losses
    assert 0 < after < before


def test_every_weight_is_taught():
    for path, gradient in trained().gradients.items():
        assert np.all(np.isfinite(gradient)), path
    idle = [path for path, value in trained().gradients.items() if not np.any(value)]
    assert not idle


@pytest.mark.parametrize("training", [True, False])
def test_scores_are_finite(training):
    scores = trained().model(images(4), training=training)["logits"]
    assert scores.shape == (4, 10)
    assert np.all(np.isfinite(scores))


@pytest.mark.slow
def test_a_saved_file_rebuilds_the_same_network(tmp_path):
    model = trained().model
    model.save(tmp_path / "model.keras")
    copy = keras.saving.load_model(tmp_path / "model.keras")
    assert isinstance(copy, ImageClassifier)
    assert copy.config == model.config
    assert list(copy.endpoints) == list(model.endpoints)
    expected, received = model(images(3))["logits"], copy(images(3))["logits"]
    np.testing.assert_array_equal(received, expected)
    np.testing.assert_array_equal(model.deploy()(images(3))["logits"], expected)


@pytest.mark.slow
def test_tflite_has_builtin_operators_and_the_same_answers(tmp_path):
    model = trained().model

    def endpoints(model: keras.Model) -> dict[str, Endpoint]:
        spec = tf.TensorSpec([1, *TINY["input_shape"]], tf.float32, "image")
        return {"classify": Endpoint(lambda x: model(x, training=False), (spec,))}

    # `convert` refuses a file with any operator that is not builtin.
    content = convert(model.deploy(), endpoints, "float32")
    (tmp_path / "model.tflite").write_bytes(content)
    program = LiteProgram(tmp_path / "model.tflite")
    received = program("classify", {"image": images(8)})["logits"]
    expected = model(images(8))["logits"].numpy()
    assert np.max(np.abs(received - expected)) < 1e-4 * np.ptp(expected)
    kinds = Counter(type(layer).__name__ for layer in model.layers)
    found = count_operators(content)
    assert found["CONV_2D"] == kinds["Conv2D"]
    assert found["MAX_POOL_2D"] == kinds["MaxPooling2D"]
    assert found["AVERAGE_POOL_2D"] == kinds["AveragePooling2D"]


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("num_layers", 4, "multiple of 3"),
        ("num_layers", 0, "greater than or equal to 3"),
        ("num_filters", 20, "multiple of 8"),
        ("num_filters", 0, "greater than or equal to 8"),
    ],
)
def test_sizes_that_cannot_be_cut_are_refused(field, value, expected):
    with pytest.raises(ConfigError, match=rf"{field}: expected.*{expected}"):
        tfmodels.build("amoebanet", **{**TINY, field: value})
