"""`tfmodels predict`: what a run or an exported artefact says about an input."""

import json
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Annotated
from typing import Any

import typer

from tfmodels.errors import ConfigError
from tools.config import Overrides
from tools.console import print_to_terminal


def predict_command(
    model: Annotated[Path, typer.Argument(help="A run's folder or an artefact's.")],
    inputs: Annotated[
        list[str], typer.Argument(help="Image files; recordings; lines of text.")
    ],
    nbest: Annotated[
        int | None,
        typer.Option(help="Answers for each input, with scores and alignments.", min=1),
    ] = None,
    stream: Annotated[
        bool,
        typer.Option(
            "--stream",
            help="Recognise recordings as if somebody spoke, what may change in []; say"
            " texts while they are being made.",
        ),
    ] = False,
    speaker: Annotated[str | None, typer.Option(help="Who says a text.")] = None,
    language: Annotated[
        str | None, typer.Option(help="Language of a text that is to be said.")
    ] = None,
    accent: Annotated[
        str | None,
        typer.Option(help="Language in whose manner it is said, if another one."),
    ] = None,
    prefix: Annotated[
        str | None, typer.Option(help="How translations begin, in whole words.")
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(help="Score this translation: print its price and alignment."),
    ] = None,
    ensemble: Annotated[
        list[str] | None,
        typer.Option(help="Run that translates along; may be given repeatedly."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="WAV file for what is said, - for samples of 16 bits on standard"
            " output; PNG file for boxes.",
        ),
    ] = None,
    overrides: Overrides = None,
) -> None:
    """Predict on files or text with a trained run or an exported artefact."""
    voice = {"speaker": speaker, "language": language, "accent": accent}
    asked = {"prefix": prefix, "target": target, "ensemble": ensemble}
    chosen = [
        # JSON, as any text may be a value.
        f"task.{key}={json.dumps(value, ensure_ascii=False)}"
        for key, value in {**voice, **asked}.items()
        if value is not None
    ]
    overrides = [*(overrides or ()), *chosen]
    if target is not None and nbest is None:
        nbest = 1
    if output is not None and len(inputs) != 1:
        raise ConfigError(
            "--output: one file holds one answer. Expected one input. Received"
            f" {len(inputs)}."
        )
    # Standard output is for the sound then.
    show = partial(typer.echo, err=True) if output == Path("-") else print_to_terminal
    if stream:
        _show_streams(model, inputs, overrides, output, show)
        return
    is_artefact = (model / "manifest.json").exists()
    if is_artefact and nbest is None and output is None:
        _print_parts(model, inputs, overrides)
        return
    predict = _artefact(model, overrides) if is_artefact else _run(model, overrides)
    for source in inputs:
        answer = predict(source)
        if output is not None:
            _check_sound(answer, output)
            answer.write(output)
        if nbest is None:
            show(f"{source}: {answer}")
        elif hasattr(answer, "table"):
            print_to_terminal(f"{source}:\n{answer.table(nbest)}")
        else:
            raise ConfigError(
                "--nbest: this model gives one answer. Expected a model that searches,"
                f" such as a translator, or no --nbest. Received {nbest} for {model}."
            )


def _check_sound(answer: Any, path: Path) -> None:
    if not hasattr(answer, "write"):
        raise ConfigError(
            "--output: this model's answers are no sound and no picture. Expected a"
            f" synthesiser's run, a detector's, or no --output. Received {path}."
        )


def _artefact(folder: Path, overrides: Sequence[str]) -> Callable[[str], Any]:
    import export

    return export.load(folder, overrides).predict


def _print_parts(folder: Path, inputs: list[str], overrides: Sequence[str]) -> None:
    """Prints answers of an artefact, each part of them as soon as it is known."""
    import export

    artefact = export.load(folder, overrides)
    for source in inputs:
        parts = artefact.parts(source)
        # Nothing of an answer that cannot be given.
        typer.echo(f"{source}: {next(parts, '')}", nl=False)
        for part in parts:
            typer.echo(part, nl=False)
        typer.echo()


def _run(folder: Path, overrides: Sequence[str]) -> Callable[[str], Any]:
    from trainers.runs import load_run

    run = load_run(folder, overrides)
    return lambda source: run.task.predict(run.model, source)


def _show_streams(
    folder: Path,
    inputs: list[str],
    overrides: Sequence[str],
    output: Path | None,
    show: Callable[[str], object],
) -> None:
    import export

    stream = export.open_stream(folder, overrides)
    for source in inputs:
        parts = stream(source)
        if output is not None:
            parts = _written(parts, output)
        for part in parts:
            show(f"{source}: {part}")


def _written(parts: Iterator[Any], path: Path) -> Iterator[Any]:
    """Passes on parts of what is said, each once it is in the file."""
    from trainers.tasks.spoken import written

    first = next(parts)
    _check_sound(first, path)
    yield from written(chain([first], parts), path)
