"""A context in which a model computes with weights as they would be quantized.

Source: OCTAV, arXiv 2206.06501, section 4; the ranges are those of `newton`.
"""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import keras
import numpy as np
import tensorflow as tf

from tfmodels.errors import ConfigError
from tfmodels.quantization.fake import Gradient
from tfmodels.quantization.fake import fake_quantize
from tfmodels.quantization.groups import num_steps
from tfmodels.quantization.in_graph import newton_in_graph
from tfmodels.quantization.packed_model import holders
from tfmodels.quantization.policy import Policy
from tfmodels.quantization.rows import matrices_of
from tfmodels.quantization.targets import Target
from tfmodels.quantization.targets import targets


@contextmanager
def fake_quantized(
    model: keras.Model, policy: Policy, gradient: Gradient
) -> Iterator[None]:
    """Weights of a policy's layers are read as their codes, ranges solved anew.

    Args:
      model: built. Its variables stay what they are, and get the gradients.
      policy: rules with the method ``newton`` and a real zero point.
      gradient: of rounding; see `tfmodels.quantization.fake`.

    Raises:
      ConfigError: nothing can be quantized, or replicas would meet in the middle.
    """
    context = tf.distribute.get_replica_context()
    replicas = context.num_replicas_in_sync if context is not None else 1
    layers = list(model._flatten_layers())
    if replicas > 1 and any(getattr(each, "synchronized", False) for each in layers):
        raise ConfigError(
            "objective.kind: quantization_aware cannot wait for the statistics of other"
            " replicas. Expected strategy.synchronize_batch_norm: false, or one"
            f" replica. Received {replicas} replicas that share them."
        )
    found = targets(model, policy)
    before = []
    for target, tensor in zip(found, _rounded(found, gradient), strict=True):
        variable = getattr(target.layer, target.name)
        before += [(*place, variable) for place in holders(layers, variable)]
        for holder, key in holders(layers, variable):
            # Past Keras, which would take it for a change of the layer.
            vars(holder)[key] = tf.cast(tensor, holder.compute_dtype)
    try:
        yield
    finally:
        for holder, key, variable in before:
            vars(holder)[key] = variable


def _rounded(found: list[Target], gradient: Gradient) -> list[tf.Tensor]:
    """The weights of targets on their grids, float32, in their shapes."""
    parts: list[list[tf.Tensor]] = []
    # Groups of one size, of all targets, are solved together.
    alike: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
    for number, target in enumerate(found):
        for groups in _groups(target):
            if len(parts) == number:
                parts.append([])
            alike[target.rule.bits, groups.shape[1]].append((number, len(parts[-1])))
            parts[-1].append(groups)
    for (bits, _), places in alike.items():
        stacked = tf.concat([parts[number][place] for number, place in places], 0)
        low, high = _stored(*newton_in_graph(stacked, bits), bits)
        made = fake_quantize(stacked, low[:, None], high[:, None], bits, gradient)
        sizes = [parts[number][place].shape[0] for number, place in places]
        for (number, place), own in zip(places, tf.split(made, sizes), strict=True):
            parts[number][place] = own
    return [_joined(*pair) for pair in zip(found, parts, strict=True)]


def _groups(target: Target) -> list[tf.Tensor]:
    """As `tfmodels.quantization.groups.split`, of the variable's rows."""
    variable = getattr(target.layer, target.name)
    matrix = matrices_of(target.layer)[target.name]
    shape = tuple(variable.shape)
    count, width = matrix.size(shape)
    weights = tf.convert_to_tensor(variable.value)
    rows = tf.reshape(tf.transpose(weights, matrix.order(len(shape))), [count, width])
    wanted = target.rule.group_size
    size = min(wanted, width) if isinstance(wanted, int) else width
    whole = width - width % size
    parts = [tf.reshape(rows[:, :whole], [count * (whole // size), size])]
    return parts if whole == width else [*parts, rows[:, whole:]]


def _stored(low: tf.Tensor, high: tf.Tensor, bits: int) -> tuple[tf.Tensor, tf.Tensor]:
    """The ends of the grid whose step files can keep, as `quantize` makes them."""
    steps = num_steps(bits)
    scale = tf.where(high > low, (high - low) / steps, tf.ones_like(low))
    scale = tf.cast(tf.cast(scale, tf.bfloat16), tf.float32)
    middle = (low + high) / 2 - scale * steps / 2
    offset = tf.where(high > low, middle, low)
    return offset, offset + scale * steps


def _joined(target: Target, parts: list[tf.Tensor]) -> tf.Tensor:
    shape = tuple(getattr(target.layer, target.name).shape)
    matrix = matrices_of(target.layer)[target.name]
    count, _ = matrix.size(shape)
    rows = tf.concat([tf.reshape(part, [count, -1]) for part in parts], 1)
    order = matrix.order(len(shape))
    weights = tf.reshape(rows, [shape[axis] for axis in order])
    return tf.transpose(weights, np.argsort(order))
