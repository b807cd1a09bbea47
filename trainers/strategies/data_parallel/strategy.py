"""The data-parallel strategy: whole models on each device, shares of each batch."""

from collections.abc import Callable
from collections.abc import Sequence
from functools import partial
from typing import Any

import keras
import tensorflow as tf

from tfmodels.errors import ConfigError
from trainers.abilities import Spreads
from trainers.compression.quantization import averaged
from trainers.compression.quantization import enter
from trainers.compression.quantization import make_room
from trainers.experiment import RunConfig
from trainers.interfaces import Placed
from trainers.interfaces import Shard
from trainers.interfaces import Stage
from trainers.interfaces import Task
from trainers.interfaces import Totals
from trainers.optimizers.averages import build_average
from trainers.strategies.config import DataParallelConfig
from trainers.strategies.data_parallel.devices import device_names
from trainers.strategies.data_parallel.devices import make_distribution
from trainers.strategies.data_parallel.trainable import DataParallelTrainable
from trainers.totals import sum_totals

# Below this many examples, one replica's batch statistics are too noisy to stand alone.
_SMALL_BATCH = 32
# The only device of most machines without accelerators.
_HOST = "/job:localhost/replica:0/task:0/device:CPU:0"


class DataParallel:
    """One device, several devices of one machine, several machines, or a TPU.

    All of them run the same code: ``tf.distribute`` decides where a replica lives.
    """

    def __init__(self, config: DataParallelConfig, run: RunConfig) -> None:
        """Opens the devices; nothing is built yet."""
        self._config = config
        self._run = run
        self._distribution = make_distribution(config, run.xla)

    @property
    def num_replicas(self) -> int:
        """Replicas over all processes."""
        return int(self._distribution.num_replicas_in_sync)

    @property
    def is_chief(self) -> bool:
        """Whether this process writes the logs and checkpoints."""
        return self._process_index == 0

    @property
    def _process_index(self) -> int:
        if not self._config.multi_worker:
            return 0
        # Not the number of its task: a job "chief" has a number 0 besides worker 0.
        return int(self._distribution.extended._id_in_cluster)

    def build(self, stages: Sequence[Stage]) -> Placed:
        """Builds the model of a run and its averages, mirrored on every device.

        Raises:
          ConfigError: the batch cannot be shared equally, or the model not be spread.
        """
        task = stages[0].task
        shares = self.num_replicas * self._run.accumulation
        if task.batch_size % shares:
            raise ConfigError(
                f"data.batch_size: cannot be shared equally. Expected a multiple of"
                f" {shares} ({self.num_replicas} replicas, run.accumulation"
                f" {self._run.accumulation}); received {task.batch_size}."
            )
        with self._distribution.scope():
            model = task.build_model()
            self._synchronize_batch_norm(model, task)
            self._spread_layers(model)
            make_room(model, [stage.compression for stage in stages])
            average = build_average(self._run.average, averaged(model), stages[-1].end)
        return Placed(model, average)

    def _spread_layers(self, model: keras.Model) -> None:
        """Has layers work on devices of their own, where that is configured."""
        layers = self._config.layers
        if layers is None:
            return
        if not isinstance(model, Spreads) or self._run.xla:
            raise ConfigError(
                "strategy.layers: layers cannot be shared out among devices. Expected a"
                " model that can be spread, such as gnmt, and run.xla: false. Received"
                f" {type(model).__name__} and run.xla: {str(self._run.xla).lower()}."
            )
        places = [partial(tf.device, name) for name in device_names(self._config)]
        model.spread(places, layers.chunks, layers.softmax_shards)

    def _synchronize_batch_norm(self, model: keras.Model, task: Task) -> None:
        """Lets batch statistics cover all replicas where one has too few rows."""
        wanted = self._config.synchronize_batch_norm
        if wanted is None:
            rows = task.batch_size // self.num_replicas // self._run.accumulation
            wanted = self.num_replicas > 1 and rows < _SMALL_BATCH
        layers = [
            layer
            for layer in model.layers
            if isinstance(layer, keras.layers.BatchNormalization)
        ]
        if wanted and layers and self._run.xla and self.num_replicas > 1:
            raise ConfigError(
                "run.xla: compiled replicas cannot exchange batch statistics. Expected"
                " run.xla false, or strategy.synchronize_batch_norm false; received"
                " true (or its default) for both."
            )
        for layer in layers:
            layer.synchronized = wanted

    def prepare(
        self, placed: Placed, stage: Stage, start: int
    ) -> DataParallelTrainable:
        """Makes the model trainable by a stage, from step `start` of the run on."""
        enter(placed.model, stage.compression)
        return DataParallelTrainable(
            self._distribution,
            placed,
            stage,
            self._run,
            self._batches(lambda shard: stage.batches(shard, start - stage.start)),
        )

    def _batches(self, make: Callable[[Shard], tf.data.Dataset]) -> Any:
        shard = Shard(self._process_index, self._num_processes, self.num_replicas)
        if self._distribution.extended.worker_devices == (_HOST,):
            return make(shard)  # what fetches to devices has a thread that tunes it
        return self._distribution.distribute_datasets_from_function(
            lambda _: make(shard)
        )

    @property
    def _num_processes(self) -> int:
        if not self._config.multi_worker:
            return 1
        return int(self._distribution.extended._num_workers)

    def evaluator(self, placed: Placed, stage: Stage) -> Callable[[str], Totals]:
        """A function that sums a stage's metrics and loss over a split."""
        enter(placed.model, stage.compression)

        def replica_step(batch: Any) -> Totals:
            loss, outputs = stage.objective.loss_with_model(
                stage.task, placed.model, batch, training=False
            )
            totals = stage.task.metrics(outputs, batch)
            totals = {"loss": (loss.total, loss.weight), **loss.terms, **totals}
            context = tf.distribute.get_replica_context()
            flat = context.all_reduce(
                tf.distribute.ReduceOp.SUM, tf.nest.flatten(totals)
            )
            return tf.nest.pack_sequence_as(totals, flat)

        @tf.function(autograph=False, reduce_retracing=True)
        def step(batch: Any) -> Totals:
            result = self._distribution.run(replica_step, args=(batch,))
            return tf.nest.map_structure(self._first, result)

        def evaluate(split: str) -> Totals:
            data = self._batches(lambda shard: stage.task.dataset(split, shard))
            return sum_totals(step, data)

        return evaluate

    def _first(self, value: Any) -> tf.Tensor:
        return self._distribution.experimental_local_results(value)[0]

    def gather(self, number: int) -> list[int]:
        """The numbers that all processes pass; each of them must call this."""
        if self._num_processes == 1:
            return [number]
        return [int(each) for each in self._gather(tf.constant([int(number)]))]

    def close(self) -> None:
        """Other processes take part until they end."""

    @tf.function(autograph=False)
    def _gather(self, number: tf.Tensor) -> tf.Tensor:
        numbers = self._distribution.run(tf.identity, args=(number,))
        return self._distribution.gather(numbers, axis=0)
