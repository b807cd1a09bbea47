"""The parts of a cell that have weights: convolutions after their ReLU."""

import dataclasses

import keras

from tfmodels.layers.config import BatchNorm
from tfmodels.layers.convolution import Conv


@dataclasses.dataclass(frozen=True)
class PreactivatedUnits:
    """Makes the units of one network: ReLU -> convolution -> normalisation or bias.

    Each is a layer of the graph of its own, so that a pipeline sees every weight. Layer
    names are ``<name>_relu``, ``<name>_conv`` and ``<name>_bn``.
    """

    batch_norm: BatchNorm | None
    """Normalise after each convolution; with None convolutions have a bias instead."""

    def convolution(
        self, x: keras.KerasTensor, conv: Conv, name: str
    ) -> keras.KerasTensor:
        """Adds a unit: float [B, H, W, C] -> float [B, H', W', conv.filters]."""
        return self._normalize(self._convolve(_relu(x, name), conv, name), name)

    def first_convolution(
        self, image: keras.KerasTensor, conv: Conv, name: str
    ) -> keras.KerasTensor:
        """Adds a unit without ReLU, as the public TensorFlow code begins the network.

        Of normalised pixels, half of which are negative, a ReLU would lose half.

        Args:
          image: float [B, H, W, C].
          conv: size of the convolution.
          name: name of the unit.

        Returns:
          float [B, H', W', conv.filters].
        """
        return self._normalize(self._convolve(image, conv, name), name)

    def factorized_reduction(
        self, x: keras.KerasTensor, filters: int, name: str
    ) -> keras.KerasTensor:
        """Adds two 1x1 convolutions of stride 2, the second one pixel down and right.

        Together they read half of the pixels; one alone would read a quarter.

        Args:
          x: float [B, H, W, C].
          filters: an even number; each convolution has half of them.
          name: name of the unit.

        Returns:
          float [B, ceil(H / 2), ceil(W / 2), filters].
        """
        x = shifted = _relu(x, name)
        odd = tuple((0, side % 2) for side in x.shape[1:3])
        if odd != ((0, 0), (0, 0)):
            # Without the shift an odd side gives one position more than with it.
            shifted = keras.layers.ZeroPadding2D(odd, name=f"{name}_pad")(x)
        crop = keras.layers.Cropping2D(((1, 0), (1, 0)), name=f"{name}_shift")
        half = Conv(filters // 2, strides=2)
        halves = [
            self._convolve(x, half, f"{name}a"),
            self._convolve(crop(shifted), half, f"{name}b"),
        ]
        joined = keras.layers.Concatenate(name=f"{name}_concat")(halves)
        return self._normalize(joined, name)

    def _convolve(
        self, x: keras.KerasTensor, conv: Conv, name: str
    ) -> keras.KerasTensor:
        return keras.layers.Conv2D(
            conv.filters,
            conv.kernel_size,
            conv.strides,
            conv.padding,
            use_bias=self.batch_norm is None,
            kernel_initializer="he_normal",
            name=f"{name}_conv",
        )(x)

    def _normalize(self, x: keras.KerasTensor, name: str) -> keras.KerasTensor:
        if self.batch_norm is None:
            return x
        return keras.layers.BatchNormalization(
            momentum=self.batch_norm.momentum,
            epsilon=self.batch_norm.epsilon,
            scale=self.batch_norm.scale,
            name=f"{name}_bn",
        )(x)


def _relu(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    return keras.layers.Activation("relu", name=f"{name}_relu")(x)
