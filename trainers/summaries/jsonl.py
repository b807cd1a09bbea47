"""Scalars as lines of JSON: the record of a run that needs no tool to be read."""

import json
import math
import time
from collections import defaultdict
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainers.files import write_atomically
from trainers.summaries.writer import Writer

NOT_SCALARS = ("step", "time")


class JsonlWriter(Writer):
    """Appends ``{"step": ..., "time": ..., name: value, ...}`` per call of `scalars`.

    Lines left by a run that went further than the checkpoint it resumes from are
    removed, and values that the file already has for that checkpoint's step are left
    out, so that no step is reported by two lives of the same run. Every line is there
    for readers at once. A value that is not finite becomes null, which JSON can hold.

    Args:
      path: the file, made with its folder if there is none.
      resume_step: step that the run goes on from; later lines are removed.
      clock: seconds since 1970, for ``time``.
    """

    def __init__(
        self, path: Path, resume_step: int, clock: Callable[[], float] = time.time
    ) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._resume_step = resume_step
        self._reported = _keep_until(path, resume_step) if path.exists() else set()
        self._clock = clock

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Appends one line; none if all of it has been reported."""
        if step == self._resume_step:
            values = {n: v for n, v in values.items() if n not in self._reported}
            if not values:
                return
        line: dict[str, float | None] = {"step": step, "time": round(self._clock(), 3)}
        for name, value in values.items():
            line[name] = float(value) if math.isfinite(value) else None
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def read_scalars(path: Path) -> dict[str, list[tuple[int, float]]]:
    """The (step, value) pairs of every scalar in a file that `JsonlWriter` wrote.

    Values that were not finite come back as NaN; unfinished lines are passed over. A
    run that was too short to be logged has no file, and none of them.
    """
    series: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for line in _lines(path):
        for name, value in line.items():
            if name not in NOT_SCALARS:
                number = math.nan if value is None else value
                series[name].append((line["step"], number))
    return dict(series)


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    if not path.exists():
        return
    with path.open(encoding="utf-8", errors="replace") as file:
        for text in file:
            # A process killed while writing leaves a line without its end.
            if not text.endswith("\n"):
                return
            try:
                yield json.loads(text)
            except json.JSONDecodeError:
                continue


def _keep_until(path: Path, step: int) -> set[str]:
    """Removes the lines after a step; returns the names reported at that step."""
    kept = [line for line in _lines(path) if line["step"] <= step]
    write_atomically(path, "".join(json.dumps(line) + "\n" for line in kept))
    return {name for line in kept if line["step"] == step for name in line}
