"""What a run recognises of a split: lists of answers, and the wrong words of each."""

from typing import Any
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfmodels.errors import ConfigError
from tfmodels.metrics.recognition import errors_of_lists
from tfmodels.metrics.words import word_counts
from tfmodels.metrics.words import word_ids
from trainers.runs import Run
from trainers.tasks.speech_recognition import SpeechRecognition


class Recognised(NamedTuple):
    """Lists of N answers, best first, of the n utterances of a split."""

    utterance: np.ndarray
    """int64 [n], their places in the split."""
    words: np.ndarray
    """int32 [n], of the right text."""
    errors: np.ndarray
    """int32 [n, N], wrong words of each answer."""
    num_words: np.ndarray
    """int32 [n, N], of each answer."""
    log_probs: np.ndarray
    """float32 [n, N], the recogniser's own; far below all others of no answer."""
    language_log_probs: np.ndarray
    """float32 [n, N], of the task's language models; 0 without any."""
    units: np.ndarray
    """int32 [n, N, T], what each answer is made of; 0 behind its end."""


def recognised(run: Run, split: str, n_best: int | None = 1) -> Recognised:
    """Listens to a split with the run's own search.

    Args:
      run: of the task speech_recognition.
      split: one of its task.
      n_best: N, the beam's width at most; as much as that when absent.

    Raises:
      ConfigError: the run is of another task, or has no such split.
    """
    task = run.task
    if not isinstance(task, SpeechRecognition):
        raise ConfigError(
            f"{run.folder.path} recognises no speech. Expected a run of task.kind:"
            f" speech_recognition. Received task.kind: {run.experiment.task.kind}."
        )
    if split not in task.splits:
        raise ConfigError(
            f"{run.folder.path} has no split {split}. Expected one of"
            f" {', '.join(task.splits)}, or data.{split} in the configuration."
            f" Received {split}."
        )
    search = task.config.search
    count = n_best or search.beam_width
    search = search.model_copy(update={"n_best": count})
    listen: Any = task.listener.untold
    if task.config.variety_known:
        listen = task.listener.told

    @tf.function(autograph=False, reduce_retracing=True)
    def of_batch(batch: dict[str, tf.Tensor]) -> Recognised:
        found = listen(run.model, task.source(batch), search).hypotheses
        length = tf.shape(found.ids)[2]
        said = word_counts(tf.reshape(found.ids, [-1, length]), task.words)
        language = tf.zeros_like(found.log_probs)
        if task.language_models:
            language = task.language_models.log_probs(
                batch["variety"], found.ids, found.lengths
            )
        right = tf.math.count_nonzero(word_ids(batch["label"], task.words), axis=1)
        return Recognised(
            batch["index"],
            tf.cast(right, tf.int32),
            errors_of_lists(found.ids, batch["label"], task.words),
            tf.reshape(said, [-1, count]),
            found.log_probs,
            language,
            found.ids,
        )

    parts = []
    for batch in task.dataset(split):
        exists = np.any(batch["weight"].numpy() > 0, axis=1)
        parts.append([each.numpy()[exists] for each in of_batch(batch)])
    *others, units = zip(*parts, strict=True)
    longest = max(each.shape[2] for each in units)
    padded = [
        np.pad(each, [(0, 0), (0, 0), (0, longest - each.shape[2])]) for each in units
    ]
    return Recognised(*map(np.concatenate, [*others, padded]))
