"""A functional model as a sequence of items, between which it can be cut."""

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from itertools import pairwise
from typing import Any

import keras
from keras.src.models.functional import Functional

from tfmodels.errors import ConfigError

Node = Any
"""One use of a Keras operation, with ``operation``, ``parent_nodes``, ``is_input``,
``input_tensors`` and ``outputs``."""


@dataclass(frozen=True)
class Item:
    """A part of the sequence that stays whole."""

    name: str
    """Name of its last operation."""
    nodes: tuple[Node, ...]
    """What it computes, each node after those it needs."""
    crossing: tuple[keras.KerasTensor, ...]
    """Tensors, outputs of the model aside, that pass from here or before to what
    follows."""

    @cached_property
    def reads(self) -> tuple[keras.KerasTensor, ...]:
        """Tensors that it takes from other items, or inputs of the model."""
        return tuple(_unique(_read(self.nodes)))


@dataclass(frozen=True)
class Part:
    """A run of items as a model of its own, which shares the layers of the whole.

    Tensors have the numbers that `LayerSequence` gave them.
    """

    model: keras.Model
    """From a list of the tensors it reads to a dict, by number, of those it makes."""
    reads: tuple[int, ...]
    """Inputs of the whole model, or tensors of earlier parts, adjacent or not."""
    writes: tuple[int, ...]
    """Tensors that later parts read or that are outputs of the whole model."""


class LayerSequence:
    """A functional model in an order in which it can be cut into stages.

    Side branches that end in an output, such as auxiliary classifiers, stand directly
    after what feeds them. It can be cut where a single tensor passes to the rest, and
    after each of the model's ``endpoints`` if it has some: there several may pass, and
    one that skips stages goes directly to those that read it. Models inside the model
    are taken apart.

    Args:
      model: a functional model with named outputs.

    Raises:
      ConfigError: the model has no graph.
    """

    def __init__(self, model: keras.Model) -> None:
        self.model = model
        outputs = _outputs(model)
        nodes = [node for node in _ordered(outputs.values()) if not node.is_input]
        inner = [tensor for node in nodes for tensor in node.outputs]
        self._tensors = [*model.inputs, *inner]
        self._numbers = {id(tensor): i for i, tensor in enumerate(self._tensors)}
        self.inputs = self._numbered(model.inputs)
        """Numbers of the model's inputs, in the order of ``model.inputs``."""
        self.outputs = dict(zip(outputs, self._numbered(outputs.values()), strict=True))
        """Numbers of the model's outputs by name."""
        endpoints = {id(t) for t in getattr(model, "endpoints", {}).values()}
        self.items = tuple(_items(nodes, endpoints))

    def _numbered(self, tensors: Iterable[keras.KerasTensor]) -> tuple[int, ...]:
        return tuple(self._numbers[id(tensor)] for tensor in tensors)

    def cut(self, sizes: Sequence[int]) -> list[Part]:
        """Cuts the sequence into parts of so many items each.

        Raises:
          ValueError: the sizes do not add up to the number of items.
        """
        if sum(sizes) != len(self.items) or min(sizes) < 1:
            raise ValueError(
                f"The parts must hold all items. Expected positive sizes that add up to"
                f" {len(self.items)}. Received {list(sizes)}."
            )
        runs = [
            [node for item in self.items[begin:end] for node in item.nodes]
            for begin, end in pairwise(accumulate(sizes, initial=0))
        ]
        reads = [_unique(_read(run)) for run in runs]
        wanted = set(self.outputs.values())
        parts = []
        for i, run in enumerate(runs):
            later = set(self._numbered(t for read in reads[i + 1 :] for t in read))
            made = [t for node in run for t in node.outputs]
            writes = {
                number: tensor
                for number, tensor in zip(self._numbered(made), made, strict=True)
                if number in later | wanted
            }
            named = {str(number): tensor for number, tensor in writes.items()}
            model = _called_again(run, reads[i], named, f"stage_{i}")
            parts.append(Part(model, self._numbered(reads[i]), tuple(writes)))
        return parts


