"""From an experiment to the stages of its training, with their data opened."""

from trainers.catalog import implementation
from trainers.durations import to_steps
from trainers.experiment import AnyData
from trainers.experiment import Experiment
from trainers.interfaces import Stage
from trainers.interfaces import Task


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
    tasks: dict[AnyData, Task] = {}
    for settings in experiment.training_stages():
        if settings.data not in tasks:
            tasks[settings.data] = open_task(experiment, settings.data)
        task = tasks[settings.data]
        make_objective = implementation("objective", settings.objective.kind)
        stages.append(
            Stage(
                name=settings.name,
                start=stages[-1].end if stages else 0,
                steps=to_steps(settings.steps, task.steps_per_epoch),
                task=task,
                objective=make_objective(settings.objective),
                optimizer=settings.optimizer,
                frozen=settings.freeze,
            )
        )
    return tuple(stages)
