"""Models of packed weights that do not learn, and adapters beside them that do."""

import re

import keras

from tfmodels.errors import ConfigError
from tfmodels.quantization.adapters import Adaptable
from tfmodels.quantization.policy import AdapterConfig
from tfmodels.quantization.policy import default_policy
from tfmodels.quantization.rows import rows_of
from tfmodels.quantization.targets import pack_target
from tfmodels.quantization.targets import solve_rows
from tfmodels.quantization.targets import targets


def adapt(model: keras.Model, config: AdapterConfig) -> None:
    """Packs a model's weights where they are, and adds adapters, which change nothing.

    Args:
      model: built, in floating point. After this only adapters are trainable.
      config: which and how.

    Raises:
      ConfigError: no layer gets an adapter.
    """
    for layer in model._flatten_layers(include_self=False):
        layer.trainable = False
    adapted = 0
    for target in targets(model, default_policy(config.bits, config.clipping)):
        rows = rows_of(target.layer, target.name)
        solved = solve_rows(rows, target.rule, target.path)
        pack_target(model, target, solved.quantized)
        layer = target.layer
        if isinstance(layer, Adaptable) and re.fullmatch(config.layers, target.path):
            layer.trainable = True
            layer.add_adapter(config.rank, config.alpha)
            adapted += 1
    if not adapted:
        raise ConfigError(
            "model.adapters.layers: no layer gets an adapter. Expected an expression"
            " for packed layers Dense, such as block1_attention_query. Received"
            f" {config.layers!r}."
        )
