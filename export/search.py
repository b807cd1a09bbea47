"""The beam search in NumPy alone, around one step that any runtime computes."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tfmodels.decoding.config import BeamSearchConfig

# As in `tfmodels.decoding.step`, which needs TensorFlow.
_START, _END, _LOG_ZERO = 1, 2, -1e9

State = dict[str, np.ndarray]
"""Named arrays with a row for each sequence."""


class Stepped(NamedTuple):
    """What a program says of the next token of n sequences."""

    log_probs: np.ndarray
    """float32 [n, V]."""
    state: State
    """Arrays [n, ...], for the next step."""
    attention: np.ndarray
    """float32 [n, S]; [n, 0] where a model has none."""


NumpyStep = Callable[[np.ndarray, State], Stepped]
"""Takes the tokens before, int32 [n], and the state."""


@dataclass(frozen=True, eq=False)
class Hypothesis:
    """One sequence that a search found."""

    ids: np.ndarray
    """int32 [length], the end included."""
    score: float
    """What the order is by."""
    log_prob: float
    """``log P(Y|X)``."""
    alignment: np.ndarray
    """int32 [length], the source token with most attention; empty without attention."""
    coverage: np.ndarray
    """float32 [S], attention that each source token got."""


def search(
    step: NumpyStep,
    state: State,
    limit: int,
    config: BeamSearchConfig,
    source_mask: np.ndarray | None = None,
) -> list[Hypothesis]:
    """The best sequences of one example, as `tfmodels.decoding.beam_search` finds them.

    Args:
      step: the program; it is given `beam_width` rows, whether all are of use or not.
      state: arrays [1, ...], before the first token.
      limit: most tokens of an answer, the end included.
      config: what to look for.
      source_mask: float32 [S], 1 on source tokens; None if attention does not count.

    Returns:
      At most `n_best` sequences, best first.
    """
    width = config.beam_width
    margin = math.inf if config.pruning_margin is None else config.pruning_margin
    end_margin = math.inf if config.end_margin is None else config.end_margin
    state = {name: np.repeat(x, width, axis=0) for name, x in state.items()}
    mask = np.zeros(0, np.float32) if source_mask is None else source_mask
    log_probs = np.full(width, -np.inf, np.float32)
    log_probs[0] = 0
    tokens = np.full(width, _START, np.int32)
    ids = np.zeros([width, 0], np.int32)
    alignment = np.zeros([width, 0], np.int32)
    coverage = np.zeros([width, len(mask)], np.float32)
    found: list[Hypothesis] = []
    for length in range(1, limit + 1):
        output = step(tokens, state)
        scores = np.where(output.log_probs > _LOG_ZERO / 2, output.log_probs, -np.inf)
        if length == limit:
            order = np.full([width, 1], _END)
        else:
            order = _likeliest(scores, width)
        values = np.take_along_axis(scores, order, axis=1)
        values = np.where(values >= values[:, :1] - margin, values, -np.inf)
        early = (order == _END) & (values < values[:, :1] - end_margin)
        values = np.where(early, -np.inf, values)
        sums = (log_probs[:, None] + values).ravel()
        index = np.argsort(-sums, kind="stable")[:width]
        parent, tokens = index // order.shape[1], order.ravel()[index].astype(np.int32)
        log_probs = sums[index]
        if source_mask is not None:
            coverage = coverage[parent] + output.attention[parent]
            heaviest = output.attention.argmax(axis=1).astype(np.int32)[parent]
            alignment = np.concatenate([alignment[parent], heaviest[:, None]], axis=1)
        ids = np.concatenate([ids[parent], tokens[:, None]], axis=1)
        state = {name: x[parent] for name, x in output.state.items()}
        for row in np.flatnonzero((tokens == _END) & np.isfinite(log_probs)):
            log_prob = float(log_probs[row])
            score = log_prob + config.token_reward * length
            score /= _length_penalty(length, config)
            score += _coverage_penalty(coverage[row], mask, config)
            found.append(
                Hypothesis(ids[row], score, log_prob, alignment[row], coverage[row])
            )
        found.sort(key=lambda hypothesis: -hypothesis.score)
        del found[config.n_best :]
        log_probs = np.where(tokens == _END, -np.inf, log_probs)
        highest = log_probs.max() / _length_penalty(limit, config)
        highest += config.token_reward * limit
        if _is_hopeless(highest, found, config.n_best, margin):
            break
    return [h for h in found if h.score >= found[0].score - margin]


def _likeliest(scores: np.ndarray, count: int) -> np.ndarray:
    """Tokens of the largest scores, best first; of equals, the first."""
    if count < scores.shape[1]:
        among = np.sort(np.argpartition(-scores, count, axis=1)[:, :count], axis=1)
    else:
        among = np.broadcast_to(np.arange(scores.shape[1]), scores.shape)
    values = np.take_along_axis(scores, among, axis=1)
    best = np.argsort(-values, axis=1, kind="stable")
    return np.take_along_axis(among, best, axis=1)


def _is_hopeless(
    highest: float, found: list[Hypothesis], n_best: int, margin: float
) -> bool:
    if np.isneginf(highest):
        return True
    full = len(found) == n_best
    return bool(found) and (
        highest < found[0].score - margin or (full and highest <= found[-1].score)
    )


def _length_penalty(length: int, config: BeamSearchConfig) -> float:
    divisor = 6.0 if config.formula == "paper" else 5.0
    return float(((5.0 + length) / divisor) ** config.length_penalty)


def _coverage_penalty(
    coverage: np.ndarray, mask: np.ndarray, config: BeamSearchConfig
) -> float:
    ratio, most = 1.0, 1.0
    if config.formula == "lingvo":
        ratio, most = config.length_ratio, 0.5
    logs = np.log(np.clip(coverage / ratio, 1e-3, most))
    return float(config.coverage_penalty * ratio * (logs * mask).sum())
