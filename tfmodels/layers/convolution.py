"""Convolution and pooling steps, and the units that apply them with fixed habits."""

import dataclasses
from collections.abc import Callable
from typing import Any
from typing import Literal

import keras

from tfmodels.layers.config import BatchNorm
from tfmodels.layers.normalization import BatchNormalization

Padding = Literal["same", "valid"]


@dataclasses.dataclass(frozen=True)
class Conv:
    """One convolution, as the published tables state it."""

    filters: int
    kernel: int | tuple[int, int] = 1
    strides: int = 1
    padding: Padding = "same"

    @property
    def kernel_size(self) -> tuple[int, int]:
        """Height and width of the kernel, in pixels."""
        if isinstance(self.kernel, int):
            return (self.kernel, self.kernel)
        return self.kernel


@dataclasses.dataclass(frozen=True)
class Pool:
    """One pooling step; averages leave padding out of the mean."""

    kind: Literal["max", "average"]
    size: int = 3
    strides: int = 1
    padding: Padding = "same"

    def layer(self, name: str) -> keras.layers.Layer:
        """The Keras layer, named ``<name>_max_pool`` or ``<name>_average_pool``."""
        pooling = {
            "max": keras.layers.MaxPooling2D,
            "average": keras.layers.AveragePooling2D,
        }[self.kind]
        return pooling(
            self.size, self.strides, self.padding, name=f"{name}_{self.kind}_pool"
        )


@dataclasses.dataclass(frozen=True)
class Units:
    """Makes the units of one network: convolution -> normalisation or bias -> ReLU.

    Widths are given as published; `width` scales them. Layer names are ``<name>_conv``,
    ``<name>_bn``, ``<name>_dense`` and ``<name>_relu``.
    """

    batch_norm: BatchNorm | None
    """Normalise after each convolution; with None convolutions have a bias instead."""
    width: Callable[[int], int]
    """Published number of filters -> number of filters of this network."""
    initialization: Literal["glorot", "he"]
    """glorot: uniform kernels, biases 0.2 before a ReLU (the Caffe reproduction of
    GoogLeNet). he: normal kernels by fan-in, biases 0, dense kernels of deviation
    0.01."""
    dilation: int = 1
    """Distance between the inputs that neighbouring weights of a kernel read."""

    def convolution(
        self, x: keras.KerasTensor, conv: Conv, name: str
    ) -> keras.KerasTensor:
        """Adds a unit: float [B, H, W, C] -> float [B, H', W', width(conv.filters)]."""
        glorot = self.initialization == "glorot"
        x = keras.layers.Conv2D(
            self.width(conv.filters),
            conv.kernel_size,
            conv.strides,
            conv.padding,
            dilation_rate=self.dilation,
            use_bias=self.batch_norm is None,
            kernel_initializer="glorot_uniform" if glorot else "he_normal",
            bias_initializer=self._bias(),
            name=f"{name}_conv",
        )(x)
        if self.batch_norm is not None:
            x = BatchNormalization(
                momentum=self.batch_norm.momentum,
                epsilon=self.batch_norm.epsilon,
                scale=self.batch_norm.scale,
                name=f"{name}_bn",
            )(x)
        return keras.layers.Activation("relu", name=f"{name}_relu")(x)

    def dense(self, x: keras.KerasTensor, units: int, name: str) -> keras.KerasTensor:
        """Adds a fully connected unit: float [B, D] -> float [B, width(units)]."""
        x = keras.layers.Dense(
            self.width(units),
            kernel_initializer=self._dense_kernel(),
            bias_initializer=self._bias(),
            name=f"{name}_dense",
        )(x)
        return keras.layers.Activation("relu", name=f"{name}_relu")(x)

    def logits(
        self, x: keras.KerasTensor, num_classes: int, name: str
    ) -> keras.KerasTensor:
        """Adds class scores: float [B, D] -> float32 [B, num_classes].

        They stay in float32 under a mixed precision policy, as the loss needs.
        """
        return keras.layers.Dense(
            num_classes,
            kernel_initializer=self._dense_kernel(),
            dtype="float32",
            name=name,
        )(x)

    def _bias(self) -> Any:
        glorot = self.initialization == "glorot"
        return keras.initializers.Constant(0.2 if glorot else 0.0)

    def _dense_kernel(self) -> Any:
        if self.initialization == "glorot":
            return keras.initializers.GlorotUniform()
        return keras.initializers.TruncatedNormal(stddev=0.01)
