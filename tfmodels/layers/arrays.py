"""What loops over time read and fill: rows of a step, arrays of all steps."""

from typing import Any

import tensorflow as tf


def new_arrays(like: tf.Tensor, widths: Any, dtype: Any = None) -> list[tf.TensorArray]:
    """Arrays for values [b, width] of each step, the width None where it varies.

    Args:
      like: floating-point [T, b, ...]; it has as many steps and rows.
      widths: of each array. Shapes are given, since TFLite has no arrays without.
      dtype: of the values; that of `like` if None.
    """
    return [
        tf.TensorArray(
            dtype or like.dtype, tf.shape(like)[0], element_shape=[like.shape[1], width]
        )
        for width in widths
    ]


def write(arrays: Any, t: Any, values: Any) -> list[tf.TensorArray]:
    """Puts one value into each array at place `t`."""
    return [a.write(t, value) for a, value in zip(arrays, values, strict=True)]


def stack(arrays: Any, widths: Any) -> list[tf.Tensor]:
    """The values of each array, [T, b, width], the width None where it varies."""
    return [
        tf.ensure_shape(array.stack(), [None, None, width])
        for array, width in zip(arrays, widths, strict=True)
    ]


def select_rows(which: tf.Tensor, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """Rows of `x`, [b, H], where `which`, bool [b], says so, and else those of `y`.

    `tf.where` would stretch the condition over all of a row, and be slower.
    """
    return tf.raw_ops.Select(condition=which, x=x, y=y)


def shifted(states: tf.Tensor, first: tf.Tensor) -> tf.Tensor:
    """States before each step, [T, b, ...], from those after it and the first one."""
    return tf.concat([first[None], states[:-1]], 0)
