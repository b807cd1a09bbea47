"""``tfmodels convert``: weights of other programs become a run's."""

from pathlib import Path
from typing import Annotated

import typer

from tools.config import Config
from tools.config import Overrides
from tools.console import print_to_terminal
from tools.convert.layouts import Layout

app = typer.Typer(no_args_is_help=True, help="Bring weights of other programs.")


@app.command("gnmt")
def gnmt_command(
    weights: Annotated[
        Path, typer.Argument(help="A .npz file: arrays under their own names.")
    ],
    config: Config,
    layout: Annotated[Layout, typer.Option(help="Whose names these are.")],
    workdir: Annotated[Path, typer.Option(help="Folder of the run, new.")],
    forget_bias: Annotated[
        float, typer.Option(help="tensorflow_nmt: its --forget_bias.")
    ] = 1.0,
    overrides: Overrides = None,
) -> None:
    """Make a run folder of somebody else's translation model."""
    from tools.convert.gnmt import convert_gnmt
    from tools.quiet import load_tensorflow
    from trainers.configuration import load_experiment

    experiment = load_experiment(config, overrides or ())
    load_tensorflow()
    convert_gnmt(weights, experiment, layout, workdir, forget_bias)
    print_to_terminal(
        f"Converted to {workdir}. Look at it with: tfmodels evaluate {workdir}"
    )


@app.command("transformer")
def transformer_command(
    weights: Annotated[
        Path, typer.Argument(help="llama2.c's .bin, or .safetensors of Llama or GPT-2.")
    ],
    config: Config,
    workdir: Annotated[Path, typer.Option(help="Folder of the run, new.")],
    overrides: Overrides = None,
) -> None:
    """Make a run folder of somebody else's language model."""
    from tools.convert.language_models import convert_transformer
    from tools.quiet import load_tensorflow
    from trainers.configuration import load_experiment

    experiment = load_experiment(config, overrides or ())
    load_tensorflow()
    convert_transformer(weights, experiment, workdir)
    print_to_terminal(
        f"Converted to {workdir}. Look at it with: tfmodels evaluate {workdir}"
    )
