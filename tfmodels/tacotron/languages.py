"""Texts in several languages: what the language of each symbol changes in a decoder.

The vector of a step is ``sum_j a_j E[l_j]``, a the attention of the step before; at
first that of the first symbol. Texts are told by the first symbol's vector, and what
others differ by is added, so that a text in one language is said exactly as without.
"""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tfmodels.layers.lstm import LSTM
from tfmodels.layers.lstm import value
from tfmodels.layers.unrolled import Part
from tfmodels.layers.unrolled import Times
from tfmodels.tacotron.attention import Memory
from tfmodels.tacotron.config import TacotronConfig

_SHIFTS = ("low_shift", "high_shift")


def among_told(config: TacotronConfig, switches: tf.Tensor) -> tf.Tensor:
    """Differences of languages at their place in what decoders are told of each symbol.

    Args:
      config: the model's.
      switches: floating-point [b, N, L].

    Returns:
      floating-point [b, N, K], 0 where speaker and residual are.
    """
    before = config.told_speaker_dim
    after = config.condition_dim - before - config.language_dim
    return tf.pad(switches, [[0, 0], [0, 0], [before, after]])


def language_shifts(
    config: TacotronConfig, lstms: Sequence[LSTM], memory: Memory
) -> Part:
    """A function of the last attention, float32 [b, N], to what the languages of those
    symbols add to the sums of both LSTMs, [b, 4 H]; 0 without ``switches``."""
    if "switches" not in memory:
        return Part(lambda times, learned, alignment: (0.0, 0.0), {}, {})
    switches = memory["switches"]
    maps = {"switches": (switches,)}
    for name, lstm in zip(_SHIFTS, lstms, strict=True):
        first = lstm.kernel.shape[0] - config.condition_dim + config.told_speaker_dim
        maps[name] = (value(lstm.kernel)[first : first + config.language_dim],)

    def shifts(times: Times, _: Any, alignment: tf.Tensor) -> list[tf.Tensor]:
        total = tf.reduce_sum(alignment, -1, keepdims=True)
        share = tf.cast(tf.math.divide_no_nan(alignment, total), switches.dtype)
        far = times("switches", share)
        return [times(name, far) for name in _SHIFTS]

    return Part(shifts, maps, {})
