"""Acoustic models of single frames, each in the window of frames that it sees."""

from typing import NamedTuple

import keras


class Windows(NamedTuple):
    """An acoustic model, cut where all frames have got their context.

    Scored frame t is a function of the ``width`` extended frames from
    ``stride * t`` on, so that frames of many utterances can be mixed.
    """

    extend: keras.Model
    """Of what the acoustic model takes: its frames with the first and the last one
    repeated, float [B, T + width - 1, D]."""
    model: keras.Model
    """Of windows, float [n, width, D]: each output by its name, float32 [n, 1, P]; it
    has the variables of the acoustic model."""
    width: int
    """Frames of a window."""
    stride: int
    """Frames from the beginning of a window to that of the next."""


def windows(model: keras.Model, frames: int = 1) -> Windows | None:
    """Cuts a model whose scores depend on a window alone.

    Args:
      model: what a function of `tfmodels.acoustic.model` built.
      frames: input frames for each scored one.

    Returns:
      None if the model is recurrent: its scores depend on all frames before.
    """
    if any(isinstance(layer, keras.layers.RNN) for layer in model.layers):
        return None
    edges = model.get_layer("edges")
    return Windows(
        keras.Model(model.input, edges.output),
        keras.Model(edges.output, model.output),
        edges.left + 1 + edges.right,
        frames,
    )
