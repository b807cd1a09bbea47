"""A step of a recogniser's decoder, from three functions that run one after another."""

from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

import numpy as np

from export.interfaces import Arrays
from export.interfaces import Program
from export.search import Stepped

LOWEST, ATTEND, UPPER = "lowest_step", "attend", "upper_step"
"""The endpoints, in their order. What one returns is another's input of that name."""

_STATE = "state_"
_LOG_ZERO = -1e9


def first_state(program: Program) -> Arrays:
    """What a decoder remembers before anything, of W rows: zeros, but see `Steps`."""
    shapes = {
        name: shape
        for endpoint in (LOWEST, ATTEND, UPPER)
        for name, shape in program.inputs(endpoint).items()
        if name.startswith(_STATE)
    }
    return {
        name: np.zeros([size or 1 for size in shape], np.float32)
        for name, shape in shapes.items()
    }


class Steps:
    """A `NumpyStep`: what follows the units before, in one recording.

    The state is what inputs have in common whose names begin with ``state_``; before
    anything, it is of zeros, but for ``state_shares``: equal shares of all encodings.

    Args:
      program: has the endpoints.
      memory: what it sees of the recording, ``memory_...`` [1, ...].
      units: bool [V], those that may be said; all if None.
    """

    def __init__(
        self,
        program: Program,
        memory: Mapping[str, Any],
        units: np.ndarray | None = None,
    ) -> None:
        self._program, self._memory, self._units = program, dict(memory), units
        self._inputs = {
            name: tuple(program.inputs(name)) for name in (LOWEST, ATTEND, UPPER)
        }

    def __call__(self, tokens: np.ndarray, state: Arrays) -> Stepped:
        """See `export.search.NumpyStep`."""
        known = {**self._memory, **state, "tokens": tokens}
        for endpoint, names in self._inputs.items():
            known |= self._program(endpoint, {name: known[name] for name in names})
        logits = known["logits"]
        log_probs = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
        after = {name: known[name] for name in state}
        if self._units is not None:
            log_probs = np.where(self._units, log_probs, _LOG_ZERO)
        return Stepped(log_probs, after, known["attention"])

    def told(self, state: Arrays, target: np.ndarray, width: int) -> Iterator[Any]:
        """Log-probabilities, float32 [V], of what follows each unit of a text.

        Args:
          state: before them, arrays [1, ...].
          target: int32 [U].
          width: rows of a step, W.
        """
        state = {name: np.repeat(x, width, axis=0) for name, x in state.items()}
        for token in target:
            after = self(np.full(width, token, np.int32), state)
            state = after.state
            yield after.log_probs[0]


def state_of(encoded: Arrays) -> Arrays:
    """The first state among what an encoder returned."""
    return {name: x for name, x in encoded.items() if name.startswith(_STATE)}


class Watched:
    """A program that notes what its endpoints are given, to calibrate ranges with.

    Args:
      program: what runs.
      left_out: endpoints that need no ranges.
    """

    def __init__(self, program: Program, left_out: Collection[str]) -> None:
        self._program, self._left_out = program, left_out
        self.endpoints, self.inputs = program.endpoints, program.inputs
        self.calls: list[tuple[str, Arrays]] = []
        """Each an endpoint and its named arrays."""

    def __call__(self, endpoint: str, inputs: Mapping[str, Any]) -> Arrays:
        """See `Program`."""
        if endpoint not in self._left_out:
            self.calls.append((endpoint, dict(inputs)))
        return self._program(endpoint, inputs)
