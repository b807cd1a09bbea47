"""Models that have learned 8 bits in training leave as integers that say the same."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from export.flatbuffer import count_operators
from export.interfaces import Endpoint
from export.quantization import quantize
from export.tflite import convert
from tests.export.test_folding import build
from tfmodels.compression.integers import IntegerModel
from tfmodels.compression.integers import imitate_integers
from tfmodels.compression.integers import learning_ranges

IMAGES = np.random.default_rng(1).uniform(-1, 1, (100, 16, 16, 1)).astype(np.float32)


def endpoints(model: keras.Model) -> dict[str, Endpoint]:
    def classify(image: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"logits": model(image, training=False)["logits"]}

    spec = tf.TensorSpec([1, *model.inputs[0].shape[1:]], tf.float32, "image")
    return {"classify": Endpoint(classify, (spec,))}


def codes(content: bytes, images: np.ndarray) -> tuple[np.ndarray, float, int]:
    """What a TFLite file answers, int [N, K], with scale and zero point."""
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    [taken], [given] = interpreter.get_input_details(), interpreter.get_output_details()
    answers = []
    for image in images:
        interpreter.set_tensor(taken["index"], quantize(image[None], taken))
        interpreter.invoke()
        answers.append(interpreter.get_tensor(given["index"])[0].astype(int))
    return np.array(answers), *given["quantization"]


@pytest.mark.parametrize(
    ("name", "steps"),
    # Steps of rounding add up over the layers of weights that have learned nothing.
    [("googlenet", 1), pytest.param("inception_resnet_v2", 4, marks=pytest.mark.slow)],
)
def test_integers_are_within_few_steps_of_the_imitation(
    name: str, steps: int, tmp_path: Path
) -> None:
    model = build(name)
    _, height, width, _ = model.inputs[0].shape
    images = IMAGES[:, :height, :width]
    floating = np.asarray(model(images)["logits"])
    switch = imitate_integers(model)
    np.testing.assert_array_equal(model(images)["logits"], floating)
    switch.active = True
    with learning_ranges(model):
        model(images)
    expected = np.asarray(model(images)["logits"])
    assert 0 < np.abs(expected - floating).max() < 0.1 * np.ptp(floating)

    content = convert(model, endpoints, "int8")
    kinds = set(count_operators(content))
    assert kinds <= {
        *("ADD", "AVERAGE_POOL_2D", "CONCATENATION", "CONV_2D", "FULLY_CONNECTED"),
        *("MAX_POOL_2D", "MEAN", "PAD", "QUANTIZE"),
    }
    found, scale, zero = codes(content, images)
    difference = np.abs(found - (np.round(expected / scale) + zero))
    assert difference.max() <= steps

    IntegerModel(model).save(tmp_path / "model.keras")
    again = keras.saving.load_model(
        tmp_path / "model.keras", {"IntegerModel": IntegerModel}
    )
    np.testing.assert_allclose(again(images)["logits"], expected, atol=1e-6)
