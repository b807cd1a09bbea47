"""Pictures of utterances: their sound, what they were taken for, what was looked at."""

from typing import Any

import numpy as np
import tensorflow as tf

from tfmodels.text.graphemes import PADDING
from tfmodels.text.graphemes import Graphemes
from trainers.interfaces import Batch
from trainers.summaries import figures

_MAX_SHOWN = 16
_MAX_DRAWN = 4
_FRAMES_A_SECOND = 100
# Seconds between two times beside a drawing of attention.
_TICK = 0.3


def texts(graphemes: Graphemes, batch: Batch, heard: tf.Tensor) -> dict[str, Any]:
    """``predictions``, some texts with what was understood, and ``sound``.

    Args:
      graphemes: what ids mean.
      batch: of the task.
      heard: int32 [b, T], what was understood.
    """
    rows = _shown(batch)
    names = [f"utterance {number}" for number in np.asarray(batch["index"])[rows]]
    lines = (_texts(graphemes, ids, rows) for ids in (batch["label"], heard))
    return {
        "predictions": figures.labelled_sequences(names, *lines),
        "sound": sound(graphemes, batch, heard),
    }


def sound(graphemes: Graphemes, batch: Batch, heard: tf.Tensor) -> Any:
    """Some utterances as a model hears them; for the arguments see `texts`."""
    rows = _shown(batch)[:_MAX_DRAWN]
    features, lengths = np.asarray(batch["features"]), np.asarray(batch["lengths"])
    return figures.spectrograms(
        [features[row, : lengths[row]] for row in rows],
        *(_texts(graphemes, ids, rows) for ids in (batch["label"], heard)),
    )


def attention(
    graphemes: Graphemes, batch: Batch, shares: tf.Tensor, frames: int
) -> Any:
    """What each unit of some right texts attended to, beside the time.

    Args:
      graphemes: see `texts`.
      batch: see `texts`.
      shares: float32 [b, U, S].
      frames: frames that become one encoding, of which there are S.
    """
    step = frames / _FRAMES_A_SECOND
    every = max(1, round(_TICK / step))
    drawn = []
    for row in _shown(batch)[:_MAX_DRAWN]:
        count = max(1, int(batch["lengths"][row]) // frames)
        times = [f"{n * step:.1f}" if n % every == 0 else "" for n in range(count)]
        label = np.asarray(batch["label"][row])
        names = [graphemes.names[unit] for unit in label[label != PADDING]]
        drawn.append((times, names, np.asarray(shares[row])))
    return figures.alignments(drawn)


def _shown(batch: Batch) -> np.ndarray:
    exists = (np.asarray(batch["weight"]) > 0).any(axis=1)
    return np.flatnonzero(exists)[:_MAX_SHOWN]


def _texts(graphemes: Graphemes, ids: tf.Tensor, rows: np.ndarray) -> list[str]:
    return [graphemes.decode(row) for row in np.asarray(ids)[rows]]
