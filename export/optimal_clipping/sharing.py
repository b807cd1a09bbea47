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


def over_replicas(
    distribution: tf.distribute.Strategy, solve: Solve, rows: np.ndarray
) -> Solved:
    """Each replica solves some of the rows; together they are what one would make.

    Args:
      distribution: of this process's devices.
      solve: works on any of the rows.
      rows: float32 [R, n].

    Raises:
      UserError: what `solve` raises.
    """
    blocks = np.array_split(rows, distribution.num_replicas_in_sync)
    made: dict[int, Quantized] = {}
    errors: list[UserError] = []

    def on_host(number: np.ndarray) -> list[np.ndarray]:
        block = blocks[int(number)]
        # A replica too many has nothing to do; its answer is left out.
        try:
            ranges, codes = solve(block if len(block) else rows[:1])
        except UserError as error:
            errors.append(error)
            return [np.zeros(0, dtype.as_numpy_dtype) for dtype in _TYPES]
        made[int(number)] = codes
        parts = (*ranges, codes.codes, codes.scale, codes.offset)
        return [
            np.asarray(part, dtype.as_numpy_dtype)
            for part, dtype in zip(parts, _TYPES, strict=True)
        ]

    def on_replica() -> Any:
        context: Any = tf.distribute.get_replica_context()
        number = context.replica_id_in_sync_group
        return tf.numpy_function(on_host, [number], _TYPES, stateful=False)

    @tf.function(autograph=False)
    def on_all() -> Any:
        answers = distribution.run(on_replica)
        return [distribution.experimental_local_results(part) for part in answers]

    answers = on_all()
    if errors:
        raise errors[0]
    count = sum(1 for block in blocks if len(block))
    low, high, codes, scale, offset = (
        np.concatenate([each.numpy() for each in part[:count]]) for part in answers
    )
    whole = Quantized(codes, scale, offset, made[0].bits, made[0].group_size)
    return Solved(Ranges(low, high), whole)
