"""What a finished sequence is worth: log-probability, length, coverage."""

import math
from typing import Any

import numpy as np
import tensorflow as tf

from tfmodels.decoding.config import BeamSearchConfig
from tfmodels.decoding.config import LengthConfig

# A source token without any attention; the formula's logarithm of 0 ends all thought.
_LEAST_COVERAGE = 1e-3
# Lingvo, beam_search_step_op_kernels.cc: more attention than this is no merit.
_LINGVO_COVERAGE = 0.5


def length_penalty(length: tf.Tensor, config: BeamSearchConfig) -> tf.Tensor:
    """By what log-probabilities of sequences are divided.

    ``((5 + |Y|) / 6) ** alpha`` (Wu et al., arXiv 1609.08144, equation 14); Lingvo
    divides by 5.

    Args:
      length: int32 or float32 of any shape, tokens, the end included and the start not.
      config: alpha and the formula.

    Returns:
      float32 of the same shape.
    """
    divisor = 6.0 if config.formula == "paper" else 5.0
    return ((5.0 + tf.cast(length, tf.float32)) / divisor) ** config.length_penalty


def coverage_penalty(
    coverage: tf.Tensor, source_mask: tf.Tensor, config: BeamSearchConfig
) -> tf.Tensor:
    """What is added for source tokens that got little attention; at most 0.

    ``beta sum_i log min(sum_j p_ij, 1)`` (the same equation), a sum over j being at
    least 1e-3. Lingvo expects `length_ratio` target tokens for a source token, divides
    by that, asks for half of it, and gives the sum that factor.

    Args:
      coverage: float32 [..., S], attention of all steps together.
      source_mask: float32, broadcast to the shape of `coverage`, 1 on source tokens.
      config: beta and the formula.

    Returns:
      float32 [...].
    """
    ratio, most = 1.0, 1.0
    if config.formula == "lingvo":
        ratio, most = config.length_ratio, _LINGVO_COVERAGE
    logs = tf.math.log(tf.clip_by_value(coverage / ratio, _LEAST_COVERAGE, most))
    return config.coverage_penalty * ratio * tf.reduce_sum(logs * source_mask, axis=-1)


def max_lengths(source_lengths: tf.Tensor | int, config: LengthConfig) -> Any:
    """Most tokens of each answer: a multiple of the source's, and some.

    Args:
      source_lengths: int32 of any shape; or a number that is known already.
      config: the rule.

    Returns:
      int32 of the same shape; or a number.
    """
    if isinstance(source_lengths, int):
        # As the graph computes it.
        factor = np.float32(config.max_length_factor)
        return math.ceil(factor * np.float32(source_lengths)) + config.max_length_extra
    longest = config.max_length_factor * tf.cast(source_lengths, tf.float32)
    return tf.cast(tf.math.ceil(longest), tf.int32) + config.max_length_extra
