"""Training and evaluating a run: stages, strategy, loop, logs, checkpoints as one."""

from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import keras
from rich.console import Console

from trainers import actions
from trainers.catalog import implementation
from trainers.checkpoints import CheckpointStore
from trainers.checkpoints import restore
from trainers.configuration import flatten
from trainers.configuration import load_experiment
from trainers.durations import to_steps
from trainers.experiment import Experiment
from trainers.guards import BadExamples
from trainers.guards import FiniteUpdates
from trainers.guards import Guard
from trainers.guards import LossBound
from trainers.interfaces import Placed
from trainers.interfaces import Strategy
from trainers.interfaces import Totals
from trainers.interfaces import Trainable
from trainers.loop import Action
from trainers.loop import Loop
from trainers.preemption import StopRequest
from trainers.preemption import stop_requests
from trainers.runs import RunFolder
from trainers.runs import load_weights
from trainers.runs import newest
from trainers.stages import Stage
from trainers.stages import plan_stages
from trainers.summaries.figures import save_curves
from trainers.summaries.jsonl import JsonlWriter
from trainers.summaries.jsonl import read_scalars
from trainers.summaries.overview import parameter_overview
from trainers.summaries.pictures import PictureFolder
from trainers.summaries.progress import Progress
from trainers.summaries.tensorboard import TensorBoardWriter
from trainers.summaries.writer import Writers

# A float16 run finds its loss scale by overflowing; from 2 ** 15 to 1 are 15 halvings.
_FLOAT16_SEARCH = 15


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
    return _Training(experiment, folder).run()


def dry_run(path: str | PathLike[str], overrides: Sequence[str] = ()) -> str:
    """Builds model and data and takes one step of every stage, writing nothing.

    Returns:
      The table of the model's parameters.
    """
    experiment = load_experiment(path, overrides)
    strategy, stages = _prepare(experiment)
    placed = strategy.build(stages[0].task, stages[-1].end)
    for stage in stages:
        strategy.prepare(placed, stage, stage.start).run(1)
    return parameter_overview(placed.model)


def evaluate(workdir: str | PathLike[str]) -> dict[str, float]:
    """See `trainers.evaluate`."""
    folder = RunFolder(Path(workdir))
    experiment = folder.experiment()
    checkpoint = newest(folder)
    strategy, stages = _prepare(experiment)
    placed = strategy.build(stages[-1].task, stages[-1].end)
    load_weights(checkpoint, placed.model)
    sums = strategy.evaluator(placed, stages[-1])
    metrics: dict[str, float] = {}
    for split in _held_out(stages[-1]):
        metrics |= _named(split, stages[-1], sums(split))
    if strategy.is_chief:
        folder.write_metrics(metrics)
    return metrics


def _prepare(experiment: Experiment) -> tuple[Strategy, tuple[Stage, ...]]:
    """Opens the devices first: some can only be set up before TensorFlow starts."""
    make = implementation("strategy", experiment.strategy.kind)
    strategy: Strategy = make(experiment.strategy, experiment.run)
    keras.utils.set_random_seed(experiment.run.seed)
    return strategy, plan_stages(experiment)


def _held_out(stage: Stage) -> list[str]:
    return [split for split in stage.task.splits if split != "train"]


def _named(split: str, stage: Stage, totals: Totals) -> dict[str, float]:
    return {f"{split}/{name}": x for name, x in stage.task.report(totals).items()}


