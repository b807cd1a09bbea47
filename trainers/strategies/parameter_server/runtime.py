"""What every runtime is given, and what it has to do with it."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from typing import Protocol

import keras
import numpy as np
import tensorflow as tf

from tfmodels.errors import ConfigError
from trainers.experiment import RunConfig
from trainers.interfaces import Shard
from trainers.interfaces import Stage
from trainers.strategies.config import ParameterServerConfig
from trainers.strategies.parameter_server.flat import Flat
from trainers.strategies.parameter_server.frame_pool import FramePool
from trainers.strategies.parameter_server.learner import Learner
from trainers.strategies.parameter_server.learner import Subject
from trainers.strategies.parameter_server.replica import Outcome
from trainers.strategies.parameter_server.replica import Parameters
from trainers.strategies.parameter_server.replica import ReplicaStep
from trainers.strategies.parameter_server.store import ParameterStore
from trainers.strategies.parameter_server.updates import Upkeep


@dataclass(frozen=True)
class Job:
    """One stage of training, for replicas of any runtime."""

    config: ParameterServerConfig
    stage: Stage
    flat: Flat
    """The order of the parameters in their vector."""
    upkeep: Upkeep
    learner: Learner
    first: int
    """Step of the stage with which this process began."""
    seed: int

    @classmethod
    def of(
        cls,
        config: ParameterServerConfig,
        run: RunConfig,
        model: keras.Model,
        stage: Stage,
        end: int,
        first: int = 0,
    ) -> "Job":
        """The job of a process that has the model.

        Args:
          config: of the strategy.
          run: of the run.
          model: of the run; only its structure counts.
          stage: what is trained.
          end: last step of the run.
          first: step of the stage with which the process begins.
        """
        flat = Flat(model.variables)
        upkeep = Upkeep(
            optimizer=stage.optimizer, average=run.average, start=stage.start, end=end
        )
        subject = Subject(model, flat, stage, config.devices, run.xla)
        size = config.frame_pool
        learner = Learner(subject) if size is None else FramePool(subject, size)
        return cls(config, stage, flat, upkeep, learner, first, run.seed)

    @property
    def signature(self) -> str:
        """The same for processes that work on the same parameters in the same way."""
        stage = self.stage
        parts = [
            stage.name,
            stage.optimizer.plain(),
            stage.frozen,
            type(stage.objective).__name__,
            self.config.local_steps,
            self.config.pushes_per_fetch,
            self.config.frame_pool,
            self.flat.shapes,
        ]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def store(self, devices: Sequence[str]) -> ParameterStore:
        """A store with a shard on each device."""
        upkeep, flat = self.upkeep, self.flat
        return ParameterStore(
            flat.size, devices, upkeep.update, upkeep.fraction, flat.with_gradient
        )

    def step(self, parameters: Parameters) -> ReplicaStep:
        """A replica's step on some parameters."""
        return ReplicaStep(parameters, self.learner, self.stage, self.config)

    def batches(self, index: int, count: int, step: int) -> tf.data.Dataset:
        """The numbered batches of one replica of `count`, from about a step on.

        No other replica has the same ones, nor the same numbers. What a replica reads
        after its return is not what it began with.
        """
        start = -(-step * self.config.local_steps // count)
        shard = Shard(index, count, own=True)
        numbers = tf.data.Dataset.range(start * count + index, tf.int64.max, count)
        batches = self.stage.batches(shard, start)
        return tf.data.Dataset.zip(numbers, batches)


class Store(Protocol):
    """The parameters, wherever they are, for the process that looks at them."""

    def load(self, vectors: Mapping[str, tf.Tensor], version: int) -> None:
        """See `ParameterStore.load`."""

    def read(self) -> dict[str, tf.Tensor]:
        """See `ParameterStore.read`."""

    def present(self) -> tf.Tensor:
        """See `ParameterStore.present`."""


class Runtime(Protocol):
    """Replicas that run somewhere, with the store they share."""

    @property
    def store(self) -> Store:
        """Where the parameters are."""

    def run(self, num_steps: int) -> list[Outcome]:
        """Makes a number of steps and waits for the last; their outcomes as numpy."""

    def measures(self) -> dict[str, float]:
        """Figures of its own for the logs."""


OpenRuntime = Callable[[Job], Runtime]


def check_cluster(
    cluster: Mapping[str, Any],
    task: Mapping[str, Any],
    config: ParameterServerConfig,
    needed: Sequence[str] = (),
) -> None:
    """Compares TF_CONFIG with the configuration.

    Args:
      cluster: the processes.
      task: this process.
      config: of the strategy.
      needed: jobs without which nothing begins, besides "ps".

    Raises:
      ConfigError: this process is not the chief, or numbers differ.
    """
    if task["type"] != "chief":
        raise ConfigError(
            "TF_CONFIG: only the chief trains with a parameter server. Expected the"
            " task type 'chief', or another of the commands that `tfmodels launch"
            f" manifest` prints. Received the task type {task['type']!r}."
        )
    for job, key in (("worker", "replicas"), ("ps", "servers")):
        found, wanted = len(cluster.get(job, ())), getattr(config, key)
        if not found and job not in (*needed, "ps"):
            continue
        if not found or wanted not in (None, found):
            raise ConfigError(
                f"strategy.{key}: TF_CONFIG names {found} processes of the job {job!r}."
                f" Expected {wanted or 'at least 1'}. Change strategy.{key} or the"
                " cluster; `tfmodels launch local` makes them agree."
            )


class Traffic:
    """When another step may start beside those under way.

    Args:
      width: most steps under way.
      config: its `max_staleness` bounds what steps can become stale by, since delays
        depend on the data and dropping what is late would favour short examples; its
        `warmup_steps` are taken one at a time.
    """

    def __init__(self, width: int, config: ParameterServerConfig) -> None:
        self._width = width
        self._bound = config.max_staleness
        self._warmup = config.warmup_steps

    def may_start(self, pushed: int, under_way: Sequence[int]) -> bool:
        """Whether another step may start.

        Args:
          pushed: steps that have pushed.
          under_way: of each step that has not, how many had when it started.
        """
        width = 1 if pushed < self._warmup else self._width
        if len(under_way) >= width:
            return False
        # Of the oldest step, what has been pushed since and all that still can be.
        worst = pushed - min(under_way, default=pushed) + len(under_way)
        return self._bound is None or worst <= self._bound


class Staleness:
    """How stale pushes were: how many others came between fetching and pushing."""

    def __init__(self) -> None:
        self.counts: Counter[int] = Counter()
        """Pushes by their staleness."""

    def add(self, outcomes: Sequence[Outcome]) -> dict[str, float]:
        """Counts some steps; the mean and the maximum of theirs."""
        stale = np.array([int(o["staleness"]) for o in outcomes if not o["skipped"]])
        self.counts.update(stale.tolist())
        if not stale.size:
            return {}
        return {
            "parameter_server/staleness_mean": float(stale.mean()),
            "parameter_server/staleness_max": float(stale.max()),
        }
