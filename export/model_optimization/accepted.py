"""The layers that both processes know, and what of their configuration counts.

What is not listed is how a layer is initialised, regularised or named, which a trained
layer does not need; or it has one value only, which `description` makes sure of.
"""

from collections.abc import Mapping
from types import MappingProxyType

_POOLING = ("pool_size", "strides", "padding")

ACCEPTED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "Activation": ("activation",),
        "Add": (),
        "AveragePooling2D": _POOLING,
        "BatchNormalization": ("axis", "momentum", "epsilon", "center", "scale"),
        "Concatenate": ("axis",),
        "Conv2D": (
            "filters",
            "kernel_size",
            "strides",
            "padding",
            "dilation_rate",
            "groups",
            "activation",
            "use_bias",
        ),
        "Dense": ("units", "activation", "use_bias"),
        "Dropout": ("rate",),
        "Flatten": (),
        "GlobalAveragePooling2D": ("keepdims",),
        "InputLayer": ("batch_shape",),
        "LocalResponseNormalization": ("size", "alpha", "beta", "bias"),
        "MaxPooling2D": _POOLING,
        "ReLU": ("max_value", "negative_slope", "threshold"),
        "Rescaling": ("scale", "offset"),
        "ScaledAdd": ("scale",),
        "ZeroPadding2D": ("padding",),
    }
)
"""The keys of each class's configuration that decide what it computes."""

ACTIVATIONS = ("linear", "relu")
"""Functions by name that may stand in a configuration."""
