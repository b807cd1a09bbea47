"""The `tfmodels` command: mounts sub-commands, turns user errors into sentences."""

import functools
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

import typer

from tfmodels.errors import UserError
from tools import config
from tools import data
from tools import raml
from tools import recognition
from tools.benchmark.command import benchmark_command
from tools.clipping import clipping_command
from tools.compress import compress_command
from tools.convert.command import app as convert
from tools.demo import demo_command
from tools.describe import describe_command
from tools.doctor import doctor_command
from tools.evaluate import evaluate_command
from tools.export import export_command
from tools.launch.command import app as launch
from tools.plan import plan_command
from tools.predict import predict_command
from tools.quiet import load_tensorflow
from tools.synthesis import app as synthesis
from tools.systems import systems_command
from tools.train import train_command
from tools.verify import verify_command

app = typer.Typer(
    name="tfmodels",
    help="Ten published Google systems: train, evaluate, export, verify, predict.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _with_tensorflow(command: Callable[..., None]) -> Callable[..., None]:
    """The same command, which loads TensorFlow first."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        load_tensorflow()
        command(*args, **kwargs)

    return run


app.command("demo")(_with_tensorflow(demo_command))
app.command("systems")(systems_command)
app.command("train")(_with_tensorflow(train_command))
app.command("evaluate")(_with_tensorflow(evaluate_command))
app.command("predict")(_with_tensorflow(predict_command))
app.command("export")(_with_tensorflow(export_command))
app.command("verify")(_with_tensorflow(verify_command))
app.command("compress")(_with_tensorflow(compress_command))
app.command("clipping")(_with_tensorflow(clipping_command))
app.command("describe")(_with_tensorflow(describe_command))
app.command("plan")(_with_tensorflow(plan_command))
app.add_typer(config.app, name="config")
app.add_typer(data.app, name="data")
app.add_typer(raml.app, name="raml")
app.add_typer(recognition.app, name="recognition")
app.add_typer(synthesis, name="synthesis")
app.add_typer(convert, name="convert")
app.add_typer(launch, name="launch")
app.command("benchmark")(benchmark_command)
app.command("doctor")(doctor_command)


def main() -> None:
    """Runs the command line; a `UserError` ends it with a message and its exit code."""
    # Before TensorFlow is imported: errors only.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ["KERAS_BACKEND"] = "tensorflow"
    try:
        app()
    except UserError as error:
        typer.secho(str(error), fg=typer.colors.RED, err=True)
        raise SystemExit(error.exit_code) from None


def process() -> None:
    """`main` as a process of its own, which ends at once if it leaves threads.

    Those of TensorFlow that wait in C++ for a lost worker would abort an interpreter
    that ends by itself ("exception not rethrown").
    """
    try:
        main()
    except SystemExit as end:
        left = any(thread.daemon for thread in threading.enumerate())
        if not (left and isinstance(end.code, int)):
            raise
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(end.code)


if __name__ == "__main__":
    process()
