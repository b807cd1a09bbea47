"""Walks any Keras 3 model and quantizes it layer by layer, by the rules of a policy."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from typing import NamedTuple

import keras
import numpy as np

from export.optimal_clipping.figures import LayerFigures
from export.optimal_clipping.figures import figures_of
from export.optimal_clipping.progress import Progress
from tfmodels.errors import ConfigError
from tfmodels.quantization.attention import tell_parts
from tfmodels.quantization.grid import Quantized
from tfmodels.quantization.grid import quantize
from tfmodels.quantization.groups import spread
from tfmodels.quantization.layers import can_quantize
from tfmodels.quantization.layers import quantize_layer
from tfmodels.quantization.policy import ClippingRule
from tfmodels.quantization.policy import Policy
from tfmodels.quantization.ranges import Ranges
from tfmodels.quantization.ranges import solve
from tfmodels.quantization.rows import rows_of
from tfmodels.quantization.rows import set_rows


class Target(NamedTuple):
    """A layer whose weights are to be quantized."""

    path: str
    """Its name for rules and reports, its own among all."""
    layer: Any
    rule: ClippingRule


class Solved(NamedTuple):
    """The ranges and codes of a layer's weights."""

    ranges: Ranges
    quantized: Quantized


def targets(model: keras.Model, policy: Policy) -> list[Target]:
    """The layers of a model that a policy quantizes, in the order of its layers.

    They may be anywhere: in a graph, in nested models, in attention. A layer with two
    readers is one target.

    Raises:
      ConfigError: there is none.
    """
    found: list[Target] = []
    seen: Counter[str] = Counter()
    for layer in model._flatten_layers(include_self=False):
        if not can_quantize(layer) or any(layer is other.layer for other in found):
            continue
        path = layer.weights[0].path.rpartition("/")[0]
        seen[path] += 1
        if seen[path] > 1:
            path = f"{path}#{seen[path]}"
        table = isinstance(layer, keras.layers.Embedding)
        rule = policy.rule(path, "table" if table else "linear")
        if rule is not None:
            found.append(Target(path, layer, rule))
    if not found:
        raise ConfigError(
            "there is nothing to quantize. Expected a built model with layers Dense,"
            " EinsumDense or Embedding that the policy does not keep. Received"
            f" {model.name!r}; look at export.clipping."
        )
    return sorted(found, key=lambda target: target.path)


def solve_rows(rows: np.ndarray, rule: ClippingRule, name: str) -> Solved:
    """Ranges and codes of weights float32 [R, n].

    Raises:
      ConfigError: there is no such method.
      DataError: a weight is not finite.
    """
    ranges = solve(rows, rule.bits, rule.method, rule.group_size, name=name)
    size = None if rule.group_size == "tensor" else rule.group_size
    codes = quantize(rows, ranges.low, ranges.high, rule.bits, rule.zero_point, size)
    return Solved(ranges, codes)


def quantize_model(
    model: keras.Model, policy: Policy, folder: Path | None = None
) -> list[LayerFigures]:
    """Quantizes a model where it is, one layer at a time.

    Args:
      model: built; its layers become those of `tfmodels.quantization.layers`.
      policy: what becomes of which layer.
      folder: where finished layers are kept, so that a job that was killed goes on
        where it was; they are used again for the same weights and rule only.

    Returns:
      Figures of each quantized layer.

    Raises:
      ConfigError: nothing can be quantized, or there is no such method.
      DataError: a weight is not finite, or `folder` cannot be written to.
    """
    figures = []
    for target, rows, solved in _solved(model, policy, folder):
        quantize_layer(target.layer, solved.quantized)
        figures.append(figures_of(target.path, target.rule, rows, *solved))
    for layer in model._flatten_layers():
        tell_parts(layer)
    # Functions that Keras has traced know the weights of before.
    model.train_function = model.test_function = model.predict_function = None
    return figures


def clip_model(model: keras.Model, policy: Policy) -> list[LayerFigures]:
    """Clips a model's weights to their ranges and leaves them in floating point.

    Args, returned figures and errors are those of `quantize_model`.
    """
    figures = []
    for target, rows, solved in _solved(model, policy, None):
        size = solved.quantized.group_size
        low = spread(solved.ranges.low, rows.shape[1], size)
        high = spread(solved.ranges.high, rows.shape[1], size)
        set_rows(target.layer, np.clip(rows, low, high))
        figures.append(figures_of(target.path, target.rule, rows, *solved))
    return figures


def _solved(
    model: keras.Model, policy: Policy, folder: Path | None
) -> Iterator[tuple[Target, np.ndarray, Solved]]:
    progress = None if folder is None else Progress(folder)
    for target in targets(model, policy):
        rows = rows_of(target.layer)
        if progress is None:
            yield target, rows, solve_rows(rows, target.rule, target.path)
            continue
        key = progress.key(rows, target.rule)
        kept = progress.read(target.path, key)
        if kept is None:
            solved = solve_rows(rows, target.rule, target.path)
            progress.write(target.path, key, *solved)
        else:
            solved = Solved(*kept)
        yield target, rows, solved
