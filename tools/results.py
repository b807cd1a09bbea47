"""``make results``: trains every tiny configuration, measures, writes docs/RESULTS.md.

Each part leaves a JSON file in docs/results/; the page is drawn from all of them, so
that one part can be run anew without the others:

    python -m tools.results googlenet/tiny training_loop
"""

import json
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any
from typing import NamedTuple

from tfmodels.errors import ConfigError
from tools.benchmark import BENCHMARKS
from tools.benchmark.timing import machine

_ROOT = Path(__file__).resolve().parents[1]
_PARTS = _ROOT / "docs" / "results"
_PAGE = _ROOT / "docs" / "RESULTS.md"
_RUNS = _ROOT / "runs" / "results"
_SEEDS = (0, 1, 2)


class Recipe(NamedTuple):
    """A tiny configuration and what it must reach with every seed."""

    config: str
    metric: str
    floor: float
    baseline: str
    """What answers without learning anything, and what other methods reach."""
    overrides: tuple[str, ...] = ()
    """Settings that differ from the configuration's, ``key=value``."""
    seeds: tuple[int, ...] = _SEEDS
    processes: int = 0
    """Workers, and as many parameter servers, on this machine; 0: all in one."""

    @property
    def counts_errors(self) -> bool:
        """Whether it counts word errors, each model's at its best scale of decoding.

        `floor` is then the largest share of those after cross entropy that may be left.
        """
        return self.metric == "test/wer"

    @property
    def name(self) -> str:
        """The configuration and what differs from it."""
        changes = [override.removeprefix("strategy.") for override in self.overrides]
        return " ".join([self.config, *changes])


_DIGITS = (
    "always the commonest class 0.103; logistic regression 0.900, nearest neighbour"
    " 0.956, support vector machine with RBF kernel 0.964 (scikit-learn, same split)"
)
_SORTING = (
    "the likeliest symbol at each place gets 0.26 of the tokens and no sequence right;"
    " sorting takes all 12 symbols into account"
)
_CROSS_ENTROPY = "the end of cross entropy, decoded at its own best scale"
RECIPES = (
    Recipe("googlenet/tiny", "test/top1", 0.95, _DIGITS),
    Recipe("inception_v4/tiny", "test/top1", 0.95, _DIGITS),
    Recipe("inception_v4/resnet_v2_tiny", "test/top1", 0.96, _DIGITS),
    Recipe("gpipe/tiny", "test/sequence_accuracy", 0.97, _SORTING),
    *(
        Recipe(
            "gpipe/tiny",
            "test/sequence_accuracy",
            0.97,
            _SORTING,
            ("strategy.stages=4", *overrides),
            seeds=(0,),
        )
        for overrides in (
            ("strategy.schedule=gpipe",),
            ("strategy.schedule=1f1b",),
            ("strategy.schedule=interleaved_1f1b", "strategy.chunks=2"),
            ("strategy.schedule=zb_h1",),
            ("strategy.schedule=1f1b", "strategy.rematerialize=always"),
        )
    ),
    Recipe("gpipe/amoebanet_tiny", "test/top1", 0.93, _DIGITS),
    Recipe("async_sequence/tiny", "test/wer", 0.70, _CROSS_ENTROPY, processes=2),
    Recipe("async_sequence/smbr_tiny", "test/wer", 0.70, _CROSS_ENTROPY, processes=2),
)


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
    _PARTS.mkdir(parents=True, exist_ok=True)
    for name in names or parts:
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
        _file(name).write_text(json.dumps({**found, **stamp}, indent=1) + "\n")
    _PAGE.write_text(page())


def _file(name: str) -> Path:
    return _PARTS / f"{re.sub(r'[/ =]', '_', name)}.json"


def train(recipe: Recipe) -> dict[str, Any]:
    """Trains and exports a configuration with every seed, as a user would."""
    runs: list[dict[str, float]] = []
    for seed in recipe.seeds:
        workdir = _RUNS / _file(recipe.name).stem / f"seed{seed}"
        shutil.rmtree(workdir, ignore_errors=True)
        settings = [f"run.seed={seed}", *recipe.overrides]
        folder = str(workdir.relative_to(_ROOT))
        command = _train_command(recipe.config, folder, settings, recipe.processes)
        started = time.monotonic()
        _tfmodels(*command)
        seconds = time.monotonic() - started
        runs.append({"seed": seed, "seconds": round(seconds)})
        if recipe.counts_errors:
            runs[-1] |= _errors(workdir)
        else:
            metrics = json.loads((workdir / "metrics.json").read_text())
            runs[-1]["metric"] = metrics[recipe.metric]
            runs[-1]["int8"] = _quantized(recipe, workdir)
        print(runs[-1], flush=True)
    return {
        "config": recipe.config,
        "overrides": recipe.overrides,
        "processes": recipe.processes,
        "metric": recipe.metric,
        "floor": recipe.floor,
        "baseline": recipe.baseline,
        "runs": runs,
    }


def _train_command(
    config: str, workdir: str, settings: list[str], processes: int
) -> list[str]:
    options = [part for setting in settings for part in ("--set", setting)]
    if not processes:
        return ["train", config, "--workdir", workdir, *options]
    count = str(processes)
    jobs = ["--workers", count, "--parameter-servers", count]
    return ["launch", "local", config, "--workdir", workdir, *jobs, *options]


