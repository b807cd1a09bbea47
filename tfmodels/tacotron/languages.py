"""Texts in several languages: what the language of each symbol changes in a decoder.

The vector of a step is ``sum_j a_j E[l_j]``, a the attention of the step before; at
first that of the first symbol. Texts are told by the first symbol's vector, and what
others differ by is added, so that a text in one language is said exactly as without.
"""

from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tfmodels.layers.lstm import LSTM
from tfmodels.layers.lstm import value
from tfmodels.tacotron.attention import Memory
from tfmodels.tacotron.config import TacotronConfig


def among_told(config: TacotronConfig, switches: tf.Tensor) -> tf.Tensor:
    """Differences of languages at their place in what decoders are told of each symbol.

    Args:
      config: the model's.
      switches: floating-point [b, N, L].

    Returns:
      floating-point [b, N, K], 0 where speaker and residual are.
    """
    before = config.speaker_dim if config.num_speakers else 0
    after = config.condition_dim - before - config.language_dim
    return tf.pad(switches, [[0, 0], [0, 0], [before, after]])


def language_shifts(
    config: TacotronConfig, lstms: Sequence[LSTM], memory: Memory
) -> Callable[[tf.Tensor], tuple[Any, Any]]:
    """A function of the last attention, float32 [b, N], to what the languages of those
    symbols add to the sums of both LSTMs, [b, 4 H]; 0 without ``switches``."""
    if "switches" not in memory:
        return lambda alignment: (0.0, 0.0)
    switches, kernels = memory["switches"], []
    for lstm in lstms:
        first = lstm.kernel.shape[0] - config.fed_dim
        first += config.speaker_dim if config.num_speakers else 0
        kernels.append(value(lstm.kernel)[first : first + config.language_dim])

    def shifts(alignment: tf.Tensor) -> tuple[Any, Any]:
        total = tf.reduce_sum(alignment, -1, keepdims=True)
        share = tf.cast(tf.math.divide_no_nan(alignment, total), switches.dtype)
        far = tf.matmul(share[:, None], switches)[:, 0]
        return tf.matmul(far, kernels[0]), tf.matmul(far, kernels[1])

    return shifts
