"""Figures of a model whose weights have fewer bits, by methods and sizes of groups."""

import json
from pathlib import Path

from tools.results.parts import tfmodels
from tools.results.recipe import Recipe


def clipped(recipe: Recipe, workdir: Path) -> dict[str, float]:
    """The metric; and what fewer bits take away, by optimal ranges and by full ones."""
    figure = recipe.metric.split("/")[1]
    usual = ["symmetric_minmax", "minmax", "newton", "newton_compensated"]
    before, more = _more(workdir, figure, "32", ["4", "3", "2"], usual)
    _, layers = _more(workdir, figure, "tensor", ["3"], ["minmax", "newton"])
    newton, minmax = (more[name, 3] for name in ("newton", "minmax"))
    return {
        recipe.metric: before,
        "more in 4 bits": more["newton", 4],
        "in 3 bits": newton,
        "over min-max's": newton / minmax,
        "over symmetric min-max's": newton / more["symmetric_minmax", 3],
        "over min-max's, compensated": more["newton_compensated", 3] / minmax,
        "2 bits, less than symmetric": more["symmetric_minmax", 2] - more["newton", 2],
        "in 3 bits, a range for each layer": layers["newton", 3],
        "over min-max's, each layer": layers["newton", 3] / layers["minmax", 3],
    }


def _more(
    workdir: Path, figure: str, size: str, bits: list[str], methods: list[str]
) -> tuple[float, dict[tuple[str, int], float]]:
    """A figure in floating point, and what each method and number of bits adds."""
    output = workdir / f"clipping_{size}"
    chosen = [part for name in methods for part in ("--method", name)]
    chosen += [part for number in bits for part in ("--bits", number)]
    options = ("--output", str(output), "--figure", figure, "--group-size", size)
    tfmodels("clipping", str(workdir), *options, *chosen)
    table = json.loads((output / "methods.json").read_text())
    before = table["floating"][figure]
    return before, {
        (cell["method"], cell["bits"]): cell["figures"][figure] - before
        for cell in table["cells"]
    }
