"""Parity of the released Inception-ResNet-v2 with Keras's own network."""

import keras
import numpy as np
import pytest

import tfmodels


def weighted_layers(model: keras.Model) -> list[keras.layers.Layer]:
    return [layer for layer in model.layers if layer.weights]


@pytest.mark.slow
def test_same_weights_give_the_same_logits():
    theirs = keras.applications.InceptionResNetV2(
        weights=None, classifier_activation=None
    )
    ours = tfmodels.build(
        "inception_resnet_v2", batch_norm={"scale": False}, auxiliary_head=None
    )
    assert ours.count_params() == theirs.count_params() == 55_873_736
    generator = np.random.default_rng(0)
    pairs = zip(weighted_layers(theirs), weighted_layers(ours), strict=True)
    for source, target in pairs:
        assert type(source) is type(target)
        values = source.get_weights()
        if isinstance(source, keras.layers.BatchNormalization):
            values = [
                value + generator.uniform(0, 0.1, value.shape) for value in values
            ]
            source.set_weights(values)
        target.set_weights(values)
    images = generator.uniform(-1, 1, (2, 299, 299, 3)).astype(np.float32)
    expected = theirs(images, training=False).numpy()
    actual = ours(images, training=False)["logits"].numpy()
    scale = np.abs(expected).max()
    assert np.ptp(expected) > 1e-3 * scale > 0
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-6 * scale)
