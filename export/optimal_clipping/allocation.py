"""Rules that give each layer of a model the bits that suit a size budget."""

import re

import keras
import numpy as np

from export.optimal_clipping.figures import size_of
from tfmodels.quantization.allocation import allocate
from tfmodels.quantization.policy import ClippingRule
from tfmodels.quantization.policy import Policy
from tfmodels.quantization.rows import rows_of
from tfmodels.quantization.targets import solve_rows
from tfmodels.quantization.targets import targets

_CHOICES = (2, 3, 4, 8)


def within_budget(model: keras.Model, policy: Policy, budget: int) -> Policy:
    """Rules of the bits that take away most error of a model's weights.

    Args:
      model: built; it is not changed.
      policy: says which layers are quantized, and everything but their bits.
      budget: bytes for codes, scales and offsets of all of them.

    Returns:
      A rule for each layer, by its whole path; others keep their weights.

    Raises:
      ConfigError: two bits are too many for the budget, or nothing can be quantized.
      DataError: a weight is not finite.
    """
    found = targets(model, policy)
    errors, sizes = [], []
    for target in found:
        rows = rows_of(target.layer, target.name)
        of_bits, bytes_of_bits = {}, {}
        for bits in _CHOICES:
            rule = target.rule.model_copy(update={"bits": bits})
            quantized = solve_rows(rows, rule, target.path).quantized
            of_bits[bits] = float(np.square(rows - quantized.dequantize()).sum())
            bytes_of_bits[bits] = size_of(quantized)
        errors.append(of_bits)
        sizes.append(bytes_of_bits)
    rules = [
        target.rule.model_copy(
            update={"bits": bits, "layers": re.escape(target.path), "kind": None}
        )
        for target, bits in zip(found, allocate(errors, sizes, budget), strict=True)
    ]
    return Policy((*rules, ClippingRule(keep=True)))
