"""`tfmodels train`: trains an experiment in a folder, or resumes what is there."""

from pathlib import Path
from typing import Annotated

import typer

from tools.config import Config
from tools.config import Overrides
from tools.console import metrics_table
from tools.console import print_to_terminal


def train_command(
    config: Config,
    workdir: Annotated[
        Path | None, typer.Option(help="Folder of the run; resumed if it has begun.")
    ] = None,
    overrides: Overrides = None,
    dry_run: Annotated[
        bool, typer.Option(help="Build everything, take one step, write nothing.")
    ] = False,
) -> None:
    """Train an experiment; on a folder that holds the same one, resume it."""
    if dry_run:
        from trainers.training import dry_run as try_out

        print_to_terminal(try_out(config, overrides or ()))
        return
    if workdir is None:
        raise typer.BadParameter(
            "expected a folder for the run", param_hint="--workdir"
        )
    import trainers

    result = trainers.train(config, workdir, overrides or ())
    print_to_terminal(metrics_table(result.metrics, f"{workdir}, step {result.step}"))
    print_to_terminal(f"Look at it: tensorboard --logdir {workdir / 'tensorboard'}")
