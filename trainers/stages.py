"""A training stage: the task, objective and optimizer in force between two steps."""

from dataclasses import dataclass

from trainers.catalog import implementation
from trainers.durations import to_steps
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


def plan_stages(experiment: Experiment) -> tuple[Stage, ...]:
    """Resolves an experiment's stages; opens the data of each to learn its size."""
    stages: list[Stage] = []
    tasks: dict[str, Task] = {}
    for settings in experiment.training_stages():
        key = settings.data.model_dump_json()
        if key not in tasks:
            make = implementation("task", experiment.task.kind)
            tasks[key] = make(
                experiment.task, experiment.model, settings.data, experiment.run
            )
        task = tasks[key]
        stages.append(
            Stage(
                name=settings.name,
                start=stages[-1].end if stages else 0,
                steps=to_steps(settings.steps, task.steps_per_epoch),
                task=task,
                objective=implementation("objective", settings.objective.kind)(
                    settings.objective
                ),
                optimizer=settings.optimizer,
                frozen=settings.freeze,
            )
        )
    return tuple(stages)
