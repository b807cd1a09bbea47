"""Steps of a chunk, against a random course of events and a plain count."""

import itertools
import random
import sys

import pytest

from trainers.strategies.config import ParameterServerConfig
from trainers.strategies.parameter_server.rpc.permits import Permits
from trainers.strategies.parameter_server.runtime import Traffic


def permits_of(size, version=0, pushed=0, **config):
    traffic = Traffic(sys.maxsize, ParameterServerConfig.parse(config))
    return Permits(traffic, size, version, pushed, itertools.count(1).__next__)


def done(permits, permit, skipped=0):
    claimed = permits.claim(permit.number)
    if claimed:
        permits.finish(claimed, {"skipped": skipped})
    return claimed is not None


@pytest.mark.parametrize("seed", range(20))
def test_a_chunk_has_as_many_steps_as_it_should(seed):
    chance = random.Random(seed)
    permits = permits_of(30, version=7, pushed=9)
    held, counted, skipped = [], 0, 0
    for _ in range(2000):
        event = chance.choice(["ask", "ask", "finish", "again", "gone"])
        if event == "ask":
            permit = permits.give(f"replica {chance.randrange(5)}")
            held += [permit] if permit else []
        elif event == "gone":
            permits.take_back(f"replica {chance.randrange(5)}")
        elif held:
            permit = chance.choice(held[-8:])
            left_out = chance.randrange(2)
            if done(permits, permit, left_out):
                counted += 1
                skipped += left_out
                assert permits.is_done(permit.replica, permit.number)
            assert not done(permits, permit)
        assert counted == len(permits.outcomes) <= 30
    assert permits.complete
    assert counted == 30
    assert permits.version == 7 + 30 - skipped
    assert permits.pushed == 9 + 30
    assert len({permit.number for permit in held}) == len(held)


def test_no_more_steps_than_are_left():
    permits = permits_of(2)
    one, two = permits.give("a"), permits.give("b")
    assert one
    assert two
    assert permits.give("c") is None
    permits.take_back("b")
    again = permits.give("c")
    assert again
    assert not done(permits, two)
    assert done(permits, one)
    assert done(permits, again)
    assert permits.give("a") is None


def test_a_replica_has_one_step_at_a_time():
    permits = permits_of(2)
    first = permits.give("a")
    assert permits.give("a").number > first.number
    assert permits.claim(first.number) is None
    assert permits.give("b")


def test_a_step_that_is_being_pushed_is_not_given_to_others():
    permits = permits_of(1)
    permit = permits.give("a")
    claimed = permits.claim(permit.number)
    permits.take_back("a")
    assert permits.give("b") is None
    permits.finish(claimed, {"skipped": 0})
    assert permits.complete


def test_a_bound_of_staleness_delays():
    permits = permits_of(10, max_staleness=1)
    slow = permits.give("slow")
    fast = permits.give("fast")
    assert done(permits, fast)
    assert permits.give("fast") is None
    assert done(permits, slow)
    assert permits.give("fast")
