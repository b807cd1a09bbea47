"""The normal and the reduction cell of AmoebaNet-D: operations, wiring, graph."""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import keras

from tfmodels.amoebanet.units import PreactivatedUnits
from tfmodels.layers.convolution import Conv
from tfmodels.layers.convolution import Pool

Steps = tuple[Conv | Pool, ...]
"""What an operation runs one after the other; the identity runs nothing."""

Operation = Callable[[int, int], Steps]
"""(number of filters, stride) -> the steps, which keep the number of filters."""


def identity(filters: int, strides: int) -> Steps:
    """Returns its input; the wirings have it only where nothing shrinks."""
    return ()


def conv_1x1(filters: int, strides: int) -> Steps:
    """A 1x1 convolution."""
    return (Conv(filters, strides=strides),)


def conv_3x3(filters: int, strides: int) -> Steps:
    """A 3x3 convolution of a quarter of the filters, between two of 1x1."""
    inner = filters // 4
    return (Conv(inner), Conv(inner, 3, strides), Conv(filters))


def conv_1x7_7x1(filters: int, strides: int) -> Steps:
    """1x7, then 7x1, of a quarter of the filters, between two convolutions of 1x1."""
    inner = filters // 4
    wide, tall = Conv(inner, (1, 7), strides), Conv(inner, (7, 1))
    return (Conv(inner), wide, tall, Conv(filters))


def max_2x2(filters: int, strides: int) -> Steps:
    """The largest of 2x2."""
    return (Pool("max", 2, strides),)


def max_3x3(filters: int, strides: int) -> Steps:
    """The largest of 3x3."""
    return (Pool("max", 3, strides),)


def average_3x3(filters: int, strides: int) -> Steps:
    """The mean of 3x3, padding left out."""
    return (Pool("average", 3, strides),)


class Edge(NamedTuple):
    """One operation and the number of the state that it reads."""

    operation: Operation
    state: int


@dataclasses.dataclass(frozen=True)
class Wiring:
    """How a cell makes states from states.

    States 0 and 1 are the cell's two inputs: the output of the cell before it, and of
    the one before that. Each pair makes the next state, the sum of its two results.
    """

    pairs: tuple[tuple[Edge, Edge], ...]
    joined: tuple[int, ...]
    """States that are joined along the channels: the cell's output."""
    strides: int
    """Stride of the operations that read state 0 or 1."""


# The evolution paper says that normal cells join states 4, 5 and 6. Only 0, 3, 4 and 6,
# as in the public TensorFlow code, give the sizes that GPipe publishes.
NORMAL = Wiring(
    pairs=(
        (Edge(conv_1x1, 1), Edge(max_3x3, 1)),
        (Edge(identity, 1), Edge(conv_1x7_7x1, 0)),
        (Edge(conv_1x1, 0), Edge(conv_1x7_7x1, 0)),
        (Edge(max_3x3, 2), Edge(identity, 2)),
        (Edge(average_3x3, 1), Edge(conv_1x1, 5)),
    ),
    joined=(0, 3, 4, 6),
    strides=1,
)

REDUCTION = Wiring(
    pairs=(
        (Edge(max_2x2, 0), Edge(max_3x3, 0)),
        (Edge(identity, 2), Edge(conv_3x3, 1)),
        (Edge(conv_1x7_7x1, 2), Edge(max_3x3, 2)),
        (Edge(identity, 3), Edge(max_2x2, 1)),
        (Edge(average_3x3, 2), Edge(conv_1x1, 3)),
    ),
    joined=(4, 5, 6),
    strides=2,
)


def cell(
    inputs: tuple[keras.KerasTensor, keras.KerasTensor],
    wiring: Wiring,
    filters: int,
    units: PreactivatedUnits,
    name: str,
) -> keras.KerasTensor:
    """Adds one cell to a graph (arXiv 1802.01548; wiring of the public code).

    Layers are named ``<name>_input<n>...`` and ``<name>_state<n>...``.

    Args:
      inputs: outputs of the cell before, float [B, H, W, C], and of the one before
        that, float [B, H', W', C'], which is larger if the cell before is a reduction.
      wiring: `NORMAL` or `REDUCTION`.
      filters: number of channels of every state.
      units: makes the convolutions.
      name: name of the cell.

    Returns:
      float [B, ceil(H / strides), ceil(W / strides), len(joined) * filters].
    """
    states = [
        units.convolution(inputs[0], Conv(filters), f"{name}_input0"),
        _second_input(inputs, filters, units, f"{name}_input1"),
    ]
    for pair in wiring.pairs:
        state = f"{name}_state{len(states)}"
        terms = [
            _run(edge, states, wiring.strides, filters, units, f"{state}{side}")
            for side, edge in zip("ab", pair, strict=True)
        ]
        states.append(keras.layers.Add(name=f"{state}_add")(terms))
    joined = [states[state] for state in wiring.joined]
    return keras.layers.Concatenate(name=f"{name}_concat")(joined)


def _second_input(
    inputs: tuple[keras.KerasTensor, keras.KerasTensor],
    filters: int,
    units: PreactivatedUnits,
    name: str,
) -> keras.KerasTensor:
    """The older input, as large as the newer one and with `filters` channels."""
    newer, older = inputs
    if older.shape[1:3] != newer.shape[1:3]:
        return units.factorized_reduction(older, filters, name)
    if older.shape[-1] != filters:
        return units.convolution(older, Conv(filters), name)
    return older


def _run(
    edge: Edge,
    states: list[keras.KerasTensor],
    strides: int,
    filters: int,
    units: PreactivatedUnits,
    name: str,
) -> keras.KerasTensor:
    x = states[edge.state]
    steps = edge.operation(filters, strides if edge.state < 2 else 1)
    for index, step in enumerate(steps, start=1):
        if isinstance(step, Pool):
            x = step.layer(f"{name}_{index}")(x)
        else:
            height, width = step.kernel_size
            x = units.convolution(x, step, f"{name}_{index}_{height}x{width}")
    return x
