"""`tfmodels clipping`: methods of quantization compared on the answers of a run."""

from pathlib import Path
from typing import Annotated

import typer

from tfmodels.errors import ConfigError
from tfmodels.errors import DataError
from tfmodels.quantization.groups import GroupSize
from tools.config import Overrides

_BITS = (4, 3, 2)
_SIZES = ("row", "32")


def clipping_command(
    workdir: Annotated[Path, typer.Argument(help="Folder of a trained run.")],
    output: Annotated[Path, typer.Option(help="Folder for methods.json, .txt, .png.")],
    bits: Annotated[
        list[int] | None,
        typer.Option(help="Of a weight, 2 to 8; 4, 3 and 2 if absent."),
    ] = None,
    group_size: Annotated[
        list[str] | None,
        typer.Option(
            help="Inputs that share a range, row, or tensor: all of a layer; row and 32"
            " if absent."
        ),
    ] = None,
    method: Annotated[
        list[str] | None, typer.Option(help="Names; all methods when absent.")
    ] = None,
    figure: Annotated[str, typer.Option(help="Of the task, to show.")] = "perplexity",
    overrides: Overrides = None,
) -> None:
    """Quantize a run by many methods, and tell what each does to its answers."""
    from export.optimal_clipping.methods import compare_methods
    from export.optimal_clipping.methods import write

    groups = [_group_size(size) for size in group_size or _SIZES]
    sizes = [(number, size) for number in bits or _BITS for size in groups]
    table = compare_methods(workdir, method or (), sizes, overrides or ())
    try:
        typer.echo(write(table, figure, output), nl=False)
    except OSError as error:
        raise DataError(
            f"{output}: the comparison cannot be written. Expected a writable folder"
            f" for --output. Received {error.strerror}."
        ) from None


def _group_size(size: str) -> GroupSize:
    if size == "tensor":
        return "tensor"
    if size == "row":
        return None
    if not size.isdecimal():
        raise ConfigError(
            f"--group-size: not a size of groups. Expected a number, row or tensor."
            f" Received {size!r}."
        )
    return int(size)
