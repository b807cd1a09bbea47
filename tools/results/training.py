"""Trains a recipe with every seed and takes its figures."""

import os
import shutil
import time
from typing import Any

from tools.results.figures import FIGURES
from tools.results.parts import ROOT
from tools.results.parts import runs_folder
from tools.results.parts import tfmodels
from tools.results.recipe import Recipe


def train(recipe: Recipe) -> dict[str, Any]:
    """Trains and exports a configuration with every seed, as a user would."""
    take = FIGURES[recipe.figures].take
    if recipe.prepare:
        tfmodels(*recipe.prepare)
    runs: list[dict[str, float]] = []
    for seed in recipe.seeds:
        workdir = runs_folder(recipe.name) / f"seed{seed}"
        shutil.rmtree(workdir, ignore_errors=True)
        folder = str(workdir.relative_to(ROOT))
        started, before = time.monotonic(), _cpu_seconds()
        tfmodels(*recipe.command(folder, seed))
        took = {
            "seconds": round(time.monotonic() - started),
            "CPU seconds": round(_cpu_seconds() - before),
        }
        runs.append({"seed": seed, **take(recipe, workdir), **took})
        print(runs[-1], flush=True)
    pooled = FIGURES[recipe.figures].pooled
    together = {"pooled": pooled(recipe)} if pooled else {}
    return {**recipe._asdict(), "runs": runs, **together}


def _cpu_seconds() -> float:
    """Those of all processes that were started here and have ended."""
    times = os.times()
    return times.children_user + times.children_system
