"""Real values as the integers of a quantized tensor, and back."""

from collections.abc import Mapping
from typing import Any

import numpy as np


def quantize(values: np.ndarray, detail: Mapping[str, Any]) -> np.ndarray:
    """Real values as a tensor's integers: ``round(x / scale) + zero_point``, saturated.

    Args:
      values: float32 of any shape; other types pass unchanged.
      detail: the tensor's description by LiteRT; a scale of 0 means not quantized.
    """
    scale, zero_point = detail["quantization"]
    if not scale or not np.issubdtype(values.dtype, np.floating):
        return values
    limits = np.iinfo(detail["dtype"])
    integers = np.round(values / scale) + zero_point
    return np.clip(integers, limits.min, limits.max).astype(detail["dtype"])


def dequantize(values: np.ndarray, detail: Mapping[str, Any]) -> np.ndarray:
    """A tensor's integers as real values, float32: ``(q - zero_point) * scale``."""
    scale, zero_point = detail["quantization"]
    if not scale:
        return values
    return ((values.astype(np.float32) - zero_point) * scale).astype(np.float32)
