"""`tfmodels demo`: the whole way of a model in under three minutes."""

import shutil
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Annotated

import typer

from tfmodels.config import similar
from tfmodels.errors import ConfigError
from tools.console import print_to_terminal
from tools.speech_demo import speech_demo

if TYPE_CHECKING:
    from rich.table import Table

    from export.loading import Artefact
    from export.verification import Verification

_PRESETS = ("tflite_float32", "tflite_int8")
_CONFIG = "googlenet/tiny"
# Most of what it learns takes half of the recipe. Integers may answer otherwise for
# 7 of the 360 test digits; up to 4 have been seen.
_CHANGES = (
    "run.steps=15 epochs",
    "export.min_agreement=0.98",
)
_SHOWN = (
    "googlenet: handwritten digits; multilingual_tts: speech, with the extra speech"
)


def demo_command(
    workdir: Annotated[
        Path, typer.Option(help="Folder for the run, its exports and the picture.")
    ] = Path("runs/demo"),
    system: Annotated[
        str,
        typer.Option(help=f"What is shown. {_SHOWN}."),
    ] = "googlenet",
) -> None:
    """Train, evaluate, export, verify and predict on real handwritten digits.

    Or, of another system, train for a short time and say two texts.
    """
    demos = {"googlenet": _digits, "multilingual_tts": speech_demo}
    if system not in demos:
        raise ConfigError(
            f"there is no demonstration of {system!r}.{similar(system, demos)} Expected"
            f" --system to be one of {', '.join(demos)}. Received {system!r}."
        )
    demos[system](workdir)


def _digits(workdir: Path) -> None:
    """All that a model of images goes through."""
    import export
    import trainers

    started = time.monotonic()
    run = workdir / "googlenet"
    print_to_terminal(f"Training {_CONFIG} for 15 epochs in {run} ...")
    trainers.train(_CONFIG, run, _CHANGES)
    picture, digit = _write_test_picture(workdir)
    rows: dict[str, tuple[str, ...]] = {}
    for preset in _PRESETS:
        print_to_terminal(f"Exporting and verifying {preset} ...")
        output = workdir / preset
        shutil.rmtree(output, ignore_errors=True)
        export.export(run, preset=preset, output=output)
        rows |= _rows(export.load(output), export.verify(output))
    answer = export.load(workdir / "tflite_int8").predict(picture)
    print_to_terminal(_table(rows))
    print_to_terminal(f"{picture}, a {digit} of the test split, is: {answer}")
    print_to_terminal(f"Look at it: tensorboard --logdir {run / 'tensorboard'}")
    print_to_terminal(f"Done in {time.monotonic() - started:.0f} s.")


def _rows(
    artefact: "Artefact", verification: "Verification"
) -> dict[str, tuple[str, ...]]:
    """Figures of each form of a model, by the name of the form."""
    from export.latency import median_latency

    batch = next(artefact.signatures.examples(verification.split, 1))
    programs = {"keras": artefact.reference(), **artefact.programs}
    rows: dict[str, tuple[str, ...]] = {}
    for check in verification.checks:
        run = partial(artefact.signatures.outputs, programs[check.kind], batch)
        seconds = median_latency(run)
        name = artefact.manifest.preset if check.kind == "tflite" else check.kind
        rows[name] = (
            f"{check.metrics[verification.accuracy]:.4f}",
            f"{check.num_bytes:,}",
            f"{seconds * 1e3:.2f}",
        )
    return rows


def _table(rows: dict[str, tuple[str, ...]]) -> "Table":
    from rich.table import Table

    table = Table("form", "test/top1", "bytes", "ms per image")
    for name, figures in rows.items():
        table.add_row(name, *figures)
    return table


def _write_test_picture(folder: Path) -> tuple[Path, int]:
    """Writes the first image of the test split as a PNG file; returns its digit too."""
    import tensorflow as tf

    from trainers.data.images.arrays import load_digits

    digits = load_digits("test")
    path = folder / "digit.png"
    path.write_bytes(tf.io.encode_png(digits.images[0]).numpy())
    return path, int(digits.targets[0])
