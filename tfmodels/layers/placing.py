"""Computations at a place, such as a device, together with their gradients."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import tensorflow as tf

Place = Callable[[], AbstractContextManager[Any]]
"""Makes the context, such as ``tf.device``, in which something is to be computed."""


def computed_at(place: Place, function: Callable[..., Any], *inputs: Any) -> Any:
    """``function(*inputs)`` at a place, where its gradient is computed too.

    A tape computes gradients wherever it is asked for them, so that a context around
    the function alone would place only half of the work.

    Args:
      place: makes the context.
      function: takes the inputs; what it depends on besides are variables, and tensors
        that need no gradient: it would be lost.
      *inputs: nests of tensors, and of None.

    Returns:
      What the function returns, a nest of tensors.
    """
    leaves = tf.nest.flatten(inputs)
    where = [number for number, leaf in enumerate(leaves) if leaf is not None]
    structure: list[Any] = []

    @tf.custom_gradient
    def run(*tensors: tf.Tensor) -> Any:
        # One tensor may come twice, and each time has a gradient of its own.
        tensors = tuple(map(tf.identity, tensors))
        given: list[Any] = [None] * len(leaves)
        for number, tensor in zip(where, tensors, strict=True):
            given[number] = tensor
        with tf.GradientTape() as tape:
            tape.watch([tensor for tensor in tensors if tensor.dtype.is_floating])
            made = function(*tf.nest.pack_sequence_as(inputs, given))
        structure.append(made)
        flat = tf.nest.flatten(made)

        def gradient(*upstream: tf.Tensor, variables: Any = None) -> Any:
            learned = [*tensors, *(variables or ())]
            smooth = [x for x in learned if x.dtype.is_floating]
            with place():
                found = tape.gradient(
                    flat,
                    smooth,
                    output_gradients=list(upstream),
                    unconnected_gradients=tf.UnconnectedGradients.ZERO,
                )
            rest = iter(found)
            all_found = [next(rest) if x.dtype.is_floating else None for x in learned]
            ours, theirs = all_found[: len(tensors)], all_found[len(tensors) :]
            return ours if variables is None else (ours, theirs)

        return flat, gradient

    # Here too: what the wrapper adds must not bring the results elsewhere.
    with place():
        made = run(*(leaves[number] for number in where))
    return tf.nest.pack_sequence_as(structure[-1], tf.nest.flatten(made))
