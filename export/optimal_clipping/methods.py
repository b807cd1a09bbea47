"""Methods compared: what each does to a model's weights and answers, by bits."""

import json
from collections.abc import Mapping
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any
from typing import NamedTuple

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from export.optimal_clipping.answers import Comparison
from export.optimal_clipping.calibration import Calibration
from export.optimal_clipping.examples import examples
from export.optimal_clipping.figures import LayerFigures
from export.optimal_clipping.walking import round_model
from tfmodels.config import Config
from tfmodels.config import similar
from tfmodels.errors import ConfigError
from tfmodels.quantization.groups import GroupSize
from tfmodels.quantization.policy import HEADS
from tfmodels.quantization.policy import ClippingRule
from tfmodels.quantization.policy import Policy
from trainers.runs import load_run
from trainers.tasks.models import build_model


class Method(NamedTuple):
    """A way from weights to codes."""

    ranges: str
    """A key of `tfmodels.quantization.ranges.METHODS`."""
    zero_point: Any = "real"
    calibration: Any = None


COMPARED: Mapping[str, Method] = {
    "symmetric_minmax": Method("symmetric_minmax", "symmetric"),
    "octav": Method("octav", "symmetric"),
    "grid_symmetric": Method("grid_symmetric", "symmetric"),
    "minmax": Method("minmax"),
    "grid": Method("grid"),
    "newton_integer": Method("newton", "integer"),
    "newton": Method("newton"),
    "als_multistart": Method("als_multistart"),
    "grid_2d": Method("grid_2d"),
    "newton_weighted": Method("newton", calibration="ranges"),
    "minmax_compensated": Method("minmax", calibration="compensation"),
    "newton_compensated": Method("newton", calibration="compensation"),
}
"""Methods by name; the last three look at the run's examples."""


class Cell(Config):
    """One method at one size of codes and groups."""

    method: str
    bits: int
    group_size: GroupSize
    sqnr: float
    """Power of all weights over that of all errors, decibels."""
    divergence: float | None
    """See `export.optimal_clipping.answers.Answers`."""
    figures: dict[str, float]
    """Of the task."""


class Table(Config):
    """Figures of a run, in floating point and by method."""

    split: str
    weight: float | None
    floating: dict[str, float]
    cells: tuple[Cell, ...]


def compare_methods(
    workdir: Path,
    methods: Sequence[str],
    sizes: Sequence[tuple[int, GroupSize]],
    overrides: Sequence[str] = (),
) -> Table:
    """Rounds the linear weights of a run's newest checkpoint in many ways.

    Tables and the head stay in floating point. Answers are those of the whole held-out
    split.

    Args:
      workdir: of the run.
      methods: keys of `COMPARED`; all when empty.
      sizes: bits of codes, and inputs that share a range, None for all of an output,
        ``tensor`` for all weights of a layer.
      overrides: changes to the run's configuration.

    Raises:
      ConfigError: there is no such method, it cannot have such groups, or there is
        nothing to compare.
      DataError: the run cannot be read.
    """
    for name in methods:
        if name not in COMPARED:
            raise ConfigError(
                f"there is no method {name!r}.{similar(name, COMPARED)} Expected"
                f" --method to be one of {', '.join(COMPARED)}. Received {name!r}."
            )
    names = [*methods] or [*COMPARED]
    policies = {
        (name, size): _policy(COMPARED[name], *size) for size in sizes for name in names
    }
    run = load_run(workdir, overrides)
    before, after = (build_model(run.experiment.model, "float32") for _ in range(2))
    weights = run.model.get_weights()
    before.set_weights(weights)
    comparison = Comparison(run.task, before, after, 2**31)
    batches: list[dict[str, Any]] = []
    if any(COMPARED[name].calibration for name in names):
        batches = examples(run.experiment, run.task, before)
    calibration = Calibration(partial(run.task.outputs, after, training=False), batches)
    cells = []
    answers = comparison()
    if answers is None:
        raise ConfigError(
            "there is nothing to compare answers on. Expected data.test or"
            " data.validation. Received data with the training split only."
        )
    split, weight, floating = answers.split, answers.weight, answers.before
    for (name, (bits, group_size)), policy in policies.items():
        after.set_weights(weights)
        layers = round_model(after, policy, calibration)
        answers = comparison() or answers
        cell = Cell(
            method=name,
            bits=bits,
            group_size=group_size,
            sqnr=_sqnr(layers),
            divergence=answers.divergence,
            figures=answers.after,
        )
        cells.append(cell)
    return Table(split=split, weight=weight, floating=floating, cells=tuple(cells))


