"""`tfmodels benchmark`: runs one of the benchmarks and prints its JSON."""

import json
from pathlib import Path
from typing import Annotated

import typer

from tfmodels.config import similar
from tfmodels.errors import ConfigError
from tools.benchmark import BENCHMARKS
from tools.benchmark import run_benchmark


def benchmark_command(
    name: Annotated[str, typer.Argument(help=f"One of {', '.join(BENCHMARKS)}.")],
    output: Annotated[
        Path | None, typer.Option(help="Also write the JSON to this file.")
    ] = None,
) -> None:
    """Measure against a named rival in the same run; medians as JSON."""
    if name not in BENCHMARKS:
        raise ConfigError(
            f"there is no benchmark {name!r}.{similar(name, BENCHMARKS)} Expected one"
            f" of {', '.join(BENCHMARKS)}. Received {name!r}."
        )
    text = json.dumps(run_benchmark(name), indent=1)
    if output is not None:
        output.write_text(text + "\n")
    typer.echo(text)
