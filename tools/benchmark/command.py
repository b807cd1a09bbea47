"""`tfmodels benchmark`: runs one of the benchmarks and prints its JSON."""

import inspect
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated
from typing import Any

import typer

from tfmodels.config import similar
from tfmodels.errors import ConfigError
from tools.benchmark import BENCHMARKS
from tools.benchmark import find_benchmark
from trainers.configuration import override


def benchmark_command(
    name: Annotated[str, typer.Argument(help=f"One of {', '.join(BENCHMARKS)}.")],
    output: Annotated[
        Path | None, typer.Option(help="Also write the JSON to this file.")
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Change a number or a word of the benchmark, such as rounds=1.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Measure against a named rival in the same run; medians as JSON."""
    if name not in BENCHMARKS:
        raise ConfigError(
            f"there is no benchmark {name!r}.{similar(name, BENCHMARKS)} Expected one"
            f" of {', '.join(BENCHMARKS)}. Received {name!r}."
        )
    text = json.dumps(find_benchmark(name)(**_changes(name, changes or ())), indent=1)
    if output is not None:
        output.write_text(text + "\n")
    typer.echo(text)


def _changes(name: str, texts: Sequence[str]) -> dict[str, Any]:
    """Arguments of a benchmark that are not as usual.

    Raises:
      ConfigError: it has no such argument, or of another type.
    """
    values: dict[str, Any] = {}
    for text in texts:
        override(values, text)
    parameters = inspect.signature(find_benchmark(name)).parameters.values()
    usual = {
        parameter.name: parameter.default
        for parameter in parameters
        if isinstance(parameter.default, int | float | str)
    }
    for key, value in values.items():
        if key not in usual or type(value) is not type(usual[key]):
            known = ", ".join(f"{n}={json.dumps(v)}" for n, v in usual.items())
            raise ConfigError(
                f"--set {key}: the benchmark {name} cannot be changed so. Expected one"
                f" of {known}, or another value of the same kind. Received"
                f" {json.dumps(value)}."
            )
    return values