def _policy(method: Method, bits: int, group_size: GroupSize) -> Policy:
    rule = ClippingRule.parse(
        {
            "kind": "linear",
            "bits": bits,
            "group_size": group_size,
            "method": method.ranges,
            "zero_point": method.zero_point,
            "calibration": method.calibration,
        }
    )
    keep = ClippingRule(layers=HEADS, keep=True), ClippingRule(kind="table", keep=True)
    return Policy((*keep, rule))


def _sqnr(layers: Sequence[LayerFigures]) -> float:
    error = sum(layer.error * layer.rows * layer.width for layer in layers)
    power = sum(layer.power * layer.rows * layer.width for layer in layers)
    return float(10 * np.log10(power / error)) if error else np.inf


def _sizes(table: Table) -> list[tuple[int, GroupSize]]:
    return list(dict.fromkeys((cell.bits, cell.group_size) for cell in table.cells))


def _label(bits: int, group_size: GroupSize) -> str:
    names: dict[GroupSize, str] = {None: "rows", "tensor": "layers"}
    return f"{bits} bits, {names.get(group_size, f'groups of {group_size}')}"


def text(table: Table, figure: str) -> str:
    """A line for each method, a pair of columns for each size: a figure, and SQNR.

    Args:
      table: of `compare_methods`.
      figure: a name in `Cell.figures`.

    Raises:
      ConfigError: there is no such figure.
    """
    if figure not in table.floating:
        raise ConfigError(
            f"there is no figure {figure!r}.{similar(figure, table.floating)} Expected"
            f" --figure to be one of {', '.join(table.floating)}. Received {figure!r}."
        )
    sizes = _sizes(table)
    found = {(c.method, c.bits, c.group_size): c for c in table.cells}
    methods = list(dict.fromkeys(cell.method for cell in table.cells))
    lines = [
        f"{figure} on {table.split}, and SQNR of the weights in dB; in floating point"
        f" {table.floating[figure]:.4f}",
        f"{'':20}" + "".join(f"{_label(*size):>24}" for size in sizes),
    ]
    for method in methods:
        cells = [found[method, *size] for size in sizes]
        lines.append(
            f"{method:20}"
            + "".join(f"{c.figures[figure]:15.4f} {c.sqnr:8.2f}" for c in cells)
        )
    return "\n".join(lines) + "\n"


def picture(table: Table, figure: str) -> Figure:
    """A figure by method, a line for each size of codes and groups."""
    drawing = Figure(figsize=(9, 5), layout="constrained")
    FigureCanvasAgg(drawing)
    axes = drawing.add_subplot()
    for size in _sizes(table):
        cells = [c for c in table.cells if (c.bits, c.group_size) == size]
        values = [cell.figures[figure] for cell in cells]
        axes.plot([c.method for c in cells], values, "o-", label=_label(*size))
    axes.axhline(table.floating[figure], color="black", label="floating point")
    axes.set_yscale("log")
    axes.set_ylabel(f"{table.split}/{figure}")
    axes.tick_params(axis="x", rotation=60)
    axes.legend()
    return drawing


def write(table: Table, figure: str, folder: Path) -> str:
    """Writes ``methods.json``, ``.txt`` and ``.png``; returns the text."""
    shown = text(table, figure)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "methods.json").write_text(json.dumps(table.plain(), indent=1) + "\n")
    (folder / "methods.txt").write_text(shown)
    picture(table, figure).savefig(folder / "methods.png", dpi=80)
    return shown
