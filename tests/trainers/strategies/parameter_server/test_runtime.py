"""What all runtimes share: whose batches, what crosses to a replica, who may start."""

from functools import partial

import numpy as np
import pytest
import tensorflow as tf

from tests.trainers.asynchronous import opened
from tests.trainers.toy import NUM_EXAMPLES
from tests.trainers.toy import ToyTask
from tests.trainers.toy import toy_stage
from trainers.strategies.config import ParameterServerConfig
from trainers.strategies.parameter_server.runtime import Staleness
from trainers.strategies.parameter_server.runtime import Traffic

MOST_BYTES = 64 * 1024


def job_of(start=0, **strategy):
    made = opened(toy_stage(ToyTask(batch_norm=False)), strategy, start=start)
    return made.trainable._job


def numbers(job, index, count, step, take):
    batches = job.batches(index, count, step).take(take)
    return [int(number) for number, _ in batches]


@pytest.mark.parametrize(("start", "local_steps"), [(0, 1), (5, 1), (5, 2)])
def test_no_batch_is_given_to_two_replicas(start, local_steps):
    job = job_of(start, local_steps=local_steps)
    shares = [numbers(job, index, 3, start, 4) for index in range(3)]
    first = 3 * -(-start * local_steps // 3)
    assert sorted(number for share in shares for number in share) == list(
        range(first, first + 12)
    )


def test_a_replica_that_returns_goes_on_with_batches_of_its_own():
    job = job_of(5)
    before = numbers(job, 1, 3, 5, 4)
    for step in (6, 10, 11, 17):
        after = numbers(job, 1, 3, step, 4)
        assert after[0] >= step
        assert after[0] < step + 6
        assert after[0] % 3 == before[0] % 3
    assert not set(numbers(job, 1, 3, 17, 4)) & set(before)


def test_no_example_is_seen_by_two_replicas():
    job = job_of()
    seen = []
    for index in range(2):
        rows = set()
        for _, batch in job.batches(index, 2, 0).take(6):
            valid = batch["weight"].numpy() > 0
            rows |= {row.tobytes() for row in batch["features"].numpy()[valid]}
        seen.append(rows)
    assert not seen[0] & seen[1]
    assert len(seen[0] | seen[1]) == NUM_EXAMPLES


def test_steps_handed_out_together_are_those_of_a_replica_by_itself():
    made = opened(
        toy_stage(ToyTask(batch_norm=True)), {"replicas": 1, "pushes_per_fetch": 3}
    )
    job = made.trainable._job
    store = job.store(["", ""])
    store.load(made.trainable._local.vectors(), 0)
    batches = iter(job.batches(0, 1, 0))
    step = job.step(store)
    together = [
        tf.function(partial(step, batches, pushes), autograph=False)()
        for pushes in (3, 2)
    ]
    made.trainable.run(5)
    assert [len(outcomes) for outcomes in together] == [3, 2]
    assert [int(each["staleness"]) for outcomes in together for each in outcomes] == (
        [0] * 5
    )
    for name, vector in made.trainable._local.vectors().items():
        np.testing.assert_allclose(store.read()[name], vector, 1e-6, 1e-7)


def test_only_parameters_gradients_and_scalars_cross_to_a_replica():
    job = job_of()
    store = job.store(["", ""])
    step = tf.function(job.step(store).__call__, autograph=False)
    function = step.get_concrete_function(iter(job.batches(0, 1, 0)))
    assert all(output.shape.rank == 0 for output in function.outputs)
    taken = [t for t in function.graph.inputs if t.dtype != tf.resource]
    assert not [t for t in taken if t.shape.num_elements() * 8 > MOST_BYTES]
    graph = function.graph.as_graph_def()
    nodes = [*graph.node, *(n for f in graph.library.function for n in f.node_def)]
    assert not [node.name for node in nodes if "PyFunc" in node.op]
    constants = [node.attr["value"].tensor for node in nodes if node.op == "Const"]
    assert constants
    assert max(constant.ByteSize() for constant in constants) < MOST_BYTES


@pytest.mark.parametrize(
    ("config", "pushed", "under_way", "may"),
    [
        ({}, 9, [9, 9, 9], True),
        ({}, 9, [9, 9, 9, 9], False),
        ({"warmup_steps": 5}, 4, [4], False),
        ({"warmup_steps": 5}, 4, [], True),
        ({"warmup_steps": 5}, 5, [5], True),
        ({"max_staleness": 0}, 9, [], True),
        ({"max_staleness": 0}, 9, [9], False),
        ({"max_staleness": 3}, 9, [9, 9, 9], True),
        # The first one has been overtaken once and could be by three more.
        ({"max_staleness": 3}, 9, [8, 9, 9], False),
        ({"max_staleness": 3}, 9, [8, 9], True),
    ],
)
def test_who_may_start(config, pushed, under_way, may):
    traffic = Traffic(4, ParameterServerConfig.parse(config))
    assert traffic.may_start(pushed, under_way) == may


def test_staleness_of_pushes_alone():
    staleness = Staleness()
    outcomes = [{"staleness": n, "skipped": n == 7} for n in (0, 2, 2, 7)]
    assert staleness.add(outcomes) == {
        "parameter_server/staleness_mean": pytest.approx(4 / 3),
        "parameter_server/staleness_max": 2.0,
    }
    assert staleness.counts == {0: 1, 2: 2}
    assert staleness.add(outcomes[3:]) == {}
