"""What clipping and rounding did to the weights of each layer: numbers and pictures."""

import json
import math
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from export.optimal_clipping.answers import Answers
from export.optimal_clipping.answers import summary
from tfmodels.config import Config
from tfmodels.quantization.grid import Quantized
from tfmodels.quantization.groups import num_steps
from tfmodels.quantization.groups import spread
from tfmodels.quantization.layers import PackedWeights
from tfmodels.quantization.packing import packed_width
from tfmodels.quantization.packing import stored_bits
from tfmodels.quantization.policy import ClippingRule
from tfmodels.quantization.ranges import Ranges

_BINS = 64
_MOST = 24
_COLUMNS = 4


class LayerFigures(Config):
    """What became of the weights of one layer."""

    path: str
    """Of the layer."""
    rows: int
    """Outputs, or tokens."""
    width: int
    """Weights of each."""
    rule: ClippingRule
    """What was applied."""
    low: float
    """Mean lower bound of a group."""
    high: float
    """Mean upper bound of a group."""
    clipped: float
    """Share of weights outside of the range of their group."""
    clipping_noise: float
    """Mean square of what clipping took away."""
    rounding_noise: float
    """The mean square expected of rounding: a twelfth of the step's."""
    error: float
    """Mean square of all that has changed."""
    power: float
    """Mean square of the weights."""
    sqnr: float | None
    """Power of the weights over that of the error, decibels; null without error."""
    float_bytes: int
    """Size of the weights in float32."""
    packed_bytes: int
    """Size of codes, scales and offsets."""
    first: float
    """Left edge of the histogram: the smallest weight."""
    last: float
    """Its right edge: the largest."""
    counts: tuple[int, ...]
    """Weights in each of its bins."""


def figures_of(
    path: str,
    rule: ClippingRule,
    rows: np.ndarray,
    ranges: Ranges,
    quantized: Quantized,
) -> LayerFigures:
    """Compares the weights of a layer, float32 [R, n], with their codes."""
    exact = rows.astype(np.float64)
    count, width = rows.shape
    low = spread(ranges.low, width, quantized.group_size)
    high = spread(ranges.high, width, quantized.group_size)
    cut = exact - np.clip(exact, low, high)
    error = float(np.square(exact - quantized.dequantize()).mean())
    power = float(np.square(exact).mean())
    steps = (high.astype(np.float64) - low) / num_steps(rule.bits)
    counts, edges = np.histogram(exact, _BINS)
    return LayerFigures(
        path=path,
        rows=count,
        width=width,
        rule=rule,
        low=float(ranges.low.mean(dtype=np.float64)),
        high=float(ranges.high.mean(dtype=np.float64)),
        clipped=float((cut != 0).mean()),
        clipping_noise=float(np.square(cut).mean()),
        rounding_noise=float(np.square(steps).mean() / 12),
        error=error,
        power=power,
        sqnr=10 * float(np.log10(power / error)) if error and power else None,
        float_bytes=rows.size * 4,
        packed_bytes=size_of(quantized),
        first=float(edges[0]),
        last=float(edges[-1]),
        counts=tuple(counts.tolist()),
    )


def size_of(quantized: Quantized) -> int:
    """Bytes of packed codes, and of scales and offsets in float32."""
    count, width = quantized.codes.shape
    codes = count * packed_width(width, stored_bits(quantized.bits))
    return codes + 2 * 4 * quantized.scale.size


def table(layers: Sequence[LayerFigures]) -> str:
    """A line for each layer, and one for the sizes of all."""
    width = max([5, *(len(layer.path) for layer in layers)])
    lines = [
        f"{'layer':{width}} bits group method            low     high  clipped"
        "   clipping   rounding      error   SQNR dB      bytes"
    ]
    for layer in layers:
        rule = layer.rule
        sqnr = "exact" if layer.sqnr is None else f"{layer.sqnr:.2f}"
        lines.append(
            f"{layer.path:{width}} {rule.bits:4} {rule.group_size or 'row':>5}"
            f" {rule.method:12} {layer.low:8.4f} {layer.high:8.4f}"
            f" {layer.clipped:8.3%} {layer.clipping_noise:10.3e}"
            f" {layer.rounding_noise:10.3e} {layer.error:10.3e} {sqnr:>9}"
            f" {layer.packed_bytes:10,}"
        )
    before = sum(layer.float_bytes for layer in layers)
    after = sum(layer.packed_bytes for layer in layers)
    lines.append(f"{len(layers)} layers: {before:,} bytes in float32, {after:,} packed")
    return "\n".join(lines) + "\n"


def picture(layers: Sequence[LayerFigures]) -> Figure:
    """Histograms of weights with their mean range drawn in.

    Of many layers the 24 that lost most are shown, by SQNR.
    """
    shown = sorted(layers, key=lambda x: np.inf if x.sqnr is None else x.sqnr)[:_MOST]
    rows = max(1, -(-len(shown) // _COLUMNS))
    figure = Figure(figsize=(3.2 * _COLUMNS, 2.2 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    for number, layer in enumerate(shown, 1):
        axes = figure.add_subplot(rows, _COLUMNS, number)
        edges = np.linspace(layer.first, layer.last, len(layer.counts) + 1)
        axes.stairs(layer.counts, edges, fill=True)
        axes.axvspan(layer.low, layer.high, color="tab:green", alpha=0.15)
        for bound in (layer.low, layer.high):
            axes.axvline(bound, color="tab:red", linewidth=1)
        axes.set_yscale("symlog")
        axes.set_title(f"{layer.path}, {layer.rule.bits} bits", fontsize=7)
        axes.tick_params(labelsize=6)
    return figure


class KeptWeights(Config):
    """A variable that stays in floating point."""

    path: str
    shape: tuple[int, ...]
    num_bytes: int


def kept_of(model: keras.Model) -> list[KeptWeights]:
    """What of a model's weights is not packed, the largest first."""
    packed = {
        id(variable)
        for layer in model._flatten_layers()
        if isinstance(layer, PackedWeights)
        for variable in (layer.packed, layer.scale, layer.offset)
    }
    found = [
        KeptWeights(
            path=variable.path,
            shape=tuple(variable.shape),
            num_bytes=math.prod(variable.shape) * np.dtype(variable.dtype).itemsize,
        )
        for variable in model.weights
        if id(variable) not in packed
    ]
    return sorted(found, key=lambda kept: -kept.num_bytes)


def _kept_table(kept: Sequence[KeptWeights]) -> str:
    total = sum(each.num_bytes for each in kept)
    lines = [f"in floating point: {len(kept)} variables, {total:,} bytes"]
    lines += [f"  {each.path} {list(each.shape)}" for each in kept]
    return "\n".join(lines) + "\n"


def write_figures(
    layers: Sequence[LayerFigures],
    folder: Path,
    kept: Sequence[KeptWeights] = (),
    answers: Answers | None = None,
) -> None:
    """Writes ``clipping.json``, ``clipping.txt`` and ``clipping.png``.

    Args:
      layers: what was clipped.
      folder: where to.
      kept: what stays in floating point.
      answers: how answers differ, if they were compared.
    """
    values = {
        "layers": [layer.plain() for layer in layers],
        "kept": [each.plain() for each in kept],
        "answers": None if answers is None else answers.plain(),
    }
    (folder / "clipping.json").write_text(json.dumps(values, indent=1) + "\n")
    parts = [table(layers), *([_kept_table(kept)] if kept else [])]
    parts += [] if answers is None else [summary(answers)]
    (folder / "clipping.txt").write_text("\n".join(parts))
    picture(layers).savefig(folder / "clipping.png", dpi=80)
