"""The one table of models: name -> configuration class and builder."""

import dataclasses
import importlib
from collections.abc import Callable
from collections.abc import Mapping
from typing import TYPE_CHECKING

from tfmodels.acoustic.config import AcousticDNNConfig
from tfmodels.acoustic.config import AcousticLSTMConfig
from tfmodels.acoustic.config import AcousticTDNNConfig
from tfmodels.amoebanet.config import AmoebaNetConfig
from tfmodels.config import Config
from tfmodels.config import similar
from tfmodels.detection.config import DetectorConfig
from tfmodels.errors import ConfigError
from tfmodels.gnmt.config import GNMTConfig
from tfmodels.googlenet.config import GoogLeNetConfig
from tfmodels.inception_v4.config import InceptionResNetV1Config
from tfmodels.inception_v4.config import InceptionResNetV2Config
from tfmodels.inception_v4.config import InceptionV4Config
from tfmodels.las.config import LASConfig
from tfmodels.tacotron.config import TacotronConfig
from tfmodels.transformer.config import TransformerConfig
from tfmodels.wavernn.config import WaveRNNConfig

if TYPE_CHECKING:
    import keras


@dataclasses.dataclass(frozen=True)
class Entry:
    """One row of the table."""

    config: type[Config]
    """Configuration class; its field ``kind`` equals the model's name."""
    builder: str
    """``module:function``, imported only when a model is made: it loads TensorFlow."""

    def function(self) -> Callable[[Config], "keras.Model"]:
        """The builder. With it come the layers that a saved model names."""
        module, function = self.builder.split(":")
        found: Callable[[Config], keras.Model]
        found = getattr(importlib.import_module(module), function)
        return found

    def build(self, config: Config) -> "keras.Model":
        """Makes the model that `config` describes, with fresh weights."""
        return self.function()(config)


MODELS: Mapping[str, Entry] = {
    "googlenet": Entry(GoogLeNetConfig, "tfmodels.googlenet.model:googlenet"),
    "inception_v4": Entry(
        InceptionV4Config, "tfmodels.inception_v4.model:inception_v4"
    ),
    "inception_resnet_v1": Entry(
        InceptionResNetV1Config, "tfmodels.inception_v4.model:inception_resnet_v1"
    ),
    "inception_resnet_v2": Entry(
        InceptionResNetV2Config, "tfmodels.inception_v4.model:inception_resnet_v2"
    ),
    "detector": Entry(DetectorConfig, "tfmodels.detection.model:detector"),
    "amoebanet": Entry(AmoebaNetConfig, "tfmodels.amoebanet.model:amoebanet"),
    "transformer": Entry(TransformerConfig, "tfmodels.transformer.model:transformer"),
    "acoustic_dnn": Entry(AcousticDNNConfig, "tfmodels.acoustic.model:acoustic_dnn"),
    "acoustic_lstm": Entry(AcousticLSTMConfig, "tfmodels.acoustic.model:acoustic_lstm"),
    "acoustic_tdnn": Entry(AcousticTDNNConfig, "tfmodels.acoustic.model:acoustic_tdnn"),
    "gnmt": Entry(GNMTConfig, "tfmodels.gnmt.model:gnmt"),
    "las": Entry(LASConfig, "tfmodels.las.model:las"),
    "tacotron": Entry(TacotronConfig, "tfmodels.tacotron.model:tacotron"),
    "wavernn": Entry(WaveRNNConfig, "tfmodels.wavernn.model:wavernn"),
}


def find(name: str) -> Entry:
    """The entry of a model.

    Raises:
      ConfigError: no model has this name; the message suggests the most similar one.
    """
    if name in MODELS:
        return MODELS[name]
    raise ConfigError(
        f"There is no model named {name!r}.{similar(name, MODELS)}"
        f" Expected one of: {', '.join(MODELS)}. Received: {name!r}."
    )


def build(config: Config) -> "keras.Model":
    """Makes the model that a parsed configuration describes, with fresh weights.

    Raises:
      ConfigError: `config` is not the configuration of a model in the table.
    """
    for entry in MODELS.values():
        if type(config) is entry.config:
            return entry.build(config)
    raise ConfigError(
        "Only a model's configuration can be built. Expected one of:"
        f" {', '.join(entry.config.__name__ for entry in MODELS.values())}."
        f" Received: {type(config).__name__}."
    )
