"""Runs an exported model of single steps over whole utterances."""

from collections.abc import Iterator

import numpy as np

from export.interfaces import Arrays
from export.interfaces import Program
from tfmodels.acoustic.streaming import Timing

STEP = "score_step"
"""The endpoint of a single step."""


def stream(
    program: Program, timing: Timing, features: np.ndarray, lengths: np.ndarray
) -> Iterator[tuple[Arrays, Arrays]]:
    """Yields what goes into every step and what comes out of it.

    Outputs that have the name of an input are fed back; all of that begins at 0.

    Args:
      program: what has the endpoint `STEP`.
      timing: which frames it is fed.
      features: float32 [B, T, D], of utterances side by side.
      lengths: int [B], frames of each.
    """
    shapes = program.inputs(STEP)
    rows = np.arange(len(features))[:, None]
    memory = {
        # Only the first axis, of the utterances, may be of any size.
        name: np.zeros([len(features), *(n for n in shape[1:] if n)], np.float32)
        for name, shape in shapes.items()
        if name != "features"
    }
    fed = timing.fed(lengths, features.shape[1])
    for place in range(fed.shape[1]):
        inputs = {**memory, "features": features[rows, fed[:, place]]}
        outputs = program(STEP, inputs)
        yield inputs, outputs
        memory = {name: outputs[name] for name in memory}
