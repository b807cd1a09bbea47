"""Where the work is done, read from the graphs that TensorFlow ran on each device."""

from collections.abc import Callable
from collections.abc import Iterable
from typing import Any

import keras
import pytest
from tensorflow.python.eager import context

from tests.trainers.pipelined import FunctionTask
from tests.trainers.pipelined import Opened
from tests.trainers.pipelined import Skipping
from tests.trainers.pipelined import opened
from tests.trainers.toy import ToyTask
from tests.trainers.toy import toy_stage

Nodes = list[Any]
"""``NodeDef`` messages of one device."""


def ran(act: Callable[[], Any]) -> list[Nodes]:
    """The nodes of the largest graph that `act` runs for the first time, by device."""
    running = context.context()
    running.enable_run_metadata()
    act()
    graphs = running.export_run_metadata().function_graphs
    running.disable_run_metadata()
    largest = max(graphs, key=lambda g: len(g.pre_optimization_graph.node))
    library = largest.pre_optimization_graph.library.function
    bodies = {each.signature.name: each.node_def for each in library}
    parts = [called(graph.node, bodies) for graph in largest.partition_graphs]
    return sorted(parts, key=lambda nodes: nodes[0].device)


def called(nodes: Iterable[Any], bodies: dict[str, Any]) -> Nodes:
    """Nodes with those of the functions that they call, on the same device.

    Functions are shown as they were before TensorFlow left out what nothing needs.
    """
    found: Nodes = []
    for node in nodes:
        found.append(node)
        body = bodies.get(node.attr["f"].func.name.partition("_specialized_for_")[0])
        for inner in called(body or (), bodies):
            assert inner.device in ("", node.device)
            found.append(inner)
    return found


def received(parts: list[Nodes], device: int, sender: int) -> list[str]:
    """Names of the tensors that a device gets from another."""
    return [
        node.name
        for node in parts[device]
        if node.op == "_Recv"
        and node.attr["send_device"].s.decode().endswith(f"CPU:{sender}")
    ]


def num_results(parts: list[Nodes], device: int, sender: int) -> int:
    """How many results of stages a device gets from another."""
    return sum(name.startswith("Part") for name in received(parts, device, sender))


def products(nodes: Nodes) -> Nodes:
    """Matrix products, fused or not."""
    return [node for node in nodes if "MatMul" in node.op]


def bias_free(features: Any) -> Any:
    """Three matrix products, each followed by what needs its result for a gradient."""
    x = features
    for i in range(3):
        x = keras.layers.Dense(6, "tanh", use_bias=False, name=f"h{i}")(x)
    return x


def device_of(variable: Any) -> str:
    return variable.device[-5:]


def test_variables_slots_and_averages_lie_with_their_stage() -> None:
    made = opened(
        toy_stage(ToyTask()),
        {"stages": 4, "microbatches": 4},
        {"average": {"kind": "exponential", "decay": 0.9}},
    )
    devices = {"hidden": "CPU:0", "norm": "CPU:1", "head": "CPU:3"}
    parts = made.strategy._layout.parts
    assert [len(part.model.trainable_variables) for part in parts] == [2, 2, 0, 2]
    for kind in ("model/{}", "average/{}", "optimizer/{}"):
        for layer, device in devices.items():
            start = kind.format(layer)
            found = [v for n, v in made.trainable.state.items() if n.startswith(start)]
            assert len(found) >= 2, start
            assert {device_of(variable) for variable in found} == {device}


@pytest.mark.parametrize("schedule", ["gpipe", "1f1b"])
@pytest.mark.parametrize("rematerialize", ["never", "always"])
def test_every_product_of_a_stage_is_on_its_device(
    schedule: str, rematerialize: str
) -> None:
    settings = {"schedule": schedule, "rematerialize": rematerialize}
    task = FunctionTask(bias_free)
    made = opened(toy_stage(task), {"stages": 3, "microbatches": 4, **settings})
    parts = ran(lambda: made.trainable.run(1))
    assert len(parts) == 3
    forward = 2 if rematerialize == "always" else 1
    for stage, nodes in enumerate(parts):
        assert {node.device[-5:] for node in nodes} <= {f"CPU:{stage}", ""}
        names = [node.name for node in products(nodes)]
        assert all(f"h{stage}_1/" in name for name in names), names
        assert sum("grad" in name for name in names) == 4 * 2
        assert sum("grad" not in name for name in names) == 4 * forward


def test_updates_and_statistics_stay_on_their_devices() -> None:
    stage = toy_stage(ToyTask(), l2=0.1, clip_global_norm=0.1)
    made = opened(stage, {"stages": 4, "microbatches": 4})
    parts = ran(lambda: made.trainable.run(1))
    # Kernels, biases, scales, offsets; each with its momentum. Mean and variance of
    # the batch norm. Iterations and the random states of no layer.
    updates = [sum(node.op.startswith("Assign") for node in part) for part in parts]
    assert updates == [4 + 1, 4 + 2, 0, 4]
    # A gradient per micro-batch, and no moments.
    assert num_results(parts, 0, 1) == 4
    for device in (0, 2, 3):
        names = received(parts, device, 1)
        assert not any("ReadVariableOp" in name for name in names), names


def gates(made: Opened) -> tuple[int, int]:
    """Products of a step, and how many of them wait for a task of their own."""
    (nodes,) = ran(lambda: made.trainable.run(1))
    found = products(nodes)
    return len(found), sum(
        any(name.startswith("^Timestamp") for name in node.input) for node in found
    )


def test_the_weight_tasks_are_the_products_with_the_weights_gradients() -> None:
    task = FunctionTask(bias_free)
    made = opened(
        toy_stage(task), {"stages": 1, "microbatches": 2, "schedule": "zb_h1"}
    )
    # Per micro-batch: 3 forward, 2 for gradients of inputs, 3 for those of weights.
    assert gates(made) == (16, 6)


def test_a_skip_tensor_is_sent_once_and_directly() -> None:
    task = Skipping()
    made = opened(toy_stage(task), {"stages": 4, "microbatches": 2})
    parts = ran(lambda: made.trainable.run(1))

    links = [(1, 0), (2, 0), (3, 0), (2, 1), (3, 1), (3, 2)]
    # Once per micro-batch.
    assert [num_results(parts, *link) for link in links] == [2, 0, 2, 2, 0, 2]
