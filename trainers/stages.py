"""From an experiment to its strategy and its stages, devices and data opened."""

from collections.abc import Iterator
from contextlib import closing
from contextlib import contextmanager

import keras
import tensorflow as tf

from trainers.catalog import implementation
from trainers.durations import to_steps
from trainers.experiment import Experiment
from trainers.files import describe
from trainers.interfaces import Stage
from trainers.interfaces import Strategy
from trainers.interfaces import Task
from trainers.kinds import AnyData
from trainers.workers import process_lost


def open_task(experiment: Experiment, data: AnyData) -> Task:
    """The experiment's task on some data, which it opens.

    Raises:
      ConfigError: model and data do not fit together.
      DataError: the data is missing or damaged.
    """
    make = implementation("task", experiment.task.kind)
    task: Task = make(experiment.task, experiment.model, data, experiment.run)
    return task


def plan_stages(experiment: Experiment) -> tuple[Stage, ...]:
    """Resolves an experiment's stages; stages with the same data share one task."""
    stages: list[Stage] = []
    tasks: dict[str, Task] = {}
    for settings in experiment.training_stages():
        # As text: data that hold mappings have no hash.
        data = settings.data.model_dump_json()
        if data not in tasks:
            tasks[data] = open_task(experiment, settings.data)
        task = tasks[data]
        make_objective = implementation("objective", settings.objective.kind)
        stages.append(
            Stage(
                name=settings.name,
                start=stages[-1].end if stages else 0,
                steps=to_steps(settings.steps, task.steps_per_epoch),
                task=task,
                objective=make_objective(settings.objective, task),
                optimizer=settings.optimizer,
                frozen=settings.freeze,
                compression=settings.compression,
            )
        )
    return tuple(stages)


@contextmanager
def open_strategy(
    experiment: Experiment,
) -> Iterator[tuple[Strategy, tuple[Stage, ...]]]:
    """Opens the devices first: some can only be set up before TensorFlow starts.

    Raises:
      ProcessLost: another process of the job has ended, now or in the context.
    """
    make = implementation("strategy", experiment.strategy.kind)
    try:
        with closing(make(experiment.strategy, experiment.run)) as strategy:
            keras.utils.set_random_seed(experiment.run.seed)
            if experiment.run.deterministic:
                tf.config.experimental.enable_op_determinism()
            yield strategy, plan_stages(experiment)
    except (tf.errors.UnavailableError, tf.errors.AbortedError) as error:
        raise process_lost(describe(error)) from None
