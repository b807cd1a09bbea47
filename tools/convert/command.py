"""``tfmodels convert``: weights of other programs, or of a run, become a run's."""

from pathlib import Path
from typing import TYPE_CHECKING
from typing import Annotated

import typer

from tools.config import Config
from tools.config import Overrides
from tools.console import print_to_terminal
from tools.convert.classifiers import ImageLayout
from tools.convert.layouts import Layout

if TYPE_CHECKING:
    from trainers.experiment import Experiment

app = typer.Typer(
    no_args_is_help=True, help="Bring weights of other programs, or pack a run's."
)


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

    experiment = _opened(config, overrides)
    convert_gnmt(weights, experiment, layout, workdir, forget_bias)
    _tell(workdir)


@app.command("googlenet")
@app.command("inception_v4")
def classifier_command(
    weights: Annotated[
        Path, typer.Argument(help="A .npz file of their arrays, or one of Keras's own.")
    ],
    config: Config,
    layout: Annotated[ImageLayout, typer.Option(help="Whose names these are.")],
    workdir: Annotated[Path, typer.Option(help="Folder of the run, new.")],
    overrides: Overrides = None,
) -> None:
    """Make a run folder of somebody else's image classifier."""
    from tools.convert.classifiers import convert_classifier

    experiment = _opened(config, overrides)
    convert_classifier(weights, experiment, layout, workdir)
    _tell(workdir)


@app.command("names")
def names_command(
    run: Annotated[Path, typer.Argument(help="Folder of an image classifier's run.")],
    layout: Annotated[ImageLayout, typer.Option(help="Whose names are wanted.")],
    output: Annotated[Path, typer.Option(help="A new .npz file.")],
) -> None:
    """Write a run's weights under somebody else's names."""
    from tools.convert.classifiers import write_names
    from tools.quiet import load_tensorflow

    load_tensorflow()
    write_names(run, layout, output)
    print_to_terminal(f"Written to {output}.")


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

    experiment = _opened(config, overrides)
    convert_transformer(weights, experiment, workdir)
    _tell(workdir)


@app.command("tacotron")
def tacotron_command(
    weights: Annotated[
        Path, typer.Argument(help="A .npz file: NVIDIA's arrays under their own names.")
    ],
    config: Config,
    workdir: Annotated[Path, typer.Option(help="Folder of the run, new.")],
    overrides: Overrides = None,
) -> None:
    """Make a run folder of the public Tacotron 2."""
    from tools.convert.tacotron import convert_tacotron

    experiment = _opened(config, overrides)
    convert_tacotron(weights, experiment, workdir)
    print_to_terminal(
        f"Converted to {workdir}. Hear it with: tfmodels predict {workdir} 'Hello.' -o"
        " hello.wav"
    )


@app.command("voices")
def voices_command(
    run: Annotated[Path, typer.Argument(help="Folder of a synthesiser's run.")],
    workdir: Annotated[Path, typer.Option(help="Folder of the new run.")],
    steps: Annotated[str, typer.Option(help="How long it is to train.")] = "300",
    alone: Annotated[
        bool,
        typer.Option(help="Learn the new voices' own numbers, and nothing else."),
    ] = False,
    overrides: Overrides = None,
) -> None:
    """Make a run that learns more voices; --set data.manifests says whose."""
    from tools.convert.voices import convert_voices
    from tools.quiet import load_tensorflow

    load_tensorflow()
    added = convert_voices(run, workdir, steps, alone, overrides or ())
    print_to_terminal(
        f"Converted to {workdir}, with {', '.join(added)}. Train it with: tfmodels"
        f" train {workdir}/config.yaml --workdir {workdir}"
    )


@app.command("adapters")
def adapters_command(
    run: Annotated[Path, typer.Argument(help="Folder of a run in floating point.")],
    workdir: Annotated[Path, typer.Option(help="Folder of the new run.")],
    overrides: Overrides = None,
) -> None:
    """Make a run whose weights are packed, and whose adapters are to be trained."""
    from tools.convert.adapters import convert_adapters
    from tools.quiet import load_tensorflow

    load_tensorflow()
    convert_adapters(run, workdir, overrides or ())
    print_to_terminal(
        f"Converted to {workdir}. Train it with: tfmodels train {workdir}/config.yaml"
        f" --workdir {workdir}"
    )


@app.command("clip")
def clip_command(
    weights: Annotated[Path, typer.Argument(help=".safetensors of Llama or GPT-2.")],
    output: Annotated[Path, typer.Option(help="A new .safetensors of packed weights.")],
    bits: Annotated[int, typer.Option(help="Of a weight, 2 to 8.")] = 4,
    group_size: Annotated[
        int, typer.Option(help="Inputs that share a range; 0 for all of an output.")
    ] = 32,
    method: Annotated[str, typer.Option(help="How ranges are found.")] = "newton",
) -> None:
    """Clip and pack weights matrix by matrix; one at a time is in memory."""
    from export.optimal_clipping.figures import table
    from tfmodels.quantization.policy import HEADS
    from tfmodels.quantization.policy import ClippingRule
    from tfmodels.quantization.policy import default_policy
    from tools.convert.packed import clip_file

    values = {"kind": "linear", "bits": bits, "method": method}
    rule = ClippingRule.parse({**values, "group_size": group_size or None})
    head = ClippingRule(layers=HEADS, bits=8, group_size=None)
    figures = clip_file(weights, output, default_policy(bits, (head, rule)))
    typer.echo(table(figures), nl=False)


def _opened(config: Config, overrides: Overrides) -> "Experiment":
    """The experiment, once TensorFlow is there."""
    from tools.quiet import load_tensorflow
    from trainers.configuration import load_experiment

    experiment = load_experiment(config, overrides or ())
    load_tensorflow()
    return experiment


def _tell(workdir: Path) -> None:
    print_to_terminal(
        f"Converted to {workdir}. Look at it with: tfmodels evaluate {workdir}"
    )
