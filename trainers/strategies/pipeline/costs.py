"""What each item of a sequence costs."""

from collections.abc import Iterable
from typing import Any

import keras

from trainers.strategies.pipeline.graph_costs import ItemCost
from trainers.strategies.pipeline.graph_costs import model_cost
from trainers.strategies.pipeline.sequence import Item
from trainers.strategies.pipeline.sequence import LayerSequence


def item_costs(
    sequence: LayerSequence, rows: int, measured: bool = False
) -> list[ItemCost]:
    """The cost of every item of a sequence; equal ones are looked at once.

    Args:
      sequence: its variables need no values.
      rows: examples in a micro-batch.
      measured: run every different item, with random weights, on this machine.

    Raises:
      ConfigError: the shape of a tensor is not known.
    """
    known: dict[str, ItemCost] = {}
    costs = []
    for item, written in zip(sequence.items, writes(sequence), strict=True):
        signature = _signature(item, written)
        if signature not in known:
            named = {str(i): tensor for i, tensor in enumerate(written)}
            model = keras.Model(list(item.reads), named)
            known[signature] = model_cost(model, rows, measured)
        costs.append(known[signature])
    return costs


def writes(sequence: LayerSequence) -> list[list[keras.KerasTensor]]:
    """The tensors each item makes for others, or as outputs of the model."""
    wanted = {id(tensor) for tensor in sequence.model.outputs}
    wanted |= {id(tensor) for item in sequence.items for tensor in item.reads}
    return [
        [t for node in item.nodes for t in node.outputs if id(t) in wanted]
        for item in sequence.items
    ]


def _signature(item: Item, written: Iterable[keras.KerasTensor]) -> str:
    """The same for items that compute the same with other weights."""
    places: dict[int, int] = {}
    users: dict[int, int] = {}
    lines = []

    def place(value: Any) -> str:
        if not isinstance(value, keras.KerasTensor):
            return repr(value)
        number = places.setdefault(id(value), len(places))
        return f"#{number}{value.shape}{value.dtype}"

    for node in item.nodes:
        operation = node.operation
        user = users.setdefault(id(operation), len(users))
        arguments = keras.tree.map_structure(
            place, [node.arguments.args, node.arguments.kwargs]
        )
        results = [place(tensor) for tensor in node.outputs]
        lines.append(f"{user} {_config(operation)} {arguments} {results}")
    return "\n".join([*lines, *map(place, written)])


def _config(operation: Any) -> str:
    if not isinstance(operation, keras.layers.Layer):
        # Of other operations not all can say what they were made with.
        return f"{operation.name} {id(operation)}"
    config = {k: v for k, v in operation.get_config().items() if k != "name"}
    return f"{type(operation).__name__} {config}"
