"""Inception-ResNet-v2 of keras.applications, whose code nobody here wrote."""

import keras
import numpy as np
import pytest

import tfmodels
from tools.convert.classifiers import NAMINGS
from tools.convert.classifiers import ImageLayout
from tools.convert.classifiers import named_as
from tools.convert.classifiers import read_arrays
from tools.convert.keras_applications import keras_weights
from tools.convert.keras_applications import read_keras

# At 139 pixels the last maps are 3x3: every tap of the factorised kernels counts.
SHAPE = (139, 139, 3)


@pytest.mark.slow
def test_their_weights_give_their_logits(tmp_path):
    theirs = keras.applications.InceptionResNetV2(
        weights=None, classifier_activation=None, input_shape=SHAPE
    )
    ours = tfmodels.build(
        "inception_resnet_v2",
        batch_norm={"scale": False},
        auxiliary_head=None,
        input_shape=SHAPE,
    )
    assert ours.count_params() == theirs.count_params() == 55_873_736
    rng = np.random.default_rng(0)
    for variable in theirs.weights:
        if not variable.path.endswith("kernel"):
            value = variable.numpy() + rng.uniform(0, 0.1, variable.shape)
            variable.assign(value)
    shapes = {v.path: tuple(v.shape) for v in ours.weights}
    places = NAMINGS["inception_resnet_v2", ImageLayout.KERAS].places(None, shapes)

    live = {v.path: v.numpy() for v in theirs.weights}
    read = read_arrays(keras_weights(live, "theirs"), places, shapes)
    theirs.save_weights(tmp_path / "theirs.weights.h5")
    again = read_arrays(read_keras(tmp_path / "theirs.weights.h5"), places, shapes)
    assert read.keys() == again.keys()
    for path, array in read.items():
        np.testing.assert_array_equal(again[path], array)

    for variable in ours.weights:
        variable.assign(read[variable.path])
    named = named_as(read, places)
    assert keras_weights(live, "theirs").arrays.keys() == named.keys()
    image = rng.uniform(-1, 1, (1, *SHAPE)).astype(np.float32)
    expected = theirs(image, training=False).numpy()
    actual = ours(image, training=False)["logits"].numpy()
    scale = np.abs(expected).max()
    assert np.ptp(expected) > 1e-3 * scale > 0
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-6 * scale)
