"""The encoder: a layer that reads both ways, and a stack that reads forward."""

from typing import Any

import keras
import tensorflow as tf

from tfmodels.gnmt.config import GNMTConfig
from tfmodels.gnmt.initial import lstm
from tfmodels.gnmt.stack import Pass
from tfmodels.gnmt.stack import backwards


class Encoder(keras.layers.Layer):
    """Embeddings of the source in, an encoding of each token out (US11113480B2, claim
    1; Wu et al., arXiv 1609.08144, section 3.2).

    Args:
      config: its sizes.
      **kwargs: see `keras.layers.Layer`.
    """

    def __init__(self, config: GNMTConfig, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        embedding, hidden = config.embedding_dim, config.hidden_dim
        self.forward_layer = lstm(config, "encoder1_forward", embedding)
        self.backward_layer = lstm(config, "encoder1_backward", embedding)
        self.stack = [
            lstm(config, f"encoder{number}", 2 * hidden if number == 2 else hidden)
            for number in range(2, config.encoder_layers + 1)
        ]
        self.built = True

    def run(
        self, x: tf.Tensor, mask: tf.Tensor, shared: Pass
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """Encodings, [S, b, H], and the last state of each layer, [b, 2, H].

        The lowest layer's is that of its backward half.

        Args:
          x: floating-point [S, b, E].
          mask: floating-point [S, b, 1], 0 on padding.
          shared: the pass.
        """
        ahead, _ = shared.layer(self.forward_layer, x, mask, residual=False)
        back, final = self.read_backwards(x, mask, shared)
        x, finals = tf.concat([ahead, back], -1), [final]
        for place, layer in enumerate(self.stack):
            x, final = shared.layer(layer, x, mask, residual=place > 0)
            finals.append(final)
        return x, finals

    def read_backwards(
        self, x: tf.Tensor, mask: tf.Tensor, shared: Pass
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """`Pass.layer` of the backward layer, each sequence within its length."""
        lengths = tf.cast(tf.reduce_sum(mask[:, :, 0], 0), tf.int32)
        turned = backwards(x, lengths)
        back, final = shared.layer(self.backward_layer, turned, mask, residual=False)
        return backwards(back, lengths), final
