"""Stacks of LSTM layers with residual connections, and what a pass through them shares.

Wu et al., arXiv 1609.08144, section 3.1 and figure 1: residuals begin at the third
layer from the bottom, and sums are clipped as cells are (section 6, eq 10).
"""

from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field
from typing import Any

import tensorflow as tf

from tfmodels.layers.lstm import LSTM
from tfmodels.layers.lstm import clip


@dataclass
class Pass:
    """What all layers share while sequences run through them."""

    limit: tf.Tensor | float | None
    """float32 [], delta: largest magnitude of an accumulator."""
    drop: Callable[[tf.Tensor], tf.Tensor]
    """Dropout, or nothing."""
    accumulators: dict[str, tuple[tf.Tensor, tf.Tensor]] = field(default_factory=dict)
    """By name what was added up, [T, b, H], and the mask of its steps, [T, b, 1]."""

    def clip(self, x: tf.Tensor) -> tf.Tensor:
        """`x` within the limit."""
        return clip(x, self.limit)

    def layer(
        self,
        layer: LSTM,
        x: tf.Tensor,
        mask: tf.Tensor,
        first: Any = None,
        context: tf.Tensor | None = None,
        residual: bool = True,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Runs one layer over a sequence.

        Args:
          layer: its weights.
          x: floating-point [T, b, D], output of the layer below.
          mask: floating-point [T, b, 1], 0 on padding.
          first: the state before the sequence, floating-point [b, 2, H], or None.
          context: floating-point [T, b, H], what the layer sees besides.
          residual: add `x`, without the context, to the output.

        Returns:
          The output, floating-point [T, b, H]; the state after the sequence, outputs
          and cells, floating-point [b, 2, H].
        """
        inputs = x if context is None else tf.concat([x, context], -1)
        if first is not None:
            first = tuple(tf.unstack(first, axis=1))
        made = layer.sequence(inputs, mask, first, self.limit)
        self.accumulators[f"{layer.name}/cells"] = made.cells, mask
        output = self.drop(made.outputs)
        if residual:
            output = self.clip(output + x)
            self.accumulators[f"{layer.name}/residual"] = output, mask
        return output, tf.stack([made.outputs[-1], made.last_cells], axis=1)

    def clipped_shares(self) -> dict[str, tf.Tensor]:
        """Share of each accumulator's values that stand at the limit, float32 []."""
        return {
            name: _share(values, mask, self.limit)
            for name, (values, mask) in self.accumulators.items()
        }


def _share(values: tf.Tensor, mask: tf.Tensor, limit: Any) -> tf.Tensor:
    if limit is None:
        return tf.zeros([])
    # A sum is clipped to the limit itself, so that the two are equal.
    at_limit = tf.abs(values) >= tf.cast(limit, values.dtype)
    at_limit = tf.cast(at_limit, tf.float32) * tf.cast(mask, tf.float32)
    count = tf.reduce_sum(tf.cast(mask, tf.float32)) * values.shape[-1]
    return tf.math.divide_no_nan(tf.reduce_sum(at_limit), count)


def backwards(x: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
    """Each sequence of [T, b, ...] reversed within its length, int32 [b]."""
    return tf.reverse_sequence(x, lengths, seq_axis=0, batch_axis=1)


def batch_major(x: tf.Tensor) -> tf.Tensor:
    """[T, b, D] as [b, T, D], and the other way round."""
    return tf.transpose(x, (1, 0, 2))
