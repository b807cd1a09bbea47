"""A gated recurrent unit over whole sequences, with a gradient made by hand."""

from typing import Any

import tensorflow as tf

from tfmodels.layers.arrays import new_arrays
from tfmodels.layers.arrays import shifted
from tfmodels.layers.arrays import stack


def gated(recurrent: tf.Tensor, sums: tf.Tensor, h: tf.Tensor) -> tf.Tensor:
    """The next state, ``u h + (1 - u) tanh(r o + s)``, [b, H].

    u and r are sigmoids of their part of the two sums together; o and s are the third
    parts. Kalchbrenner et al., arXiv 1802.08435, equation 2; Keras's GRU with
    `reset_after`.

    Args:
      recurrent: floating-point [b, 3 H], R h.
      sums: floating-point [b, 3 H], what is added.
      h: floating-point [b, H], the state before.
    """
    update, _, new, _ = _parts(recurrent, sums)
    return update * h + (1 - update) * new


def _parts(recurrent: tf.Tensor, sums: tf.Tensor) -> Any:
    """u, r, the hyperbolic tangent, and o; see `gated`."""
    old, added = (tf.split(each, 3, -1) for each in (recurrent, sums))
    update, reset = (tf.sigmoid(old[n] + added[n]) for n in (0, 1))
    return update, reset, tf.tanh(reset * old[2] + added[2]), old[2]


def gru_sequence(sums: tf.Tensor, recurrent: tf.Tensor, first: tf.Tensor) -> tf.Tensor:
    """States after each step, floating-point [T, b, H].

    TensorFlow's gradient of such a loop adds up an array of all steps in each of them.
    Here the loop backward multiplies by the recurrent kernel and nothing else; what the
    gates were is made anew, for all steps at once.

    Args:
      sums: floating-point [T, b, 3 H]; see `gated`.
      recurrent: floating-point [H, 3 H], R.
      first: floating-point [b, H], the state before the sequence.
    """
    width = recurrent.shape[0]

    @tf.custom_gradient
    def run(sums: Any, recurrent: Any, first: Any) -> Any:
        num_steps = tf.shape(sums)[0]

        def forward(t: Any, h: Any, states: Any) -> Any:
            h = gated(tf.matmul(h, recurrent), sums[t], h)
            return t + 1, h, states.write(t, h)

        *_, array = tf.while_loop(
            lambda t, *_: t < num_steps, forward, (0, first, *new_arrays(sums, [width]))
        )
        (states,) = stack([array], [width])

        def gradient(d_states: Any) -> Any:
            before = shifted(states, first)
            update, reset, new, old = _parts(before @ recurrent, sums)
            to_new = (1 - update) * (1 - new * new)
            slopes = tf.stack(
                [
                    (before - new) * update * (1 - update),
                    to_new * old * reset * (1 - reset),
                    to_new * reset,
                ],
                -2,
            )

            def to_products(slopes: Any, d_h: Any) -> Any:
                shape = tf.concat([tf.shape(d_h)[:-1], [3 * width]], 0)
                return tf.reshape(slopes * d_h[..., None, :], shape)

            def step(t: Any, d_h: Any, reached: Any) -> Any:
                d_h = d_h + d_states[t]
                d_old = to_products(slopes[t], d_h)
                d_before = update[t] * d_h
                d_before += tf.matmul(d_old, recurrent, transpose_b=True)
                return t - 1, d_before, reached.write(t, d_h)

            _, d_first, reached = tf.while_loop(
                lambda t, *_: t >= 0,
                step,
                (num_steps - 1, tf.zeros_like(first), *new_arrays(sums, [width])),
            )
            (d_h,) = stack([reached], [width])
            d_old = to_products(slopes, d_h)
            d_sums = tf.concat([d_old[..., : 2 * width], to_new * d_h], -1)
            seen, summed = (
                tf.reshape(each, [-1, each.shape[-1]]) for each in (before, d_old)
            )
            d_recurrent = tf.matmul(seen, summed, transpose_a=True)
            return d_sums, d_recurrent, d_first

        return states, gradient

    made: tf.Tensor = run(sums, recurrent, first)
    return made
