"""Replicas that ask for steps, over real connections: exact counts, nothing twice."""

import threading
from contextlib import ExitStack
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from tests.trainers.asynchronous import opened
from tests.trainers.toy import ToyTask
from tests.trainers.toy import toy_stage
from tfmodels.errors import ConfigError
from tfmodels.errors import ProcessLost
from tools.launch.local import free_ports
from trainers.experiment import RunConfig
from trainers.optimizers.config import Adagrad
from trainers.strategies.config import ParameterServerConfig
from trainers.strategies.parameter_server.flat import cut
from trainers.strategies.parameter_server.rpc import desk as desks
from trainers.strategies.parameter_server.rpc import replica as replicas
from trainers.strategies.parameter_server.rpc.connection import Connection
from trainers.strategies.parameter_server.rpc.desk import Desk
from trainers.strategies.parameter_server.rpc.replica import Replica
from trainers.strategies.parameter_server.rpc.runtime import Autonomous
from trainers.strategies.parameter_server.rpc.runtime import RemoteStore
from trainers.strategies.parameter_server.rpc.shard import ShardServer
from trainers.strategies.parameter_server.rpc.wire import Frame
from trainers.strategies.parameter_server.rpc.wire import Peer
from trainers.strategies.parameter_server.rpc.wire import serving

HEADER = 24
DONE = {"totals": {"loss": [1.0, 1.0]}, "norm": 1.0, "staleness": 0, "skipped": 0}
SKIPPED = {**DONE, "skipped": 1}
RATE = {"kind": "constant", "initial": 0.1}


class Service:
    """A chief and two servers in this process, each at a port of its own."""

    def __init__(self, stack):
        self.addresses = [f"127.0.0.1:{port}" for port in free_ports(3)]
        self.desk = Desk()
        stack.enter_context(serving(self.addresses[0], self.desk.methods))
        for address in self.addresses[1:]:
            stack.enter_context(serving(address, ShardServer().methods))
        self.peers = [Peer(address, stack) for address in self.addresses[1:]]
        self._stack = stack
        self._names = 0

    def connect(self):
        """A replica's connection."""
        self._names += 1
        return Connection(self.addresses[0], f"replica {self._names}", self._stack)

    def open(self, job, **vectors):
        """A stage of training, its vectors filled with a number each."""
        runtime = Autonomous(job, self.desk, self.peers)
        names = job.store([""]).shards
        filled = {n: tf.fill([job.flat.size], vectors.get(n, 0.0)) for n in names}
        runtime.store.load(filled, 0)
        return runtime


@pytest.fixture(scope="module")
def service():
    with ExitStack() as stack:
        yield Service(stack)


def job_of(optimizer=None, batch_norm=False, **strategy):
    stage = toy_stage(ToyTask(batch_norm=batch_norm))
    if optimizer:
        stage = replace(stage, optimizer=optimizer)
    return opened(stage, strategy).trainable._job


@pytest.fixture(scope="module")
def adagrad():
    settings = {"learning_rate": RATE, "initial_accumulator": 0.0}
    return job_of(Adagrad.parse(settings))


class Running:
    """A number of steps that replicas may take, in a thread."""

    def __init__(self, runtime, steps):
        self.outcomes = []
        self._thread = threading.Thread(
            target=lambda: self.outcomes.extend(runtime.run(steps))
        )
        self._thread.start()

    def end(self):
        """Waits until they are done."""
        self._thread.join(60)
        assert not self._thread.is_alive()
        return self.outcomes


def begin(connection):
    """Waits for a step."""
    for _ in range(12):
        if connection.start():
            return
    raise AssertionError("no step was given")


def push_ones(service, job, running, twice=False):
    """Takes steps that push ones until the chunk is done."""
    connection = service.connect()
    ones, rate = tf.ones([job.flat.size]), tf.constant(0.0)
    while running._thread.is_alive():
        if connection.start():
            connection.push(ones, rate)
            assert connection.finish(DONE)
            if twice:
                connection.push(ones, rate)
                connection.finish(DONE)


