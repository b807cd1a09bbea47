"""Configuration of objectives that have no folder of their own."""

from typing import Literal

import pydantic

from tfmodels.config import Config
from tfmodels.decoding.config import LengthConfig


class CrossEntropyConfig(Config):
    """Cross entropy between labels and ``logits``, with weighted auxiliary heads."""

    kind: Literal["cross_entropy"] = "cross_entropy"
    label_smoothing: float = pydantic.Field(default=0.0, ge=0, lt=1)
    """Probability mass spread evenly over all classes."""
    auxiliary_weights: dict[str, float] = {}
    """Weight of the loss of each further output, by its name: ``aux1_logits: 0.3``; of
    speech ``variety_logits: 0.1``, which learn the variety."""


class DetectionObjectiveConfig(Config):
    """Which class every cell sees, and the box of those that see an object.

    Independent classes have the focal loss (arXiv 1708.02002), divided by the number of
    cells that are taught an object; exclusive ones cross entropy.
    """

    kind: Literal["detection"] = "detection"
    box_weight: float = pydantic.Field(default=1.0, ge=0)
    """Weight of the boxes' Huber loss."""
    focus: float = pydantic.Field(default=2.0, ge=0)
    """Gamma: how little cells count that are right already."""
    balance: float = pydantic.Field(default=0.25, gt=0, lt=1)
    """Alpha: weight of a class that is there; that of one that is not is 1 - alpha."""


class ExpectedRewardConfig(LengthConfig):
    """The GLEU that sampled answers are expected to have, mixed with likelihood."""

    kind: Literal["expected_reward"] = "expected_reward"
    samples: int = pydantic.Field(default=15, ge=2)
    """Answers drawn for each source; their mean reward is the baseline of each."""
    likelihood_weight: float = pydantic.Field(default=0.017, ge=0)
    """Weight of the right answer's log-probability (Wu et al., equation 9)."""


class SynthesisConfig(Config):
    """Errors of frames, the end, and terms that guide the model of a synthesiser.

    Z19 is Zhang et al., arXiv 1907.04448.
    """

    kind: Literal["synthesis"] = "synthesis"
    stop_weight: float = pydantic.Field(default=1.0, ge=0)
    """Weight of the cross entropy of the end."""
    stop_positive: float = pydantic.Field(default=10.0, gt=0)
    """How much the last step counts in it, each other one counting 1."""
    kl_weight: float = pydantic.Field(default=1e-4, ge=0)
    """Weight of the divergence of residuals from their prior, once it has risen."""
    kl_steps: pydantic.PositiveInt = 10_000
    """Steps in which it rises from 0."""
    classifier_weight: float = pydantic.Field(default=0.02, ge=0)
    """Weight of the adversary's cross entropy (Z19)."""
    guided_weight: float = pydantic.Field(default=0.0, ge=0)
    """Weight at first of attention far from the diagonal (arXiv 1710.08969)."""
    guided_width: float = pydantic.Field(default=0.2, gt=0)
    """How far from it attention is free, a share of the lengths."""
    monotone_weight: float = pydantic.Field(default=0.0, ge=0)
    """Weight at first of ``-log`` of the attention of all ways through the text in its
    order, which needs no times (arXiv 2108.10447)."""
    alignment_weight: float = pydantic.Field(default=0.0, ge=0)
    """Weight at first of ``-log`` of the attention to the true symbol, where the times
    of phonemes are known."""
    guidance_steps: pydantic.PositiveInt = 10_000
    """Steps in which what guides attention falls to 0."""
