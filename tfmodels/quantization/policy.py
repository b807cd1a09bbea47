"""Which weights get how many bits: rules by the names of layers."""

import re
from typing import Literal
from typing import NamedTuple
from typing import Self

import pydantic

from tfmodels.config import Config

Kind = Literal["linear", "table"]
"""Weights that inputs are summed with, or that tokens choose rows of."""


class ClippingRule(Config):
    """How the weights of some layers are clipped and quantized."""

    layers: str = ".*"
    """Regular expression of whole paths of layers, such as ``block1_.*``."""
    kind: Kind | None = None
    """Layers of this kind only; of any when absent."""
    keep: bool = False
    """Leaves them in floating point."""
    bits: int = pydantic.Field(default=4, ge=2, le=8)
    """Bits of a weight."""
    group_size: int | Literal["tensor"] | None = 32
    """Inputs that share a range; null for all of an output, "tensor" for all."""
    method: str = "newton"
    """How ranges are found: a key of `tfmodels.quantization.ranges.METHODS`."""
    zero_point: Literal["real", "integer", "symmetric"] = "real"
    """Where 0 lies: anywhere, on a level, or on the level in the middle."""
    calibration: Literal["ranges", "compensation"] | None = None
    """What a linear layer's inputs on examples decide: `ranges`, where a weight counts
    as much as the mean square of its input; `compensation`, what later weights make up
    for (GPTQ). Nothing when absent."""

    @pydantic.field_validator("layers")
    @classmethod
    def _is_an_expression(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(
                f"this is no regular expression: {error}. Expected one such as"
                f" 'block1_.*'. Received {pattern!r}."
            ) from None
        return pattern

    @pydantic.model_validator(mode="after")
    def _can_be_calibrated(self) -> Self:
        whole = self.calibration == "compensation" and self.group_size == "tensor"
        if self.calibration is not None and (whole or self.kind == "table"):
            raise ValueError(
                "calibration: a table has no inputs, and a range of the whole tensor"
                " cannot wait for compensated weights. Expected kind: linear, and for"
                " compensation a group_size of inputs or null. Received kind:"
                f" {self.kind}, calibration: {self.calibration}, group_size:"
                f" {self.group_size}."
            )
        return self


class Policy(NamedTuple):
    """Rules, of which the first that fits a layer holds."""

    rules: tuple[ClippingRule, ...]

    def rule(self, path: str, kind: Kind) -> ClippingRule | None:
        """The rule for a layer; none where it stays in floating point."""
        for rule in self.rules:
            if rule.kind in (None, kind) and re.fullmatch(rule.layers, path):
                return None if rule.keep else rule
        return None


# Four bits for the head cost a model of 260,000 weights 0.19 of perplexity.
HEADS = r"(.*/)?(output|head|lm_head|logits|predictions|softmax)"
"""Paths of weights that score answers."""


def default_policy(bits: int = 4, rules: tuple[ClippingRule, ...] = ()) -> Policy:
    """Some rules, then: tables and the head in 8 bits, all other weights in `bits`.

    Args:
      bits: of a weight of a linear layer.
      rules: asked first.
    """
    return Policy(
        (
            *rules,
            ClippingRule(kind="table", bits=8, group_size=None),
            ClippingRule(layers=HEADS, bits=8, group_size=None),
            ClippingRule(bits=bits),
        )
    )


class AdapterConfig(Config):
    """Packed weights that do not learn, and small matrices beside them that do (LoRA,
    arXiv 2106.09685; over packed weights, arXiv 2305.14314)."""

    rank: pydantic.PositiveInt = 8
    """Width of an adapter."""
    alpha: float = pydantic.Field(default=16.0, gt=0)
    """What an adapter finds is multiplied by this over `rank`."""
    layers: str = ".*"
    """Regular expression of whole paths of linear layers that get one."""
    bits: int = pydantic.Field(default=4, ge=2, le=8)
    """Of a packed weight of a linear layer that no rule is about."""
    clipping: tuple[ClippingRule, ...] = ()
    """Rules for packing, as in `export.clipping`, of weights alone."""

    @pydantic.field_validator("clipping")
    @classmethod
    def _needs_no_data(
        cls, rules: tuple[ClippingRule, ...]
    ) -> tuple[ClippingRule, ...]:
        if any(rule.calibration is not None for rule in rules):
            raise ValueError(
                "weights below adapters are packed without data. Expected rules without"
                " calibration. Received one with it."
            )
        return rules

    @pydantic.field_validator("layers")
    @classmethod
    def _is_an_expression(cls, pattern: str) -> str:
        return ClippingRule(layers=pattern).layers
