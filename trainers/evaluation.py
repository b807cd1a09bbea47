"""Evaluating a model on held-out splits: figures, and pictures of them."""

from collections.abc import Callable

from trainers.guards import check_readable
from trainers.interfaces import Placed
from trainers.interfaces import Stage
from trainers.interfaces import Strategy
from trainers.interfaces import Totals
from trainers.summaries.writer import Writers


def held_out(stage: Stage) -> list[str]:
    """The splits a stage does not train on."""
    return [split for split in stage.task.splits if split != "train"]


class Evaluation:
    """Evaluates a model's averaged weights and reports what it finds."""

    def __init__(
        self,
        strategy: Strategy,
        placed: Placed,
        max_bad_fraction: float,
        writers: Writers | None = None,
    ) -> None:
        """Without `writers`, figures are returned only."""
        self._max_bad_fraction = max_bad_fraction
        self._strategy = strategy
        self._placed = placed
        self._writers = writers
        self._evaluators: dict[str, Callable[[str], Totals]] = {}
        self._done: dict[tuple[int, str], dict[str, float]] = {}

    def __call__(self, stage: Stage, step: int, split: str) -> dict[str, float]:
        """Figures by ``split/name``; a second call for the same step repeats them."""
        if (step, split) not in self._done:
            self._done = {(step, split): self._evaluate(stage, step, split)}
        return self._done[step, split]

    def all(self, stage: Stage, step: int) -> dict[str, float]:
        """The figures of every held-out split."""
        metrics: dict[str, float] = {}
        for split in held_out(stage):
            metrics |= self(stage, step, split)
        return metrics

    def _evaluate(self, stage: Stage, step: int, split: str) -> dict[str, float]:
        if stage.name not in self._evaluators:
            evaluator = self._strategy.evaluator(self._placed, stage)
            self._evaluators[stage.name] = evaluator
        with self._placed.average.swapped():
            totals = self._evaluators[stage.name](split)
            check_readable(split, totals, self._max_bad_fraction)
            if self._writers is not None and self._strategy.is_chief:
                self._draw(self._writers, stage, step, split, totals)
        report = stage.task.report(totals)
        metrics = {f"{split}/{name}": value for name, value in report.items()}
        if self._writers is not None:
            self._writers.scalars(step, metrics)
        return metrics

    def _draw(
        self, writers: Writers, stage: Stage, step: int, split: str, totals: Totals
    ) -> None:
        batch = next(iter(stage.task.dataset(split)))
        outputs = stage.task.outputs(self._placed.model, batch, training=False)
        for name, drawing in stage.task.figures(outputs, batch, totals).items():
            writers.drawn(step, f"{split}/{name}", drawing)
