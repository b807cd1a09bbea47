"""What quantized weights do to answers: divergence, agreement, and a task's figures."""

import itertools
from typing import Any

import keras
import tensorflow as tf

from tfmodels.config import Config
from trainers.interfaces import Batch
from trainers.interfaces import Task
from trainers.interfaces import Totals
from trainers.totals import sum_totals


class Answers(Config):
    """Two models on the same held-out examples, in Keras."""

    split: str
    """Where the examples come from."""
    weight: float | None
    """Of the answers: tokens, frames or examples that count; null without logits."""
    divergence: float | None
    """Mean Kullback-Leibler divergence of the answers' distributions from those in
    floating point, nats; null without logits."""
    agreement: float | None
    """Share of answers whose likeliest class is the same."""
    before: dict[str, float]
    """Figures of the task in floating point."""
    after: dict[str, float]
    """The same of quantized weights."""


class Comparison:
    """Two models on the beginning of a held-out split, again whenever one has changed.

    Args:
      task: opens the data.
      before: in floating point.
      after: the other one.
      num_examples: rounded up to whole batches; 0 for none.
    """

    def __init__(
        self, task: Task, before: keras.Model, after: keras.Model, num_examples: int
    ) -> None:
        self._task = task
        self._models = {"before": before, "after": after}
        held_out = [name for name in ("test", "validation") if name in task.splits]
        self._split = held_out[0] if held_out and num_examples else None
        self._count = -(-num_examples // task.batch_size)
        self._compiled = tf.function(self._step, autograph=False, reduce_retracing=True)

    def __call__(self) -> Answers | None:
        """Runs both; None without examples."""
        if self._split is None:
            return None
        batches = itertools.islice(self._task.dataset(self._split), self._count)
        totals = sum_totals(self._compiled, batches)
        found: dict[str, float | None] = {"divergence": None, "agreement": None}
        for name in found:
            if name in totals and totals[name][1]:
                found[name] = float(totals[name][0] / totals[name][1])
        weight = float(totals["agreement"][1]) if "agreement" in totals else None
        return Answers(
            split=self._split,
            weight=weight,
            divergence=found["divergence"],
            agreement=found["agreement"],
            before=self._report("before/", totals),
            after=self._report("after/", totals),
        )

    def _report(self, start: str, totals: Totals) -> dict[str, float]:
        return self._task.report(
            {
                name.removeprefix(start): pair
                for name, pair in totals.items()
                if name.startswith(start)
            }
        )

    def _step(self, batch: Batch) -> Totals:
        totals: Totals = {}
        logits = []
        for name, model in self._models.items():
            outputs = self._task.outputs(model, batch, False)
            metrics = self._task.metrics(outputs, batch)
            totals |= {f"{name}/{key}": pair for key, pair in metrics.items()}
            logits += [outputs["logits"]] if "logits" in outputs else []
        return totals | (_divergence(logits, batch) if logits else {})


def _divergence(logits: list[Any], batch: Batch) -> Totals:
    before, after = logits
    expected, found = (tf.nn.log_softmax(x) for x in logits)
    nats = tf.reduce_sum(tf.exp(expected) * (expected - found), -1)
    same = tf.cast(tf.argmax(before, -1) == tf.argmax(after, -1), tf.float32)
    weight = batch["weight"]
    while weight.shape.rank < nats.shape.rank:
        weight = weight[..., None]
    weight = tf.broadcast_to(weight, tf.shape(nats))
    total = tf.reduce_sum(weight)
    return {
        "divergence": (tf.reduce_sum(weight * nats), total),
        "agreement": (tf.reduce_sum(weight * same), total),
    }


def summary(answers: Answers) -> str:
    """A few lines for people."""
    lines = [f"answers on {answers.split}, in floating point and quantized:"]
    for name, value in answers.before.items():
        lines.append(f"  {name}: {value:.5g}, {answers.after[name]:.5g}")
    if answers.divergence is not None and answers.agreement is not None:
        lines.append(
            f"  divergence: {answers.divergence:.3e} nats, {answers.agreement:.2%} of"
            f" {answers.weight:.0f} answers the same"
        )
    return "\n".join(lines) + "\n"
