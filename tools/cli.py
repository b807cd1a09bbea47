"""The `tfmodels` command: mounts sub-commands, turns user errors into sentences."""

import os

import typer

from tfmodels.errors import UserError
from tools import config
from tools import data
from tools.benchmark.command import benchmark_command
from tools.demo import demo_command
from tools.doctor import doctor_command
from tools.evaluate import evaluate_command
from tools.export import export_command
from tools.predict import predict_command
from tools.systems import systems_command
from tools.train import train_command
from tools.verify import verify_command

app = typer.Typer(
    name="tfmodels",
    help="Ten published Google systems: train, evaluate, export, verify, predict.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command("demo")(demo_command)
app.command("systems")(systems_command)
app.command("train")(train_command)
app.command("evaluate")(evaluate_command)
app.command("predict")(predict_command)
app.command("export")(export_command)
app.command("verify")(verify_command)
app.add_typer(config.app, name="config")
app.add_typer(data.app, name="data")
app.command("benchmark")(benchmark_command)
app.command("doctor")(doctor_command)


def main() -> None:
    """Runs the command line; a `UserError` ends it with a message and its exit code."""
    # Before TensorFlow is imported: errors only.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        app()
    except UserError as error:
        typer.secho(str(error), fg=typer.colors.RED, err=True)
        raise SystemExit(error.exit_code) from None


if __name__ == "__main__":
    main()
