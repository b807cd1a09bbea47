"""Layers of GNMT with their first weights."""

from typing import Any

import keras

from tfmodels.gnmt.config import GNMTConfig
from tfmodels.gnmt.config import UniformStart
from tfmodels.layers.lstm import LSTM


def kernel_initializer(config: GNMTConfig, gain: float = 1.0) -> Any:
    """A new one each time: an initializer always gives the same values."""
    if isinstance(config.initial, UniformStart):
        return _uniform(config.initial.range)
    return keras.initializers.VarianceScaling(gain**2, "fan_avg", "uniform")


def embedding_initializer(config: GNMTConfig) -> Any:
    """Uniform, of the configured range or standard deviation."""
    if isinstance(config.initial, UniformStart):
        return _uniform(config.initial.range)
    return _uniform(3**0.5 * config.initial.embedding_std)


def _uniform(reach: float) -> Any:
    return keras.initializers.RandomUniform(-reach, reach)


def lstm(config: GNMTConfig, name: str, width: int) -> LSTM:
    """A layer whose input is so wide, its weights made."""
    if isinstance(config.initial, UniformStart):
        recurrent, gain = kernel_initializer(config), 1.0
    else:
        recurrent, gain = "orthogonal", config.initial.input_gain
    kernel = kernel_initializer(config, gain)
    layer = LSTM(
        config.hidden_dim, config.cell, config.biases, kernel, recurrent, name=name
    )
    layer.build((None, width))
    return layer
