"""`tfmodels verify`: whether an exported artefact still is what was trained."""

from pathlib import Path
from typing import TYPE_CHECKING
from typing import Annotated

import typer

from tools.console import print_to_terminal

if TYPE_CHECKING:
    from rich.table import Table

    from export.verification import Verification


def verify_command(
    artefact: Annotated[Path, typer.Argument(help="Folder that 'export' wrote.")],
    max_examples: Annotated[
        int, typer.Option(min=1, help="Sample a larger test split at even distances.")
    ] = 2000,
) -> None:
    """Compare Keras, SavedModel and TFLite on the same held-out examples."""
    from rich.progress import Progress
    from rich.progress import SpinnerColumn
    from rich.progress import TextColumn

    import export
    from export.verification import verify_artefact

    loaded = export.load(artefact)
    columns = SpinnerColumn(), TextColumn("{task.completed} examples compared")
    with Progress(*columns, transient=True) as progress:
        bar = progress.add_task("")
        verification = verify_artefact(
            loaded, max_examples, lambda count: progress.advance(bar, count)
        )
    # The table first: it also says by how much a check fails.
    print_to_terminal(verification_table(verification))
    for line in other_figures(verification):
        print_to_terminal(line)
    verification.check()
    print_to_terminal(f"{artefact} is what was trained.")


def verification_table(verification: "Verification") -> "Table":
    """A table with one form of the model per line."""
    from rich.table import Table

    accuracy = verification.accuracy
    table = Table(
        "form",
        "bytes",
        "largest error",
        "bound",
        "answers as Keras",
        f"{verification.split}/{accuracy}",
        title=f"{verification.num_examples} examples of the split {verification.split}",
        title_justify="left",
    )
    for check in verification.checks:
        errors = ", ".join(
            f"{name} {value:.1e}" for name, value in check.errors.items()
        )
        table.add_row(
            check.kind,
            f"{check.num_bytes:,}",
            errors,
            "" if check.kind == "keras" else f"{check.bound:g}",
            f"{check.agreement:.2%}",
            f"{check.metrics[accuracy]:.4f}",
        )
    return table


def other_figures(verification: "Verification") -> list[str]:
    """Lines of the figures that the table has no room for."""
    lines = []
    for check in verification.checks:
        others = ", ".join(
            f"{name} {value:.4g}"
            for name, value in check.metrics.items()
            if name != verification.accuracy
        )
        lines += [f"{check.kind}: {others}"] if others else []
    return lines
