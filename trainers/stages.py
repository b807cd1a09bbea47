"""A training stage: the task, objective and optimizer in force between two steps."""

from dataclasses import dataclass

from trainers.catalog import implementation
from trainers.durations import to_steps
from trainers.experiment import AnyData
from trainers.experiment import Experiment
from trainers.interfaces import Objective
from trainers.interfaces import Task
from trainers.optimizers.config import AnyOptimizer


@dataclass(frozen=True)
class Stage:
    """One resolved entry of a run's plan."""

    name: str
    start: int
    """Step of the run at which the stage begins."""
    steps: int
    """Optimizer steps the stage lasts."""
    task: Task
    objective: Objective
    optimizer: AnyOptimizer
    frozen: tuple[str, ...]
    """Regular expressions of the variable paths that this stage does not train."""

    @property
    def end(self) -> int:
        """Step of the run at which the stage is over."""
        return self.start + self.steps


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
