"""`tfmodels demo`: the whole way of a model, on real data, in under three minutes."""

import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Annotated
from typing import Any

import typer

from tools.console import print_to_terminal

if TYPE_CHECKING:
    from rich.table import Table

_PRESETS = ("tflite_float32", "tflite_int8")
_EXAMPLE = 7


def demo_command(
    workdir: Annotated[
        Path, typer.Option(help="Folder for the run, its exports and the picture.")
    ] = Path("runs/demo"),
    config: Annotated[
        str, typer.Option(help="What to train.")
    ] = "googlenet/tiny",
) -> None:
    """Train, evaluate, export, verify and predict on real handwritten digits."""
    import export
    import trainers

    started = time.monotonic()
    run = workdir / "run"
    result = trainers.train(config, run)
    reports = {}
    for preset in _PRESETS:
        output = workdir / preset
        shutil.rmtree(output, ignore_errors=True)
        export.export(run, preset=preset, output=output)
        reports[preset] = export.verify(output)
    picture, digit = _write_test_picture(workdir / "digit.png")
    answer = export.load(workdir / "tflite_int8").predict(str(picture))
    print_to_terminal(_table(workdir, result.metrics["test/top1"], reports))
    print_to_terminal(f"{picture} (a {digit}, from the test split) is: {answer}")
    print_to_terminal(f"Look at it: tensorboard --logdir {run / 'tensorboard'}")
    print_to_terminal(f"Done in {time.monotonic() - started:.0f} s.")
