"""What the loop does between steps: log, evaluate, save, draw, profile."""

import logging
import math
from abc import ABC
from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path

import tensorflow as tf

from trainers.abilities import ChangesInTraining
from trainers.experiment import ProfileConfig
from trainers.guards import check_alive
from trainers.interfaces import Batch
from trainers.interfaces import Objective
from trainers.interfaces import Placed
from trainers.interfaces import Shard
from trainers.interfaces import Stage
from trainers.interfaces import Summary
from trainers.interfaces import Totals
from trainers.interfaces import Trainable
from trainers.loop import Action
from trainers.loop import every
from trainers.summaries.progress import Progress
from trainers.summaries.writer import Writer
from trainers.totals import add_totals
from trainers.totals import means

_LOG = logging.getLogger(__name__)


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
        self._seconds = 0.0

    def __call__(self, step: int, summary: Summary) -> None:
        """Adds a chunk to the figures; writes them when the time has come."""
        self._totals = add_totals(self._totals, summary.totals)
        self._steps += summary.steps
        self._seconds += summary.seconds
        self._skipped += summary.skipped
        self._gradient_norm = max(self._gradient_norm, summary.gradient_norm)
        self._learning_rate = summary.learning_rate
        self._extra = summary.extra
        super().__call__(step, summary)

    def act(self, step: int) -> None:
        """Writes the figures and starts counting anew."""
        figures = {
            f"train/{name}": value for name, value in means(self._totals).items()
        }
        figures |= {
            "train/learning_rate": self._learning_rate,
            "train/gradient_norm": self._gradient_norm,
            "train/skipped_updates": float(self._skipped),
            "train/examples_per_second": (
                self._steps * self._batch_size / self._seconds
            ),
            **self._extra,
        }
        self._writer.scalars(step, figures)
        self._restart()


class Warn:
    """Passes on what an objective has to say about the figures of training.

    A chunk after one with as many warnings says nothing: they would be the same ones.
    """

    def __init__(self, objective: Objective) -> None:
        """Nothing has been said yet."""
        self._objective = objective
        self._count = 0

    def next_step(self, step: int) -> int | None:
        """None: the ends of chunks will do."""
        return None

    def __call__(self, step: int, summary: Summary) -> None:
        """Asks the objective."""
        warnings = self._objective.warnings(summary.totals)
        if len(warnings) > self._count:
            for warning in warnings:
                _LOG.warning("step %d: %s", step, warning)
        self._count = len(warnings)


class Anneal:
    """Tells a model after each chunk at which step of the run it is."""

    def __init__(self, model: ChangesInTraining, step: int) -> None:
        """Tells it the first one."""
        self._model = model
        model.at_step(step)

    def next_step(self, step: int) -> int | None:
        """None: the ends of chunks will do."""
        return None

    def __call__(self, step: int, summary: Summary) -> None:
        """Tells it."""
        self._model.at_step(step)


class Call(Periodic):
    """Calls a function with the step: to evaluate, to save."""

    def __init__(self, interval: int, function: Callable[[int], object]) -> None:
        """`function` gets the step."""
        super().__init__(interval)
        self._function = function

    def act(self, step: int) -> None:
        """Calls it."""
        self._function(step)


def draw_last_step(step: int, writer: Writer, trainable: Trainable) -> None:
    """Draws what only this run's strategy has to show."""
    for name, figure in trainable.figures().items():
        writer.figure(step, f"strategy/{name}", figure)


class DrawSamples(Periodic):
    """Draws the next step's training batch as the model will see it, and the last step.

    Of the last step, what only its strategy has to show.
    """

    def __init__(
        self, interval: int, writer: Writer, stage: Stage, trainable: Trainable
    ) -> None:
        """`stage` gives the task and where its steps start."""
        super().__init__(interval)
        self._writer = writer
        self._stage = stage
        self._trainable = trainable

    def act(self, step: int) -> None:
        """Draws."""
        batch = _next_batch(self._stage, step)
        stage = self._stage
        drawn = {**stage.task.samples(batch), **stage.objective.figures(batch)}
        for name, figure in drawn.items():
            self._writer.figure(step, f"train/{name}", figure)
        draw_last_step(step, self._writer, self._trainable)


class Diagnose(Periodic):
    """Examines the model on the batch of the next step; stops when it is dead.

    All processes do this, each with the same result: were it one of them that stopped,
    the others would wait for it for ever.
    """

    def __init__(
        self,
        interval: int,
        writer: Writer,
        stage: Stage,
        placed: Placed,
        max_dead: float,
    ) -> None:
        """`max_dead` is the largest share of dead channels."""
        super().__init__(interval)
        self._writer = writer
        self._stage = stage
        self._placed = placed
        self._max_dead = max_dead

    def act(self, step: int) -> None:
        """Writes what the task finds.

        Raises:
          Diverged: too many channels are dead.
        """
        batch = _next_batch(self._stage, step)
        found = self._stage.task.diagnostics(self._placed.model, batch)
        self._writer.scalars(
            step, {f"diagnostics/{name}": value for name, value in found.items()}
        )
        check_alive(step, found, self._max_dead)


def _next_batch(stage: Stage, step: int) -> Batch:
    """The global batch of the step after `step`, read anew."""
    batch: Batch = next(iter(stage.batches(Shard(), step - stage.start)))
    return batch


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

    def __init__(self, config: ProfileConfig, folder: Path, end: int) -> None:
        """`folder` is the run's TensorBoard folder; at step `end` the stage is over."""
        self._start = config.start
        self._stop = min(config.start + config.steps, end)
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


class Muted:
    """Keeps an action's place in the schedule without doing it.

    All processes must end their chunks at the same steps, since they vote between them.
    """

    def __init__(self, action: Action) -> None:
        """`action` is done by another process."""
        self.next_step = action.next_step

    def __call__(self, step: int, summary: Summary) -> None:
        """Does nothing."""


class ShowProgress:
    """Keeps the display of a person at the screen up to date."""

    def __init__(self, interval: int, progress: Progress, batch_size: int) -> None:
        """`batch_size` examples make one step."""
        self._interval = interval
        self._progress = progress
        self._batch_size = batch_size

    def next_step(self, step: int) -> int:
        """The next multiple of the interval."""
        return every(self._interval, step)

    def __call__(self, step: int, summary: Summary) -> None:
        """Shows the step, its loss and the speed of the last chunk."""
        speed = summary.steps * self._batch_size / summary.seconds
        loss = means(summary.totals).get("loss", math.nan)
        self._progress.update(step, loss, speed)
