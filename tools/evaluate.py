"""`tfmodels evaluate`: the figures of a run's newest checkpoint."""

from pathlib import Path
from typing import Annotated

import typer

from tools.config import Overrides
from tools.console import metrics_table
from tools.console import print_to_terminal


def evaluate_command(
    workdir: Annotated[Path, typer.Argument(help="Folder of a run.")],
    overrides: Overrides = None,
) -> None:
    """Evaluate a run on its held-out data; prints a table, writes metrics.json."""
    import trainers

    print_to_terminal(
        metrics_table(trainers.evaluate(workdir, overrides or ()), str(workdir))
    )
