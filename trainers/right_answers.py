"""The right answers, beside those that an objective finds: as told, and their cost."""

from collections.abc import Callable
from typing import TYPE_CHECKING
from typing import Any

import tensorflow as tf

from tfmodels.decoding.translation import Teachable
from tfmodels.metrics.likelihood import nats

if TYPE_CHECKING:
    from trainers.interfaces import Batch
    from trainers.interfaces import Outputs
    from trainers.interfaces import Task


def told(
    task: "Task",
    model: Callable[..., "Outputs"],
    memory: Any,
    batch: "Batch",
    training: bool,
) -> "Outputs":
    """What the model says of right answers.

    Args:
      task: see `trainers.interfaces.Objective`.
      model: `Teachable` besides.
      memory: of its `encode`, used again in training.
      batch: ``target`` int32 [b, T], and what the task's `outputs` needs.
      training: whether that is all; otherwise the task looks for answers as well.
    """
    if not training:
        return task.outputs(model, batch, training)
    teachable: Teachable = model  # type: ignore[assignment]
    return teachable.decode_targets(memory, batch["target"])


def nats_per_answer(outputs: "Outputs", batch: "Batch") -> tuple[tf.Tensor, tf.Tensor]:
    """What the right answers cost, and which there are.

    Args:
      outputs: ``logits`` floating-point [b, T, V].
      batch: ``label`` int32 [b, T]; ``weight`` float32 [b, T], 0 on padding.

    Returns:
      Weighted sums over tokens, floating-point [b]; 1 where an answer has any, else 0.
    """
    costs = nats(outputs["logits"], batch["label"])
    weight = tf.cast(batch["weight"], costs.dtype)
    exists = tf.cast(tf.reduce_any(weight > 0, axis=1), costs.dtype)
    return tf.reduce_sum(weight * costs, axis=1), exists
