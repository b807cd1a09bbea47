"""The second pass: answers in another order, by a language model and their words."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfmodels.decoding.beam_search import Hypotheses
from tfmodels.decoding.step import LOG_ZERO


class SecondPass(NamedTuple):
    """What counts besides ``log P(Y|X)``."""

    language_weight: float = 0.0
    """Factor of ``log P_LM(Y)``."""
    word_reward: float = 0.0
    """Nats for each word."""


def rescored(
    found: Hypotheses,
    language_log_probs: tf.Tensor,
    num_words: tf.Tensor,
    second: SecondPass,
) -> Hypotheses:
    """The same answers by ``log P + a log P_LM + b words``, best first.

    Chiu et al., arXiv 1712.01769.

    Args:
      found: what a search found; its ``log_probs`` count, not its ``scores``.
      language_log_probs: float32 [b, N], logs of each answer.
      num_words: int32 [b, N], words of each answer.
      second: a and b.

    Returns:
      Answers with new scores; of equals, the one that was before.
    """
    scores = found.log_probs + second.language_weight * language_log_probs
    scores += second.word_reward * tf.cast(num_words, tf.float32)
    scores = tf.where(found.lengths > 0, scores, LOG_ZERO)
    order = tf.argsort(scores, axis=1, direction="DESCENDING", stable=True)
    answers = found._replace(scores=scores)
    return Hypotheses(*(tf.gather(x, order, batch_dims=1) for x in answers))


def best_second_pass(
    log_probs: np.ndarray,
    language_log_probs: np.ndarray,
    num_words: np.ndarray,
    errors: np.ndarray,
    language_weights: Iterable[float],
    word_rewards: Iterable[float],
) -> tuple[SecondPass, float]:
    """The factors with the fewest errors of first answers, among some.

    Args:
      log_probs: [b, N], far below all others where there is no answer.
      language_log_probs: [b, N].
      num_words: [b, N].
      errors: [b, N], of each answer.
      language_weights: what to try for a.
      word_rewards: what to try for b, each with each a.

    Returns:
      Of factors with equally many errors, the first; and their errors.
    """

    def wrong(second: SecondPass) -> float:
        scores = log_probs + second.language_weight * language_log_probs
        best = np.argmax(scores + second.word_reward * num_words, axis=1)
        return float(np.take_along_axis(errors, best[:, None], axis=1).sum())

    rewards = [*word_rewards]
    tried = [SecondPass(a, b) for a in language_weights for b in rewards]
    errors_of = {second: wrong(second) for second in tried}
    best = min(tried, key=errors_of.__getitem__)
    return best, errors_of[best]
