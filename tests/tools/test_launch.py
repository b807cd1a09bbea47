"""Bad input to `tfmodels launch`, and the orders for a cluster; starts nothing."""

import json
import shlex
import socket
from pathlib import Path

import pytest

from tests.tools.conftest import Command
from tools.launch.local import free_ports

REMOTE = ("--set", "strategy.remote=true")
RUN = ("--workdir", "runs/g")


@pytest.mark.parametrize("config", ["gpipe/tiny", "googlenet/tiny"])
def test_one_process_needs_no_launcher(
    config: str, tfmodels: Command, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    code, _, err = tfmodels("launch", "local", config, "--workdir", run)
    assert code == 2
    assert "strategy.remote=true" in err
    assert "strategy.multi_worker=true" in err
    assert not run.exists()


def orders(text: str) -> list[tuple[dict, list[str]]]:
    """The value of TF_CONFIG and the command for each machine."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    words = [shlex.split(line) for line in lines]
    return [(json.loads(w[0].removeprefix("TF_CONFIG=")), w[1:]) for w in words]


def test_orders_for_a_pipeline(tfmodels: Command) -> None:
    command = ("launch", "manifest", "gpipe/tiny", *RUN, *REMOTE)
    code, out, _ = tfmodels(*command, "--hosts", "a:1,b:2,c:3")
    assert code == 0
    found = orders(out)
    cluster = {"chief": ["a:1"], "worker": ["b:2", "c:3"]}
    tasks = [("chief", 0), ("worker", 0), ("worker", 1)]
    for (tf_config, words), (job, index) in zip(found, tasks, strict=True):
        assert tf_config == {"cluster": cluster, "task": {"type": job, "index": index}}
        train = ["tfmodels", "train", "gpipe/tiny", *RUN, *REMOTE]
        assert words == (train if job == "chief" else ["tfmodels", "launch", "worker"])


def test_orders_for_data_parallel_processes(tfmodels: Command) -> None:
    change = ("--set", "strategy.multi_worker=true")
    command = ("launch", "manifest", "googlenet/tiny", *RUN, *change)
    code, out, _ = tfmodels(*command, "--hosts", "a:1, b:2")
    assert code == 0
    for index, (tf_config, words) in enumerate(orders(out)):
        assert tf_config["cluster"] == {"worker": ["a:1", "b:2"]}
        assert tf_config["task"] == {"type": "worker", "index": index}
        assert words == ["tfmodels", "train", "googlenet/tiny", *RUN, *change]


def test_orders_for_parameter_servers(tfmodels: Command) -> None:
    change = ("--set", "strategy={kind: parameter_server, servers: 2}")
    command = ("launch", "manifest", "googlenet/tiny", *RUN, *change)
    code, out, _ = tfmodels(*command, "--hosts", "a:1,b:2,c:3,d:4,e:5")
    assert code == 0
    cluster = {"chief": ["a:1"], "worker": ["b:2", "c:3"], "ps": ["d:4", "e:5"]}
    (chief, words), *others = orders(out)
    assert chief == {"cluster": cluster, "task": {"type": "chief", "index": 0}}
    runtime = ("--set", "strategy.runtime=coordinator")
    assert words == ["tfmodels", "train", "googlenet/tiny", *RUN, *change, *runtime]
    assert [c["task"]["type"] for c, _ in others] == ["worker"] * 2 + ["ps"] * 2
    assert all(words == ["tfmodels", "launch", "worker"] for _, words in others)


def test_orders_for_autonomous_replicas(tfmodels: Command) -> None:
    change = ("--set", "strategy={kind: parameter_server, runtime: rpc}")
    command = ("launch", "manifest", "googlenet/tiny", *RUN, *change)
    code, out, _ = tfmodels(*command, "--hosts", "a:1,b:2,c:3,d:4")
    assert code == 0
    cluster = {"chief": ["a:1"], "worker": ["b:2", "c:3"], "ps": ["d:4"]}
    found = orders(out)
    assert all(tf_config["cluster"] == cluster for tf_config, _ in found)
    replica = ["tfmodels", "launch", "replica", "googlenet/tiny", *change]
    assert [words for _, words in found] == [
        ["tfmodels", "train", "googlenet/tiny", *RUN, *change],
        *[replica] * 2,
        ["tfmodels", "launch", "server"],
    ]


@pytest.mark.parametrize(
    ("words", "key"),
    [
        (["--chief", "nowhere"], "--chief"),
        (["--chief", "a:1", "--share", "2/2"], "--share"),
        (["--chief", "a:1", "--share", "half"], "--share"),
        (["--chief", "a:1"], "strategy.kind"),
        (["--set", "strategy={kind: parameter_server}"], "TF_CONFIG"),
    ],
)
def test_a_replica_that_cannot_join(
    words: list[str], key: str, tfmodels: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TF_CONFIG", raising=False)
    code, _, err = tfmodels("launch", "replica", "googlenet/tiny", *words)
    assert code == 2
    assert key in err
    assert "xpected" in err


@pytest.mark.parametrize(
    ("command", "job"), [("replica", "ps"), ("server", "none"), ("train", "worker")]
)
def test_a_process_in_the_wrong_place(
    command: str, job: str, tfmodels: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = {"chief": ["a:1"], "ps": ["b:1"], "worker": ["c:1"]}
    task = {"type": job, "index": 0}
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": task}))
    change = ("--set", "strategy={kind: parameter_server, runtime: rpc}")
    words = {
        "replica": ("launch", "replica", "googlenet/tiny", *change),
        "server": ("launch", "server"),
        "train": ("train", "googlenet/tiny", *RUN, *change),
    }
    code, _, err = tfmodels(*words[command])
    assert code == 2
    assert "TF_CONFIG" in err


def test_servers_for_a_strategy_without(tfmodels: Command) -> None:
    command = ("launch", "local", "googlenet/tiny", *RUN)
    code, _, err = tfmodels(*command, "--parameter-servers", "2")
    assert code == 2
    assert "--parameter-servers" in err
    assert "parameter_server" in err


@pytest.mark.parametrize("hosts", ["a", "a:1,", "a:1,b:x", "a:1", "a:1,a:1", "a:99999"])
def test_wrong_hosts(hosts: str, tfmodels: Command) -> None:
    command = ("launch", "manifest", "gpipe/tiny", *RUN, *REMOTE, "--hosts", hosts)
    code, _, err = tfmodels(*command)
    assert code == 2
    assert "--hosts" in err
    assert "xpected" in err


def test_a_worker_without_a_cluster(
    tfmodels: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TF_CONFIG", raising=False)
    code, _, err = tfmodels("launch", "worker")
    assert code == 2
    assert "TF_CONFIG" in err


def test_a_worker_whose_port_is_taken(
    tfmodels: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    (port,) = free_ports(1)
    cluster = {"worker": [f"127.0.0.1:{port}"]}
    task = {"type": "worker", "index": 0}
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": task}))
    with socket.socket() as other:
        other.bind(("0.0.0.0", port))
        other.listen()
        code, _, err = tfmodels("launch", "worker")
    assert code == 2
    assert str(port) in err


@pytest.mark.parametrize("job", ["worker", "chief"])
def test_a_pipeline_that_nobody_can_direct(
    job: str, tfmodels: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cluster = {job: ["127.0.0.1:1"]}
    task = {"type": job, "index": 0}
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": task}))
    run = tmp_path / "run"
    code, _, err = tfmodels("train", "gpipe/tiny", "--workdir", run, *REMOTE)
    assert code == 2
    assert "strategy.remote" in err
    assert not run.exists()
