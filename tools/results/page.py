"""docs/RESULTS.md, drawn from docs/results/."""

import json
import shlex
import statistics
from collections.abc import Iterator
from typing import Any

from tools.benchmark import BENCHMARKS
from tools.results.figures import FIGURES
from tools.results.parts import part_file
from tools.results.recipe import Recipe
from tools.results.recipes import RECIPES


def page() -> str:
    """docs/RESULTS.md, drawn from docs/results/."""
    parts = {
        name: json.loads(part_file(name).read_text())
        for name in (*(recipe.name for recipe in RECIPES), *BENCHMARKS)
        if part_file(name).exists()
    }
    sections = [
        "# Results",
        "Every figure the project claims, with the command that gives it."
        " `make results` measures them anew and rewrites this page; the raw data is in"
        " [results/](results/).",
    ]
    for name, part in parts.items():
        if "runs" in part:
            fields = {key: part[key] for key in Recipe._fields if key in part}
            recipe = Recipe(**fields)
            sections += _training(recipe, part["runs"])
            if "pooled" in part:
                about = FIGURES[recipe.figures].about_pooled
                sections.append(f"{about}: {_listed(part['pooled'])}.")
            if "note" in part:  # of figures that were not all made by that command
                sections.append(part["note"])
        else:
            sections += _benchmark(part)
        about = part["machine"]
        cores = "1 core" if about["cpus"] == 1 else f"{about['cpus']} cores"
        sections.append(
            f"Measured {part['date']} on {cores} ({about['processor']}),"
            f" Python {about['python']}, TensorFlow {about['tensorflow']}, Keras"
            f" {about['keras']}. Raw: [{name}](results/{part_file(name).name})."
        )
    return "\n\n".join(sections) + "\n"


def _training(recipe: Recipe, runs: list[dict[str, float]]) -> list[str]:
    """Of a recipe's runs, as they were trained."""
    command = f"`tfmodels {shlex.join(recipe.command('DIR', recipe.seeds[0]))}`"
    if recipe.prepare:
        command = f"`tfmodels {shlex.join(recipe.prepare)}`, then {command}"
    seeds = " and the other seeds" if len(runs) > 1 else ""
    median = statistics.median(run[recipe.metric] for run in runs)
    rows = [list(runs[0]), ["---"] * len(runs[0])]
    rows += [[_shown(figure) for figure in run.values()] for run in runs]
    return [
        f"## {recipe.name}",
        f"{command}{seeds}; {FIGURES[recipe.figures].about}, on held-out"
        f" data. {recipe.metric} should be {recipe.asks} {recipe.bound};"
        f" median here {median:.4f}. For comparison: {recipe.baseline}."
        " Seconds are those of the whole command; CPU seconds, where given, are of all"
        " cores.",
        "\n".join(f"| {' | '.join(row)} |" for row in rows),
    ]


def _listed(figures: dict[str, float]) -> str:
    return ", ".join(f"{name} {_shown(value)}" for name, value in figures.items())


def _shown(figure: float) -> str:
    return f"{figure:.4f}" if isinstance(figure, float) else f"{figure}"


def _benchmark(part: dict[str, Any]) -> list[str]:
    figures = {
        key: value
        for key, value in part.items()
        if key not in ("benchmark", "machine", "date")
    }
    rows = []
    for name, figure in _flat(figures):
        shown = f"{figure:.4g}" if isinstance(figure, float) else f"{figure}"
        rows.append(f"| {name} | {shown} |")
    medians = "; medians over interleaved rounds" if "rounds" in part else ""
    return [
        f"## {part['benchmark'].replace('_', ' ')}",
        f"`tfmodels benchmark {part['benchmark']}`{medians}.",
        "| figure | value |\n|---|---|\n" + "\n".join(rows),
    ]


def _flat(figures: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Figures in dicts and lists of dicts, with the names that lead to each."""
    if isinstance(figures, list) and all(isinstance(part, dict) for part in figures):
        figures = {str(number): part for number, part in enumerate(figures, 1)}
    if not isinstance(figures, dict):
        yield name.strip(), figures
        return
    for key, value in figures.items():
        shown = key if name else key.replace("_", " ")
        yield from _flat(value, f"{name} {shown}")
