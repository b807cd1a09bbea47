"""`tfmodels evaluate`: the figures of a run, or of several runs as one."""

from pathlib import Path
from typing import Annotated

import typer

from tools.config import Overrides
from tools.console import metrics_table
from tools.console import print_to_terminal


def evaluate_command(
    workdirs: Annotated[
        list[Path],
        typer.Argument(help="Folder of a run; several of image classifiers: ensemble."),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Image classifiers: folder for metrics.json, the confusion matrix and"
            " the worst examples as pictures.",
        ),
    ] = None,
    overrides: Overrides = None,
) -> None:
    """Evaluate a run on its held-out data; prints a table, writes metrics.json.

    Of several runs the probabilities are averaged, and nothing of them is changed.
    """
    import trainers

    if len(workdirs) == 1 and output is None:
        metrics = trainers.evaluate(workdirs[0], overrides or ())
    else:
        metrics = trainers.evaluate_together(workdirs, overrides or (), output)
    print_to_terminal(metrics_table(metrics, " + ".join(map(str, workdirs))))
