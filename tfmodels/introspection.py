"""What a functional model costs and sees: operations, weights, receptive fields."""

import dataclasses
import math
from collections.abc import Iterable

import keras

Pair = tuple[int, int]
"""Height, width; in pixels of the input."""


@dataclasses.dataclass(frozen=True)
class LayerRow:
    """One layer of a model."""

    name: str
    kind: str
    """Name of the layer's class."""
    output_shape: tuple[int | None, ...]
    """Without the batch axis."""
    trainable: int
    """Number of trainable weights."""
    non_trainable: int
    multiply_adds: int
    """For one example: those of convolutions and dense layers; others count 0."""
    receptive_field: Pair | None
    """Pixels of the input that one output position sees, along the widest path and with
    no regard to the image's border; None where positions are pooled away."""
    stride: Pair | None
    """Distance in the input between neighbouring output positions."""


@dataclasses.dataclass(frozen=True)
class Overview:
    """All layers of a model, from input to output, and their sums."""

    rows: tuple[LayerRow, ...]

    @property
    def trainable(self) -> int:
        """Number of trainable weights."""
        return sum(row.trainable for row in self.rows)

    @property
    def non_trainable(self) -> int:
        """Number of weights that are not trained, such as moving averages."""
        return sum(row.non_trainable for row in self.rows)

    @property
    def multiply_adds(self) -> int:
        """Multiplications with additions that one example costs."""
        return sum(row.multiply_adds for row in self.rows)


@dataclasses.dataclass(frozen=True)
class _View:
    field: Pair
    stride: Pair


_PIXEL = _View(field=(1, 1), stride=(1, 1))


def overview(model: keras.Model) -> Overview:
    """Lists the layers of a functional model of images with fixed height and width.

    Receptive field r and stride j follow ``r += (k - 1) * j; j *= s`` for a kernel k
    and a stride s; where paths meet, the largest counts. Each layer must be used once.

    Raises:
      ValueError: the cost of a layer depends on a size that is not fixed.
    """
    views = _views(model)
    return Overview(tuple(_row(layer, views[layer.output]) for layer in model.layers))


def costs_by_side(whole: Overview) -> dict[int, int]:
    """Multiply-adds of the layers whose maps are so many positions high, finest first.

    Layers without positions, such as class scores, count as 1 high. A pipeline is best
    cut where most of them are.
    """
    costs: dict[int, int] = {}
    for row in whole.rows:
        if row.multiply_adds:
            side = row.output_shape[0] if len(row.output_shape) == 3 else 1
            costs[side or 1] = costs.get(side or 1, 0) + row.multiply_adds
    return dict(sorted(costs.items(), reverse=True))


def strides(model: keras.Model) -> dict[keras.KerasTensor, Pair]:
    """Stride in pixels, down and across, of each symbolic tensor with positions."""
    return {tensor: view.stride for tensor, view in _views(model).items() if view}


def _row(layer: keras.layers.Layer, view: _View | None) -> LayerRow:
    output_shape = tuple(layer.output.shape[1:])
    return LayerRow(
        name=layer.name,
        kind=type(layer).__name__,
        output_shape=output_shape,
        trainable=_count(layer.trainable_weights),
        non_trainable=_count(layer.non_trainable_weights),
        multiply_adds=_multiply_adds(layer, output_shape),
        receptive_field=view.field if view else None,
        stride=view.stride if view else None,
    )


def _count(weights: list[keras.Variable]) -> int:
    return sum(math.prod(weight.shape) for weight in weights)


def _multiply_adds(
    layer: keras.layers.Layer, output_shape: tuple[int | None, ...]
) -> int:
    if not isinstance(layer, keras.layers.Conv2D | keras.layers.Dense):
        return 0
    positions = [side for side in output_shape[:-1] if side is not None]
    if len(positions) < len(output_shape) - 1:
        raise ValueError(
            "Multiply-adds depend on the input's size. Expected: a model of fixed input"
            f" shape. Received: layer {layer.name!r} of output shape {output_shape}."
        )
    return math.prod(positions) * math.prod(layer.kernel.shape)


def _views(model: keras.Model) -> dict[keras.KerasTensor, _View | None]:
    views: dict[keras.KerasTensor, _View | None] = {}
    for layer in model.layers:
        if isinstance(layer, keras.layers.InputLayer):
            views[layer.output] = _PIXEL
            continue
        inputs = layer.input if isinstance(layer.input, list) else [layer.input]
        views[layer.output] = _seen_through(layer, [views[x] for x in inputs])
    return views


def _seen_through(
    layer: keras.layers.Layer, inputs: list[_View | None]
) -> _View | None:
    arriving = [view for view in inputs if view is not None]
    if len(arriving) < len(inputs) or len(layer.output.shape) != 4:
        return None
    if isinstance(layer, keras.layers.AdaptiveAveragePooling2D):
        return None
    field = _widest(view.field for view in arriving)
    stride = _widest(view.stride for view in arriving)
    window, steps = _window(layer)
    return _View(
        field=_pair(field[axis] + (window[axis] - 1) * stride[axis] for axis in (0, 1)),
        stride=_pair(stride[axis] * steps[axis] for axis in (0, 1)),
    )


def _window(layer: keras.layers.Layer) -> tuple[Pair, Pair]:
    if isinstance(layer, keras.layers.Conv2D):
        kernel = (
            (size - 1) * dilation + 1
            for size, dilation in zip(
                layer.kernel_size, layer.dilation_rate, strict=True
            )
        )
        return _pair(kernel), _pair(layer.strides)
    if isinstance(layer, keras.layers.MaxPooling2D | keras.layers.AveragePooling2D):
        return _pair(layer.pool_size), _pair(layer.strides)
    return (1, 1), (1, 1)


def _widest(pairs: Iterable[Pair]) -> Pair:
    heights, widths = zip(*pairs, strict=True)
    return max(heights), max(widths)


def _pair(values: Iterable[int]) -> Pair:
    height, width = values
    return height, width