class _Training:
    """One process's part of a training run."""

    def __init__(self, experiment: Experiment, folder: RunFolder) -> None:
        self._run = experiment.run
        self._experiment = experiment
        self._folder = folder
        self._strategy, self._stages = _prepare(experiment)
        self._placed: Placed = self._strategy.build(
            self._stages[0].task, self._stages[-1].end
        )
        self._store = CheckpointStore(
            folder.path / "checkpoints", self._run.keep_checkpoints
        )
        folder.claim(experiment)
        self._guards = self._make_guards()
        self._evaluators: dict[str, Callable[[str], Totals]] = {}
        self._evaluated: dict[tuple[int, str], dict[str, float]] = {}

    def run(self) -> RunResult:
        """Resumes where the folder's newest intact checkpoint stands, to the end."""
        checkpoint = self._store.latest()
        self._step = checkpoint.step if checkpoint else 0
        self._writers = self._open_writers()
        with stop_requests() as stop, self._show_progress() as self._progress:
            if checkpoint:
                self._progress.message(f"Resuming after step {self._step}.")
            for stage in self._stages:
                # The last stage is prepared even when it is over, to load its weights.
                if self._step < stage.end or stage is self._stages[-1]:
                    trainable = self._strategy.prepare(self._placed, stage, self._step)
                    if checkpoint:
                        restore(checkpoint, _wanted(trainable, checkpoint.stage, stage))
                        checkpoint = None
                    self._train(stage, trainable, stop)
            return self._finish()

    def _open_writers(self) -> Writers:
        if not self._strategy.is_chief:
            return Writers()
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

    def _train(self, stage: Stage, trainable: Trainable, stop: StopRequest) -> None:
        if self._step >= stage.end:
            return

        def save(step: int) -> None:
            if self._strategy.is_chief:
                self._store.save(trainable.state, step, stage.name)

        loop = Loop(
            trainable=trainable,
            stage=stage,
            guards=self._guards,
            actions=self._make_actions(stage, save),
            save=save,
            stop_requested=lambda: self._strategy.any_process(stop.received),
        )
        self._step = loop.run(self._step)
        save(self._step)

    def _finish(self) -> RunResult:
        metrics: dict[str, float] = {}
        for split in _held_out(self._stages[-1]):
            metrics |= self._evaluate(self._stages[-1], self._step, split)
        self._writers.close()
        if self._strategy.is_chief:
            self._folder.write_metrics(metrics)
            save_curves(
                read_scalars(self._folder.history), self._folder.pictures / "curves.png"
            )
        return RunResult(metrics, self._step)

    def _evaluate(self, stage: Stage, step: int, split: str) -> dict[str, float]:
        """Evaluates the averaged weights, once a step; writes figures and pictures."""
        if (step, split) in self._evaluated:
            return self._evaluated[step, split]
        if stage.name not in self._evaluators:
            evaluator = self._strategy.evaluator(self._placed, stage)
            self._evaluators[stage.name] = evaluator
        with self._placed.average.swapped():
            totals = self._evaluators[stage.name](split)
            if self._strategy.is_chief:
                self._draw(stage, step, split, totals)
        metrics = _named(split, stage, totals)
        self._writers.scalars(step, metrics)
        self._evaluated = {(step, split): metrics}
        return metrics

    def _draw(self, stage: Stage, step: int, split: str, totals: Totals) -> None:
        batch = next(iter(stage.task.dataset(split)))
        outputs = stage.task.outputs(self._placed.model, batch, training=False)
        for name, figure in stage.task.figures(outputs, batch, totals).items():
            self._writers.figure(step, f"{split}/{name}", figure)

    def _make_guards(self) -> list[Guard]:
        search = _FLOAT16_SEARCH if self._run.precision == "mixed_float16" else 0
        guards: list[Guard] = [
            FiniteUpdates(max(self._run.max_skipped_updates, search)),
            BadExamples(self._experiment.data.max_bad_fraction),
        ]
        if self._run.loss_bound is not None:
            guards.append(LossBound(self._run.loss_bound))
        return guards

    def _make_actions(
        self, stage: Stage, save: Callable[[int], object]
    ) -> list[Action]:
        run, epoch = self._run, stage.task.steps_per_epoch
        batch_size = stage.task.batch_size
        made: list[Action] = [
            actions.ShowProgress(run.steps_per_loop, self._progress, batch_size),
            actions.Log(run.log_every, self._writers, batch_size),
        ]
        held_out = _held_out(stage)
        if run.evaluate_every is not None and held_out:
            made.append(
                actions.Call(
                    to_steps(run.evaluate_every, epoch),
                    lambda step: self._evaluate(stage, step, held_out[0]),
                )
            )
        if self._strategy.is_chief:
            made += self._chief_actions(stage, epoch)
        return [*made, actions.Call(to_steps(run.checkpoint_every, epoch), save)]

    def _chief_actions(self, stage: Stage, epoch: int) -> list[Action]:
        """Actions that only look: other processes need not take part in them."""
        run = self._run
        made: list[Action] = []
        if run.images_every is not None:
            interval = to_steps(run.images_every, epoch)
            made.append(actions.DrawSamples(interval, self._writers, stage))
        if run.histograms_every is not None:
            interval = to_steps(run.histograms_every, epoch)
            made.append(actions.DrawHistograms(interval, self._writers, self._placed))
        if run.profile is not None:
            made.append(actions.Profile(run.profile, self._folder.tensorboard))
        return made


def _wanted(trainable: Trainable, saved: str, stage: Stage) -> dict[str, Any]:
    """What to restore: at the start of a stage, not the optimizer of the one before."""
    if saved == stage.name:
        return trainable.state
    return {
        name: variable
        for name, variable in trainable.state.items()
        if name.startswith(("model/", "average/"))
    }
