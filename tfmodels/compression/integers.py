"""A Keras model that imitates, where it is, what TFLite computes with integers."""

from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from typing import Self

import keras
import tensorflow as tf

from tfmodels.compression.grids import find_grids
from tfmodels.compression.ranges import Range
from tfmodels.compression.ranges import Switch
from tfmodels.compression.ranges import rounded_kernel
from tfmodels.layers.residual import ScaledAdd


def imitate_integers(
    model: keras.Model, momentum: float = 0.99, own: frozenset[str] | None = None
) -> Switch:
    """Gives a model 8-bit ranges, in which it computes once its switch is active.

    Its layers, and all graphs of them, stay what they are. Kernels are rounded after
    batch normalisation, in inference form, has been folded into them; gradients reach
    kernels, scales and offsets.

    Args:
      model: a functional Keras model in float32, changed where it is.
      momentum: share of a tensor's old range in the average of a batch.
      own: names of layers with a range of their own; found from the graph when absent.

    Returns:
      The model's switch, off.

    Raises:
      ConfigError: layers have no form in integers.
    """
    grids = find_grids(model, own)
    switch = Switch()
    ranges: dict[str, Range] = {}

    def range_of(tensor: str, holder: Any) -> Range:
        """The range of a tensor, which the first layer that needs it holds."""
        if tensor not in ranges:
            ranges[tensor] = Range(switch, momentum, name=f"{tensor}_range")
            held = "output_range" if tensor == holder.name else f"{tensor}_range"
            holder._tracker.unlock()
            setattr(holder, held, ranges[tensor])
            holder._tracker.lock()
        return ranges[tensor]

    affine = {f for chain in grids.chains.values() for f in chain}
    for layer in model.operations:
        read = [range_of(name, layer) for name in grids.read.get(layer.name, ())]
        made = grids.made.get(layer.name)
        compute = _compute(layer, grids.chains.get(layer), layer in affine)
        if not isinstance(layer, keras.layers.InputLayer):
            after = None if made is None else range_of(made, layer)
            _replace(layer, switch, read, compute, after)
    return switch


def _replace(
    layer: Any,
    switch: Switch,
    read: list[Range],
    compute: Callable[..., Any],
    made: Range | None,
) -> None:
    """Puts rounding before and after a layer, and another computation in its place."""
    plain = layer.call

    def call(inputs: Any, *args: Any, **kwargs: Any) -> Any:
        if not switch.active:
            return plain(inputs, *args, **kwargs)
        for each in read:
            inputs = each(inputs)
        outputs = compute(plain, inputs, *args, **kwargs)
        return outputs if made is None else made(outputs)

    # Past Keras, whose bookkeeping of a layer's call stays as it was.
    vars(layer)["call"] = call


def _compute(
    layer: Any, chain: list[keras.layers.Layer] | None, affine: bool
) -> Callable[..., Any]:
    """What integers compute in place of a layer: a function of its call and inputs."""
    if chain is not None:
        return lambda plain, inputs, *_, **__: _with_kernel(layer, chain, plain, inputs)
    if affine and isinstance(layer, ScaledAdd):
        return lambda plain, inputs, *_, **__: inputs[0] + inputs[1]
    if affine:
        return lambda plain, inputs, *_, **__: inputs
    return lambda plain, inputs, *args, **kwargs: plain(inputs, *args, **kwargs)


def _with_kernel(
    layer: Any, chain: list[keras.layers.Layer], plain: Callable[..., Any], inputs: Any
) -> Any:
    factor, offset = _affine(chain)
    kernel, bias = tf.convert_to_tensor(layer._kernel), layer.bias
    by_channel = isinstance(layer, keras.layers.Conv2D)
    changed = {"_kernel": rounded_kernel(kernel * factor, by_channel)}
    if bias is not None:
        changed["bias"] = tf.convert_to_tensor(bias) * factor + offset
    before = {key: vars(layer)[key] for key in changed}
    vars(layer).update(changed)
    try:
        outputs = plain(inputs)
    finally:
        vars(layer).update(before)
    return outputs if bias is not None or not chain else outputs + offset


def _affine(chain: list[keras.layers.Layer]) -> tuple[Any, Any]:
    """Factor and offset of the layers after a linear one, float32 [C] or []."""
    factor, offset = tf.constant(1.0), tf.constant(0.0)
    for layer in chain:
        scale, shift = tf.constant(1.0), tf.constant(0.0)
        if isinstance(layer, ScaledAdd):
            scale *= layer.scale
        else:
            scale = tf.math.rsqrt(layer.moving_variance + layer.epsilon)
            scale = scale * layer.gamma if layer.scale else scale
            shift = -scale * layer.moving_mean
            shift = shift + layer.beta if layer.center else shift
        factor, offset = factor * scale, offset * scale + shift
    return factor, offset


def ranges_of(model: keras.Model) -> list[Range]:
    """The ranges in a model, or in a part of one; none if it imitates nothing."""
    return [each for each in model._flatten_layers() if isinstance(each, Range)]


def switch_of(model: keras.Model) -> Switch | None:
    """The switch of a model, or of the model that it is a part of."""
    return next((each.switch for each in ranges_of(model)), None)


@contextmanager
def learning_ranges(model: keras.Model) -> Iterator[None]:
    """Context in which a model that imitates integers learns its ranges."""
    switch = switch_of(model)
    if switch is None:
        raise ValueError(f"{model.name} has no ranges; call imitate_integers first")
    switch.learning = True
    try:
        yield
    finally:
        switch.learning = False


class IntegerModel(keras.Model):
    """A model whose configuration does not tell that it imitates integers; this does.

    Args:
      model: after `imitate_integers`; switched on.
      **kwargs: see `keras.Model`.
    """

    def __init__(self, model: keras.Model, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.model = model
        self.built = True

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Returns what the model does."""
        return self.model(inputs, training=training)

    def get_config(self) -> dict[str, Any]:
        """The model's configuration, and which layers have ranges of their own."""
        own = [each.name.removesuffix("_range") for each in ranges_of(self.model)]
        model = keras.saving.serialize_keras_object(self.model)
        return {"model": model, "own": sorted(own)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Rebuilds the model, with room for ranges, switched on."""
        model = keras.saving.deserialize_keras_object(config["model"])
        imitate_integers(model, own=frozenset(config["own"])).active = True
        return cls(model)
