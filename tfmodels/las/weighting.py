"""Weighted sums of an LSTM whose weights depend on the variety of each utterance.

Each function gives a `Weighting` for a batch: what the layer's inputs and its own last
outputs add to its gates' sums. All read their variables at once, so that a loop which
uses a weighting reads none.
"""

from collections.abc import Callable
from collections.abc import Sequence
from functools import partial
from typing import Any
from typing import NamedTuple

import tensorflow as tf

from tfmodels.layers.feedback import LinearFeedback
from tfmodels.layers.feedback import MakeFeedback
from tfmodels.layers.feedback import Product
from tfmodels.layers.lstm import LSTM
from tfmodels.layers.lstm import gated
from tfmodels.layers.lstm import lstm_sequence
from tfmodels.layers.lstm import product
from tfmodels.layers.lstm import value

State = tuple[tf.Tensor, tf.Tensor]
"""Outputs and cells, floating-point [b, H]."""


class Weighting(NamedTuple):
    """An LSTM's weights for a batch of utterances."""

    inputs: Callable[[tf.Tensor], tf.Tensor]
    """From inputs, [..., b, D], to their part of sums, with biases, [..., b, 4 H]."""
    recurrent: tuple[tf.Tensor, ...]
    """What `feedback` is made of."""
    feedback: MakeFeedback

    def sequence(
        self, x: tf.Tensor, mask: tf.Tensor, first: State
    ) -> tuple[Any, State]:
        """Outputs, [T, b, H], and the state after a sequence [T, b, D].

        Args:
          x: the layer's inputs.
          mask: floating-point [T, b, 1], 0 on padding, which changes nothing.
          first: the state before.
        """
        made = lstm_sequence(
            self.inputs(x),
            self.recurrent,
            mask,
            first,
            None,
            "standard",
            self.feedback,
        )
        return made.outputs, (made.outputs[-1], made.last_cells)

    def step(self, x: tf.Tensor, state: State) -> State:
        """The state after one input, [b, D]."""
        outputs, cells = state
        sums = self.inputs(x) + self.feedback(*self.recurrent).sums(outputs)
        return gated(sums, cells, None, "standard")[:2]


def shifted_gates(layer: LSTM, added: tf.Tensor | None = None) -> Weighting:
    """A layer's own weights, and something added to its gates, [b, 4 H] or [T, b, 4 H].

    ``z + M d``: what is added is the weighted mean of the clusters' means.
    """
    kernel, bias = value(layer.kernel), value(layer.bias)
    added = bias if added is None else bias + added
    recurrent = value(layer.recurrent_kernel)
    return Weighting(lambda x: product(x, kernel) + added, (recurrent,), Product)


def mixed(layers: Sequence[LSTM], shares: tf.Tensor) -> Weighting:
    """``sum_k shares_k W_k`` of the weights of several layers of one size.

    No matrix of an utterance is ever made: ``x sum_k s_k W_k`` is the product of all
    ``s_k x``, side by side, with all W_k, one below the other.

    Args:
      layers: W_k.
      shares: floating-point [b, K].
    """
    kernels = tf.concat([value(layer.kernel) for layer in layers], 0)
    biases = tf.stack([value(layer.bias) for layer in layers])
    recurrent = tf.concat([value(layer.recurrent_kernel) for layer in layers], 0)
    added = tf.matmul(shares, biases)
    return Weighting(
        lambda x: _mixed_product(x, kernels, shares) + added,
        (recurrent, shares),
        partial(LinearFeedback, _mixed_product),
    )


def _mixed_product(x: tf.Tensor, kernels: tf.Tensor, shares: tf.Tensor) -> tf.Tensor:
    """[..., b, M] times the [K M, N] of each row's shares, [b, K]: [..., b, N]."""
    scaled = x[..., None, :] * shares[:, :, None]
    shape = tf.concat([tf.shape(x)[:-1], kernels.shape[:1]], 0)
    scaled = tf.reshape(scaled, shape)
    return product(tf.ensure_shape(scaled, [*x.shape[:-1], kernels.shape[0]]), kernels)


class RankOne(NamedTuple):
    """Bases ``g_r h_r^T`` of an LSTM's weights, and how much of each."""

    inputs: tf.Tensor
    """floating-point [D, R], rows of G for inputs."""
    outputs: tf.Tensor
    """floating-point [H, R], rows of G for the layer's own outputs."""
    gates: tf.Tensor
    """floating-point [R, 4 H], H^T."""
    scale: tf.Tensor
    """floating-point [b, R]."""


def factorised(layer: LSTM, bases: RankOne) -> Weighting:
    """``W + G diag(scale) H^T``, without making a matrix of an utterance."""
    kernel, bias = value(layer.kernel), value(layer.bias)
    recurrent = value(layer.recurrent_kernel)
    return Weighting(
        lambda x: _factorised_product(x, kernel, bases.inputs, *bases[2:]) + bias,
        (recurrent, *bases[1:]),
        partial(LinearFeedback, _factorised_product),
    )


def _factorised_product(
    x: tf.Tensor, kernel: tf.Tensor, into: tf.Tensor, out: tf.Tensor, scale: tf.Tensor
) -> tf.Tensor:
    return product(x, kernel) + product(product(x, into) * scale, out)
