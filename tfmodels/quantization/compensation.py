"""Codes whose errors the weights that come after make up for, on optimal ranges.

Source: GPTQ, arXiv 2210.17323, section 3.3; its grid is min-max, this one is not.
"""

import numpy as np

from tfmodels.errors import DataError
from tfmodels.quantization.grid import Quantized
from tfmodels.quantization.grid import ZeroPoint
from tfmodels.quantization.grid import quantize
from tfmodels.quantization.groups import check_weights
from tfmodels.quantization.groups import num_steps
from tfmodels.quantization.ranges import solve


def compensate(
    weights: np.ndarray,
    moments: np.ndarray,
    bits: int,
    method: str = "newton",
    group_size: int | None = None,
    zero_point: ZeroPoint = "real",
    damping: float = 0.01,
) -> Quantized:
    """Quantizes columns from the left; those to the right take over each one's error.

    The range of a group is solved when its first column is reached, of weights that
    have taken over all errors before.

    Args:
      weights: float [R, n], a row for each output.
      moments: E[x x^T] of the inputs x, float [n, n].
      bits: of a code.
      method: a key of `tfmodels.quantization.ranges.METHODS`.
      group_size: inputs that share a range, or None for all.
      zero_point: where 0 lies.
      damping: share of the mean of H's diagonal that is added to it.

    Returns:
      The codes of all weights.

    Raises:
      ConfigError: there is no such method, group or number of bits.
      DataError: the moments are of other inputs, not finite, or negative.
    """
    count, width = weights.shape
    factor = _factor(moments, width, damping)
    steps = num_steps(bits)
    current = weights.astype(np.float64)
    codes = np.empty(weights.shape, np.uint8)
    scales, offsets = [], []
    size = width if group_size is None else group_size
    for start in range(0, width, size):
        end = min(start + size, width)
        part = current[:, start:end].copy()
        low, high = solve(part, bits, method)
        grid = quantize(part, low, high, bits, zero_point)
        scale, offset = (
            value[:, 0].astype(np.float64) for value in (grid.scale, grid.offset)
        )
        errors = np.empty((count, end - start))
        for column in range(end - start):
            place = start + column
            exact = part[:, column]
            found = np.clip(np.rint((exact - offset) / scale), 0, steps)
            codes[:, place] = found
            error = (exact - offset - scale * found) / factor[place, place]
            part[:, column + 1 :] -= np.outer(error, factor[place, place + 1 : end])
            errors[:, column] = error
        current[:, end:] -= errors @ factor[start:end, end:]
        scales.append(grid.scale)
        offsets.append(grid.offset)
    scale, offset = np.concatenate(scales, axis=1), np.concatenate(offsets, axis=1)
    return Quantized(codes, scale, offset, bits, group_size)


def _factor(moments: np.ndarray, width: int, damping: float) -> np.ndarray:
    """U, upper triangular, of ``H^-1 = U^T U``; float64 [n, n]."""
    if moments.shape != (width, width):
        raise DataError(
            "the moments are not of these inputs. Expected an array of shape"
            f" {[width, width]}. Received {list(moments.shape)}."
        )
    check_weights(moments, "moments")
    hessian = 2 * moments.astype(np.float64)
    diagonal = np.diag(hessian)
    if diagonal.min() < 0:
        raise DataError(
            "the moments are no means of squares. Expected none below 0 on the"
            f" diagonal. Received {diagonal.min()}."
        )
    # Where no input was ever anything but 0, any curvature will do.
    mean = diagonal.mean() or 1.0
    hessian = hessian + damping * mean * np.eye(width)
    lower: np.ndarray = np.linalg.cholesky(np.linalg.inv(hessian))
    return lower.T
