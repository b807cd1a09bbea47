"""Signs of a network that is dying: dead channels, residual branches that dominate."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from tfmodels.classification.model import ImageClassifier
from tfmodels.layers.residual import ScaledAdd


def dead_share(maps: Any) -> tf.Tensor:
    """Share of the channels that are zero everywhere, in every image of a batch.

    Args:
      maps: float [B, H, W, C].

    Returns:
      float32 [], 0 to 1.
    """
    dead = tf.reduce_all(maps == 0, axis=(0, 1, 2))
    return tf.reduce_mean(tf.cast(dead, tf.float32))


def residual_ratio(operands: Any, scale: float) -> tf.Tensor:
    """Computes ``scale * ||branch|| / ||trunk||`` with Euclidean norms over a batch.

    Args:
      operands: what `ScaledAdd` adds: (trunk, branch), float [B, H, W, C].
      scale: factor of the branch.

    Returns:
      float32 []; infinite or NaN if the trunk is zero.
    """
    trunk, branch = (tf.norm(tf.cast(x, tf.float32)) for x in operands)
    return scale * branch / trunk


def health(model: ImageClassifier) -> Callable[[Any], dict[str, tf.Tensor]]:
    """Makes a compiled function that examines a model while it trains.

    The model runs as in training, with the batch's own statistics in its normalisation:
    moving averages lag behind the weights and can show a death that has not happened,
    or hide one that has. No variable changes.

    Returns:
      A function of float32 [B, H, W, C] normalised images that returns float32 []:

      * ``dead_channels``: `dead_share` before the global pooling. Wide residual
        networks die with this at 1 (arXiv 1602.07261, section 3.3);
      * ``dead_channels/<endpoint>``: that of every endpoint with positions;
      * ``residual_ratio/<block>``: `residual_ratio` of every residual block.
    """
    maps = {name: x for name, x in model.endpoints.items() if len(x.shape) == 4}
    last = list(maps)[-1]
    sums = {
        layer.name.removesuffix("_add"): layer
        for layer in model.layers
        if isinstance(layer, ScaledAdd)
    }
    probe = keras.Model(
        model.inputs[0], [maps, {block: layer.input for block, layer in sums.items()}]
    )

    @tf.function(autograph=False)
    def examine(images: Any) -> dict[str, tf.Tensor]:
        # The scope holds back the updates of the moving averages.
        with keras.StatelessScope():
            values, operands = probe(images, training=True)
        dead = {name: dead_share(value) for name, value in values.items()}
        return {
            "dead_channels": dead[last],
            **{f"dead_channels/{name}": share for name, share in dead.items()},
            **{
                f"residual_ratio/{block}": residual_ratio(operands[block], layer.scale)
                for block, layer in sums.items()
            },
        }

    return examine
