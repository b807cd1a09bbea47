"""Configuration of training on rounded weights."""

from typing import Literal

import pydantic

from tfmodels.config import Config
from tfmodels.quantization.policy import ClippingRule
from trainers.objectives.config import CrossEntropyConfig


class QuantizationAwareConfig(Config):
    """A plain loss of a model whose weights are rounded to codes in every step.

    Ranges are solved again from the weights of each step. Tables and the head have 8
    bits unless a rule says otherwise, as in an export by the same rules.
    """

    kind: Literal["quantization_aware"] = "quantization_aware"
    base: CrossEntropyConfig = CrossEntropyConfig()
    """The plain loss."""
    bits: int = pydantic.Field(default=4, ge=2, le=8)
    """Of a weight of a linear layer that no rule is about."""
    clipping: tuple[ClippingRule, ...] = ()
    """Rules for layers, as in `export.clipping`: the first that fits holds."""
    gradient: Literal["ste", "pwl", "mad"] = "mad"
    """Of a weight outside of its range: 1; 0; or the range's share of its distance."""

    @pydantic.field_validator("clipping")
    @classmethod
    def _are_in_graph(cls, rules: tuple[ClippingRule, ...]) -> tuple[ClippingRule, ...]:
        for rule in rules:
            own = rule.method, rule.zero_point, rule.calibration
            if not rule.keep and (
                own != ("newton", "real", None) or rule.group_size == "tensor"
            ):
                raise ValueError(
                    "training solves ranges of groups or rows in one way. Expected"
                    " method: newton, zero_point: real, no calibration, and group_size:"
                    f" a number or null. Received {rule.plain()}."
                )
        return rules
