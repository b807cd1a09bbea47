"""Sums of a trunk and a branch."""

from typing import Any

import keras


@keras.saving.register_keras_serializable("tfmodels")
class ScaledAdd(keras.layers.Layer):
    """Adds a branch, scaled, to a trunk: ``trunk + scale * branch``.

    Scales of 0.1 to 0.3 keep wide residual networks from dying (arXiv 1602.07261,
    section 3.3). The scale can be folded into the convolution that makes the branch.

    Args:
      scale: factor of the branch.
      **kwargs: see `keras.layers.Layer`.

    Call arguments:
      inputs: (trunk, branch), two float tensors of one shape.
    """

    def __init__(self, scale: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scale = scale

    def call(self, inputs: Any) -> Any:
        """Returns a tensor like the trunk."""
        trunk, branch = inputs
        return trunk + self.scale * branch

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The trunk's shape."""
        return input_shape[0]

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "scale": self.scale}
