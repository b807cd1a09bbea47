"""Frames put side by side, at once and chunk by chunk."""

import numpy as np
import pytest
import tensorflow as tf

from tfmodels.audio.frames import Splice
from tfmodels.las.frames import Frames
from tfmodels.las.frames import Past
from tfmodels.las.frames import paired
from tfmodels.las.frames import stacked


def stack(features, lengths, left, stride, past=None):
    rows, _, width = features.shape
    if past is None:
        past = Past(tf.zeros([rows, left, width]), tf.zeros([rows]))
    splice = Splice(range(-left, 1), stride)
    variety = tf.zeros([rows, 2])
    return stacked(tf.constant(features), tf.constant(lengths), variety, splice, past)


@pytest.mark.parametrize(("left", "width"), [(3, 320), (2, 240), (7, 640)])
def test_a_second_of_speech(left, width):
    features = np.random.default_rng(0).normal(size=(1, 98, 80)).astype(np.float32)
    frames, _ = stack(features, [98], left, 3)
    assert frames.x.shape == (33, 1, width)
    x = np.asarray(frames.x).reshape(33, left + 1, 80)
    np.testing.assert_array_equal(x[0], np.repeat(features[0, :1], left + 1, 0))
    np.testing.assert_array_equal(x[20], features[0, 60 - left : 61])
    assert np.all(frames.mask == 1)


def test_a_stack_with_padding_is_padding():
    features = np.ones((4, 8, 1), np.float32)
    frames, _ = stack(features, [8, 7, 6, 0], 2, 3)
    # Stacks end with frames 0, 3 and 6.
    masks = [[1, 1, 1], [1, 1, 1], [1, 1, 0], [0, 0, 0]]
    np.testing.assert_array_equal(np.asarray(frames.mask)[:, :, 0].T, masks)


def frames_of(lengths, longest):
    x = np.arange(1, longest + 1, dtype=np.float32)[:, None, None]
    mask = (np.arange(longest)[:, None] < np.array(lengths))[..., None]
    mask = tf.constant(mask, tf.float32)
    return Frames(x * mask, mask, tf.zeros([len(lengths), 2]))


def test_pairs_drop_a_last_frame_without_a_partner():
    lengths = []
    frames = frames_of([98], 98)
    for _ in range(3):
        frames = paired(frames, tf.zeros([1]))
        lengths.append(frames.x.shape[0])
    assert lengths == [49, 24, 12]
    assert np.all(frames.mask == 1)
    np.testing.assert_array_equal(frames.x[1, 0], np.arange(9, 17))


@pytest.mark.parametrize("longest", [1, 5])
def test_a_frame_that_is_the_only_one_stays(longest):
    lengths = [1, 0] if longest == 1 else [1, 0, 5, 2]
    frames = paired(frames_of(lengths, longest), tf.zeros([len(lengths)]))
    kept = np.asarray(frames.mask)[:, :, 0].sum(axis=0)
    assert list(kept) == ([1, 0] if longest == 1 else [1, 0, 2, 1])
    np.testing.assert_array_equal(frames.x[0, 0], [1, 0])


def test_the_last_frame_of_a_chunk_is_not_an_only_one():
    frames = paired(frames_of([1, 2], 2), tf.ones([2]))
    np.testing.assert_array_equal(np.asarray(frames.mask)[0, :, 0], [0, 1])