def _errors(workdir: Path) -> dict[str, float]:
    """The word error rates of the first and the last evaluation, and of frames."""
    lines = map(json.loads, (workdir / "metrics.jsonl").read_text().splitlines())
    first, *_, last = [line for line in lines if "test/wer" in line]
    before, after = (
        min(value for name, value in line.items() if name.startswith("test/wer"))
        for line in (first, last)
    )
    frames = last["test/frame_accuracy"] - first["test/frame_accuracy"]
    return {"before": before, "metric": after, "frames": frames}


def _quantized(recipe: Recipe, workdir: Path) -> float:
    """The metric of the integer-only export, after `verify` found it within bounds."""
    artefact = workdir / "tflite_int8"
    preset = ["--preset", "tflite_int8", "--output", str(artefact)]
    _tfmodels("export", str(workdir), *preset)
    code = (
        "import export, json, sys; v = export.verify(sys.argv[1]);"
        "print(json.dumps(v.checks[-1].metrics))"
    )
    output = _python("-c", code, str(artefact)).splitlines()[-1]
    return float(json.loads(output)[recipe.metric.split("/")[1]])


def measure(name: str) -> dict[str, Any]:
    """Runs a benchmark in a process of its own."""
    output = _RUNS / f"{name}.json"
    output.parent.mkdir(parents=True, exist_ok=True)
    _tfmodels("benchmark", name, "--output", str(output))
    result: dict[str, Any] = json.loads(output.read_text())
    return result


def _tfmodels(*arguments: str) -> str:
    return _python("-m", "tools.cli", *arguments)


def _python(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=_ROOT, capture_output=True, text=True
    )
    if done.returncode:
        message = f"{' '.join(arguments)} failed:\n{done.stdout}\n{done.stderr}"
        if done.returncode == ConfigError.exit_code:
            raise ConfigError(message)
        sys.exit(message)
    return done.stdout


def page() -> str:
    """docs/RESULTS.md, drawn from docs/results/."""
    parts = {
        name: json.loads(_file(name).read_text())
        for name in (*(recipe.name for recipe in RECIPES), *BENCHMARKS)
        if _file(name).exists()
    }
    sections = [
        "# Results",
        "Every figure the project claims, with the command that gives it."
        " `make results` measures them anew and rewrites this page; the raw data is in"
        " [results/](results/).",
    ]
    for name, part in parts.items():
        sections += _training(name, part) if "runs" in part else _benchmark(part)
        about = part["machine"]
        sections.append(
            f"Measured {part['date']} on {about['cpus']} cores ({about['processor']}),"
            f" Python {about['python']}, TensorFlow {about['tensorflow']}, Keras"
            f" {about['keras']}. Raw: [{name}](results/{_file(name).name})."
        )
    return "\n\n".join(sections) + "\n"


def _training(name: str, part: dict[str, Any]) -> list[str]:
    row = "| {seed} | {metric:.4f} | {int8:.4f} | {seconds} |"
    heading = (
        f"| seed | {part['metric']} | integer-only TFLite | seconds, whole command |"
    )
    if "before" in part["runs"][0]:
        row = "| {seed} | {before:.4f} | {metric:.4f} | {ratio:.3f} | {frames:+.4f} |"
        row += " {seconds} |"
        heading = (
            "| seed | after cross entropy | after sequences | ratio |"
            " change of frame_accuracy | seconds, whole command |"
        )
    rows = [
        row.format(**run, ratio=run["metric"] / run.get("before", 1))
        for run in part["runs"]
    ]
    median = statistics.median(run["metric"] for run in part["runs"])
    settings = ["run.seed=0", *part.get("overrides", ())]
    processes = part.get("processes", 0)
    command = " ".join(_train_command(part["config"], "DIR", settings, processes))
    seeds = " and the other seeds" if len(rows) > 1 else ""
    bound, weights = "Floor", "the averaged weights"
    if "before" in part["runs"][0]:
        bound, weights = "Largest ratio wanted", "the best scale of decoding"
    return [
        f"## {name}",
        f"`tfmodels {command}`{seeds}; {part['metric']} of {weights} on held-out data."
        f" {bound} {part['floor']}; median here {median:.4f}."
        f" For comparison: {part['baseline']}.",
        f"{heading}\n{'|---' * (heading.count('|') - 1)}|\n" + "\n".join(rows),
    ]


def _benchmark(part: dict[str, Any]) -> list[str]:
    figures = {
        key: value
        for key, value in part.items()
        if key not in ("benchmark", "machine", "date")
    }
    rows = []
    for key, value in figures.items():
        for name, figure in value.items() if isinstance(value, dict) else [("", value)]:
            shown = f"{figure:.4g}" if isinstance(figure, float) else f"{figure}"
            rows.append(f"| {key.replace('_', ' ')} {name} | {shown} |")
    return [
        f"## {part['benchmark'].replace('_', ' ')}",
        f"`tfmodels benchmark {part['benchmark']}`; medians over interleaved rounds.",
        "| figure | value |\n|---|---|\n" + "\n".join(rows),
    ]


if __name__ == "__main__":
    main(sys.argv[1:])
