"""The exponentiated payoff over numbers of edits: tables in float64, NumPy alone.

US 2019/0188566 A1; Norouzi et al., 2016 (arXiv 1609.00150), equation 4 and section 2.2;
units of the temperature as in the first author's published reference function.
"""

import functools
import math
from typing import Literal
from typing import NamedTuple

import numpy as np

from tfmodels.errors import ConfigError

Edits = Literal["hamming", "edit"]
"""Replacements alone, or insertions and deletions as well."""
Units = Literal["author", "literal"]
"""What a temperature is divided into: (1 + ln choices) for each edit, or 1."""
MaxEdits = Literal["2m", "author"] | int
"""Most edits of m tokens: 2 m, m - 1, or a number that 2 m is cut off at."""


class Payoff(NamedTuple):
    """Which distribution over outputs: reward, temperature, tokens."""

    edits: Edits
    """The reward: minus the Hamming distance, or minus the edit distance."""
    num_tokens: int
    """Different ordinary tokens, v; at least 2."""
    tau: float
    """Temperature, above 0."""
    units: Units = "author"
    """Units of `tau`. In those of the author the same value is far milder for a large
    vocabulary, and published values (0.6 to 1) are in them."""
    max_edits: MaxEdits = "2m"
    """Where the distribution ends; it would diverge without, section 3.4 there."""

    @property
    def choices(self) -> int:
        """Outputs that a single edit of a given place can lead to."""
        return self.num_tokens - (self.edits == "hamming")

    @property
    def cost(self) -> float:
        """What every edit takes off the log probability of an output, nats."""
        return edit_cost(self.choices, self.tau, self.units)


def edit_cost(choices: int, tau: float, units: Units) -> float:
    """Nats that an edit takes off the log probability of an output.

    ``1 / tau`` literally, ``(1 + ln choices) / tau`` in the author's units: the literal
    formula at ``tau / (1 + ln choices)``.
    """
    return (1 + math.log(choices) if units == "author" else 1.0) / tau


def most_edits(length: int, edits: Edits, rule: MaxEdits) -> int:
    """The largest number of edits of an output of `length` ordinary tokens."""
    if rule == "author":
        most = max(length - 1, 0)
    else:
        most = 2 * length if rule == "2m" else min(2 * length, rule)
    return min(most, length) if edits == "hamming" else most


@functools.cache
def log_factorials(size: int) -> np.ndarray:
    """ln n!, float64 [size], for n from 0."""
    return np.array([math.lgamma(n + 1) for n in range(size)])


def _log_choose(n: np.ndarray, k: np.ndarray) -> np.ndarray:
    """ln C(n, k), -inf where there is none."""
    table = log_factorials(int(np.max(n)) + 1)
    possible = (k >= 0) & (k <= n)
    n, k = np.where(possible, n, 0), np.where(possible, k, 0)
    return np.where(possible, table[n] - table[k] - table[n - k], -np.inf)


@functools.cache
def log_arrangements(length: int, edits: Edits) -> np.ndarray:
    """Ways to place e edits among `length` tokens, without the choice of new tokens.

    Hamming: ``C(m, e)``. Edits: ``S(e, m) = sum_s C(m, s) C(m + e - 2s, e - s)``, of s
    replacements (by nothing: a deletion) and e - s insertions in the gaps between
    the m - s other tokens. An approximation of the number of outputs at distance e.

    Returns:
      float64 [2 m + 1], natural logs, for e from 0; -inf where there is none.
    """
    count = np.arange(2 * length + 1)[:, None]
    if edits == "hamming":
        return _log_choose(np.full_like(count, length), count)[:, 0]
    return np.logaddexp.reduce(_log_ways(length, count), axis=1)


def _log_ways(length: int, count: np.ndarray) -> np.ndarray:
    """ln C(m, s) C(m + e - 2s, e - s), float64 [E, m + 1], for e in int [E, 1]."""
    replaced = np.arange(length + 1)[None]
    ways = _log_choose(np.maximum(length + count - 2 * replaced, 0), count - replaced)
    return ways + _log_choose(np.full_like(replaced, length), replaced)


