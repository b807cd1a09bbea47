"""The Keras model that every image classifier is."""

from collections.abc import Mapping
from typing import Any
from typing import Self

import keras

from tfmodels import catalog
from tfmodels import introspection
from tfmodels.classification.config import ImageClassifierConfig


@keras.saving.register_keras_serializable("tfmodels")
class ImageClassifier(keras.Model):
    """A functional graph of subnetworks that can be looked into and stripped.

    Calling it on float32 [B, H, W, C] normalised images gives a dict of float32
    [B, num_classes]: ``logits``, and ``<head>_logits`` for each training head.

    It is saved as its configuration and weights and rebuilt from them, in the precision
    policy that is in force then. Import this module before `keras.saving.load_model`.

    Args:
      inputs: the symbolic tensor named ``image``.
      outputs: symbolic outputs by name.
      endpoints: symbolic output of each subnetwork by name, in order. Blocks are
        connected through these alone; heads carry the name of their endpoint.
      config: what the network was built from.
      **kwargs: see `keras.Model`.
    """

    def __init__(
        self,
        inputs: keras.KerasTensor,
        outputs: Mapping[str, keras.KerasTensor],
        endpoints: Mapping[str, keras.KerasTensor],
        config: ImageClassifierConfig,
        **kwargs: Any,
    ) -> None:
        super().__init__(inputs=inputs, outputs=dict(outputs), **kwargs)
        self._endpoints = dict(endpoints)
        self._config = config

    @property
    def config(self) -> ImageClassifierConfig:
        """What the network was built from."""
        return self._config

    @property
    def endpoints(self) -> dict[str, keras.KerasTensor]:
        """Symbolic output of each subnetwork by name, from the image to the scores."""
        return dict(self._endpoints)

    def features(self) -> keras.Model:
        """A model of the same weights that returns every endpoint, by name."""
        return keras.Model(self.inputs[0], self.endpoints, name=f"{self.name}_features")

    def pyramid(self) -> dict[int, str]:
        """The last endpoint at each stride in pixels, finest first."""
        strides = introspection.strides(self)
        return {
            strides[tensor][0]: name
            for name, tensor in self._endpoints.items()
            if len(tensor.shape) == 4
        }

    def deploy(self) -> "ImageClassifier":
        """The same network without its training heads (US9904875B2, claim 2).

        It shares this model's remaining weights; its logits are the same bit for bit.
        """
        endpoints = {
            name: tensor
            for name, tensor in self._endpoints.items()
            if f"{name}_logits" not in self.output
        }
        return ImageClassifier(
            self.inputs[0],
            {"logits": endpoints["logits"]},
            endpoints,
            self._config.without_training_heads(),
            name=self.name,
        )

    def get_config(self) -> dict[str, Any]:
        """The network's configuration as plain data."""
        return {"config": self._config.plain()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Rebuilds the network from what `get_config` returned."""
        values = config["config"]
        return catalog.build(catalog.find(values["kind"]).config.parse(values))
