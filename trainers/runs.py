"""A run's folder: its configuration, its results, and the model it holds."""

import json
import os
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from tfmodels.errors import ConfigError
from tfmodels.errors import DataError
from trainers.abilities import HasMeaning
from trainers.checkpoints import Checkpoint
from trainers.checkpoints import CheckpointStore
from trainers.checkpoints import restore
from trainers.compression.quantization import enter
from trainers.compression.quantization import make_room
from trainers.configuration import difference
from trainers.configuration import dump
from trainers.configuration import load_experiment
from trainers.experiment import Experiment
from trainers.files import write_atomically
from trainers.interfaces import Task
from trainers.stages import open_task
from trainers.state import named_variables


@dataclass(frozen=True)
class RunFolder:
    """The paths of a run."""

    path: Path

    @property
    def config(self) -> Path:
        """The resolved configuration."""
        return self.path / "config.yaml"

    @property
    def metrics(self) -> Path:
        """The final figures, a flat JSON object."""
        return self.path / "metrics.json"

    @property
    def history(self) -> Path:
        """Figures over time, one JSON object per line."""
        return self.path / "metrics.jsonl"

    @property
    def pictures(self) -> Path:
        """Drawings as PNG files."""
        return self.path / "pictures"

    @property
    def tensorboard(self) -> Path:
        """What TensorBoard reads."""
        return self.path / "tensorboard"

    def checkpoints(self, keep: int = 3) -> CheckpointStore:
        """The run's checkpoints."""
        return CheckpointStore(self.path / "checkpoints", keep)

    def check(self, experiment: Experiment) -> None:
        """Makes sure that the folder is free, or belongs to a run of this experiment.

        Raises:
          ConfigError: the folder holds a run with another configuration.
        """
        if not self.config.exists():
            return
        changed = difference(self.experiment(), experiment)
        if changed:
            lines = "\n".join(f"  {change}" for change in changed)
            raise ConfigError(
                f"{self.path} holds a run with another configuration. Expected the"
                " same, to resume it, or another --workdir; received these changes:\n"
                + lines
            )

    def claim(self, experiment: Experiment) -> None:
        """Writes the experiment's configuration, which makes the folder its own."""
        write_atomically(self.config, dump(experiment))

    def experiment(self, overrides: Sequence[str] = ()) -> Experiment:
        """The configuration of the run, with changes.

        Raises:
          DataError: the folder holds no run.
        """
        if not self.config.exists():
            raise DataError(
                f"{self.path} holds no run. Expected a folder that 'tfmodels train"
                " --workdir' made, with config.yaml in it."
            )
        return load_experiment(self.config, overrides)

    def remember(self, task: Task) -> None:
        """Writes what numbers mean to a task, where that is known."""
        if isinstance(task, HasMeaning):
            write_atomically(self._meaning, f"{task.meaning}\n")

    def check_meaning(self, task: Task) -> None:
        """Makes sure that numbers mean to a task what they did in training.

        Raises:
          DataError: they do not.
        """
        if not isinstance(task, HasMeaning) or not self._meaning.exists():
            return
        meant = self._meaning.read_text(encoding="utf-8").strip()
        if task.meaning != meant:
            raise DataError(
                f"{self.path} was trained with another vocabulary. Expected that with"
                f" the hash {meant[:12]}. Received {task.meaning[:12]}: the file"
                " data.vocabulary, or the training text that it is learned from, has"
                " changed since."
            )

    @property
    def _meaning(self) -> Path:
        return self.path / "meaning.txt"

    def write_metrics(self, metrics: Mapping[str, float]) -> None:
        """Writes the final figures."""
        write_atomically(self.metrics, json.dumps(dict(metrics), indent=1) + "\n")

    def read_metrics(self) -> dict[str, float]:
        """The final figures; none before the run was evaluated."""
        if not self.metrics.exists():
            return {}
        return dict(json.loads(self.metrics.read_text()))


@dataclass(frozen=True)
class Run:
    """A trained run, opened for evaluation, prediction or export."""

    folder: RunFolder
    experiment: Experiment
    task: Task
    model: keras.Model
    """The model with its averaged weights, if the run keeps averages."""
    step: int
    metrics: dict[str, float]


def load_run(
    workdir: str | os.PathLike[str],
    overrides: Sequence[str] = (),
    step: int | None = None,
) -> Run:
    """Opens the newest intact checkpoint of a run, on one device.

    Args:
      workdir: folder of the run.
      overrides: changes, such as ``task.search.beam_width=12``.
      step: the checkpoint of this step in place of the newest.

    Raises:
      ConfigError: there is no such key.
      DataError: there is no run, no intact checkpoint, or it is of another model or
        vocabulary.
    """
    folder = RunFolder(Path(workdir))
    experiment = folder.experiment(overrides)
    checkpoint = newest(folder, step)
    stages = {stage.name: stage for stage in experiment.training_stages()}
    *_, last = stages.values()
    task = open_task(experiment, last.data)
    folder.check_meaning(task)
    model = task.build_model()
    make_room(model, [stage.compression for stage in stages.values()])
    load_weights(checkpoint, model)
    enter(model, stages.get(checkpoint.stage, last).compression)
    return Run(folder, experiment, task, model, checkpoint.step, folder.read_metrics())


def newest(folder: RunFolder, step: int | None = None) -> Checkpoint:
    """The newest intact checkpoint, or that of a step.

    Raises:
      DataError: there is none.
    """
    checkpoint = folder.checkpoints().latest(step)
    if step is not None and (checkpoint is None or checkpoint.step != step):
        raise DataError(
            f"{folder.path} holds no intact checkpoint of step {step}. Expected one of"
            " those in its folder checkpoints. Received no such one, or a damaged one."
        )
    if checkpoint is None:
        raise DataError(
            f"{folder.path} holds no checkpoint yet. Expected a run that 'tfmodels"
            " train' has saved at least once."
        )
    return checkpoint


def load_weights(checkpoint: Checkpoint, model: keras.Model) -> None:
    """Loads a checkpoint's model, with averaged weights where the checkpoint has them.

    Raises:
      DataError: the checkpoint is of another model.
    """
    state: dict[str, Any] = named_variables("model", model.variables, model.weights)
    restore(checkpoint, state)
    averages = {
        name.replace("model/", "average/", 1): variable
        for name, variable in state.items()
        if name.replace("model/", "average/", 1) in checkpoint.shapes
    }
    restore(checkpoint, averages)