def replacement_pmf(length: int, num_edits: int) -> np.ndarray:
    """Probability that s of so many edits are replacements, float64 [m + 1]."""
    ways = _log_ways(length, np.array([[num_edits]]))[0]
    return np.exp(ways - np.logaddexp.reduce(ways))


def log_counts(payoff: Payoff, length: int) -> np.ndarray:
    """ln of the number of outputs that are taken to lie at each distance.

    ``ln S(e, m) + e ln v``; for Hamming ``ln C(m, e) + e ln (v - 1)``, which is exact.

    Returns:
      float64 [most + 1], up to the largest number of edits allowed.
    """
    most = most_edits(length, payoff.edits, payoff.max_edits)
    ways = log_arrangements(length, payoff.edits)[: most + 1]
    return ways + np.arange(most + 1) * math.log(payoff.choices)


def edit_pmf(payoff: Payoff, length: int) -> np.ndarray:
    """Probability of each number of edits, p(e), float64 [most + 1].

    Args:
      payoff: the distribution.
      length: ordinary tokens of the reference, m.

    Raises:
      ConfigError: there are not two tokens to choose from, or no temperature.
    """
    check(payoff)
    logits = log_counts(payoff, length)
    logits = logits - np.arange(len(logits)) * payoff.cost
    return np.exp(logits - np.logaddexp.reduce(logits))


def mean_edits(payoff: Payoff, length: int) -> float:
    """Expected number of edits."""
    pmf = edit_pmf(payoff, length)
    return float(pmf @ np.arange(len(pmf)))


def check(payoff: Payoff) -> None:
    """Checks that a distribution exists.

    Raises:
      ConfigError: it does not.
    """
    if payoff.num_tokens < 2 or payoff.tau <= 0:
        raise ConfigError(
            "no distribution over outputs: there must be another token to choose, and a"
            " temperature. Expected at least 2 ordinary tokens and tau above 0."
            f" Received {payoff.num_tokens} and tau: {payoff.tau}."
        )


_LEAST_TAU, _LARGEST_TAU = 1e-3, 1e3


def tau_for(payoff: Payoff, length: int, share: float) -> float:
    """The temperature at which a wanted share of the tokens is edited in the mean.

    Found by bisection: the mean grows with the temperature.

    Args:
      payoff: the distribution; its `tau` is not looked at.
      length: ordinary tokens of the reference, m.
      share: mean edits over m.

    Raises:
      ConfigError: no temperature gives that many.
    """
    low, high = _LEAST_TAU, _LARGEST_TAU
    limits = [mean_edits(payoff._replace(tau=t), length) / length for t in (low, high)]
    if not limits[0] < share < limits[1]:
        raise ConfigError(
            f"no temperature edits this share of {length} tokens. Expected a share"
            f" between {limits[0]:.3g} and {limits[1]:.3g}. Received {share}."
        )
    while high - low > 1e-9 * high:
        middle = (low + high) / 2
        edited = mean_edits(payoff._replace(tau=middle), length) / length
        low, high = (middle, high) if edited < share else (low, middle)
    return high


_ALMOST_PLAIN, _DESTROYED = 0.95, 0.6


def warnings_for(payoff: Payoff, length: int) -> list[str]:
    """What a user should know of a temperature before training with it."""
    unchanged, edited = edit_pmf(payoff, length)[0], mean_edits(payoff, length)
    setting = (
        f"at tau {payoff.tau:.4g} ({payoff.units} units), {payoff.num_tokens} tokens to"
        f" choose from and targets of {length}"
    )
    if unchanged > _ALMOST_PLAIN:
        return [
            f"{setting}, {unchanged:.1%} of the targets stay as they are: this is"
            " almost plain maximum likelihood"
        ]
    if edited > _DESTROYED * length:
        return [
            f"{setting}, {edited:.3g} tokens are edited in the mean: the targets are"
            " mostly destroyed"
        ]
    return []
