"""Configuration of searches: how long answers may be, and which are the best."""

from typing import Literal
from typing import Self

import pydantic

from tfmodels.config import Config


class LengthConfig(Config):
    """Where an answer is cut that does not end by itself."""

    max_length_factor: float = pydantic.Field(default=2.0, ge=0)
    """Most tokens of the answer for each one of the source."""
    max_length_extra: int = pydantic.Field(default=8, ge=1)
    """Tokens that the answer may have besides."""


class BeamSearchConfig(LengthConfig):
    """How wide a search looks, and what it takes for the better of two sequences."""

    beam_width: int = pydantic.Field(default=8, ge=1)
    """Sequences that go on side by side; 1 always takes the likeliest token."""
    n_best: int = pydantic.Field(default=1, ge=1)
    """Sequences that are returned of each example, `beam_width` at most."""
    length_penalty: float = pydantic.Field(default=0.2, ge=0)
    """Alpha: 0 compares sums of log-probabilities, larger values favour length."""
    coverage_penalty: float = pydantic.Field(default=0.2, ge=0)
    """Beta, the price of source tokens that got little attention; 0 ignores it."""
    pruning_margin: float | None = pydantic.Field(default=3.0, gt=0)
    """Nats: tokens that are less likely than the best by more are not tried, nor are
    sequences kept whose score is lower than the best by more; null keeps all."""
    end_margin: float | None = pydantic.Field(default=None, ge=0)
    """Nats: a sequence may end only where its end is no less likely than its best next
    token by more; null lets it end anywhere."""
    token_reward: float = pydantic.Field(default=0.0, ge=0)
    """Gamma, nats that each token adds to a sequence's log-probability: language models
    make sequences short."""
    formula: Literal["paper", "lingvo"] = "paper"
    """Whose constants the two penalties have."""
    length_ratio: float = pydantic.Field(default=1.0, gt=0)
    """Target tokens for each source token, which formula `lingvo` expects."""

    @pydantic.model_validator(mode="after")
    def _check_n_best(self) -> Self:
        if self.n_best > self.beam_width:
            raise ValueError(
                "more sequences are wanted than are looked at. Expected n_best to be at"
                f" most beam_width: {self.beam_width}. Received n_best: {self.n_best}."
            )
        return self
