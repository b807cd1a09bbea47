"""``tfmodels data``: look through an experiment's data, or write a data set."""

import enum
import functools
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Annotated
from typing import Any

import typer

from tfmodels.errors import ConfigError
from tfmodels.errors import DataError
from tools.config import Config
from tools.config import Overrides
from tools.console import print_to_terminal
from tools.prepare.digits import Layout

if TYPE_CHECKING:
    from trainers.data.images.check import SourceReport

app = typer.Typer(no_args_is_help=True, help="Prepare and check data sets.")

_SHOWN = 50


class DataSet(enum.StrEnum):
    """Data sets that `prepare` can write."""

    DIGITS = "digits"


@app.command()
def check(
    config: Config,
    overrides: Overrides = None,
) -> None:
    """Reads every image of every split; exit code 3 if any cannot be read."""
    from rich.progress import Progress

    from trainers.configuration import load_experiment
    from trainers.data.config import ImageData
    from trainers.data.images.check import check_source
    from trainers.data.images.sources import open_source

    experiment = load_experiment(config, overrides or ())
    if not isinstance(experiment.data, ImageData):
        raise ConfigError(
            "only images are checked one by one; 'tfmodels train --dry-run' opens any"
            " data. Expected data of labelled images. Received data.kind:"
            f" {experiment.data.kind}."
        )
    model: Any = experiment.model
    reports = {}
    with Progress() as progress:
        for split in ("train", *experiment.data.held_out_splits()):
            source = open_source(experiment.data, split)
            bar = progress.add_task(split, total=source.size)
            reports[split] = check_source(
                source,
                model.input_shape[-1],
                functools.partial(progress.advance, bar),
            )
    _print_counts(reports)
    if sum(_print_unreadable(split, report) for split, report in reports.items()):
        raise typer.Exit(DataError.exit_code)


@app.command()
def prepare(
    name: Annotated[DataSet, typer.Argument(help="Data set.")],
    output: Annotated[Path, typer.Option(help="Folder to write into.")],
    layout: Annotated[
        Layout, typer.Option("--format", help="How the files lie on disk.")
    ] = Layout.FOLDER,
) -> None:
    """Writes a data set as files and prints the section `data` that reads them."""
    from tools.prepare.digits import prepare_digits

    writers = {DataSet.DIGITS: prepare_digits}
    section = writers[name](output, layout)
    print_to_terminal("data:")
    for key, value in section.items():
        print_to_terminal(f"  {key}: {value}")
    print_to_terminal("  batch_size: 64")


def _print_counts(reports: dict[str, "SourceReport"]) -> None:
    from rich.table import Table

    table = Table(title="Readable examples")
    table.add_column("class")
    for split in reports:
        table.add_column(split, justify="right")
    columns = [report.counts for report in reports.values()]
    for label in columns[0]:
        table.add_row(label, *(str(counts[label]) for counts in columns))
    table.add_section()
    table.add_row("all", *(str(sum(counts.values())) for counts in columns))
    print_to_terminal(table)


def _print_unreadable(split: str, report: "SourceReport") -> int:
    unreadable = report.unreadable
    for example in unreadable[:_SHOWN]:
        print_to_terminal(f"{split}: {example.name}: {example.reason}")
    if len(unreadable) > _SHOWN:
        print_to_terminal(f"{split}: and {len(unreadable) - _SHOWN} more")
    return len(unreadable)
