"""Rows of weights solved on all replicas of a tf.distribute strategy at once."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from tfmodels.errors import UserError
from tfmodels.quantization.grid import Quantized
from tfmodels.quantization.ranges import Ranges
from tfmodels.quantization.targets import Solved

Solve = Callable[[np.ndarray], Solved]
"""Ranges and codes of rows float32 [R, n], none of which depends on the others."""

_TYPES = [tf.float32, tf.float32, tf.uint8, tf.float32, tf.float32]


class Replicas:
    """Each solves some of the rows; together they are what one would make.

    Args:
      distribution: of this process's devices.
    """

    def __init__(self, distribution: tf.distribute.Strategy) -> None:
        self._distribution = distribution
        self._blocks: list[np.ndarray] = []
        self._solve: Solve | None = None
        self._made: dict[int, Quantized] = {}
        self._errors: list[UserError] = []
        self._turn = 0
        # Traced once, whatever is solved.
        self._run = tf.function(self._on_all, autograph=False)

    def solve(self, solve: Solve, rows: np.ndarray) -> Solved:
        """What `solve` makes of rows float32 [R, n].

        Raises:
          UserError: what `solve` raises.
        """
        self._blocks = np.array_split(rows, self._distribution.num_replicas_in_sync)
        self._solve, self._errors = solve, []
        self._turn += 1
        answers = self._run(tf.constant(self._turn))
        if self._errors:
            raise self._errors[0]
        count = sum(1 for block in self._blocks if len(block))
        low, high, codes, scale, offset = (
            np.concatenate([each.numpy() for each in part[:count]]) for part in answers
        )
        first = self._made[0]
        whole = Quantized(codes, scale, offset, first.bits, first.group_size)
        return Solved(Ranges(low, high), whole)

    def _on_all(self, turn: tf.Tensor) -> Any:
        answers = self._distribution.run(self._on_replica, args=(turn,))
        local = self._distribution.experimental_local_results
        return [local(part) for part in answers]

    def _on_replica(self, turn: tf.Tensor) -> Any:
        context: Any = tf.distribute.get_replica_context()
        number = context.replica_id_in_sync_group
        # Stateful ones would wait for one another; without an input that changes their
        # answer would be kept.
        inputs = [number, turn]
        return tf.numpy_function(self._on_host, inputs, _TYPES, stateful=False)

    def _on_host(self, number: np.ndarray, turn: np.ndarray) -> list[np.ndarray]:
        block = self._blocks[int(number)]
        nothing = [np.zeros(0, dtype.as_numpy_dtype) for dtype in _TYPES]
        if self._solve is None or not len(block):
            return nothing
        try:
            ranges, codes = self._solve(block)
        except UserError as error:
            self._errors.append(error)
            return nothing
        self._made[int(number)] = codes
        parts = (*ranges, codes.codes, codes.scale, codes.offset)
        return [
            np.asarray(part, dtype.as_numpy_dtype)
            for part, dtype in zip(parts, _TYPES, strict=True)
        ]
