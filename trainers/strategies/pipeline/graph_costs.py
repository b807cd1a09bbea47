"""What the graph of a model costs: operations, seconds, kept results."""

import statistics
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any
from typing import NamedTuple

import keras
import tensorflow as tf
from tensorflow.python.framework import ops

from tfmodels.errors import ConfigError
from trainers.devices import own_cores
from trainers.strategies.pipeline.liveness import ancestors
from trainers.strategies.pipeline.liveness import peak_bytes
from trainers.strategies.pipeline.liveness import root
from trainers.strategies.pipeline.liveness import size
from trainers.strategies.pipeline.operation_costs import accumulated
from trainers.strategies.pipeline.operation_costs import flops

_RUNS = 9


class Seconds(NamedTuple):
    """Measured durations of one micro-batch."""

    forward: float
    backward: float


class Temporaries(NamedTuple):
    """Bytes, of each pass."""

    forward: int
    backward: int


@dataclass(frozen=True)
class ItemCost:
    """What an item, or a model, costs for one micro-batch."""

    flops: int
    """Floating-point operations of the forward pass."""
    residuals: int
    """Bytes that the gradient needs of what the forward pass makes inside."""
    kept_reads: tuple[int, ...]
    """Which of the tensors that it reads the gradient needs."""
    kept_writes: tuple[int, ...]
    """Which of the tensors that it writes the gradient needs."""
    temporaries: Temporaries
    """Most bytes that a pass holds besides at a time; gradients of weights, which
    stay, left out."""
    postponed: int
    """Bytes of gradients of inner results that gradients of weights take, too."""
    seconds: Seconds | None
    """None unless measured."""


def num_bytes(tensor: Any, rows: int) -> int:
    """Bytes of a symbolic tensor in a micro-batch."""
    spec = _spec(tensor, rows)
    return int(spec.shape.num_elements() * spec.dtype.size)


def model_cost(model: keras.Model, rows: int, measured: bool = False) -> ItemCost:
    """What a model costs, from a list to a dict of tensors; see `item_costs`."""
    traced = _Traced(model, rows)
    run = ancestors(traced.writes)
    forward = [op for op in traced.forward if op in run]
    roots = [root(tensor).ref() for tensor in traced.reads]
    ends = [root(tensor).ref() for tensor in traced.writes]
    kept = {root(tensor).ref() for tensor in _kept(traced)}
    inner = [
        tensor.deref()
        for tensor in kept - {*roots, *ends}
        if tensor.deref().op.type not in ("Placeholder", "Const")
    ]
    return ItemCost(
        flops=sum(map(flops, forward)),
        residuals=sum(map(size, inner)) + sum(map(accumulated, forward)),
        kept_reads=tuple(i for i, each in enumerate(roots) if each in kept),
        kept_writes=tuple(
            i for i, end in enumerate(ends) if end in kept and end not in roots
        ),
        temporaries=_temporaries(traced, forward, {*kept, *ends}),
        postponed=_postponed(traced, kept),
        seconds=traced.measure(threading.Barrier(1)) if measured else None,
    )


def seconds_together(models: Sequence[keras.Model], rows: int) -> list[Seconds]:
    """What models cost that run at the same time, as stages of a pipeline do.

    On devices of one machine they share its memory, and perhaps its cores.
    """
    traced = [_Traced(model, rows) for model in models]
    start = threading.Barrier(len(models))
    with ThreadPoolExecutor(len(models)) as pool:
        return list(pool.map(lambda each: each.measure(start), traced))


