"""What figures are taken of a trained run, by kind."""

import gzip
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from typing import NamedTuple

from tools.results.clipped import clipped
from tools.results.parts import python
from tools.results.parts import runs_folder
from tools.results.parts import tfmodels
from tools.results.recipe import Recipe
from tools.results.spoken import RECOGNISER
from tools.results.spoken import spoken
from tools.results.together import against_errors
from tools.results.together import end_of_cross_entropy
from tools.results.together import ensemble
from trainers.configuration import read_yaml
from trainers.durations import to_steps

# Steps in an epoch of any length, where only ratios matter.
_MANY = 10**6
_COLUMNS = {"tflite_int8": "integer-only TFLite", "integer": "integer engine, the same"}

_CONNECTED = (
    "data={kind: speech_manifest, manifest: data/fsdd_connected/manifest.jsonl,"
    " sample_rate: 8000, mel_bins: 40, buckets: [{frames: 400, units: 40}], batch_size:"
    " 32, graphemes: data/fsdd_connected/graphemes.json}"
)


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


def _compressed(recipe: Recipe, workdir: Path) -> dict[str, float]:
    """The metric before anything was taken away, after it, and in integers; bytes.

    The plain network is that of the run of the folder's ``tiny`` with the same seed.
    """
    made = _integer_export(recipe, workdir)
    config = workdir / "config.yaml"
    settings = read_yaml(config.read_text(), str(config))
    first, between = settings["stages"][0]["steps"], settings["run"]["evaluate_every"]
    number = to_steps(first, _MANY) // to_steps(between, _MANY)
    lines = map(json.loads, (workdir / "metrics.jsonl").read_text().splitlines())
    evaluated = [line[recipe.metric] for line in lines if recipe.metric in line]
    before = evaluated[number - 1]
    plain = runs_folder(needed_by(recipe)) / workdir.name
    return {
        f"{recipe.metric} before": before,
        **made,
        "lost in integers": before - made[_COLUMNS["tflite_int8"]],
        "bytes of TFLite in gzip": _zipped(workdir),
        "of the plain network": _zipped(plain),
    }


def _zipped(workdir: Path) -> int:
    content = (workdir / "tflite_int8" / "model.tflite").read_bytes()
    return len(gzip.compress(content, mtime=0))


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


def _final(
    recipe: Recipe, workdir: Path, others: tuple[str, ...] = ()
) -> dict[str, float]:
    """The metric, and others of the last evaluation."""
    metrics = json.loads((workdir / "metrics.json").read_text())
    return {name: metrics[name] for name in (recipe.metric, *others)}


_BYTES = "test/cross_entropy", "test/fine_cross_entropy", "test/coarse_accuracy"


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
    tfmodels("evaluate", str(workdir), "--set", _CONNECTED)
    return {"own test utterances": own, **_final(recipe, workdir)}


def _before_and_after(
    recipe: Recipe, workdir: Path, names: tuple[str, ...]
) -> dict[str, float]:
    """Figures of the first and of the last evaluation."""
    lines = map(json.loads, (workdir / "metrics.jsonl").read_text().splitlines())
    first, *_, last = [line for line in lines if names[0] in line]
    before = {f"{name} before": float(first[name]) for name in names}
    after = {name: float(last[name]) for name in names}
    return {**before, **after}


def _reward(recipe: Recipe, workdir: Path) -> dict[str, float]:
    """Besides, how far the reward of drawn answers rose."""
    reward = "test/sampled_gleu"
    found = _before_and_after(recipe, workdir, (reward, "test/bleu"))
    return {**found, "gain": found[reward] - found[f"{reward} before"]}


_expected_errors = partial(
    _before_and_after, names=("test/expected_errors", "test/oracle_errors", "test/wer")
)
_AROUND = "the weights before the second stage and after it"


class Figures(NamedTuple):
    """A way to take figures of a run."""

    take: Callable[[Recipe, Path], dict[str, float]]
    """A function of the recipe and the run's folder."""
    about: str
    """Of what the figures are."""
    pooled: Callable[[Recipe], dict[str, float]] | None = None
    """A function of the recipe: figures of the runs of all seeds together."""
    about_pooled: str = ""
    """Of what those are."""
    needs: str = ""
    """Name of the recipe whose runs are looked at too; {config} stands for the recipe's
    configuration, {folder} for where that lies."""


FIGURES = {
    "final": Figures(_final, "the averaged weights"),
    "integer_export": Figures(_integer_export, "the averaged weights"),
    "compressed": Figures(
        _compressed,
        "the averaged weights; before: those that stage `learn` ends with",
        needs="{folder}/tiny",
    ),
    "ensemble": Figures(
        _integer_export,
        "the averaged weights",
        ensemble,
        "Mean probabilities of the runs above, `tfmodels evaluate DIR DIR DIR --output"
        " OUT`, which should reach 0.97",
    ),
    "boxes": Figures(
        partial(_integer_export, preset="tflite_int8", most=500),
        "the averaged weights; suppression is in floating point",
    ),
    "integer_engine": Figures(
        partial(_integer_export, preset="integer", most=200),
        "the averaged weights; the engine's of the 200 first examples",
    ),
    "all_exports": Figures(
        _all_exports, "the averaged weights; those of exports of the 200 first examples"
    ),
    "clipped": Figures(
        clipped,
        "the last weights; then `tfmodels clipping DIR --output OUT`, groups of 32"
        " where nothing else is said; tables and head left alone",
    ),
    "classes": Figures(partial(_final, others=("test/top1",)), "the averaged weights"),
    "bytes": Figures(
        partial(_final, others=_BYTES),
        "the last weights, each sample told what is before it: nats of both bytes, of"
        " the high and of the low one, and how many high ones are right",
    ),
    "spoken": Figures(
        spoken,
        "the last weights, running freely; correlations of pitch and characters that"
        " are not understood by `tfmodels evaluate DIR --set task.listened=120 --set"
        " task.recogniser=RECOGNISER`, a run of multilingual_tts/recogniser_tiny; how"
        " often `tfmodels synthesis probe DIR` is right, who would be in half of the"
        " speakers by knowing languages alone",
        needs=RECOGNISER,
    ),
    "errors_by_stage": Figures(_errors_by_stage, "the best scale of decoding"),
    "expected_errors": Figures(
        _expected_errors,
        _AROUND,
        end_of_cross_entropy,
        "The last checkpoints of cross entropy against those after four fifths of it,"
        " `tfmodels recognition compare` with `--step` and `--control-step`",
    ),
    "drawn_errors": Figures(_expected_errors, _AROUND),
    "expected_reward": Figures(_reward, _AROUND),
    "against_errors": Figures(
        _expected_errors,
        _AROUND,
        against_errors,
        "The runs above against these, `tfmodels recognition compare`",
        needs="{config}",
    ),
    "same_utterances": Figures(
        _same_utterances,
        f"the last weights; then `tfmodels evaluate DIR --set '{_CONNECTED}'`, of the"
        " utterances that `data prepare` made",
    ),
    "told": Figures(
        _told,
        "the last weights; of exchanged words, `tfmodels evaluate DIR --set"
        " data.english=data/tones/exchanged` with `data.accents={north: south, south:"
        " north}` or `task.variety_known=false`",
    ),
}


def needed_by(recipe: Recipe) -> str:
    """Name of the recipe without whose runs figures cannot be taken; none: empty."""
    folder = recipe.config.partition("/")[0]
    return FIGURES[recipe.figures].needs.format(config=recipe.config, folder=folder)
