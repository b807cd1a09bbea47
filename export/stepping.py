"""A step of a recogniser's decoder, from three functions that run one after another."""

from collections.abc import Collection
from collections.abc import Mapping
from typing import Any

import numpy as np

from export.interfaces import Arrays
from export.interfaces import Program
from export.search import Stepped

LOWEST, ATTEND, UPPER = "lowest_step", "attend", "upper_step"
"""The endpoints, in their order. What one returns is another's input of that name."""

_STATE = "state_"


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
    """

    def __init__(self, program: Program, memory: Mapping[str, Any]) -> None:
        self._program, self._memory = program, dict(memory)
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
        return Stepped(log_probs, after, known["attention"])


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
