"""`tfmodels export`: makes the folder that leaves for a device."""

from pathlib import Path
from typing import Annotated

import typer

from export.presets import PRESETS
from tools.config import Overrides
from tools.console import print_to_terminal

_PRESETS = "; ".join(f"{name}: {preset.summary}" for name, preset in PRESETS.items())


def export_command(
    workdir: Annotated[Path, typer.Argument(help="Folder of a trained run.")],
    preset: Annotated[str, typer.Option(help=f"What to export for. {_PRESETS}.")],
    output: Annotated[Path, typer.Option(help="The artefact's folder, new or empty.")],
    overrides: Overrides = None,
) -> None:
    """Export a trained run as a folder that stands on its own."""
    import export

    folder = export.export(workdir, preset, output, overrides or ())
    floating = export.load(folder).floating
    if floating:
        print_to_terminal(
            f"In floating point, with int8 weights: {', '.join(floating)}. There ranges"
            " cannot be calibrated, or would not be good enough."
        )
    print_to_terminal(f"Exported to {folder}. Check it with: tfmodels verify {folder}")
