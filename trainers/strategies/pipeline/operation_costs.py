"""What single operations of a graph cost, those that call others included."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from tensorflow.python.framework import ops
from tensorflow.python.profiler.internal import flops_registry  # noqa: F401
from tensorflow.python.util import deprecation

from trainers.strategies.pipeline.liveness import VIEWS
from trainers.strategies.pipeline.liveness import size

_FREE = (*VIEWS, "Placeholder", "Const", "NoOp")
_NORMALIZATIONS = ("FusedBatchNormV3", "LRN")
_CALLS = ("PartitionedCall", "StatefulPartitionedCall")
_LOOPS = ("While", "StatelessWhile")


def flops(op: tf.Operation) -> int:
    """What TensorFlow states for an operation, or one for each result.

    A normalization in one piece counts 5 for each result; what is called, as often as
    it is.
    """
    if op.type in _FREE:
        return 0
    if op.type in _CALLS:
        return sum(map(flops, _body(op, "f")))
    if op.type in _LOOPS:
        return _trips(op) * sum(map(flops, _body(op, "body")))
    with deprecation.silence():  # TensorFlow's own statistics use what it deprecates.
        stated = ops.get_stats_for_node_def(op.graph, op.node_def, "flops").value
    if stated is not None:
        return int(stated)
    results = sum(
        output.shape.num_elements() or 0
        for output in op.outputs
        if output.dtype.is_floating
    )
    return 5 * results if op.type in _NORMALIZATIONS else results


def accumulated(op: tf.Operation) -> int:
    """Bytes that a loop keeps of all its iterations for the gradient."""
    if op.type in _CALLS:
        return sum(map(accumulated, _body(op, "f")))
    if op.type not in _LOOPS:
        return 0
    pushed = (o for o in _body(op, "body") if o.type == "TensorListPushBack")
    return _trips(op) * sum(size(o.inputs[1]) for o in pushed)


def _body(op: tf.Operation, attribute: str) -> Sequence[tf.Operation]:
    name = op.get_attr(attribute).name
    return op.graph._get_function(name).graph.get_operations()


def _trips(op: tf.Operation) -> int:
    """Iterations of a loop, 1 if they are not known."""
    bound = op.inputs[1]
    if bound.op.type == "Max":  # Of one number, in Keras' recurrent layers.
        bound = bound.op.inputs[0]
    value = tf.get_static_value(bound)
    return 1 if value is None else max(1, int(np.max(value)))
