"""``tfmodels synthesis``: looks into runs of synthesisers."""

from pathlib import Path
from typing import Annotated

import typer

from tools.config import Overrides
from tools.console import print_to_terminal

app = typer.Typer(no_args_is_help=True, help="Look into runs of synthesisers.")


@app.callback()
def _commands() -> None:
    """Look into runs of synthesisers."""


@app.command("probe")
def probe_command(
    workdir: Annotated[Path, typer.Argument(help="Folder of a run.")],
    split: Annotated[str, typer.Option(help="Which utterances are asked about.")] = (
        "test"
    ),
    overrides: Overrides = None,
) -> None:
    """Say what encodings of text tell a fresh classifier of speaker and language."""
    from tools.quiet import load_tensorflow

    load_tensorflow()
    from trainers.probing import probe
    from trainers.runs import load_run

    for name, found in probe(load_run(workdir, overrides or ()), split).items():
        print_to_terminal(
            f"{name}: right about {found.accuracy:.1%} of {found.symbols:,} symbols;"
            f" always the most frequent one {found.chance:.1%}"
        )
