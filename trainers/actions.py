"""What the loop does between steps: log, evaluate, save, draw, profile."""

import math
import time
from abc import ABC
from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path

import tensorflow as tf

from trainers.experiment import ProfileConfig
from trainers.interfaces import Placed
from trainers.interfaces import Shard
from trainers.interfaces import Summary
from trainers.interfaces import Totals
from trainers.loop import every
from trainers.stages import Stage
from trainers.summaries.progress import Progress
from trainers.summaries.writer import Writer
from trainers.totals import add_totals
from trainers.totals import means


class Periodic(ABC):
    """An action at every multiple of an interval; subclasses say what it does."""

    def __init__(self, interval: int) -> None:
        """`interval` in steps."""
        self._interval = max(1, interval)

    def next_step(self, step: int) -> int:
        """The next multiple of the interval."""
        return every(self._interval, step)

    def __call__(self, step: int, summary: Summary) -> None:
        """Acts when `step` is a multiple of the interval."""
        if step % self._interval == 0:
            self.act(step)

    @abstractmethod
    def act(self, step: int) -> None:
        """Does the thing."""


class Log(Periodic):
    """Writes loss, metrics, learning rate and throughput since the last time."""

    def __init__(self, interval: int, writer: Writer, batch_size: int) -> None:
        """`batch_size` examples make one step."""
        super().__init__(interval)
        self._writer = writer
        self._batch_size = batch_size
        self._restart()

    def _restart(self) -> None:
        self._totals: Totals = {}
        self._steps = 0
        self._skipped = 0
        self._gradient_norm = 0.0
        self._started = time.perf_counter()

    def __call__(self, step: int, summary: Summary) -> None:
        """Adds a chunk to the figures; writes them when the time has come."""
        self._totals = add_totals(self._totals, summary.totals)
        self._steps += summary.steps
        self._skipped += summary.skipped
        self._gradient_norm = max(self._gradient_norm, summary.gradient_norm)
        self._learning_rate = summary.learning_rate
        super().__call__(step, summary)

    def act(self, step: int) -> None:
        """Writes the figures and starts counting anew."""
        seconds = time.perf_counter() - self._started
        figures = {
            f"train/{name}": value for name, value in means(self._totals).items()
        }
        figures |= {
            "train/learning_rate": self._learning_rate,
            "train/gradient_norm": self._gradient_norm,
            "train/skipped_updates": float(self._skipped),
            "train/examples_per_second": self._steps * self._batch_size / seconds,
        }
        self._writer.scalars(step, figures)
        self._restart()


class Call(Periodic):
    """Calls a function with the step: to evaluate, to save."""

    def __init__(self, interval: int, function: Callable[[int], object]) -> None:
        """`function` gets the step."""
        super().__init__(interval)
        self._function = function

    def act(self, step: int) -> None:
        """Calls it."""
        self._function(step)


class DrawSamples(Periodic):
    """Draws the training batch of the next step as the model will see it."""

    def __init__(self, interval: int, writer: Writer, stage: Stage) -> None:
        """`stage` gives the task and where its steps start."""
        super().__init__(interval)
        self._writer = writer
        self._stage = stage

    def act(self, step: int) -> None:
        """Draws."""
        start = step - self._stage.start
        batch = next(iter(self._stage.task.dataset("train", Shard(), start)))
        for name, figure in self._stage.task.samples(batch).items():
            self._writer.figure(step, f"train/{name}", figure)


class DrawHistograms(Periodic):
    """Writes a histogram of every trained variable."""

    def __init__(self, interval: int, writer: Writer, placed: Placed) -> None:
        """`placed` holds the variables."""
        super().__init__(interval)
        self._writer = writer
        self._placed = placed

    def act(self, step: int) -> None:
        """Writes."""
        variables = self._placed.model.trainable_variables
        self._writer.histograms(
            step, {variable.path: variable.numpy() for variable in variables}
        )


class Profile:
    """Records a TensorFlow profile of some steps for TensorBoard."""

    def __init__(self, config: ProfileConfig, folder: Path) -> None:
        """`folder` is the run's TensorBoard folder."""
        self._start = config.start
        self._stop = config.start + config.steps
        self._folder = folder
        self._running = False

    def next_step(self, step: int) -> int | None:
        """The first or the last step of the window, whichever comes next."""
        return next((edge for edge in (self._start, self._stop) if step < edge), None)

    def __call__(self, step: int, summary: Summary) -> None:
        """Starts at the beginning of the window and stops at its end."""
        if not self._running and self._start <= step < self._stop:
            tf.profiler.experimental.start(str(self._folder))
            self._running = True
        elif self._running and step >= self._stop:
            tf.profiler.experimental.stop()
            self._running = False


class ShowProgress:
    """Keeps the display of a person at the screen up to date."""

    def __init__(self, interval: int, progress: Progress, batch_size: int) -> None:
        """`batch_size` examples make one step."""
        self._interval = interval
        self._progress = progress
        self._batch_size = batch_size
        self._last = time.perf_counter()

    def next_step(self, step: int) -> int:
        """The next multiple of the interval."""
        return every(self._interval, step)

    def __call__(self, step: int, summary: Summary) -> None:
        """Shows the step, its loss and the speed of the last chunk."""
        now = time.perf_counter()
        speed = summary.steps * self._batch_size / (now - self._last)
        self._last = now
        loss = means(summary.totals).get("loss", math.nan)
        self._progress.update(step, loss, speed)
