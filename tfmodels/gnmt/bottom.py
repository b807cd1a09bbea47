"""The decoder's lowest layer with attention, as one loop with a gradient by hand.

Its state depends on nothing above it, so that it alone is unrolled together with the
attention it drives; the layers above run over whole sequences (Wu et al., arXiv
1609.08144, section 3.3).
"""

from typing import Any
from typing import NamedTuple

import tensorflow as tf

from tfmodels.gnmt.attention import Memory
from tfmodels.gnmt.attention import Weights
from tfmodels.gnmt.attention import attend
from tfmodels.gnmt.attention import hidden_nodes
from tfmodels.layers.arrays import new_arrays
from tfmodels.layers.arrays import select_rows
from tfmodels.layers.arrays import shifted
from tfmodels.layers.arrays import stack
from tfmodels.layers.arrays import write
from tfmodels.layers.feedback import outer
from tfmodels.layers.lstm import Backward
from tfmodels.layers.lstm import Cell
from tfmodels.layers.lstm import gated


class First(NamedTuple):
    """What there is before the first token, floating-point [b, H]."""

    outputs: tf.Tensor
    cells: tf.Tensor
    context: tf.Tensor


class Bottom(NamedTuple):
    """What the lowest layer and attention made of a sequence of T target tokens."""

    outputs: tf.Tensor
    """floating-point [T, b, H]; in padding the last output before it."""
    contexts: tf.Tensor
    """floating-point [T, b, H], of the queries ``outputs``."""
    shares: tf.Tensor
    """floating-point [T, b, S], of the same queries."""
    cells: tf.Tensor
    """floating-point [T, b, H]; no gradient passes."""
    last_cells: tf.Tensor
    """floating-point [b, H], the last of `cells`, with a gradient."""


def bottom_sequence(
    sums: tf.Tensor,
    kernel: tf.Tensor,
    weights: Weights,
    memory: Memory,
    mask: tf.Tensor,
    first: First,
    limit: Any,
    cell: Cell,
) -> Bottom:
    """Runs the layer over a sequence; each of its outputs asks for a context.

    Args:
      sums: floating-point [T, b, 4 H], weighted embeddings.
      kernel: floating-point [2 H, 4 H], of the context before a step and of the output
        before it; [H, 4 H], of the latter alone, where the layer gets no context.
      weights: see `attend`.
      memory: see `attend`.
      mask: floating-point [T, b, 1], 0 on padding.
      first: what the first step gets.
      limit: see `tfmodels.layers.lstm.gated`.
      cell: see `tfmodels.layers.lstm.gated`.
    """
    width = first.outputs.shape[-1]
    fed = kernel.shape[0] > width
    real = mask[:, :, 0] > 0

    def seen(context: Any, outputs: Any) -> Any:
        return tf.concat([context, outputs], -1) if fed else outputs

    @tf.custom_gradient
    def run(
        sums: Any,
        kernel: Any,
        query: Any,
        score: Any,
        encodings: Any,
        keys: Any,
        *first: Any,
    ) -> Any:
        num_steps = tf.shape(sums)[0]
        looked_at = Memory(encodings, keys, memory.mask)

        def forward(t: Any, h: Any, c: Any, a: Any, *kept: Any) -> Any:
            new = sums[t] + tf.matmul(seen(a, h), kernel)
            m, cells, acts = gated(new, c, limit, cell)
            h, c = select_rows(real[t], m, h), select_rows(real[t], cells, c)
            a, p = attend(h, Weights(query, score), looked_at)
            return t + 1, h, c, a, *write(kept, t, (h, a, p, c, *acts))

        widths = (width, width, None, *(width,) * 5)
        arrays = new_arrays(sums, widths)
        _, _, last, _, *kept = tf.while_loop(
            lambda t, *_: t < num_steps, forward, (0, *first, *arrays)
        )
        h, a, p, c, *acts = stack(kept, widths)

        def gradient(
            d_outputs: Any, d_contexts: Any, d_shares: Any, _: Any, d_last: Any
        ) -> Any:
            h0, c0, a0 = first
            local = Backward(acts, shifted(c, c0), c, mask, limit, cell)
            asked = tf.matmul(h, query)

            def step(
                t: Any, d_h: Any, d_c: Any, d_a: Any, d_k: Any, d_v: Any, *kept: Any
            ) -> Any:
                d_a = d_a + d_contexts[t]
                d_p = tf.linalg.matvec(encodings, d_a) + d_shares[t]
                d_p = p[t] * d_p
                d_s = d_p - p[t] * tf.reduce_sum(d_p, -1, keepdims=True)
                nodes = hidden_nodes(asked[t], keys)
                d_v = d_v + outer(nodes, d_s[:, :, None])
                d_n = (1 - nodes * nodes) * d_s[:, :, None]
                d_q = tf.reduce_sum(d_n, 1) * score
                d_h = d_h + d_outputs[t] + tf.matmul(d_q, query, transpose_b=True)
                d_new, d_c = local.step(t, d_h, d_c)
                arrays = write(kept, t, (d_new, d_a, d_q))
                back = tf.matmul(d_new, kernel, transpose_b=True)
                d_h = d_h * local.skipped[t] + back[:, -width:]
                d_a = back[:, :width] if fed else tf.zeros_like(d_a)
                return t - 1, d_h, d_c, d_a, d_k + d_n, d_v, *arrays

            wide = (4 * width, width, query.shape[1])
            arrays = new_arrays(sums, wide)
            d_h, d_a, d_k, d_v = map(tf.zeros_like, (h0, a0, keys, score[:, None]))
            start = (num_steps - 1, d_h, d_last, d_a, d_k, d_v, *arrays)
            _, d_h, d_c, d_a, d_k, d_v, *kept = tf.while_loop(
                lambda t, *_: t >= 0, step, start
            )
            d_sums, d_all, d_q = stack(kept, wide)
            d_encodings = tf.matmul(
                tf.transpose(p, (1, 2, 0)), tf.transpose(d_all, (1, 0, 2))
            )
            inputs = seen(shifted(a, a0), shifted(h, h0))
            d_kernel, d_query = outer(inputs, d_sums), outer(h, d_q)
            d_weights = (d_kernel, d_query, d_v[:, 0])
            return d_sums, *d_weights, d_encodings, d_k * score, d_h, d_c, d_a

        return (h, a, p, c, last), gradient

    learned = (sums, kernel, *weights, memory.encodings, memory.keys)
    return Bottom(*run(*learned, *first))
