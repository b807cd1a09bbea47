"""What a person at the screen sees of a run: a bar on a terminal, else log lines."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

import rich.console
import rich.progress


class Progress:
    """Shows steps, loss, examples per second and time left.

    A terminal gets one bar that changes in place. Anything else, such as a file, gets
    lines, at most one per interval besides the first and the last. A console that is
    quiet, as every worker but the chief should have it, gets nothing.

    Args:
      console: where to show it.
      first_step: steps made before this process began.
      num_steps: steps of the whole run.
      clock: seconds, never going back.
      interval_seconds: shortest time between two log lines.
    """

    def __init__(
        self,
        console: rich.console.Console,
        first_step: int,
        num_steps: int,
        clock: Callable[[], float] = time.monotonic,
        interval_seconds: float = 5.0,
    ) -> None:
        self._console = console
        self._first_step = first_step
        self._num_steps = num_steps
        self._clock = clock
        self._interval = interval_seconds
        self._begin = clock()
        self._last_line: float | None = None
        self._bar = rich.progress.Progress(
            rich.progress.BarColumn(),
            rich.progress.TextColumn("{task.description}", markup=False),
            console=console,
            disable=console.quiet or not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=num_steps, completed=first_step)

    def __enter__(self) -> Self:
        """Starts showing."""
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leaves the last state on the screen."""
        self._bar.stop()

    def update(self, step: int, loss: float, examples_per_second: float) -> None:
        """Shows the state after `step` steps.

        Args:
          step: steps of the whole run made so far.
          loss: mean loss since the last update.
          examples_per_second: speed since the last update.
        """
        text = (
            f"step {step}/{self._num_steps}  loss {loss:.4f}"
            f"  {examples_per_second:,.0f} examples/s  {self._time_left(step)} left"
        )
        self._bar.update(self._task, completed=step, description=text)
        if self._bar.disable and self._line_is_due(step):
            self._print(text)

    def message(self, text: str) -> None:
        """Prints a line that stays, above the bar if there is one."""
        self._print(text)

    def _print(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def _line_is_due(self, step: int) -> bool:
        now = self._clock()
        last = self._last_line
        if last is not None and now < last + self._interval and step < self._num_steps:
            return False
        self._last_line = now
        return True

    def _time_left(self, step: int) -> str:
        made = step - self._first_step
        if made <= 0:
            return "?"
        seconds = (self._clock() - self._begin) / made * (self._num_steps - step)
        minutes, seconds = divmod(round(seconds), 60)
        hours, minutes = divmod(minutes, 60)
        return f"{hours}:{minutes:02}:{seconds:02}"
