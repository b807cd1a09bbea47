"""Recurrent acoustic models one frame at a time, with their states in sight."""

from typing import Any

import keras

from tfmodels.acoustic.model import HEADS


def step_model(model: keras.Model) -> keras.Model:
    """A model of a single step that shares the weights of a recurrent acoustic model.

    Step t gives the scores of frame ``t - output_delay``: so many of the first are of
    no frame, and the last frame is to be fed as often again. All states begin at 0.

    Args:
      model: what `tfmodels.acoustic.model.acoustic_lstm` built.

    Returns:
      A functional model of ``features`` float32 [B, D] and the states
      ``lstm<n>_output`` float32 [B, R] and ``lstm<n>_cells`` float32 [B, C], with
      ``logits`` float32 [B, P] and the new states by the same names.
    """
    width = model.input["features"].shape[-1]
    x = keras.Input((width,), name="features")
    inputs: dict[str, Any] = {"features": x}
    states: dict[str, Any] = {}
    recurrent = [la for la in model.layers if isinstance(la, keras.layers.RNN)]
    for layer in recurrent:
        sizes = zip(("output", "cells"), layer.cell.state_size, strict=True)
        before = {
            f"{layer.name}_{role}": keras.Input((size,), name=f"{layer.name}_{role}")
            for role, size in sizes
        }
        x, after = layer.cell(x, list(before.values()))
        inputs |= before
        states |= zip(before, after, strict=True)
    return keras.Model(inputs, {"logits": model.get_layer(HEADS[0])(x), **states})
