"""Replicas on a virtual clock, in one process: the same bits every time."""

import heapq
from functools import reduce
from typing import Any
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from trainers.strategies.parameter_server.learner import Work
from trainers.strategies.parameter_server.replica import Outcome
from trainers.strategies.parameter_server.replica import Started
from trainers.strategies.parameter_server.replica import Succession
from trainers.strategies.parameter_server.runtime import Job
from trainers.strategies.parameter_server.runtime import Traffic
from trainers.totals import add_totals


class _Event(NamedTuple):
    """A step that will push; the earliest first, and of equals the first started."""

    time: float
    order: int
    replica: int
    pushed: int
    started: Started


class Simulation:
    """Steps of several replicas in the order of a virtual clock.

    Replicas of equal speed take turns, so that n of them have the constant staleness
    n - 1. Steps under way go on in the next chunk: its length changes nothing.
    """

    def __init__(self, job: Job) -> None:
        """Creates the store; batches are read from the first `run` on."""
        self._job = job
        config = job.config
        self._count = config.replicas or 2
        self.store = job.store([""] * (config.servers or 1))
        step = job.step(self.store)
        self._start = tf.function(step.start, autograph=False)
        go_on = tf.function(step.go_on, autograph=False)
        self._replicas = [
            Succession(self._start, go_on, config.pushes_per_fetch)
            for _ in range(self._count)
        ]
        self._finish = tf.function(step.finish, autograph=False)
        self._traffic = Traffic(self._count, config)
        self._random = np.random.default_rng([job.seed, job.first])
        self._iterators: list[Any] = []
        self._events: list[_Event] = []
        self._idle = list(range(self._count))
        self._clock = 0.0
        self._pushed = job.first
        self._order = 0

    def run(self, num_steps: int) -> list[Outcome]:
        """See `Runtime.run`."""
        if not self._iterators:
            self._iterators = [
                iter(self._job.batches(i, self._count, self._job.first))
                for i in range(self._count)
            ]
        step = self._together if self._job.config.synchronous else self._next
        return [step() for _ in range(num_steps)]

    def measures(self) -> dict[str, float]:
        """The time on the virtual clock."""
        return {"parameter_server/virtual_time": self._clock}

    def _next(self) -> Outcome:
        """The step that pushes next, after all have started that may."""
        while self._idle and self._traffic.may_start(
            self._pushed, [event.pushed for event in self._events]
        ):
            self._begin(self._idle.pop(0))
        event = heapq.heappop(self._events)
        self._clock = event.time
        self._idle.append(event.replica)
        return self._push(event.started)

    def _begin(self, replica: int) -> None:
        started = self._replicas[replica](self._iterators[replica])
        end = self._clock + self._duration(started.work)
        event = _Event(end, self._order, replica, self._pushed, started)
        heapq.heappush(self._events, event)
        self._order += 1

    def _together(self) -> Outcome:
        """A step of all replicas as one, weighted as if their batches were one."""
        started = [self._start(iterator) for iterator in self._iterators]
        work = [each.work for each in started]
        self._clock += max(map(self._duration, work))
        totals = reduce(add_totals, (each.totals for each in work))
        shares = [each.totals["loss"][1] / totals["loss"][1] for each in work]
        gradients = [w.gradient * share for w, share in zip(work, shares, strict=True)]
        norm = tf.reduce_max(tf.stack([each.norm for each in work]))
        joined = Work(tf.add_n(gradients), totals, norm)
        return self._push(started[0]._replace(work=joined))

    def _push(self, started: Started) -> Outcome:
        outcome = tf.nest.map_structure(lambda t: t.numpy(), self._finish(started))
        self._pushed += 1
        return outcome

    def _duration(self, work: Work) -> float:
        kind = self._job.config.service
        if kind == "constant":
            return 1.0
        if kind == "exponential":
            return float(self._random.exponential())
        return float(work.totals["loss"][1])
