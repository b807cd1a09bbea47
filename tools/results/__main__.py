"""``make results``: trains every tiny configuration, measures, writes docs/RESULTS.md.

Each part leaves a JSON file in docs/results/; the page is drawn from all of them, so
that one part can be run anew without the others:

    python -m tools.results googlenet/tiny training_loop
"""

import json
import sys
from collections.abc import Callable
from datetime import UTC
from datetime import datetime
from functools import partial
from typing import Any

from tfmodels.errors import ConfigError
from tools.benchmark import BENCHMARKS
from tools.benchmark.timing import machine
from tools.results.figures import needed_by
from tools.results.page import page
from tools.results.parts import PARTS
from tools.results.parts import ROOT
from tools.results.parts import RUNS
from tools.results.parts import part_file
from tools.results.parts import runs_folder
from tools.results.parts import tfmodels
from tools.results.recipes import RECIPES
from tools.results.training import train


def main(names: list[str]) -> None:
    """Runs the named parts, or all of them, and rewrites the page.

    A benchmark that needs what is not there, such as PyTorch to compare with, says so
    and keeps its old figures.
    """
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        **{recipe.name: partial(train, recipe) for recipe in RECIPES},
        **{name: partial(measure, name) for name in BENCHMARKS},
    }
    unknown = set(names) - set(parts)
    if unknown:
        sys.exit(f"unknown: {', '.join(unknown)}. Expected some of {', '.join(parts)}.")
    PARTS.mkdir(parents=True, exist_ok=True)
    asked = names or list(parts)
    if missing := _missing(asked):
        sys.exit(missing)
    for name in asked:
        print(f"== {name}", flush=True)
        try:
            found = parts[name]()
        except ConfigError as error:
            # Of what it needs a benchmark says so; a recipe's configuration is ours.
            if name not in BENCHMARKS:
                sys.exit(str(error))
            print(f"not measured: {error}", flush=True)
            continue
        stamp = {"date": datetime.now(UTC).date().isoformat(), "machine": machine()}
        part_file(name).write_text(json.dumps({**found, **stamp}, indent=1) + "\n")
    (ROOT / "docs" / "RESULTS.md").write_text(page())


def _missing(names: list[str]) -> str | None:
    """What is wrong where figures need runs that are not there, nor made before."""
    recipes = {recipe.name: recipe for recipe in RECIPES}
    for place, name in enumerate(names):
        needed = needed_by(recipes[name]) if name in recipes else ""
        if needed and needed not in names[:place] and not runs_folder(needed).exists():
            return f"{name} needs the runs of {needed}: name that before it."
    return None


def measure(name: str) -> dict[str, Any]:
    """Runs a benchmark in a process of its own."""
    output = RUNS / f"{name}.json"
    output.parent.mkdir(parents=True, exist_ok=True)
    tfmodels("benchmark", name, "--output", str(output))
    result: dict[str, Any] = json.loads(output.read_text())
    return result


if __name__ == "__main__":
    main(sys.argv[1:])
