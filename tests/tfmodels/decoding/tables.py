"""Models that are tables: what follows depends on the two tokens before."""

import itertools
import math

import numpy as np
import tensorflow as tf

from export.search import Stepped
from tfmodels.decoding.config import BeamSearchConfig
from tfmodels.decoding.step import END
from tfmodels.decoding.step import START
from tfmodels.decoding.step import StepOutput


class Tables:
    """Random probabilities and attention of `batch` examples, each its own."""

    def __init__(self, batch: int, vocabulary: int = 4, source: int = 3, seed: int = 0):
        random = np.random.default_rng(seed)
        shape = [batch, vocabulary, vocabulary]
        logits = random.normal(0, 1.5, [*shape, vocabulary])
        totals = np.log(np.exp(logits).sum(-1, keepdims=True))
        self.log_probs = (logits - totals).astype(np.float32)
        self.attention = random.dirichlet([0.3] * source, shape).astype(np.float32)
        self.batch, self.vocabulary, self.source = batch, vocabulary, source

    def state(self) -> dict[str, tf.Tensor]:
        """Before the first token: the token before that is 0, in any example."""
        before = tf.zeros([self.batch], tf.int32)
        return {"before": before, "example": tf.range(self.batch)}

    def step(self, tokens: tf.Tensor, state: dict[str, tf.Tensor]) -> StepOutput:
        """The step of a search."""
        index = tf.stack([state["example"], state["before"], tokens], 1)
        return StepOutput(
            tf.gather_nd(self.log_probs, index),
            {"before": tokens, "example": state["example"]},
            tf.gather_nd(self.attention, index),
        )

    def numpy_step(self, tokens: np.ndarray, state: dict[str, np.ndarray]) -> Stepped:
        """The same for the host's loop."""
        index = state["example"], state["before"], tokens
        state = {"before": tokens, "example": state["example"]}
        return Stepped(self.log_probs[index], state, self.attention[index])

    def limits(self, length: int) -> tf.Tensor:
        """The same for all."""
        return tf.fill([self.batch], length)

    def mask(self) -> tf.Tensor:
        """Of sources without padding."""
        return tf.ones([self.batch, self.source])

    def of(self, example: int) -> "Tables":
        """One example alone."""
        alone = Tables(1, self.vocabulary, self.source)
        alone.log_probs = self.log_probs[example : example + 1]
        alone.attention = self.attention[example : example + 1]
        return alone

    def follow(self, example: int, ids: list[int]) -> tuple[float, np.ndarray]:
        """``log P`` and summed attention of a sequence."""
        before, token, total, coverage = 0, START, 0.0, np.zeros(self.source)
        for following in ids:
            total += float(self.log_probs[example, before, token, following])
            coverage = coverage + self.attention[example, before, token]
            before, token = token, following
        return total, coverage

    def ranked(
        self, example: int, length: int, config: BeamSearchConfig
    ) -> list[tuple[float, list[int]]]:
        """All sequences of at most `length` tokens that end, best first."""
        others = [token for token in range(self.vocabulary) if token != END]
        scored = []
        for inner in range(length):
            for start in itertools.product(others, repeat=inner):
                ids = [*start, END]
                log_prob, coverage = self.follow(example, ids)
                penalty = ((5 + len(ids)) / 6) ** config.length_penalty
                covered = sum(math.log(min(max(c, 1e-3), 1.0)) for c in coverage)
                score = log_prob / penalty + config.coverage_penalty * covered
                scored.append((score, ids))
        return sorted(scored, reverse=True)
