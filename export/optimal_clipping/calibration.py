"""What linear layers are given on examples: statistics for ranges that know of inputs.

Source: GPTQ, arXiv 2210.17323, section 3.3: ``H = 2 E[x x^T]``.
"""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import ExitStack
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfmodels.errors import ConfigError
from tfmodels.quantization.rows import inputs_of
from tfmodels.quantization.targets import Target

Hear = Callable[[tf.Tensor], None]


class Calibration:
    """Moments of inputs of a model's layers, as the model is at the time of asking.

    Asked layer by layer while it is quantized, it tells what layers are given by
    predecessors that are quantized already.

    Args:
      run: runs the model on a batch, outside of any graph.
      batches: named arrays each; ``weight``, [b] or of more axes, says how much an
        example or each of its places counts.
    """

    def __init__(
        self, run: Callable[[Any], Any], batches: Sequence[dict[str, Any]]
    ) -> None:
        self._run = run
        self._batches = batches

    def in_order(self, targets: Sequence[Target]) -> list[list[Target]]:
        """Targets in the order in which inputs reach them, those of one input together.

        Raises:
          ConfigError: one of them has no inputs that can be seen.
        """
        first: dict[int, tf.Tensor] = {}

        def hearing(number: int) -> Hear:
            def hear(x: tf.Tensor) -> None:
                first.setdefault(number, x)

            return hear

        with ExitStack() as stack:
            for number, target in enumerate(targets):
                _check(target)
                stack.enter_context(_listening(target.layer, hearing(number)))
            self._run(self._batches[0])
        groups: list[list[Target]] = []
        last = None
        for number, x in first.items():
            if x is not last:
                groups.append([])
            groups[-1].append(targets[number])
            last = x
        for number, target in enumerate(targets):
            if number not in first:
                raise _unseen(target, "a layer that examples do not reach by a call")
            if not hasattr(first[number], "numpy"):
                raise _unseen(target, "one in a loop")
        return groups

    def moments(self, target: Target) -> np.ndarray:
        """E[x x^T] of a layer's inputs x, float64 [n, n], places weighed."""
        total: Any = 0.0
        weight = 0.0
        batch: dict[str, Any] = {}

        def hear(x: tf.Tensor) -> None:
            nonlocal total, weight
            vectors = np.asarray(inputs_of(target.layer, x), np.float64)
            counts = _counts(np.asarray(batch["weight"]), vectors.shape[:-1])
            vectors, counts = vectors.reshape(-1, vectors.shape[-1]), counts.ravel()
            total = total + (vectors * counts[:, None]).T @ vectors
            weight += counts.sum()

        with _listening(target.layer, hear):
            for batch in self._batches:
                self._run(batch)
        return total / max(weight, 1e-30)


def _counts(weight: np.ndarray, places: tuple[int, ...]) -> np.ndarray:
    """How much each place of a layer's inputs counts, float64 of shape `places`."""
    if weight.shape != places[: weight.ndim] and weight.ndim > 1:
        weight = weight.reshape(len(weight), -1).max(axis=1)
    if weight.shape != places[: weight.ndim]:
        return np.ones(places)
    expanded = weight.reshape(weight.shape + (1,) * (len(places) - weight.ndim))
    return np.broadcast_to(expanded, places).astype(np.float64)


@contextmanager
def _listening(layer: Any, hear: Hear) -> Iterator[None]:
    """Context in which a layer's calls are heard."""
    call = layer.call

    def listen(inputs: Any, *args: Any, **kwargs: Any) -> Any:
        hear(inputs)
        return call(inputs, *args, **kwargs)

    vars(layer)["call"] = listen
    try:
        yield
    finally:
        del vars(layer)["call"]


def _check(target: Target) -> None:
    linear = keras.layers.Dense | keras.layers.EinsumDense
    if not isinstance(target.layer, linear):
        raise _unseen(target, f"weights of {type(target.layer).__name__}")


def _unseen(target: Target, received: str) -> ConfigError:
    return ConfigError(
        f"export.clipping: {target.path} cannot be calibrated. Expected layers Dense or"
        " EinsumDense, whose inputs are seen outside of loops. Received"
        f" {received}; give it a rule without calibration first, or kind: linear where"
        " it is a table."
    )