class _Traced:
    """The graph of a model's forward and backward pass, its weights being arguments."""

    def __init__(self, model: keras.Model, rows: int) -> None:
        self._model = model
        self._weights = [_variable_spec(v) for v in model.trainable_variables]
        self._states = [_variable_spec(v) for v in model.non_trainable_variables]
        self._reads = [_spec(tensor, rows) for tensor in model.inputs]
        outputs = (_spec(tensor, rows) for tensor in model.outputs)
        self._cotangents = [spec for spec in outputs if spec.dtype.is_floating]
        self.forward: list[tf.Operation] = []
        self.reads: list[tf.Tensor] = []
        self.writes: list[tf.Tensor] = []
        self.upstream: list[tf.Tensor] = []
        self.input_gradients: list[tf.Tensor] = []
        self.weight_gradients: list[tf.Tensor] = []
        self._both = tf.function(self._gradients, autograph=False)
        graph = self._both.get_concrete_function(*self._arguments).graph
        others = {op.name for op in self.forward}
        self.backward = [op for op in graph.get_operations() if op.name not in others]

    @property
    def _arguments(self) -> tuple[list[tf.TensorSpec], ...]:
        return self._weights, self._states, self._reads, self._cotangents

    def _run(self, weights: Any, states: Any, reads: Any) -> list[tf.Tensor]:
        made, _ = self._model.stateless_call(weights, states, reads, training=True)
        return [made[name] for name in self._model.output]

    def _gradients(self, weights: Any, states: Any, reads: Any, cotangents: Any) -> Any:
        sources = [*weights, *(read for read in reads if read.dtype.is_floating)]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(sources)
            made = self._run(weights, states, reads)
        self.reads, self.writes = reads, made
        self.forward = ops.get_default_graph().get_operations()
        targets = [write for write in made if write.dtype.is_floating]
        found = tape.gradient(targets, sources, cotangents)
        self.upstream = cotangents
        self.weight_gradients = _dense(found[: len(weights)])
        self.input_gradients = _dense(found[len(weights) :])
        return made, self.weight_gradients, self.input_gradients

    def measure(self, start: threading.Barrier) -> Seconds:
        """Medians of several runs, while others that share `start` run too."""
        arguments = tf.nest.map_structure(_random, self._arguments)
        forward = _in_graph(self._run, arguments[:3])
        backward = _in_graph(self._both, arguments)
        alone, both = [], []
        with ExitStack() as failed, own_cores(tf.nest.flatten(arguments)[0].device):
            failed.callback(start.abort)  # The others must not wait for ever.
            for _ in range(_RUNS + 1):
                start.wait()
                alone.append(_timed(forward, arguments[:3]))
                both.append(_timed(backward, arguments))
            failed.pop_all()
        seconds = statistics.median(alone[1:])
        return Seconds(seconds, max(0.0, statistics.median(both[1:]) - seconds))


def _dense(gradients: Sequence[Any]) -> list[tf.Tensor]:
    return [tf.convert_to_tensor(each) for each in gradients if each is not None]


def _in_graph(function: Callable[..., Any], arguments: Any) -> Callable[..., Any]:
    """The same, but Python gets a number only: to take the results costs time."""

    @tf.function(autograph=False)
    def run(*arguments: Any) -> tf.Tensor:
        # All must be needed: what is not would not be computed.
        firsts = [tf.reshape(r, [-1])[0] for r in tf.nest.flatten(function(*arguments))]
        return tf.add_n([tf.cast(first, tf.float32) for first in firsts])

    traced: Callable[..., Any] = run.get_concrete_function(*arguments)
    return traced


def _timed(function: Callable[..., Any], arguments: Any) -> float:
    start = time.perf_counter()
    function(*arguments)
    if tf.config.list_logical_devices("GPU"):
        tf.test.experimental.sync_devices()  # Of others at the same time, too.
    return time.perf_counter() - start


def _random(spec: tf.TensorSpec) -> tf.Tensor:
    if spec.dtype.is_floating:
        return tf.cast(tf.random.normal(spec.shape, stddev=0.05), spec.dtype)
    return tf.zeros(spec.shape, spec.dtype)


def _spec(tensor: Any, rows: int) -> tf.TensorSpec:
    shape = tuple(
        rows if i == 0 and n is None else n for i, n in enumerate(tensor.shape)
    )
    if None in shape:
        raise ConfigError(
            f"model: the shape of {tensor.name!r} is not known, so neither is what it"
            f" costs. Expected fixed sizes but for the batch. Received {tensor.shape}."
        )
    return tf.TensorSpec(shape, tensor.dtype)


def _variable_spec(variable: keras.Variable) -> tf.TensorSpec:
    return tf.TensorSpec(variable.shape, variable.dtype)


def _kept(traced: _Traced) -> Iterator[tf.Tensor]:
    """Results of the forward pass, and arguments, that the backward pass takes."""
    forward = {op.name for op in traced.forward}
    for op in traced.backward:
        if op.type not in ("Identity", "IdentityN", "Shape", "ShapeN"):
            yield from (t for t in op.inputs if t.op.name in forward)


def _temporaries(
    traced: _Traced, forward: Sequence[tf.Operation], kept: set[Any]
) -> Temporaries:
    """See `ItemCost.temporaries`; `kept` are tensors that are counted elsewhere."""
    needed = ancestors([*traced.weight_gradients, *traced.input_gradients])
    backward = [op for op in traced.backward if op in needed]
    inner = [op for op in forward if op.type != "Placeholder"]
    stay = kept | {root(each).ref() for each in traced.weight_gradients}
    upstream = [tensor.op for tensor in traced.upstream]
    return Temporaries(
        peak_bytes(inner, stay), peak_bytes([*upstream, *backward], stay)
    )


def _postponed(traced: _Traced, kept: set[Any]) -> int:
    """See `ItemCost.postponed`; `kept` are tensors that are counted elsewhere."""
    forward = {op.name for op in traced.forward}
    first = ancestors(traced.input_gradients)
    late = ancestors(traced.weight_gradients) - first
    taken = {
        root(tensor).ref()
        for op in late
        for tensor in op.inputs
        if tensor.op in first and tensor.op.name not in forward
    }
    return sum(size(each.deref()) for each in taken - kept)
