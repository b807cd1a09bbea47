"""Builds an image classifier as a sequence of subnetworks."""

import dataclasses

import keras

from tfmodels.classification.config import ImageClassifierConfig
from tfmodels.classification.config import TrainingHead
from tfmodels.classification.model import ImageClassifier
from tfmodels.layers.branches import Branches
from tfmodels.layers.branches import concatenated
from tfmodels.layers.convolution import Conv
from tfmodels.layers.convolution import Units
from tfmodels.layers.dropout import Dropout
from tfmodels.layers.residual import ScaledAdd


class SubnetworkSequence:
    """Subnetworks, each fed by the output of the one before (US9715642B2, claim 1).

    Args:
      config: the network's configuration.
      units: makes its convolutions and dense layers.
    """

    def __init__(self, config: ImageClassifierConfig, units: Units) -> None:
        self.units = units
        self._trunk = units
        self.endpoints: dict[str, keras.KerasTensor] = {}
        self._config = config
        self._image = keras.Input(config.input_shape, name="image", dtype="float32")
        self._last = self._image
        self._outputs: dict[str, keras.KerasTensor] = {}

    @property
    def output(self) -> keras.KerasTensor:
        """Output of the last subnetwork: float [B, H, W, C]."""
        return self._last

    def append(self, name: str, output: keras.KerasTensor) -> None:
        """Makes `output` the output of a new subnetwork."""
        self.endpoints[name] = self._last = output

    def convolve(self, name: str, conv: Conv) -> None:
        """Appends one convolution unit."""
        self.append(name, self._trunk.convolution(self._last, conv, name))

    def inception(self, name: str, branches: Branches) -> None:
        """Appends parallel branches whose outputs are joined."""
        self.append(name, concatenated(self._last, branches, self._trunk, name))

    def dilate(self) -> None:
        """Lets later kernels read every other position of what they read so far.

        A stride left out before makes up for it: they see the same places of the image,
        at twice as many positions (arXiv 1606.00915, section 3.1). Pools keep their
        windows.
        """
        dilation = 2 * self._trunk.dilation
        self._trunk = dataclasses.replace(self._trunk, dilation=dilation)

    def residual(
        self, name: str, branches: Branches, scale: float, activate: bool = True
    ) -> None:
        """Appends ``relu(x + scale * projection(branches(x)))``.

        The projection is a 1x1 convolution with a bias and no normalisation, as wide as
        x (arXiv 1602.07261, section 3.2).

        Args:
          name: name of the subnetwork.
          branches: the residual branches.
          scale: factor of the projection.
          activate: end with ReLU.
        """
        trunk = self._last
        branch = keras.layers.Conv2D(
            trunk.shape[-1],
            1,
            kernel_initializer="he_normal",
            name=f"{name}_projection_conv",
        )(concatenated(trunk, branches, self._trunk, name))
        total = ScaledAdd(scale, name=f"{name}_add")([trunk, branch])
        if activate:
            total = keras.layers.Activation("relu", name=f"{name}_relu")(total)
        self.append(name, total)

    def classify(self) -> None:
        """Appends the output layer: global average pooling, dropout, class scores."""
        pooled = keras.layers.GlobalAveragePooling2D(name="pool")(self._last)
        self.append("pool", pooled)
        kept = Dropout(self._config.dropout_rate, name="dropout")(pooled)
        self.append("logits", self._scores(kept, "logits"))

    def head_map(self, name: str, attach: str, head: TrainingHead) -> keras.KerasTensor:
        """The pooled and projected output of the subnetwork `attach`, for a head."""
        x = self.endpoints[attach]
        if head.adaptive_size is not None:
            pool = keras.layers.AdaptiveAveragePooling2D(
                head.adaptive_size, name=f"{name}_pool"
            )
        else:
            window = tuple(min(head.pool_size, side) for side in x.shape[1:3])
            pool = keras.layers.AveragePooling2D(
                window, head.pool_strides, head.pool_padding, name=f"{name}_pool"
            )
        return self.units.convolution(pool(x), Conv(head.filters), name)

    def add_head(self, name: str, features: keras.KerasTensor) -> None:
        """Ends a training head (US9904875B2, claim 1) with class scores."""
        self.endpoints[name] = self._scores(features, f"{name}_logits")

    def _scores(self, x: keras.KerasTensor, name: str) -> keras.KerasTensor:
        scores = self.units.logits(x, self._config.num_classes, name)
        self._outputs[name] = scores
        return scores

    def classifier(self) -> ImageClassifier:
        """The finished model."""
        return ImageClassifier(
            self._image,
            self._outputs,
            self.endpoints,
            self._config,
            name=self._config.kind,
        )