def test_every_push_counts_once(service, monkeypatch):
    monkeypatch.setattr(desks, "_WAIT", 0.2)
    settings = {"learning_rate": RATE, "initial_accumulator": 0.0}
    adagrad = job_of(Adagrad.parse(settings), batch_norm=True)
    runtime = service.open(adagrad)
    running = Running(runtime, 400)
    threads = [
        threading.Thread(target=push_ones, args=(service, adagrad, running, twice))
        for twice in (False, True)
    ]
    for thread in threads:
        thread.start()
    outcomes = running.end()
    for thread in threads:
        thread.join(60)
    assert len(outcomes) == int(runtime.store.present()) == 400
    read = runtime.store.read()
    # The two statistics of batch norm have no gradient: what was pushed is added.
    statistics = 2 * 6
    size = adagrad.flat.size - statistics
    totals = [400.0] * size + [0.0] * statistics
    np.testing.assert_array_equal(read["accumulator"], totals)
    expected = -0.1 * np.sum(1 / np.sqrt(np.arange(1, 401)))
    values = [expected] * size + [400.0] * statistics
    np.testing.assert_allclose(read["value"], values, 1e-5)
    assert runtime.measures() == {"parameter_server/replicas": 2.0}
    assert min(outcome["staleness"] for outcome in outcomes) == 0


def test_only_numbers_and_a_header_cross(service, adagrad, monkeypatch):
    sent = []
    send = Peer.send

    def noted(peer, method, data, *options, **more):
        sent.append((method, len(data)))
        return send(peer, method, data, *options, **more)

    running = Running(service.open(adagrad), 1)
    connection = service.connect()
    begin(connection)
    monkeypatch.setattr(Peer, "send", noted)
    _, fetched = connection.fetch()
    connection.push(tf.ones([adagrad.flat.size]), tf.constant(0.0))
    parts = cut(adagrad.flat.size, 2)
    assert fetched.shape == (adagrad.flat.size,)
    staged = [size for method, size in sent if method == "stage"]
    assert staged == [4 * (part.stop - part.start) + HEADER for part in parts]
    assert [size for method, size in sent if method == "fetch"] == [HEADER] * 2
    connection.finish(DONE)
    running.end()
    assert all(size < 500 for method, size in sent if method == "finish")


def test_a_frame_larger_than_grpc_allows_by_default():
    large = np.arange(3_000_000, dtype=np.float32)
    with ExitStack() as stack:
        (port,) = free_ports(1)
        echo = {"echo": lambda data: data}
        stack.enter_context(serving(f"127.0.0.1:{port}", echo))
        peer = Peer(f"127.0.0.1:{port}", stack)
        frame = Frame.unpack(peer.ask("echo", Frame(1, 2, 3.0, large).pack(), 30.0))
        assert frame[:3] == (1, 2, 3.0)
        np.testing.assert_array_equal(frame.vector, large)


def test_staleness_and_rate_are_those_of_the_moment_of_the_push(service):
    job = job_of(staleness="inverse")
    running = Running(service.open(job), 3)
    early, late = service.connect(), service.connect()
    begin(early)
    begin(late)
    for connection in (late, early):
        connection.push(tf.ones([job.flat.size]), tf.constant(0.0))
        assert connection.finish(DONE)
    begin(late)
    # It has not fetched since two pushes of others.
    assert late.finish({**SKIPPED, "staleness": 2})
    outcomes = running.end()
    assert [each["staleness"] for each in outcomes] == [0, 1, 2]
    rates = [0.1, 0.1 / 2, 0.1 / 3]
    assert [each["rate"] for each in outcomes] == pytest.approx(rates)


def test_a_step_that_is_left_out_changes_nothing(service, adagrad):
    runtime = service.open(adagrad, value=2.0)
    running = Running(runtime, 2)
    connection = service.connect()
    for _ in range(2):
        begin(connection)
        connection.finish(SKIPPED)
    assert [outcome["skipped"] for outcome in running.end()] == [1, 1]
    assert int(runtime.store.present()) == 0
    np.testing.assert_array_equal(runtime.store.read()["value"], 2.0)


def test_a_replica_that_is_gone_gives_its_step_back(service, adagrad, monkeypatch):
    monkeypatch.setattr(desks, "LEASE", 0.5)
    running = Running(service.open(adagrad), 1)
    gone, other = service.connect(), service.connect()
    begin(gone)
    begin(other)  # after the lease: the chunk has one step only
    ones, rate = tf.ones([adagrad.flat.size]), tf.constant(0.0)
    gone.push(ones, rate)
    assert not gone.finish(DONE)
    other.push(ones, rate)
    assert other.finish(DONE)
    assert len(running.end()) == 1


def test_no_replica_at_all_ends_the_run(service, adagrad, monkeypatch):
    monkeypatch.setattr(desks, "GONE", 0.5)
    monkeypatch.setattr(desks, "LEASE", 0.1)
    with pytest.raises(ProcessLost, match="no sign of life of any replica"):
        service.open(adagrad).run(1)


