"""Chunks of asynchronous steps between which the model is a plain one."""

import logging
import time
from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np

from trainers.files import describe
from trainers.interfaces import Summary
from trainers.strategies.parameter_server.coordinator import LOST
from trainers.strategies.parameter_server.figures import staleness_histogram
from trainers.strategies.parameter_server.local import LocalState
from trainers.strategies.parameter_server.replica import Outcome
from trainers.strategies.parameter_server.runtime import Job
from trainers.strategies.parameter_server.runtime import OpenRuntime
from trainers.strategies.parameter_server.runtime import Runtime
from trainers.strategies.parameter_server.runtime import Staleness
from trainers.totals import add_totals

_LOG = logging.getLogger(__name__)
# Seconds: a process that has lost another one calls it again only after a while.
_PAUSE = 5.0


class ParameterServerTrainable:
    """Trains parameters on servers, which it fills and empties for every chunk.

    One step is one push of one replica. When a server is lost, all that the chunk has
    done is lost with it, and the chunk is done again from the local variables.
    """

    def __init__(
        self, open_runtime: OpenRuntime, job: Job, local: LocalState, max_restarts: int
    ) -> None:
        """Nothing is opened before the first chunk."""
        self._open_runtime = open_runtime
        self._job = job
        self._local = local
        self._max_restarts = max_restarts
        self._runtime: Runtime | None = None
        self.state: dict[str, Any] = local.variables
        self.staleness = Staleness()
        """Of all pushes so far."""

    def run(self, num_steps: int) -> Summary:
        """Makes a number of pushes, of any replicas, and copies the result here."""
        started = time.perf_counter()
        outcomes = self._outcomes(num_steps)
        seconds = time.perf_counter() - started
        return Summary(
            steps=num_steps,
            totals=reduce(add_totals, (_in_float64(each) for each in outcomes)),
            skipped=sum(int(each["skipped"]) for each in outcomes),
            learning_rate=float(outcomes[-1]["rate"]),
            seconds=seconds,
            gradient_norm=max(float(each["norm"]) for each in outcomes),
            extra={
                **self.staleness.add(outcomes),
                **self._measures(),
                "parameter_server/pushes_per_second": num_steps / seconds,
            },
        )

    def figures(self) -> dict[str, Any]:
        """The histogram of staleness, if anything has been pushed."""
        if not self.staleness.counts:
            return {}
        return {"staleness": staleness_histogram(self.staleness.counts)}

    def _measures(self) -> dict[str, float]:
        return self._runtime.measures() if self._runtime else {}

    def _outcomes(self, num_steps: int) -> Sequence[Outcome]:
        failures = 0
        while True:
            try:
                return self._attempt(num_steps)
            except LOST as error:
                self._runtime = None
                failures += 1
                if failures > self._max_restarts:
                    raise
                _LOG.warning(
                    "A server was lost (%s); doing the last steps again.",
                    describe(error),
                )
                time.sleep(_PAUSE)

    def _attempt(self, num_steps: int) -> Sequence[Outcome]:
        if self._runtime is None:
            self._runtime = self._open_runtime(self._job)
            self._runtime.store.load(self._local.vectors(), self._local.version)
        outcomes = self._runtime.run(num_steps)
        store = self._runtime.store
        self._local.take(store.read(), int(store.present()))
        return outcomes


def _in_float64(outcome: Outcome) -> dict[str, Any]:
    return {
        name: (np.float64(numerator), np.float64(denominator))
        for name, (numerator, denominator) in outcome["totals"].items()
    }
