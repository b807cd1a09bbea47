"""`tfmodels launch`: several processes on this machine, or orders for a cluster."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from tfmodels.errors import ConfigError
from tools.config import Config
from tools.config import Overrides
from tools.launch.local import free_ports
from tools.launch.local import run
from tools.launch.members import arguments
from tools.launch.members import members
from tools.launch.members import needed_overrides
from tools.launch.members import roles
from tools.quiet import load_tensorflow
from trainers.configuration import load_experiment
from trainers.strategies.config import AnyStrategy

app = typer.Typer(
    help="Train with several processes, on this machine or on several.",
    no_args_is_help=True,
)

Workdir = Annotated[
    Path, typer.Option(help="Folder of the run; resumed if it has begun.")
]


@app.command()
def local(
    config: Config,
    workdir: Workdir,
    overrides: Overrides = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Worker processes; as many as needed by default."),
    ] = None,
    parameter_servers: Annotated[
        int | None,
        typer.Option(min=1, help="Processes that hold the parameters, likewise."),
    ] = None,
) -> None:
    """Train with all processes on this machine; stops all of them at the end."""
    strategy, changes = _strategy(config, overrides)
    jobs = roles(strategy, workers, parameter_servers)
    ports = free_ports(sum(role.count for role in jobs))
    cluster = members(jobs, [f"127.0.0.1:{port}" for port in ports])
    raise typer.Exit(run(cluster, arguments(config, workdir, changes)))


@app.command()
def worker() -> None:
    """Wait for work as the process that TF_CONFIG says, until stopped."""
    load_tensorflow()
    from trainers.workers import serve

    serve()


@app.command()
def server() -> None:
    """Hold parameters as the process that TF_CONFIG says; for strategy.runtime: rpc."""
    load_tensorflow()
    from trainers.strategies.parameter_server.rpc.shard import serve

    serve()


@app.command()
def replica(
    config: Config,
    overrides: Overrides = None,
    chief: Annotated[
        str | None,
        typer.Option(help="Address host:port of the chief; in place of TF_CONFIG."),
    ] = None,
    share: Annotated[
        str,
        typer.Option(
            help="With --chief: which part of its data is this replica's own, as 0/2"
            " for the first of two equal ones."
        ),
    ] = "0/1",
) -> None:
    """Join a run with strategy.runtime: rpc, from anywhere and at any time."""
    if chief is not None:
        _check_addresses("--chief", [chief])
    place = _share(share)
    load_tensorflow()
    from trainers.strategies.parameter_server.rpc.replica import join

    counted = join(config, overrides or (), chief, place)
    typer.echo(f"{counted} steps of this replica have counted.")


@app.command()
def manifest(
    config: Config,
    workdir: Workdir,
    hosts: Annotated[
        str,
        typer.Option(
            help="Addresses host:port with commas between; the one that directs the"
            " others first."
        ),
    ],
    overrides: Overrides = None,
) -> None:
    """Print what to run on each machine of a cluster."""
    addresses = [address.strip() for address in hosts.split(",")]
    _check_addresses("--hosts", addresses)
    strategy, changes = _strategy(config, overrides)
    single = sum(role.count for role in roles(strategy, 1)) - 1
    if len(addresses) <= single or len(set(addresses)) < len(addresses):
        raise ConfigError(
            f"--hosts: too few addresses, or one twice. Expected at least {single + 1};"
            f" received {hosts!r}."
        )
    words = arguments(config, workdir, changes)
    for member in members(roles(strategy, len(addresses) - single), addresses):
        typer.echo(f"# {member.name}, on {member.address.rpartition(':')[0]}")
        typer.echo(f"TF_CONFIG={shlex.quote(member.tf_config)} tfmodels", nl=False)
        typer.echo(f" {shlex.join(words[member.role.command])}")


def _check_addresses(option: str, addresses: Sequence[str]) -> None:
    """Makes sure that all of an option's words are addresses.

    Raises:
      ConfigError: some are not.
    """
    if wrong := [address for address in addresses if not _is_address(address)]:
        raise ConfigError(
            f"{option}: not an address: {', '.join(map(repr, wrong))}. Expected"
            " host:port, such as a:2222; several with commas between."
        )


def _share(text: str) -> tuple[int, int]:
    """Index and count of a share such as ``0/2``.

    Raises:
      ConfigError: it is not one.
    """
    index, _, count = text.partition("/")
    if index.isdigit() and count.isdigit() and int(index) < int(count):
        return int(index), int(count)
    raise ConfigError(
        "--share: not a part of the data. Expected INDEX/COUNT with the index below the"
        f" count, such as 0/2. Received {text!r}."
    )


def _is_address(text: str) -> bool:
    host, _, port = text.rpartition(":")
    return bool(host) and port.isdigit() and 0 < int(port) < 65536


def _strategy(
    config: str, overrides: list[str] | None
) -> tuple[AnyStrategy, list[str]]:
    """An experiment's strategy, and all changes that its processes are told."""
    changes = list(overrides or [])
    changes += needed_overrides(load_experiment(config, changes).strategy)
    return load_experiment(config, changes).strategy, changes
