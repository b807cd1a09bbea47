"""The optimal range of each group in a graph, for weights that change at every step."""

import tensorflow as tf

from tfmodels.quantization.groups import num_steps

# On samples of many kinds `tfmodels.quantization.newton` never needed more than 12.
_STEPS = 16


def newton_in_graph(groups: tf.Tensor, bits: int) -> tuple[tf.Tensor, tf.Tensor]:
    """What `tfmodels.quantization.newton.newton` finds; no gradient passes.

    Args:
      groups: float32 [G, n].
      bits: of a code.

    Returns:
      Lower and upper bounds, float32 [G] each.
    """
    x = tf.stop_gradient(groups)
    kappa = 1 / (12 * num_steps(bits) ** 2)
    smallest, largest = tf.reduce_min(x, 1), tf.reduce_max(x, 1)
    mean = tf.clip_by_value(tf.reduce_mean(x, 1), smallest, largest)

    def share(beyond: tf.Tensor) -> tf.Tensor:
        return tf.reduce_mean(tf.cast(beyond > 0, x.dtype), 1)

    def step(low: tf.Tensor, high: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        over = tf.nn.relu(x - high[:, None])
        under = tf.nn.relu(low[:, None] - x)
        above, below = share(over), share(under)
        width = kappa * (high - low)
        a, b = tf.reduce_mean(over, 1) - width, width - tf.reduce_mean(under, 1)
        determinant = kappa * (above + below) + above * below
        flat = determinant == 0
        safe = tf.where(flat, tf.ones_like(determinant), determinant)
        quarter = (high - low) / 4
        up = tf.where(flat, -quarter, ((kappa + below) * a + kappa * b) / safe)
        down = tf.where(flat, quarter, (kappa * a + (kappa + above) * b) / safe)
        return low + down, high + up

    low, high = tf.while_loop(
        lambda low, high: tf.constant(True),
        step,
        (mean, mean),
        maximum_iterations=_STEPS,
    )
    return (
        tf.clip_by_value(low, smallest, largest),
        tf.clip_by_value(high, smallest, largest),
    )
