"""Builds a detector: heads on the maps of an image network."""

import math
from collections.abc import Mapping
from typing import Any
from typing import Self

import keras

from tfmodels import catalog
from tfmodels.detection.boxes import Grid
from tfmodels.detection.boxes import make_grid
from tfmodels.detection.config import DetectorConfig
from tfmodels.errors import ConfigError
from tfmodels.layers.convolution import Conv
from tfmodels.layers.convolution import Units

# Objects are rare: cells start sure that there is none (arXiv 1708.02002, section 4.1).
_PRIOR = 0.01


@keras.saving.register_keras_serializable("tfmodels")
class Detector(keras.Model):
    """A functional graph from an image to scores and boxes of all cells.

    Calling it on float32 [B, H, W, C] normalised images gives ``logits``, float32
    [B, N, num_classes], and ``offsets``, float32 [B, N, 4], which
    `tfmodels.detection.boxes.decode` makes boxes of.

    Args:
      inputs: the symbolic tensor named ``image``.
      outputs: symbolic outputs by name.
      endpoints: symbolic outputs of the subnetworks below the heads, by name.
      config: what it was built from.
      **kwargs: see `keras.Model`.
    """

    def __init__(
        self,
        inputs: keras.KerasTensor,
        outputs: Mapping[str, keras.KerasTensor],
        endpoints: Mapping[str, keras.KerasTensor],
        config: DetectorConfig,
        **kwargs: Any,
    ) -> None:
        super().__init__(inputs=inputs, outputs=dict(outputs), **kwargs)
        used = {id(operation) for operation in self.operations}
        self._endpoints = {
            name: tensor
            for name, tensor in endpoints.items()
            if id(tensor._keras_history.operation) in used
        }
        self._config = config

    @property
    def config(self) -> DetectorConfig:
        """What it was built from."""
        return self._config

    @property
    def endpoints(self) -> dict[str, keras.KerasTensor]:
        """Symbolic output of each subnetwork below the heads, by name, in order."""
        return dict(self._endpoints)

    def get_config(self) -> dict[str, Any]:
        """The configuration as plain data."""
        return {"config": self._config.plain()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Rebuilds the detector from what `get_config` returned."""
        return catalog.build(DetectorConfig.parse(config["config"]))


def detector(config: DetectorConfig) -> Detector:
    """Builds a detector; layers of the backbone that no head needs are left out.

    Raises:
      ConfigError: a level is no endpoint of the backbone.
    """
    backbone = catalog.build(config.backbone.without_training_heads())
    units = Units(config.backbone.batch_norm, lambda filters: filters, "he")
    prior = 0.0
    if config.classes == "independent":
        prior = -math.log((1 - _PRIOR) / _PRIOR)
    sizes = {"logits": (config.num_classes, prior), "offsets": (4, 0.0)}
    made: dict[str, list[keras.KerasTensor]] = {name: [] for name in sizes}
    for level, tensor in _levels(config, backbone.endpoints).items():
        x = tensor
        if len(x.shape) == 2:
            x = keras.layers.Reshape((1, 1, x.shape[-1]), name=f"{level}_as_map")(x)
        kernel = 3 if min(x.shape[1:3]) > 1 else 1
        x = units.convolution(x, Conv(config.head_filters, kernel), f"{level}_head")
        for name, (filters, bias) in sizes.items():
            y = keras.layers.Conv2D(
                filters,
                1,
                kernel_initializer=keras.initializers.TruncatedNormal(stddev=0.01),
                bias_initializer=keras.initializers.Constant(bias),
                dtype="float32",
                name=f"{level}_{name}",
            )(x)
            rows = keras.layers.Reshape((-1, filters), name=f"{level}_{name}_rows")(y)
            made[name].append(rows)
    outputs = {
        name: rows[0]
        if len(rows) == 1
        else keras.layers.Concatenate(1, name=name, dtype="float32")(rows)
        for name, rows in made.items()
    }
    return Detector(
        backbone.inputs[0], outputs, backbone.endpoints, config, name=config.kind
    )


def grid_of(config: DetectorConfig) -> Grid:
    """The cells of a detector, without its weights: of the same network, but narrow.

    Raises:
      ConfigError: a level is no endpoint of the backbone.
    """
    narrow = config.backbone.without_training_heads().model_copy(
        update={"width_multiplier": 1e-3}
    )
    levels = _levels(config, catalog.build(narrow).endpoints)
    maps = [
        (tensor.shape[1], tensor.shape[2]) if len(tensor.shape) == 4 else (1, 1)
        for tensor in levels.values()
    ]
    return make_grid(maps, config.size)


def _levels(
    config: DetectorConfig, endpoints: Mapping[str, keras.KerasTensor]
) -> dict[str, keras.KerasTensor]:
    able = [name for name in endpoints if name != "logits"]
    for level in config.levels:
        if level not in able:
            raise ConfigError(
                "levels: the backbone has no such endpoint. Expected names among"
                f" {', '.join(able)}. Received {level!r}."
            )
    return {level: endpoints[level] for level in config.levels}
