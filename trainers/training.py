"""Training and evaluating a run: stages, strategy, loop, logs, checkpoints as one."""

from collections.abc import Callable
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from rich.console import Console

from tfmodels.errors import DataError
from trainers import actions
from trainers.abilities import ChangesInTraining
from trainers.checkpoints import Checkpoint
from trainers.checkpoints import CheckpointStore
from trainers.checkpoints import restore
from trainers.configuration import flatten
from trainers.configuration import load_experiment
from trainers.durations import to_steps
from trainers.evaluation import Evaluation
from trainers.evaluation import held_out
from trainers.experiment import Experiment
from trainers.files import writing
from trainers.guards import make_guards
from trainers.interfaces import Placed
from trainers.interfaces import Stage
from trainers.interfaces import Strategy
from trainers.loop import Action
from trainers.loop import Loop
from trainers.preemption import StopRequest
from trainers.preemption import stop_requests
from trainers.runs import RunFolder
from trainers.runs import newest
from trainers.stages import open_strategy
from trainers.state import placed_variables
from trainers.summaries.figures import save_curves
from trainers.summaries.jsonl import JsonlWriter
from trainers.summaries.jsonl import read_scalars
from trainers.summaries.overview import parameter_overview
from trainers.summaries.pictures import PictureFolder
from trainers.summaries.progress import Progress
from trainers.summaries.tensorboard import TensorBoardWriter
from trainers.summaries.writer import Writers


@dataclass(frozen=True)
class RunResult:
    """What a training run ends with."""

    metrics: dict[str, float]
    """Final figures by ``split/name``, of the averaged weights."""
    step: int
    """Last step."""


def train(
    path: str | PathLike[str],
    workdir: str | PathLike[str],
    overrides: Sequence[str] = (),
) -> RunResult:
    """See `trainers.train`."""
    experiment = load_experiment(path, overrides)
    folder = RunFolder(Path(workdir))
    folder.check(experiment)
    with stop_requests() as stop, open_strategy(experiment) as (strategy, stages):
        stop.listen()
        return _Training(experiment, folder, stop, strategy, stages).run()


def dry_run(path: str | PathLike[str], overrides: Sequence[str] = ()) -> str:
    """Builds model and data and takes one step of every stage, writing nothing.

    Returns:
      The table of the model's parameters.
    """
    experiment = load_experiment(path, overrides)
    with open_strategy(experiment) as (strategy, stages):
        placed = strategy.build(stages)
        for stage in stages:
            strategy.prepare(placed, stage, stage.start).run(1)
        return parameter_overview(placed.model)


def evaluate(
    workdir: str | PathLike[str], overrides: Sequence[str] = ()
) -> dict[str, float]:
    """See `trainers.evaluate`."""
    folder = RunFolder(Path(workdir))
    experiment = folder.experiment(overrides)
    checkpoint = newest(folder)
    with open_strategy(experiment) as (strategy, stages):
        folder.check_meaning(stages[-1].task)
        placed = strategy.build(stages)
        restore(checkpoint, placed_variables(placed))
        evaluation = Evaluation(strategy, placed, experiment.data.max_bad_fraction)
        metrics = evaluation.all(stages[-1], checkpoint.step)
        if strategy.is_chief:
            folder.write_metrics(metrics)
        return metrics


