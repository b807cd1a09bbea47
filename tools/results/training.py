"""Trains a recipe with every seed and takes its figures."""

import json
import os
import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from typing import NamedTuple

from tools.results.parts import ROOT
from tools.results.parts import RUNS
from tools.results.parts import part_file
from tools.results.parts import python
from tools.results.parts import tfmodels
from tools.results.recipes import Recipe

_COLUMNS = {"tflite_int8": "integer-only TFLite", "integer": "integer engine, the same"}


def train(recipe: Recipe) -> dict[str, Any]:
    """Trains and exports a configuration with every seed, as a user would."""
    take = FIGURES[recipe.figures].take
    if recipe.prepare:
        tfmodels(*recipe.prepare)
    runs: list[dict[str, float]] = []
    for seed in recipe.seeds:
        workdir = RUNS / part_file(recipe.name).stem / f"seed{seed}"
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
    return {**recipe._asdict(), "runs": runs}


def _cpu_seconds() -> float:
    """Those of all processes that were started here and have ended."""
    times = os.times()
    return times.children_user + times.children_system


def _integer_export(
    recipe: Recipe, workdir: Path, preset: str = "tflite_int8", most: int = 2000
) -> dict[str, float]:
    """The metric, and that of an export in integers which `verify` finds within bounds.

    Args:
      recipe: what was trained.
      workdir: the run.
      preset: of the export.
      most: examples of the test split to verify it on.
    """
    metric = recipe.metric.split("/")[1]
    checks = _checks(workdir, preset, most)
    floating, quantized = (checks[n]["metrics"][metric] for n in (0, -1))
    made = {_COLUMNS[preset]: quantized}
    if preset == "integer":  # slow, so that it gets part of the split
        made = {f"float, {most} examples": floating, **made}
    return {**_final(recipe, workdir), **made}


def _all_exports(recipe: Recipe, workdir: Path) -> dict[str, float]:
    """Besides the integer engine, the share of answers in which other forms agree."""
    made = _integer_export(recipe, workdir, "integer", 200)
    for preset in ("tflite_float32", "tflite_dynamic", "tflite_int16x8"):
        for check in _checks(workdir, preset, 200)[1:]:
            form = preset if check["kind"].startswith("tflite") else check["kind"]
            made[f"{form} agrees"] = check["agreement"]
    return made


def _checks(workdir: Path, preset: str, most: int) -> list[dict[str, Any]]:
    """Exports a run and verifies it on some examples: all forms, Keras's first."""
    artefact = workdir / preset
    tfmodels("export", str(workdir), "--preset", preset, "--output", str(artefact))
    code = (
        "import export, json, sys;"
        f"v = export.verify(sys.argv[1], max_examples={most});"
        "print(json.dumps([c._asdict() for c in v.checks], default=float))"
    )
    checks: list[dict[str, Any]] = json.loads(
        python("-c", code, str(artefact)).splitlines()[-1]
    )
    return checks


def _final(recipe: Recipe, workdir: Path) -> dict[str, float]:
    metrics = json.loads((workdir / "metrics.json").read_text())
    return {recipe.metric: metrics[recipe.metric]}


def _errors_by_stage(recipe: Recipe, workdir: Path) -> dict[str, float]:
    """Word error rates of the first and the last evaluation, and right frames."""
    lines = map(json.loads, (workdir / "metrics.jsonl").read_text().splitlines())
    first, *_, last = [line for line in lines if "test/wer" in line]
    before, after = (
        min(value for name, value in line.items() if name.startswith("test/wer"))
        for line in (first, last)
    )
    return {
        "test/wer after cross entropy": before,
        "after sequences": after,
        "ratio": after / before,
        "change of frame_accuracy": last["test/frame_accuracy"]
        - first["test/frame_accuracy"],
    }


def _told(recipe: Recipe, workdir: Path) -> dict[str, float]:
    """The metric; and of words that mean something else in the other dialect, of a
    model that takes each dialect for the other, and one that has to find out which."""
    made = _final(recipe, workdir)
    told = {
        "exchanged words, wrong dialect": "data.accents={north: south, south: north}",
        "exchanged words, unknown dialect": "task.variety_known=false",
    }
    for name, setting in told.items():
        settings = ("--set", "data.english=data/tones/exchanged", "--set", setting)
        tfmodels("evaluate", str(workdir), *settings)
        made[name] = _final(recipe, workdir)[recipe.metric]
    return made


def _same_utterances(recipe: Recipe, workdir: Path) -> dict[str, float]:
    """The metric, and that of the utterances `async_sequence/fsdd` is tested with."""
    own = _final(recipe, workdir)[recipe.metric]
    manifest = "data/fsdd_connected/manifest.jsonl"
    data = (
        f"data={{kind: speech_manifest, manifest: {manifest}, sample_rate: 8000,"
        " mel_bins: 40, buckets: [{frames: 400, units: 40}], batch_size: 32,"
        " graphemes: data/fsdd_connected/graphemes.json}"
    )
    tfmodels("evaluate", str(workdir), "--set", data)
    return {"own test utterances": own, **_final(recipe, workdir)}


def _before_and_after(
    recipe: Recipe, workdir: Path, names: tuple[str, ...]
) -> dict[str, float]:
    """Of the first and the last evaluation, figures, and how far the first one rose."""
    lines = map(json.loads, (workdir / "metrics.jsonl").read_text().splitlines())
    first, *_, last = [line for line in lines if names[0] in line]
    before = {f"{name} before": float(first[name]) for name in names}
    after = {name: float(last[name]) for name in names}
    return {**before, **after, "gain": float(last[names[0]]) - float(first[names[0]])}


class Figures(NamedTuple):
    """A way to take figures of a run."""

    take: Callable[[Recipe, Path], dict[str, float]]
    """A function of the recipe and the run's folder."""
    about: str
    """Of what the figures are."""


FIGURES = {
    "final": Figures(_final, "the averaged weights"),
    "integer_export": Figures(_integer_export, "the averaged weights"),
    "integer_engine": Figures(
        partial(_integer_export, preset="integer", most=200),
        "the averaged weights; the engine's of the 200 first examples",
    ),
    "all_exports": Figures(
        _all_exports, "the averaged weights; those of exports of the 200 first examples"
    ),
    "errors_by_stage": Figures(_errors_by_stage, "the best scale of decoding"),
    "expected_errors": Figures(
        partial(
            _before_and_after,
            names=("test/expected_errors", "test/oracle_errors", "test/wer"),
        ),
        "the weights before the second stage and after it",
    ),
    "expected_reward": Figures(
        partial(_before_and_after, names=("test/sampled_gleu", "test/bleu")),
        "the weights before the second stage and after it",
    ),
    "same_utterances": Figures(
        _same_utterances, "the last weights; of the utterances that `data prepare` made"
    ),
    "told": Figures(
        _told,
        "the last weights; of exchanged words, `tfmodels evaluate DIR --set"
        " data.english=data/tones/exchanged` with `data.accents={north: south, south:"
        " north}` or `task.variety_known=false`",
    ),
}
