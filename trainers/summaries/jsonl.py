"""Scalars as lines of JSON: the record of a run that needs no tool to be read."""

import json
import math
import os
import time
from collections import defaultdict
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainers.summaries.writer import Writer

NOT_SCALARS = ("step", "time")


class JsonlWriter(Writer):
    """Appends ``{"step": ..., "time": ..., name: value, ...}`` per call of `scalars`.

    Lines left by a run that went further than the checkpoint it resumes from are
    removed, so that no step is reported by two lives of the same run. Every line is
    flushed at once. A value that is not finite becomes null, which JSON can hold.

    Args:
      path: the file, made with its folder if there is none.
      resume_step: step that the run goes on from; later lines are removed.
      clock: seconds since 1970, for ``time``.
    """

    def __init__(
        self, path: Path, resume_step: int, clock: Callable[[], float] = time.time
    ) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            _keep_until(path, resume_step)
        self._clock = clock
        self._file = path.open("a", encoding="utf-8")

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Appends one line."""
        line: dict[str, float | None] = {"step": step, "time": round(self._clock(), 3)}
        for name, value in values.items():
            line[name] = float(value) if math.isfinite(value) else None
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def read_scalars(path: Path) -> dict[str, list[tuple[int, float]]]:
    """The (step, value) pairs of every scalar in a file that `JsonlWriter` wrote.

    Values that were not finite come back as NaN; unfinished lines are passed over.
    """
    series: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for line in _lines(path):
        for name, value in line.items():
            if name not in NOT_SCALARS:
                number = math.nan if value is None else value
                series[name].append((line["step"], number))
    return dict(series)


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8", errors="replace") as file:
        for text in file:
            # A process killed while writing leaves a line without its end.
            if not text.endswith("\n"):
                return
            try:
                yield json.loads(text)
            except json.JSONDecodeError:
                continue


def _keep_until(path: Path, step: int) -> None:
    kept = [json.dumps(line) + "\n" for line in _lines(path) if line["step"] <= step]
    temporary = path.with_suffix(".tmp")
    temporary.write_text("".join(kept), encoding="utf-8")
    os.replace(temporary, path)
