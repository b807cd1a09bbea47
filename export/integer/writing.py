"""Writes a trained translation model as integers: the preset `integer`."""

from typing import Any

import keras
import numpy as np

from export.integer.arithmetic import sigmoid_table
from export.integer.arithmetic import tanh_table
from export.integer.bundle import Bundle
from export.integer.lstm import IntegerLSTM
from export.integer.matrix import IntegerMatrix
from export.integer.translation import BACKWARD
from export.integer.translation import FORWARD
from export.integer.translation import SOFTMAX
from export.integer.translation import SOURCE
from export.integer.translation import TARGET
from export.integer.translation import layer
from export.interfaces import Job
from tfmodels.errors import ConfigError
from tfmodels.gnmt.config import GNMTConfig
from tfmodels.gnmt.model import GNMT

_FOLDER = "integer"
_FACTS = (
    "encoder_layers",
    "decoder_layers",
    "wiring",
    "init_state",
    "first_context",
    "logits_clip",
)


def write_integer(job: Job) -> dict[str, str]:
    """Writes ``integer/`` into an artefact.

    Returns:
      The program made: its kind and its path inside the artefact.

    Raises:
      ConfigError: the model is not one that was trained for integers.
      DataError: its weights are not finite.
    """
    if not isinstance(job.model, GNMT):
        raise ConfigError(
            "the integer engine translates, and does nothing else. Expected --preset to"
            " be one for every model, as tflite_int8, or model.kind: gnmt. Received"
            f" model.kind: {job.run.experiment.model.plain()['kind']}."
        )
    bundle = integers(job.model)
    folder = job.folder / _FOLDER
    folder.mkdir()
    bundle.save(folder)
    return {"integer": _FOLDER}


def integers(model: GNMT) -> Bundle:
    """A translation model's weights, rounded (Wu et al., arXiv 1609.08144, section 6).

    Raises:
      ConfigError: its layers have biases or another cell, or are not bounded.
      DataError: its weights are not finite.
    """
    config = model.config
    delta = _bound(config)

    def lstm(of: Any) -> IntegerMatrix:
        weights = _array(of.kernel), _array(of.recurrent_kernel)
        return IntegerLSTM.of(*weights, delta).weights

    encoder, decoder = model.encoder, model.decoder
    matrices = {
        SOURCE: IntegerMatrix.of(_array(model.source_embedding)),
        FORWARD: lstm(encoder.forward_layer),
        BACKWARD: lstm(encoder.backward_layer),
        **{layer("encoder", n): lstm(x) for n, x in enumerate(encoder.stack, 2)},
        **{layer("decoder", n): lstm(x) for n, x in enumerate(decoder.stack, 1)},
    }
    if not config.share_embedding:
        matrices[TARGET] = IntegerMatrix.of(_array(model.target_embedding))
    if not config.tie_softmax:
        matrices[SOFTMAX] = IntegerMatrix.of(_array(model.softmax))
    attention = decoder.attention
    query, score = (_array(x) for x in attention.weights_of_queries())
    units, size = config.attention_dim, config.vocabulary_size
    arrays = {
        "sigmoid": sigmoid_table().knots,
        "tanh": tanh_table().knots,
        "attention/query": query,
        "attention/key": _array(attention.key_kernel),
        "attention/bias": _array(attention.bias if attention.normed else [0.0] * units),
        "attention/score": score,
        "softmax_bias": _array(
            model.softmax_bias if config.softmax_bias else [0.0] * size
        ),
    }
    facts = {name: getattr(config, name) for name in _FACTS}
    return Bundle(matrices, arrays, {**facts, "delta": delta})


def _bound(config: GNMTConfig) -> float:
    """Of all states.

    Raises:
      ConfigError: see `integers`.
    """
    if config.cell != "gnmt" or config.biases or config.clip is None:
        raise ConfigError(
            "the model cannot be computed with integers. Expected model.cell: gnmt,"
            " without biases, and model.clip, within which it was trained. Received"
            f" model.cell: {config.cell}, {config.biases} biases, model.clip:"
            f" {'null' if config.clip is None else config.clip.plain()}."
        )
    return config.clip.end


def _array(values: Any) -> np.ndarray:
    array: np.ndarray = keras.ops.convert_to_tensor(values, "float32").numpy()
    return array
