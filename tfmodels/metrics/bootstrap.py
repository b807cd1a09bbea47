"""Whether one system makes fewer errors than another, or was lucky with its test."""

import numpy as np


def chance_of_no_gain(
    errors: np.ndarray, others: np.ndarray, resamples: int = 1000, seed: int = 0
) -> float:
    """One-sided p of the paired bootstrap over examples.

    Bisani and Ney, "Bootstrap estimates for confidence intervals in ASR performance
    evaluation", ICASSP 2004.

    Args:
      errors: [n], of each example by the one system.
      others: [n], of the same examples by the other.
      resamples: how many times n examples are drawn, with replacement.
      seed: origin of what is drawn.

    Returns:
      The share of resamples in which the one makes no fewer errors than the other.
    """
    gain = np.asarray(others, np.float64) - np.asarray(errors, np.float64)
    random = np.random.default_rng(seed)
    drawn = (
        gain[random.integers(len(gain), size=len(gain))].sum() for _ in range(resamples)
    )
    return sum(total <= 0 for total in drawn) / resamples
