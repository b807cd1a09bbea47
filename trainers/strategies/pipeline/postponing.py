"""Gradients of weights apart from those of inputs, for schedules that delay them."""

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager

import tensorflow as tf


@contextmanager
def recorded_operations() -> Iterator[list[tf.Operation]]:
    """A list that holds, afterwards, the operations added to the graph meanwhile."""
    graph = tf.compat.v1.get_default_graph()
    num_before = len(graph.get_operations())
    operations: list[tf.Operation] = []
    yield operations
    operations += graph.get_operations()[num_before:]


def postpone(
    operations: Sequence[tf.Operation],
    now: Iterable[tf.Tensor | None],
    later: Iterable[tf.Tensor],
) -> list[tf.Operation]:
    """Lets part of some operations wait for the control dependencies in force.

    Two separate gradient computations would do what they have in common twice (arXiv
    2401.10241 splits them by layer).

    Args:
      operations: of one gradient computation.
      now: results that do not wait.
      later: results that wait, with all that they alone need.

    Returns:
      The operations that only `later` needs.
    """
    recorded = set(operations)
    needed = _ancestors((t.op for t in now if t is not None), recorded)
    postponed = _ancestors((tensor.op for tensor in later), recorded) - needed
    # A fresh operation carries the control dependencies that are in force here.
    gate = tf.no_op()
    for operation in postponed:
        if not any(tensor.op in postponed for tensor in operation.inputs):
            operation._add_control_input(gate)
    return [operation for operation in operations if operation in postponed]


def _ancestors(
    ends: Iterable[tf.Operation], among: set[tf.Operation]
) -> set[tf.Operation]:
    found: set[tf.Operation] = set()
    waiting = [end for end in ends if end in among]
    while waiting:
        operation = waiting.pop()
        if operation not in found:
            found.add(operation)
            inputs = [tensor.op for tensor in operation.inputs]
            before = [*inputs, *operation.control_inputs]
            waiting += [each for each in before if each in among]
    return found
