"""`tfmodels doctor`: what this machine offers and what it lacks; trains nothing."""

import importlib
import json
import os
import pathlib
import platform
import shutil
import tempfile
from importlib import metadata
from typing import Annotated
from typing import Any
from typing import NamedTuple

import typer
from packaging.requirements import Requirement
from rich.table import Table

from tfmodels.errors import CheckFailed
from tools.console import print_to_terminal

_PLURAL = {"ps": "servers"}
_NATIVE = ("keras", "tensorflow_text", "ai_edge_litert.interpreter")


class Finding(NamedTuple):
    """One line of the report."""

    subject: str
    """What was looked at."""
    found: str
    """What is there."""
    problem: str = ""
    """What must be done about it; empty when nothing."""


def doctor_command(
    workdir: Annotated[
        pathlib.Path, typer.Option(help="Folder that runs will be written to.")
    ] = pathlib.Path("runs"),
) -> None:
    """Report versions, devices and the cluster; exit code 1 when one is missing."""
    findings = [
        Finding("python", f"{platform.python_version()} on {platform.platform()}"),
        *package_findings(),
        *device_findings(),
        *cluster_findings(os.environ.get("TF_CONFIG", "")),
        folder_finding(workdir),
    ]
    table = Table("", "found", "problem")
    for finding in findings:
        table.add_row(*finding, style="red" if finding.problem else None)
    print_to_terminal(table)
    problems = [f"{f.subject}: {f.problem}" for f in findings if f.problem]
    if problems:
        raise CheckFailed("\n".join(problems))


def package_findings() -> list[Finding]:
    """Compares the installed packages with what this distribution requires."""
    try:
        requirements = metadata.requires("tfmodels") or []
    except metadata.PackageNotFoundError:
        return [Finding("tfmodels", "not installed", "run: pip install -e .")]
    return [requirement_finding(Requirement(text)) for text in requirements]


def requirement_finding(requirement: Requirement) -> Finding:
    """Compares one requirement with what is installed; extras may be missing."""
    try:
        version = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        optional = requirement.marker and not requirement.marker.evaluate({"extra": ""})
        problem = "" if optional else f"run: pip install '{requirement}'"
        return Finding(requirement.name, "not installed", problem)
    if not requirement.specifier.contains(version, prereleases=True):
        problem = f"expected {requirement.specifier}: pip install '{requirement}'"
        return Finding(requirement.name, version, problem)
    return Finding(requirement.name, version)


def device_findings() -> list[Finding]:
    """Loads TensorFlow and what stands on it, and lists the devices it sees."""
    try:
        import tensorflow as tf
    except (ImportError, OSError) as error:
        return [Finding("devices", "none", f"tensorflow does not load: {error}")]
    findings = []
    for name in _NATIVE:
        try:
            importlib.import_module(name)
        except (ImportError, OSError, tf.errors.OpError) as error:
            findings.append(Finding(name, "does not load", str(error)))
    for kind in ("CPU", "GPU", "TPU"):
        devices = tf.config.list_physical_devices(kind)
        names = ", ".join(_device_name(device) for device in devices)
        findings.append(Finding(kind, names or "none"))
    return findings


def cluster_findings(text: str) -> list[Finding]:
    """Explains the variable TF_CONFIG, which names the processes of a cluster.

    Args:
      text: its value, JSON; empty when this process works alone.
    """
    if not text:
        return [Finding("TF_CONFIG", "not set: this process works alone")]
    try:
        values = json.loads(text)
        cluster, task = values["cluster"], values["task"]
        own = cluster[task["type"]][task["index"]]
    except (ValueError, KeyError, IndexError, TypeError) as error:
        expected = '{"cluster": {"worker": ["host:port"]}, "task": {...}}'
        problem = f"expected {expected} that lists this task ({error!r})"
        return [Finding("TF_CONFIG", text[:80], problem)]
    return [
        *(
            Finding(_PLURAL.get(role, f"{role}s"), ", ".join(hosts))
            for role, hosts in cluster.items()
        ),
        Finding("this process", f"{task['type']} {task['index']} at {own}"),
        *([_command_finding(cluster, task["type"])] if "ps" in cluster else []),
    ]


def _command_finding(cluster: dict[str, Any], job: str) -> Finding:
    """What a process of a cluster with parameter servers has to run."""
    commands = {
        "chief": "tfmodels train",
        "worker": "tfmodels launch worker, or replica with strategy.runtime: rpc",
        "ps": "tfmodels launch worker, or server with strategy.runtime: rpc",
    }
    found = commands.get(job, "none")
    if not cluster.get("worker"):
        found += "; no workers: with strategy.runtime: rpc only, for replicas that join"
    lost = "" if cluster.get("chief") else "expected the job 'chief' in the cluster"
    return Finding("its command", found, lost)


def folder_finding(workdir: pathlib.Path) -> Finding:
    """Tries to write where runs will go, without leaving anything there."""
    existing = workdir.absolute()
    while not existing.exists():
        existing = existing.parent
    try:
        with tempfile.TemporaryFile(dir=existing):
            free = shutil.disk_usage(existing).free
    except OSError as error:
        return Finding("workdir", str(workdir), f"cannot be written: {error}")
    return Finding("workdir", f"{workdir}: writable, {free / 2**30:.1f} GiB free")


def _device_name(device: object) -> str:
    import tensorflow as tf

    details = tf.config.experimental.get_device_details(device)
    return details.get("device_name", str(getattr(device, "name", device)))
