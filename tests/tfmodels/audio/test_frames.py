"""Normalizing, edges and context of frames, against plain NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from tfmodels.audio.frames import ExtendEdges
from tfmodels.audio.frames import NormalizeUtterance
from tfmodels.audio.frames import Splice

LENGTHS = np.array([7, 4, 1], np.int32)


@pytest.fixture
def features():
    return np.random.default_rng(0).normal(3, 2, (3, 7, 2)).astype(np.float32)


def test_every_utterance_has_mean_0_and_variance_1(features):
    normal = np.asarray(NormalizeUtterance()(features, LENGTHS))
    for row, length in enumerate(LENGTHS):
        spoken = features[row, :length]
        expected = (spoken - spoken.mean(0)) / np.sqrt(spoken.var(0) + 1e-5)
        np.testing.assert_allclose(normal[row, :length], expected, atol=1e-4)
        assert not normal[row, length:].any()


def test_nothing_said_is_no_division_by_zero(features):
    assert not np.any(NormalizeUtterance()(features, np.zeros(3, np.int32)))


def test_edges_are_repeated(features):
    longer = np.asarray(ExtendEdges(2, 3)(features, LENGTHS))
    for row, length in enumerate(LENGTHS):
        spoken = features[row, :length]
        expected = np.pad(spoken, ((2, 3 + 7 - length), (0, 0)), mode="edge")
        np.testing.assert_array_equal(longer[row], expected)


@pytest.mark.parametrize("offsets", [(0,), (-1, 0, 1), (-3, 0, 3), (-6, -3, 0), (2, 5)])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_frames_side_by_side(offsets, stride):
    features = np.arange(2 * 11 * 2, dtype=np.float32).reshape(2, 11, 2)
    layer = Splice(offsets, stride)
    centres = range(-min(offsets), 11 - max(offsets), stride)
    expected = np.stack(
        [np.concatenate([features[:, t + o] for o in offsets], -1) for t in centres], 1
    )
    actual = layer(features)
    np.testing.assert_array_equal(actual, expected)
    assert layer.compute_output_shape(features.shape) == expected.shape


def test_any_length_in_one_graph(features):
    @tf.function(input_signature=[tf.TensorSpec((None, None, 2))] * 1)
    def spliced(frames):
        lengths = tf.fill([tf.shape(frames)[0]], tf.shape(frames)[1])
        return Splice((-1, 0, 1), 2)(ExtendEdges(1, 1)(frames, lengths))

    for length in (7, 4, 1):
        assert spliced(features[:, :length]).shape == (3, -(-length // 2), 6)
