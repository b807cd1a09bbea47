"""Figures of the runs of all seeds together, or against those of another recipe."""

import json

from tools.results.parts import ROOT
from tools.results.parts import RUNS
from tools.results.parts import runs_folder
from tools.results.parts import tfmodels
from tools.results.recipe import Recipe
from trainers.configuration import read_yaml


def ensemble(recipe: Recipe) -> dict[str, float]:
    """The mean of the probabilities of all seeds, in place of one of them."""
    output = RUNS / f"{runs_folder(recipe.name).name}_ensemble"
    tfmodels("evaluate", *_runs(recipe.name, recipe), "--output", str(output))
    metrics = json.loads((output / "metrics.json").read_text())
    return {recipe.metric: metrics[recipe.metric]}


def end_of_cross_entropy(recipe: Recipe) -> dict[str, float]:
    """What the last fifth of the first stage has changed."""
    runs = _runs(recipe.name, recipe)
    source = ROOT / "configs" / f"{recipe.config}.yaml"
    steps = read_yaml(source.read_text(), str(source))
    end = steps["stages"][0]["steps"]
    at = ("--step", str(end), "--control-step", str(end * 4 // 5))
    return _compared(runs, runs, *at)


def against_errors(recipe: Recipe) -> dict[str, float]:
    """Runs of the configuration as it is, against those of the recipe."""
    return _compared(_runs(recipe.config, recipe), _runs(recipe.name, recipe))


def _runs(name: str, recipe: Recipe) -> list[str]:
    return [str(runs_folder(name) / f"seed{n}") for n in recipe.seeds]


def _compared(runs: list[str], controls: list[str], *more: str) -> dict[str, float]:
    pairs = [part for run in controls for part in ("--control", run)]
    output = RUNS / "compared.json"
    tfmodels(*("recognition", "compare", *runs, *pairs, *more, "--output", str(output)))
    return dict(json.loads(output.read_text()))
