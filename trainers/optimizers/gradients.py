"""What happens to gradients after their sum over replicas: L2, clipping, the update."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf


def is_kernel(variable: keras.Variable) -> bool:
    """Whether weight decay and L2 apply: to kernels, depthwise and recurrent ones too.

    Biases, embeddings and the scales, offsets and statistics of normalization are not
    kernels. Keras names every kernel so that its path ends in ``kernel``.
    """
    return variable.path.endswith("kernel")


def add_l2(
    gradients: Sequence[tf.Tensor], variables: Sequence[keras.Variable], weight: float
) -> list[tf.Tensor]:
    """Adds the gradient of ``0.5 * weight * sum(kernel ** 2)`` to those of kernels.

    Args:
      gradients: one per variable, already summed over replicas: L2 counts once whatever
        the number of replicas.
      variables: the variables they belong to.
      weight: 0 leaves the gradients as they are.
    """
    if not weight:
        return list(gradients)
    return [
        gradient + weight * tf.convert_to_tensor(variable)
        if is_kernel(variable)
        else gradient
        for gradient, variable in zip(gradients, variables, strict=True)
    ]


def clip_by_global_norm(
    gradients: Sequence[tf.Tensor], max_norm: float | None
) -> tuple[list[tf.Tensor], tf.Tensor]:
    """Scales all gradients together so that their joint norm is at most `max_norm`.

    Args:
      gradients: one per variable, already summed over replicas.
      max_norm: no clipping when absent.

    Returns:
      The gradients, all NaN if the norm is not finite and clipping is on; and the norm
      before clipping, float32 [].
    """
    if max_norm is None:
        return list(gradients), tf.linalg.global_norm(gradients)
    return tf.clip_by_global_norm(gradients, max_norm)


def apply_gradients(
    optimizer: keras.optimizers.Optimizer,
    gradients: Sequence[Any],
    variables: Sequence[keras.Variable],
    compiled: bool = False,
) -> None:
    """One optimizer step, from outside the replicas; see `update_variables`."""
    update_variables(optimizer, gradients, variables, compiled)
    optimizer.iterations.assign_add(1)


def update_variables(
    optimizer: keras.optimizers.Optimizer,
    gradients: Sequence[Any],
    variables: Sequence[keras.Variable],
    compiled: bool = False,
) -> None:
    """Updates some variables without counting a step, from outside the replicas.

    Keras's own `Optimizer.apply` works only inside a replica, where the step cannot be
    made conditional on finite gradients: ``merge_call`` is refused under ``tf.cond``.
    Call this in a cross-replica context, or without any strategy.

    Args:
      optimizer: built for `variables`. A weight decay, applied first and decoupled from
        the gradient (arXiv 1711.05101), concerns kernels only.
      gradients: one per variable, the same in every replica.
      variables: the variables to update.
      compiled: whether XLA makes one program of all updates of a device.
    """
    if not variables:  # as a device of a pipeline may train none
        return
    decays = [
        optimizer.weight_decay if is_kernel(variable) else None
        for variable in variables
    ]

    def update(
        first: tf.Variable,
        others: list[tf.Variable],
        gradients: Sequence[tf.Tensor],
        rate: tf.Tensor,
    ) -> None:
        values = [first, *others]
        for value, gradient, decay in zip(values, gradients, decays, strict=True):
            if decay:
                value.assign_sub(value * tf.cast(rate * decay, value.dtype))
            optimizer.update_step(gradient, value, rate)

    first, *others = (variable.value for variable in variables)
    tf.distribute.get_strategy().extended.update(
        first,
        tf.function(update, jit_compile=True) if compiled else update,
        args=(others, list(gradients), optimizer.learning_rate),
        group=False,
    )
