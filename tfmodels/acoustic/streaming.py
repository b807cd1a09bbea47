"""Acoustic models one step at a time, with all that they remember in sight."""

from typing import Any
from typing import NamedTuple

import keras
import numpy as np

from tfmodels.acoustic.config import AcousticConfig
from tfmodels.acoustic.model import HEADS
from tfmodels.audio.frames import ExtendEdges
from tfmodels.audio.frames import Splice

# What makes an utterance of frames that come one by one as context around it.
_EDGES = (keras.layers.InputLayer, ExtendEdges, keras.layers.Cropping1D)


class Timing(NamedTuple):
    """Which frames a model of single steps is fed, and when it scores them.

    All that the model remembers begins at 0. It is fed the first frame, then all
    frames, then the last one again, until it has scored the last.
    """

    frames: int
    """Frames of a step, of which one is scored."""
    lead: int
    """How often the first frame is fed before its time."""
    delay: int
    """The first steps, whose scores are of no frame."""

    def fed(self, lengths: np.ndarray, num_frames: int) -> np.ndarray:
        """The frames to feed in each step, int [B, steps, frames].

        Args:
          lengths: int [B], frames of utterances side by side.
          num_frames: of the longest, or more: how many frames are scored.
        """
        steps = self.delay - (-num_frames // self.frames)
        place = np.arange(steps * self.frames).reshape(steps, self.frames)
        last = np.asarray(lengths)[:, None, None] - 1
        return np.clip(place - self.lead, 0, last)


def timing(config: AcousticConfig) -> Timing:
    """How to run the `step_model` of a model."""
    left, right = config.context
    frames = config.frame_subsampling
    delay = -(-(left + right) // frames)
    return Timing(frames, frames * delay - right, delay)


def step_model(model: keras.Model, frames: int = 1) -> keras.Model:
    """A model of a single step that shares the weights of an acoustic model.

    Every layer that looks at time remembers no more than it needs, so that nothing is
    computed twice. Which frames to feed, `Timing` says.

    Args:
      model: what a function of `tfmodels.acoustic.model` built.
      frames: input frames for each scored one.

    Returns:
      A functional model of ``features`` float32 [B, frames, D] and its memory, with
      ``logits`` float32 [B, P] and the memory after the step by the same names. That
      is, of each layer that puts frames side by side, ``<layer>_frames`` float32
      [B, span, C]; of each recurrent one ``<layer>_output`` float32 [B, R] and
      ``<layer>_cells`` float32 [B, C].
    """
    x = keras.Input((frames, model.input["features"].shape[-1]), name="features")
    inputs: dict[str, Any] = {"features": x}
    memory: dict[str, Any] = {}
    for layer in keras.Model(model.input, model.output[HEADS[0]]).layers:
        if isinstance(layer, _EDGES):
            continue
        if isinstance(layer, keras.layers.RNN):
            sizes = zip(("output", "cells"), layer.cell.state_size, strict=True)
            before = _inputs(layer, {role: (size,) for role, size in sizes})
            x, after = layer.cell(_single(x), list(before.values()))
        elif isinstance(layer, Splice) and layer.span:
            before = _inputs(layer, {"frames": (layer.span, x.shape[-1])})
            x = keras.layers.Concatenate(axis=1)([*before.values(), x])
            after = [x[:, -layer.span :]]
            x = layer(x)
        else:
            # Of a single frame the head's bias can take up what is added to its output.
            x = layer(_single(x) if layer.name == HEADS[0] else x)
            continue
        inputs |= before
        memory |= zip(before, after, strict=True)
    return keras.Model(inputs, {"logits": x, **memory})


def _single(x: Any) -> Any:
    """The only frame of [B, 1, C], or of [B, C], which is one."""
    return x if len(x.shape) == 2 else x[:, 0]


def _inputs(layer: Any, shapes: dict[str, tuple[int, ...]]) -> dict[str, Any]:
    """Inputs for what a layer remembers."""
    names = {f"{layer.name}_{role}": shape for role, shape in shapes.items()}
    return {name: keras.Input(shape, name=name) for name, shape in names.items()}
