"""`tfmodels config`: looks at configurations without running anything."""

import json
from typing import Annotated

import typer

from tfmodels.errors import ConfigError
from trainers.configuration import difference
from trainers.configuration import dump
from trainers.configuration import load_experiment
from trainers.configuration import schema

app = typer.Typer(help="Show, check and compare configurations.", no_args_is_help=True)

Config = Annotated[
    str,
    typer.Argument(
        help="A YAML file, or a shipped configuration such as googlenet/tiny.",
        show_default=False,
    ),
]
"""The argument that names one experiment, for every command that takes one."""

Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="A.B=VALUE",
        help="Change one key; may be given several times.",
        show_default=False,
    ),
]
"""The option that changes keys of an experiment, for every command that reads one."""


@app.command()
def show(config: Config, overrides: Overrides = None) -> None:
    """Print a configuration as YAML with every default filled in."""
    typer.echo(dump(load_experiment(config, overrides or [])), nl=False)


@app.command()
def validate(
    configs: Annotated[
        list[str],
        typer.Argument(
            help="YAML files or shipped configurations.", show_default=False
        ),
    ],
) -> None:
    """Check configurations; exit code 2 when one is wrong."""
    problems = []
    for config in configs:
        try:
            load_experiment(config)
        except ConfigError as error:
            problems.append(str(error))
        else:
            typer.echo(f"{config}: valid")
    if problems:
        raise ConfigError("\n".join(problems))


@app.command()
def diff(first: Config, second: Config) -> None:
    """Print the keys whose values differ between two configurations."""
    changes = difference(load_experiment(first), load_experiment(second))
    for change in changes:
        typer.echo(str(change))
    if not changes:
        typer.echo("no difference")


@app.command("schema")
def schema_command() -> None:
    """Print the JSON Schema of a configuration, for editors."""
    typer.echo(json.dumps(schema(), indent=2))