class _Training:
    """One process's part of a training run."""

    def __init__(
        self,
        experiment: Experiment,
        folder: RunFolder,
        stop: StopRequest,
        strategy: Strategy,
        stages: tuple[Stage, ...],
    ) -> None:
        self._run = experiment.run
        self._experiment = experiment
        self._folder = folder
        self._strategy = strategy
        self._stages = stages
        self._stop = stop
        folder.check_meaning(stages[-1].task)
        self._placed: Placed = self._strategy.build(self._stages)
        self._store = CheckpointStore(
            folder.path / "checkpoints", self._run.keep_checkpoints
        )
        self._step = self._saved = self._prepare_next(self._store.latest())
        if self._strategy.is_chief:
            folder.claim(experiment)
            folder.remember(stages[-1].task)
        self._guards = make_guards(experiment)

    def _prepare_next(self, checkpoint: Checkpoint | None) -> int:
        """Prepares the stage to go on with, from a checkpoint or anew; its step.

        The last stage is prepared even when it is over, to load its weights.
        """
        step = checkpoint.step if checkpoint else 0
        self._check_agreement(step)
        self._to_do = [s for s in self._stages if step < s.end] or [self._stages[-1]]
        self._trainable = self._strategy.prepare(self._placed, self._to_do[0], step)
        if checkpoint:
            # At the start of a stage, not the optimizer of the stage before.
            same = checkpoint.stage == self._to_do[0].name
            state = self._trainable.state if same else placed_variables(self._placed)
            restore(checkpoint, state)
        return step

    def _check_agreement(self, step: int) -> None:
        """Makes sure that all processes resume the same checkpoint.

        Raises:
          DataError: they see different ones.
        """
        steps = self._strategy.gather(step)
        if len(set(steps)) > 1:
            raise DataError(
                "The processes found different checkpoints. Expected --workdir to be"
                " one folder that all of them share; received the newest steps"
                f" {', '.join(map(str, steps))} in {self._folder.path}."
            )

    def run(self) -> RunResult:
        """Trains what is left of the stages, and evaluates."""
        with (
            closing(self._open_writers()) as self._writers,
            self._show_progress() as self._progress,
        ):
            self._evaluation = Evaluation(
                self._strategy,
                self._placed,
                self._experiment.data.max_bad_fraction,
                self._writers,
            )
            if self._step:
                self._progress.message(f"Resuming after step {self._step}.")
            for stage in self._to_do:
                if stage is not self._to_do[0]:
                    self._trainable = self._strategy.prepare(
                        self._placed, stage, self._step
                    )
                self._train(stage)
            return self._finish()

    def _open_writers(self) -> Writers:
        if not self._strategy.is_chief:
            return Writers()
        with writing(self._folder.path):
            writers = Writers(
                [
                    TensorBoardWriter(self._folder.tensorboard),
                    JsonlWriter(self._folder.history, self._step),
                    PictureFolder(self._folder.pictures),
                ]
            )
        overview = parameter_overview(self._placed.model)
        writers.text(self._step, "parameters", overview)
        writers.hparams(flatten(self._experiment))
        return writers

    def _show_progress(self) -> Progress:
        console = Console(stderr=True, quiet=not self._strategy.is_chief)
        return Progress(console, self._step, self._stages[-1].end)

    def _train(self, stage: Stage) -> None:
        if self._step >= stage.end:
            return

        def save(step: int) -> None:
            if self._strategy.is_chief and step != self._saved:
                self._store.save(self._trainable.state, step, stage.name)
                self._saved = step

        loop = Loop(
            trainable=self._trainable,
            stage=stage,
            guards=self._guards,
            actions=self._make_actions(stage, save),
            save=save,
            stop_requested=lambda: any(self._strategy.gather(self._stop.received)),
        )
        self._step = loop.run(self._step)
        save(self._step)

    def _finish(self) -> RunResult:
        metrics = self._evaluation.all(self._stages[-1], self._step)
        if self._strategy.is_chief:
            actions.draw_last_step(self._step, self._writers, self._trainable)
            self._folder.write_metrics(metrics)
            with writing(self._folder.pictures):
                # Nothing has been drawn yet when no split is held out.
                self._folder.pictures.mkdir(exist_ok=True)
                save_curves(
                    read_scalars(self._folder.history),
                    self._folder.pictures / "curves.png",
                )
        return RunResult(metrics, self._step)

    def _make_actions(
        self, stage: Stage, save: Callable[[int], object]
    ) -> list[Action]:
        run, epoch = self._run, stage.task.steps_per_epoch
        batch_size = stage.task.batch_size
        made: list[Action] = [
            actions.ShowProgress(run.steps_per_loop, self._progress, batch_size),
            actions.Log(run.log_every, self._writers, batch_size),
        ]
        model = self._placed.model
        if isinstance(model, ChangesInTraining):
            made.append(actions.Anneal(model, self._step))
        if run.diagnostics_every is not None:
            made.append(
                actions.Diagnose(
                    to_steps(run.diagnostics_every, epoch),
                    self._writers,
                    stage,
                    self._placed,
                    run.max_dead_channels,
                )
            )
        splits = held_out(stage)
        if run.evaluate_every is not None and splits:
            made.append(
                actions.Call(
                    to_steps(run.evaluate_every, epoch),
                    lambda step: self._evaluation(stage, step, splits[0]),
                )
            )
        for action in self._chief_actions(stage, epoch):
            made.append(action if self._strategy.is_chief else actions.Muted(action))
        return [*made, actions.Call(to_steps(run.checkpoint_every, epoch), save)]

    def _chief_actions(self, stage: Stage, epoch: int) -> list[Action]:
        """Actions that only look: other processes do not take part in them."""
        run = self._run
        made: list[Action] = [actions.Warn(stage.objective)]
        if run.images_every is not None:
            interval = to_steps(run.images_every, epoch)
            made.append(
                actions.DrawSamples(interval, self._writers, stage, self._trainable)
            )
        if run.histograms_every is not None:
            interval = to_steps(run.histograms_every, epoch)
            made.append(actions.DrawHistograms(interval, self._writers, self._placed))
        if run.profile is not None:
            made.append(
                actions.Profile(run.profile, self._folder.tensorboard, stage.end)
            )
        return made
