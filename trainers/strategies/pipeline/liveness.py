"""Which results of a graph's operations exist at the same time."""

from collections.abc import Collection
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

VIEWS = ("Identity", "Reshape", "Squeeze", "ExpandDims", "StopGradient")
"""Operations whose result shares the memory of their first input."""


def size(tensor: tf.Tensor) -> int:
    """Bytes of a tensor of known shape."""
    if tensor.dtype == tf.variant:
        return 0  # A list that a loop fills.
    return int((tensor.shape.num_elements() or 0) * tensor.dtype.size)


def root(tensor: tf.Tensor) -> tf.Tensor:
    """The tensor whose memory a tensor shares."""
    while tensor.op.type in VIEWS:
        tensor = tensor.op.inputs[0]
    return tensor


def ancestors(tensors: Sequence[tf.Tensor]) -> set[tf.Operation]:
    """The operations that are needed to compute some tensors."""
    found: set[tf.Operation] = set()
    waiting = [tensor.op for tensor in tensors]
    while waiting:
        op = waiting.pop()
        if op not in found:
            found.add(op)
            waiting += [tensor.op for tensor in op.inputs]
    return found


def peak_bytes(operations: Sequence[tf.Operation], elsewhere: Collection[Any]) -> int:
    """Most bytes of results at a time, if operations run one after another.

    A result is there from the operation that makes it to the last one that takes it.

    Args:
      operations: in an order in which they can run.
      elsewhere: references of tensors that are counted elsewhere, or never.
    """
    last = {
        root(tensor).ref(): place
        for place, operation in enumerate(operations)
        for tensor in operation.inputs
    }
    ends: dict[int, int] = {}
    live = peak = 0
    for place, operation in enumerate(operations):
        for tensor in operation.outputs:
            reference = tensor.ref()
            if operation.type in (*VIEWS, "Const") or reference in elsewhere:
                continue
            live += size(tensor)
            over = last.get(reference, place)
            ends[over] = ends.get(over, 0) + size(tensor)
        peak = max(peak, live)
        live -= ends.pop(place, 0)
    return peak
