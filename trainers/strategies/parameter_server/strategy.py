"""The parameter-server strategy: asynchronous replicas around a plain local model."""

from collections.abc import Callable
from collections.abc import Sequence
from contextlib import ExitStack

import tensorflow as tf

from tfmodels.errors import ConfigError
from trainers.experiment import RunConfig
from trainers.interfaces import Batch
from trainers.interfaces import Placed
from trainers.interfaces import Stage
from trainers.interfaces import Totals
from trainers.optimizers.averages import build_average
from trainers.strategies.config import ParameterServerConfig
from trainers.strategies.parameter_server.coordinator import Cluster
from trainers.strategies.parameter_server.local import LocalState
from trainers.strategies.parameter_server.rpc.runtime import open_service
from trainers.strategies.parameter_server.runtime import Job
from trainers.strategies.parameter_server.runtime import OpenRuntime
from trainers.strategies.parameter_server.simulation import Simulation
from trainers.strategies.parameter_server.trainable import ParameterServerTrainable
from trainers.totals import sum_totals


class ParameterServer:
    """Replicas of a model on parameters in shards, which servers keep and update.

    Each fetches, works on batches of its own and pushes, whatever the others do
    (Dean et al., NIPS 2012; US10019985, claim 1). This process looks at the model
    between chunks of steps, evaluates and saves it.
    """

    is_chief = True

    def __init__(self, config: ParameterServerConfig, run: RunConfig) -> None:
        """Opens the cluster, if there is one; nothing is built yet.

        Raises:
          ConfigError: keys exclude each other, or contradict the cluster.
          ProcessLost: a process of the cluster does not answer.
        """
        _check_run(run)
        self._config = config
        self._run = run
        with ExitStack() as connections:
            self._open = _open_runtime(config, connections)
            self._connections = connections.pop_all()

    def build(self, stages: Sequence[Stage]) -> Placed:
        """Builds the model of a run and its averages in this process."""
        model = stages[0].task.build_model()
        self._end = stages[-1].end
        return Placed(
            model, build_average(self._run.average, model.variables, self._end)
        )

    def prepare(
        self, placed: Placed, stage: Stage, start: int
    ) -> ParameterServerTrainable:
        """Makes the model trainable by a stage, from step `start` of the run on.

        Raises:
          ConfigError: servers cannot make the optimizer's update.
        """
        first = start - stage.start
        job = Job.of(self._config, self._run, placed.model, stage, self._end, first)
        local = LocalState(placed, stage, job.flat, job.upkeep.update)
        restarts = self._config.max_restarts
        return ParameterServerTrainable(self._open, job, local, restarts)

    def evaluator(self, placed: Placed, stage: Stage) -> Callable[[str], Totals]:
        """A function that sums a stage's metrics and loss over a split."""

        @tf.function(autograph=False, reduce_retracing=True)
        def step(batch: Batch) -> Totals:
            loss, outputs = stage.objective.loss_with_model(
                stage.task, placed.model, batch, training=False
            )
            totals = stage.task.metrics(outputs, batch)
            return {"loss": (loss.total, loss.weight), **loss.terms, **totals}

        return lambda split: sum_totals(step, stage.task.dataset(split))

    def gather(self, number: int) -> list[int]:
        """This process alone decides."""
        return [number]

    def close(self) -> None:
        """Lets go of the cluster."""
        self._connections.close()


def _open_runtime(config: ParameterServerConfig, connections: ExitStack) -> OpenRuntime:
    if config.runtime == "simulated":
        return Simulation
    if config.runtime == "rpc":
        return open_service(config, connections)
    return Cluster(config, connections).open


def _check_run(run: RunConfig) -> None:
    if run.precision == "mixed_float16":
        raise ConfigError(
            "run.precision: replicas that do not wait for one another cannot agree on"
            " a loss scale. Expected float32 or mixed_bfloat16; received mixed_float16."
        )
    if run.accumulation > 1:
        raise ConfigError(
            "run.accumulation: a replica pushes after every batch. Expected 1; received"
            f" {run.accumulation}. Lower data.batch_size instead, or raise"
            " strategy.local_steps."
        )
