"""Evaluating several image classifiers as one: the mean of what they believe."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfmodels.errors import ConfigError
from tfmodels.metrics.classification import confusion_matrix
from tfmodels.metrics.classification import top_k
from trainers.files import write_atomically
from trainers.files import writing
from trainers.guards import check_readable
from trainers.runs import Run
from trainers.runs import load_run
from trainers.summaries import figures
from trainers.tasks.image_classification import ImageClassification
from trainers.tasks.image_classification import mean_logits
from trainers.totals import means

_WORST = 36


class Answers(NamedTuple):
    """What a model says of the examples of a split, in their order."""

    logits: np.ndarray
    """float32 [n, K]."""
    labels: np.ndarray
    """int32 [n]."""
    weights: np.ndarray
    """float32 [n], 0 for those that do not count."""
    bad: np.ndarray
    """float32 [n], 1 for those that cannot be read."""


def evaluate_together(
    workdirs: Sequence[str | os.PathLike[str]],
    overrides: Sequence[str] = (),
    output: str | os.PathLike[str] | None = None,
) -> dict[str, float]:
    """See `trainers.evaluate_together`."""
    runs = [load_run(workdir, overrides) for workdir in workdirs]
    tasks = [_classifier(run) for run in runs]
    metrics: dict[str, float] = {}
    for split in (name for name in tasks[0].splits if name != "train"):
        each = [answers(run, split) for run in runs]
        _check_same(workdirs, tasks, each, split)
        together = each[0]._replace(logits=ensemble([one.logits for one in each]))
        totals = {
            "bad_examples": (
                np.sum(together.bad),
                np.sum(together.bad + together.weights),
            )
        }
        bound = runs[0].experiment.data.max_bad_fraction
        check_readable(split, totals, bound)
        metrics |= {f"{split}/{n}": v for n, v in _figures(together).items()}
        if output is not None:
            _draw(tasks[0], together, split, Path(output))
    if output is not None:
        with writing(output):
            Path(output).mkdir(parents=True, exist_ok=True)
        text = json.dumps(metrics, indent=1) + "\n"
        write_atomically(Path(output) / "metrics.json", text)
    return metrics


def ensemble(logits: Sequence[np.ndarray]) -> np.ndarray:
    """Logits of the mean probabilities of several models, float32 [n, K] each."""
    return np.asarray(mean_logits(tf.stack([tf.constant(x) for x in logits]), axis=0))


def answers(run: Run, split: str) -> Answers:
    """Runs a classifier, without its training heads, over a split."""
    task = _classifier(run)
    model = run.model.deploy()

    @tf.function(autograph=False, reduce_retracing=True)
    def step(batch: dict[str, tf.Tensor]) -> tf.Tensor:
        return task.outputs(model, batch, training=False)["logits"]

    size = task.source(split).size
    found = Answers(
        np.zeros([size, len(task.labels)], np.float32),
        np.zeros([size], np.int32),
        np.zeros([size], np.float32),
        np.zeros([size], np.float32),
    )
    for batch in task.dataset(split):
        counts = np.asarray(batch["weight"] + batch["bad"]) > 0
        rows = np.asarray(batch["index"])[counts]
        for held, values in zip(
            found,
            (step(batch), batch["label"], batch["weight"], batch["bad"]),
            strict=True,
        ):
            held[rows] = np.asarray(values)[counts]
    return found


def _classifier(run: Run) -> ImageClassification:
    if not isinstance(run.task, ImageClassification):
        raise ConfigError(
            "only image classifiers are evaluated together, or with --output. Expected"
            " runs with task.kind: image_classification. Received task.kind:"
            f" {run.experiment.task.kind} in {run.folder.path}."
        )
    return run.task


def _check_same(
    workdirs: Sequence[str | os.PathLike[str]],
    tasks: Sequence[ImageClassification],
    each: Sequence[Answers],
    split: str,
) -> None:
    first = each[0]
    for workdir, task, other in zip(workdirs, tasks, each, strict=True):
        same = task.labels == tasks[0].labels and np.array_equal(
            other.labels, first.labels
        )
        if not same or not np.array_equal(other.weights, first.weights):
            raise ConfigError(
                f"the runs do not go together. Expected the same classes and the same"
                f" examples in the split {split} of all. Received others in {workdir}"
                f" than in {workdirs[0]}; set its data as they are there."
            )


def _figures(found: Answers) -> dict[str, float]:
    weights = tf.constant(found.weights)
    every = float(np.sum(found.weights))
    totals = {
        f"top{k}": top_k(tf.constant(found.logits), found.labels, weights, k)
        for k in (1, 5)
    }
    totals["loss"] = (np.sum(found.weights * _losses(found)), every)
    return {**means(totals), "examples": every}


def _losses(found: Answers) -> np.ndarray:
    """Cross entropy of each example, float32 [n]."""
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(found.labels, found.logits)
    return np.asarray(losses)


def worst(found: Answers, count: int) -> np.ndarray:
    """Numbers of the examples with the largest losses, the largest first."""
    order = np.argsort(-_losses(found) * found.weights, kind="stable")
    return order[found.weights[order] > 0][:count]


def _draw(task: ImageClassification, found: Answers, split: str, folder: Path) -> None:
    counts, _ = confusion_matrix(
        tf.constant(found.logits), found.labels, tf.constant(found.weights)
    )
    chosen = worst(found, _WORST)
    images = task.shown(split, chosen)
    drawn = {
        "confusion": figures.confusion_matrix(np.asarray(counts), task.labels),
        "worst": figures.labelled_images(
            images,
            task.names(found.labels[chosen]),
            task.names(np.argmax(found.logits[chosen], axis=-1)),
        ),
    }
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for name, figure in drawn.items():
            figures.save(figure, folder / f"{split}_{name}.png")
