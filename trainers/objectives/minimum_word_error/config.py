"""Configuration of minimum word error rate training."""

from typing import Literal
from typing import Self

import pydantic

from tfmodels.decoding.config import LengthConfig

RISKS = ("words", "normalized_words", "characters")


class MinimumWordErrorConfig(LengthConfig):
    """Errors that a model's own answers are expected to have, and some cross entropy.

    Prabhavalkar et al., ICASSP 2018 (arXiv 1712.01818); US 11922932 B2. For the last
    stage, after cross entropy, at a small learning rate.
    """

    kind: Literal["minimum_word_error"] = "minimum_word_error"
    answers: Literal["n_best", "samples"] = "n_best"
    """Whether the answers are the best that a beam search finds, with probabilities
    that add up to 1 over these, or are drawn."""
    num_answers: int = pydantic.Field(default=4, ge=1)
    """N, and the width of the beam."""
    cross_entropy_weight: float = pydantic.Field(default=0.01, ge=0)
    """Lambda: weight of the cross entropy, summed over an utterance's units."""
    risk: str = "words"
    """What an answer costs: wrong ``words``; ``normalized_words``, for each word of the
    reference; ``characters``; or a function of the user's by its dotted path, which
    takes answers int32 [n, T], references int32 [n, U] and the `WordTable`, and returns
    float32 [n]."""
    word_weights: dict[str, float] = {}
    """Words whose errors cost more or less than 1, with the risks of words."""
    baseline: Literal["mean", "leave_one_out", "none"] = "mean"
    """What is taken off the cost of a drawn answer: the mean of all, as published,
    which makes the gradient (N - 1) / N of what it should be; the mean of the others;
    nothing. Of n-best lists none alters the gradient."""
    unbiased_mean: bool = False
    """Multiply by N / (N - 1) what the baseline ``mean`` makes too small."""
    posterior_scale: float = pydantic.Field(default=1.0, gt=0)
    """Beta, exponent of probabilities before they are made to add up to 1 over a list;
    below 1, long utterances too have more than one answer that counts."""
    search_scale: float = pydantic.Field(default=1.0, gt=0)
    """Exponent of the probabilities in the search: softmax smoothing."""
    language_weight: float = pydantic.Field(default=0.0, ge=0)
    """Weight of the task's language model, in the search and over the list."""

    @pydantic.model_validator(mode="after")
    def _parts_fit(self) -> Self:
        drawn = self.answers == "samples"
        lists_only = {
            "posterior_scale": self.posterior_scale != 1,
            "search_scale": self.search_scale != 1,
            "language_weight": self.language_weight != 0,
        }
        for name, is_set in lists_only.items():
            if drawn and is_set:
                raise ValueError(
                    f"{name} belongs to lists. Expected answers: n_best. Received"
                    f" answers: samples with {name}: {getattr(self, name)}."
                )
        if drawn and self.num_answers == 1 and self.baseline != "none":
            raise ValueError(
                "one drawn answer has nothing to be compared with. Expected num_answers"
                " of at least 2, or baseline: none. Received num_answers: 1 with"
                f" baseline: {self.baseline}."
            )
        if self.unbiased_mean and (not drawn or self.baseline != "mean"):
            raise ValueError(
                "only the mean of drawn answers makes the gradient too small. Expected"
                " answers: samples with baseline: mean. Received unbiased_mean: true"
                f" with answers: {self.answers} and baseline: {self.baseline}."
            )
        if self.word_weights and self.risk not in ("words", "normalized_words"):
            raise ValueError(
                "word_weights belong to words. Expected risk: words or"
                f" normalized_words. Received risk: {self.risk}."
            )
        if min(self.word_weights.values(), default=0.0) < 0:
            raise ValueError(
                "an error cannot be worth less than nothing. Expected word_weights of 0"
                f" or more. Received word_weights: {self.word_weights}."
            )
        return self
