"""Which weights of a model a policy quantizes, and how they are solved and replaced."""

from collections import Counter
from typing import Any
from typing import NamedTuple

import keras
import numpy as np

from tfmodels.errors import ConfigError
from tfmodels.quantization.compensation import compensate
from tfmodels.quantization.grid import Quantized
from tfmodels.quantization.grid import quantize
from tfmodels.quantization.layers import PackedWeights
from tfmodels.quantization.layers import can_quantize
from tfmodels.quantization.layers import quantize_layer
from tfmodels.quantization.packed_model import pack_matrix
from tfmodels.quantization.policy import ClippingRule
from tfmodels.quantization.policy import Policy
from tfmodels.quantization.ranges import Ranges
from tfmodels.quantization.ranges import solve
from tfmodels.quantization.rows import matrices_of
from tfmodels.quantization.rows import only_matrix


class Target(NamedTuple):
    """Weights that are to be quantized."""

    path: str
    """Their name for rules and reports, their own among all: that of a layer of
    Keras's, or of a variable of any other layer."""
    layer: Any
    rule: ClippingRule
    name: str
    """The attribute of the layer that holds them."""


class Solved(NamedTuple):
    """The ranges and codes of a layer's weights."""

    ranges: Ranges
    quantized: Quantized


def targets(model: keras.Model, policy: Policy) -> list[Target]:
    """The weights of a model that a policy quantizes, in the order of their paths.

    They may be anywhere: in a graph, in nested models, in attention, in the model
    itself. What has two readers is one target.

    Raises:
      ConfigError: there is none.
    """
    found: list[Target] = []
    seen: Counter[str] = Counter()
    known: list[Any] = []
    for layer in model._flatten_layers():
        for name, path, table in _matrices(layer):
            held = getattr(layer, name)
            if any(held is other for other in known):
                continue
            known.append(held)
            seen[path] += 1
            if seen[path] > 1:
                path = f"{path}#{seen[path]}"
            rule = policy.rule(path, "table" if table else "linear")
            if rule is not None:
                found.append(Target(path, layer, rule, name))
    if not found:
        raise ConfigError(
            "there is nothing to quantize. Expected a built model with matrices, such"
            " as of layers Dense, Conv2D or Embedding, that the policy does not keep"
            f" and that are not packed. Received {model.name!r}; look at"
            " export.clipping."
        )
    return sorted(found, key=lambda target: target.path)


def _matrices(layer: Any) -> list[tuple[str, str, bool]]:
    """Attribute and path of what can be packed in a layer; whether it is a table."""
    if can_quantize(layer):
        name = only_matrix(layer)
        table = matrices_of(layer)[name].table
        return [(name, layer.weights[0].path.rpartition("/")[0], table)]
    # Of classes that were derived from Keras's nobody knows what they do with weights.
    own = getattr(layer, "matrices", {}) if layer.built else {}
    return [
        (name, getattr(layer, name).path, matrix.table)
        for name, matrix in own.items()
        if isinstance(getattr(layer, name, None), keras.Variable)
    ]


def solve_rows(
    rows: np.ndarray,
    rule: ClippingRule,
    name: str,
    moments: np.ndarray | None = None,
) -> Solved:
    """Ranges and codes of weights float32 [R, n]; no row depends on the others.

    Args:
      rows: the weights.
      rule: what becomes of them.
      name: what to call them in messages.
      moments: E[x x^T] of their inputs, float64 [n, n], where the rule is calibrated.

    Raises:
      ConfigError: there is no such method.
      DataError: a weight is not finite.
    """
    bits, size = rule.bits, rule.group_size
    if rule.calibration == "compensation" and moments is not None and size != "tensor":
        # Names what is wrong with weights; the ranges are those of compensated ones.
        solve(rows, bits, "minmax", None, name=name)
        quantized = compensate(rows, moments, bits, rule.method, size, rule.zero_point)
        return Solved(Ranges(*quantized.ends()), quantized)
    importance = None if moments is None else np.diag(moments)
    ranges = solve(rows, bits, rule.method, size, importance, name)
    own = None if size == "tensor" else size
    codes = quantize(rows, ranges.low, ranges.high, bits, rule.zero_point, own)
    return Solved(ranges, codes)


def pack_target(model: keras.Model, target: Target, quantized: Quantized) -> None:
    """Puts codes in the place of a target's weights, for all that read them."""
    if can_quantize(target.layer):
        quantize_layer(target.layer, quantized)
        return
    layers = list(model._flatten_layers())
    packed: PackedWeights = pack_matrix(
        layers, target.layer, target.name, quantized.bits, quantized.group_size
    )
    packed.set_codes(quantized)