def _called_again(
    nodes: Sequence[Node],
    reads: Sequence[keras.KerasTensor],
    writes: Mapping[str, keras.KerasTensor],
    name: str,
) -> keras.Model:
    """A model of some nodes; Keras cannot reuse a layer that also made an input."""
    tensors = {
        id(tensor): keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype)
        for tensor in reads
    }
    inputs = list(tensors.values())
    for node in nodes:
        args, kwargs = node.arguments.fill_in(tensors)
        made = keras.tree.flatten(node.operation(*args, **kwargs))
        tensors |= {id(t): new for t, new in zip(node.outputs, made, strict=True)}
    return keras.Model(
        inputs, {k: tensors[id(t)] for k, t in writes.items()}, name=name
    )


def _outputs(model: keras.Model) -> dict[str, keras.KerasTensor]:
    """The outputs by name, of a graph without models inside."""
    if not isinstance(model, Functional):
        raise ConfigError(
            f"strategy.kind: {model.name!r} cannot be cut into stages: it has no"
            " graph of layers. Expected a functional Keras model, or strategy.kind:"
            f" data_parallel. Received a {type(model).__name__}."
        )
    if not any(isinstance(layer, keras.Model) for layer in model.layers):
        return dict(model.output)
    return dict(_opened(model)(model._inputs_struct))


def _opened(operation: Any) -> Any:
    """Calls the layers of a model one by one, so that each is a node of the graph."""
    if isinstance(operation, keras.Sequential):
        operation = operation._functional
    if not isinstance(operation, Functional):
        return operation
    return lambda inputs, **_: operation._run_through_graph(inputs, _opened)


def _read(nodes: Sequence[Node]) -> Iterator[keras.KerasTensor]:
    """What the nodes take from outside."""
    made = {id(tensor) for node in nodes for tensor in node.outputs}
    for node in nodes:
        for tensor in node.input_tensors:
            if id(tensor) not in made:
                yield tensor


def _unique(tensors: Iterable[keras.KerasTensor]) -> list[keras.KerasTensor]:
    return list({id(tensor): tensor for tensor in tensors}.values())


def _items(nodes: Sequence[Node], endpoints: set[int]) -> Iterator[Item]:
    last_use = {id(t): i for i, node in enumerate(nodes) for t in node.input_tensors}
    crossing: dict[int, keras.KerasTensor] = {}
    begin = 0
    for i, node in enumerate(nodes):
        for tensor in (*node.input_tensors, *node.outputs):
            crossing[id(tensor)] = tensor
        crossing = {
            key: tensor for key, tensor in crossing.items() if last_use.get(key, i) > i
        }
        named = any(id(tensor) in endpoints for tensor in node.outputs)
        if i == len(nodes) - 1 or len(crossing) == 1 or (named and crossing):
            yield Item(
                node.operation.name,
                tuple(nodes[begin : i + 1]),
                tuple(crossing.values()),
            )
            begin = i + 1


def _ordered(outputs: Iterable[keras.KerasTensor]) -> list[Node]:
    """All nodes, each after its parents; those of the shortest output first."""
    histories = [tensor._keras_history for tensor in outputs]
    ends = [
        history.operation._inbound_nodes[history.node_index] for history in histories
    ]
    ends.sort(key=lambda node: len(_after_parents([node])))
    return _after_parents(ends)


def _after_parents(ends: Sequence[Node]) -> list[Node]:
    ordered: dict[int, Node] = {}
    for end in ends:
        stack = [end]
        while stack:
            node = stack[-1]
            missing = [p for p in node.parent_nodes if id(p) not in ordered]
            if missing:
                stack.append(missing[0])
            else:
                ordered[id(stack.pop())] = node
    return list(ordered.values())