def test_a_server_that_is_started_again_is_noticed(adagrad):
    with ExitStack() as stack:
        (port,) = free_ports(1)
        address = f"127.0.0.1:{port}"
        peer = Peer(address, stack)
        with serving(address, ShardServer().methods):
            store = RemoteStore(adagrad, [peer])
            store.check()
        with pytest.raises(tf.errors.UnavailableError, match=address):
            store.check()
        stack.enter_context(serving(address, ShardServer().methods))
        again = RemoteStore(adagrad, [peer])
        again.check()
        with pytest.raises(tf.errors.AbortedError, match="does not hold"):
            store.check()


def test_a_push_to_a_lost_server_ends_the_chunk(service, adagrad):
    runtime = service.open(adagrad)
    lost = tf.errors.UnavailableError(None, None, "gone")
    failed = []

    def run():
        with pytest.raises(tf.errors.UnavailableError):
            runtime.run(2)
        failed.append(True)

    def apply(number, rate):
        raise lost

    runtime.store.apply = apply
    thread = threading.Thread(target=run)
    thread.start()
    connection = service.connect()
    begin(connection)
    connection.push(tf.ones([adagrad.flat.size]), tf.constant(0.0))
    assert not connection.finish(DONE)
    thread.join(30)
    assert failed


@pytest.mark.parametrize(
    ("strategy", "most"), [({"max_staleness": 0}, 0), ({"warmup_steps": 30}, 0)]
)
def test_limits_hold_between_replicas(service, strategy, most, monkeypatch):
    monkeypatch.setattr(desks, "_WAIT", 0.2)
    job = job_of(**strategy)
    running = Running(service.open(job), 30)
    threads = [
        threading.Thread(target=push_ones, args=(service, job, running))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    outcomes = running.end()
    for thread in threads:
        thread.join(60)
    assert max(outcome["staleness"] for outcome in outcomes) == most


@pytest.mark.parametrize("pushes_per_fetch", [1, 3])
def test_one_replica_learns_what_a_simulated_one_does(
    service, pushes_per_fetch, monkeypatch
):
    keys = {"replicas": 1, "pushes_per_fetch": pushes_per_fetch}
    made, other = (opened(toy_stage(ToyTask(batch_norm=True)), keys) for _ in range(2))
    other.trainable._open_runtime = lambda job: Autonomous(
        job, service.desk, service.peers
    )
    connection = service.connect()
    monkeypatch.setattr(replicas, "plan_stages", lambda experiment: [other.stage])
    fetches = []
    fetch = connection.fetch
    connection.fetch = lambda: fetches.append(1) or fetch()
    experiment = SimpleNamespace(run=RunConfig(steps=100))
    replica = Replica(experiment, other.strategy._config, connection, (0, 1))
    stop = SimpleNamespace(received=False)
    thread = threading.Thread(target=replica.run, args=(stop,))
    thread.start()
    found = other.trainable.run(7)
    stop.received = True
    thread.join(60)
    expected = made.trainable.run(7)
    assert len(fetches) == -(-7 // pushes_per_fetch)
    for name, value in made.state.items():
        np.testing.assert_allclose(other.state[name], value, 1e-5, 1e-6, err_msg=name)
    assert found.totals.keys() == expected.totals.keys()
    assert found.gradient_norm == pytest.approx(expected.gradient_norm)
    assert found.learning_rate == pytest.approx(expected.learning_rate)
    assert dict(other.trainable.staleness.counts) == {0: 7}


def test_two_processes_cannot_serve_at_one_port(service):
    with (
        pytest.raises(ConfigError, match="cannot serve"),
        serving(service.addresses[0], {}),
    ):
        pass


def test_replicas_are_told_that_the_run_is_over():
    with ExitStack() as stack:
        alone = Service(stack)
        connection = alone.connect()
        thread = threading.Thread(target=connection.start)
        thread.start()
        while not alone.desk._seen:
            pass
        alone.desk.close()
        thread.join(10)
        assert connection.over


def test_signatures_differ_by_what_is_trained():
    stages = {
        "plain": ({}, {}),
        "other rate": ({"momentum": 0.5}, {}),
        "local steps": ({}, {"local_steps": 2}),
        "fetches": ({}, {"pushes_per_fetch": 2}),
    }
    found = {
        opened(
            toy_stage(ToyTask(batch_norm=False), **optimizer), strategy
        ).trainable._job.signature
        for optimizer, strategy in stages.values()
    }
    assert len(found) == len(stages)
    config = ParameterServerConfig.parse({"runtime": "rpc"})
    assert config.local_steps == 1
