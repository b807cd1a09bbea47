"""`tfmodels compress`: a run's model, made smaller by another library."""

import json
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Annotated

import typer

from export.model_optimization.config import LibraryCompression
from tools.config import Overrides
from tools.console import metrics_table
from tools.console import print_to_terminal

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from export.model_optimization.compressing import Compressed

_PROGRAM, _FIGURES = "model.tflite", "compression.json"


def compress_command(
    run: Annotated[Path, typer.Argument(help="Folder of an image classifier's run.")],
    method: Annotated[str, typer.Option(help="prune, cluster or quantize.")],
    workdir: Annotated[Path, typer.Option(help="Folder of the new run.")],
    epochs: Annotated[int, typer.Option(help="How long it is to learn.")] = 5,
    sparsity: Annotated[
        float, typer.Option(help="prune: share of weights that become 0.")
    ] = 0.5,
    clusters: Annotated[
        int, typer.Option(help="cluster: values that a kernel's weights have.")
    ] = 16,
    learning_rate: Annotated[float, typer.Option(help="Of Adam.")] = 1e-3,
    time_limit: Annotated[
        float | None, typer.Option(help="Most seconds that the library may take.")
    ] = None,
    overrides: Overrides = None,
) -> None:
    """Make a run's model smaller with tensorflow-model-optimization.

    The new run can be evaluated, exported, trained and asked. For quantize there is an
    integer-only model.tflite in its folder too.
    """
    values = {"method": method, "epochs": epochs, "learning_rate": learning_rate}
    settings = LibraryCompression.parse(
        {**values, "sparsity": sparsity, "clusters": clusters}
    )
    import trainers
    from export.model_optimization.compressing import check
    from export.model_optimization.compressing import compress
    from tools.convert.runs import new_folder
    from tools.convert.runs import write_run
    from trainers.files import write_atomically
    from trainers.files import writing
    from trainers.runs import RunFolder

    folder = new_folder(workdir)
    experiment = RunFolder(run).experiment(overrides or ())
    check(experiment)
    results: list[Compressed] = []

    def arrays() -> "Mapping[str, np.ndarray]":
        results.append(
            compress(run, settings, print_to_terminal, overrides or (), time_limit)
        )
        return results[0].weights

    write_run(folder, experiment, arrays)
    (made,) = results
    write_atomically(workdir / _FIGURES, json.dumps(made.figures, indent=1) + "\n")
    if made.program is not None:
        with writing(workdir / _PROGRAM):
            (workdir / _PROGRAM).write_bytes(made.program)
    metrics = trainers.evaluate(workdir)
    title = f"{workdir}, {method}"
    print_to_terminal(metrics_table({**metrics, **made.figures}, title))
