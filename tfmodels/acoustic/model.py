"""The graphs of acoustic models: dense, recurrent, time-delay."""

from collections.abc import Sequence
from typing import Any

import keras

from tfmodels.acoustic.config import AcousticConfig
from tfmodels.acoustic.config import AcousticDNNConfig
from tfmodels.acoustic.config import AcousticLSTMConfig
from tfmodels.acoustic.config import AcousticTDNNConfig
from tfmodels.audio.frames import ExtendEdges
from tfmodels.audio.frames import Splice
from tfmodels.layers.recurrent import ProjectedLSTMCell

# What the model is asked for, and what it is taught by when it has two heads.
HEADS = ("logits", "cross_entropy_logits")


def acoustic_dnn(config: AcousticDNNConfig) -> keras.Model:
    """Builds dense layers on spliced frames (Dean et al., NIPS 2012, section 5).

    Returns:
      A functional model of ``features`` float32 [B, T, D] and ``lengths`` int32 [B],
      with ``logits`` float32 [B, T, P]. What it makes of an utterance does not depend
      on the padding.
    """
    left, right = config.context
    inputs, x = _begin(config)
    x = Splice(range(-left, right + 1), name="splice")(x)
    for number, width in enumerate(config.hidden_dims, 1):
        dense = keras.layers.Dense(width, config.activation, name=f"hidden{number}")
        x = dense(x)
    return _end(config, inputs, [x] * len(_heads(config)))


def acoustic_lstm(config: AcousticLSTMConfig) -> keras.Model:
    """Builds layers of LSTM, projected or not (Sak et al., arXiv 1402.1128).

    Scores of a frame come `output_delay` steps later; the model's output is shifted
    back. `tfmodels.acoustic.streaming` makes a model of single steps of it.

    Returns:
      A functional model like that of `acoustic_dnn`.
    """
    delay = config.output_delay
    inputs, x = _begin(config)
    for number in range(1, config.num_layers + 1):
        cell = ProjectedLSTMCell(
            config.num_cells,
            config.projection_dim,
            config.peepholes,
            name=f"lstm{number}_cell",
        )
        x = keras.layers.RNN(cell, return_sequences=True, name=f"lstm{number}")(x)
    if delay:
        x = keras.layers.Cropping1D((delay, 0), name="undelay")(x)
    return _end(config, inputs, [x] * len(_heads(config)))


def acoustic_tdnn(config: AcousticTDNNConfig) -> keras.Model:
    """Builds a time-delay network (Kaldi's chain models; Peddinti et al., 2015).

    A layer is computed at every frame until all layers above need only every
    `subsampling`-th.

    Returns:
      A functional model like that of `acoustic_dnn`, but with ``logits`` float32
      [B, ceil(T / subsampling), P]: output t is of input frame ``subsampling * t``.
    """
    inputs, x = _begin(config)
    slow = _first_slow_layer(config)
    for number, offsets in enumerate(config.offsets, 1):
        if number >= slow:
            offsets = tuple(offset // config.subsampling for offset in offsets)
        stride = config.subsampling if number == slow - 1 else 1
        x = Splice(offsets, stride, name=f"splice{number}")(x)
        x = _normalized(x, config.hidden_dim, f"tdnn{number}")
    lasts = [
        _normalized(x, config.hidden_dim, f"pre_{name}") for name in _heads(config)
    ]
    return _end(config, inputs, lasts)


def _first_slow_layer(config: AcousticTDNNConfig) -> int:
    """Number of the lowest layer from which on all context is a multiple of the
    subsampling; the layer below it skips frames, so that it is 2 or more."""
    number = len(config.offsets) + 1
    for offsets in reversed(config.offsets[1:]):
        if any(offset % config.subsampling for offset in offsets):
            break
        number -= 1
    return number


def _begin(config: AcousticConfig) -> tuple[dict[str, Any], Any]:
    """Inputs of a model; frames in their context, float [B, left + T + right, D]."""
    left, right = config.context
    inputs = {
        "features": keras.Input((None, config.feature_dim), name="features"),
        "lengths": keras.Input((), dtype="int32", name="lengths"),
    }
    extend = ExtendEdges(left, right, name="edges")
    return inputs, extend(inputs["features"], inputs["lengths"])


def _normalized(x: Any, width: int, name: str) -> Any:
    """ReLU of a dense layer, each frame divided by its root mean square."""
    x = keras.layers.Dense(width, "relu", name=name)(x)
    return keras.layers.RMSNormalization(name=f"{name}_norm")(x)


def _heads(config: AcousticConfig) -> tuple[str, ...]:
    return HEADS if config.cross_entropy_head else HEADS[:1]


def _end(
    config: AcousticConfig, inputs: dict[str, Any], lasts: Sequence[Any]
) -> keras.Model:
    """A model with a head on each of the last hidden layers."""
    outputs = {
        name: keras.layers.Dense(config.num_pdfs, dtype="float32", name=name)(last)
        for name, last in zip(_heads(config), lasts, strict=True)
    }
    return keras.Model(inputs, outputs, name=config.kind)
