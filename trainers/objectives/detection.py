"""The losses of a detector: which class a cell sees, and where."""

from typing import TYPE_CHECKING
from typing import Any

import tensorflow as tf

from tfmodels.detection.boxes import assign
from tfmodels.detection.boxes import encode
from trainers.interfaces import Loss
from trainers.interfaces import Objective
from trainers.objectives.config import DetectionObjectiveConfig

if TYPE_CHECKING:
    from trainers.interfaces import Batch
    from trainers.interfaces import Outputs


def focal_loss(logits: Any, targets: Any, focus: float, balance: float) -> tf.Tensor:
    """``-a (1 - p) ** focus * log p``, p the probability of what is the case.

    a is `balance` where the target is 1, and 1 minus it where it is 0 (arXiv
    1708.02002, equation 5).

    Args:
      logits: float32 [...].
      targets: float32 [...], 0 or 1.
      focus: gamma.
      balance: alpha.

    Returns:
      float32 [...].
    """
    signs = 2 * targets - 1
    log_right = tf.math.log_sigmoid(signs * logits)
    wrong = tf.sigmoid(-signs * logits)
    weights = balance * targets + (1 - balance) * (1 - targets)
    return -weights * wrong**focus * log_right


def huber(errors: Any) -> tf.Tensor:
    """``e ** 2 / 2`` up to 1, ``|e| - 1 / 2`` beyond; summed over the last axis.

    Args:
      errors: float32 [..., n].

    Returns:
      float32 [...].
    """
    size = tf.abs(errors)
    return tf.reduce_sum(tf.where(size <= 1, size**2 / 2, size - 0.5), axis=-1)


class DetectionObjective(Objective):
    """Objective: ``classes + box_weight * boxes``, means over the cells with objects.

    Of a localiser, which has one cell, that is cross entropy and the Huber loss of its
    box (OverFeat's task, arXiv 1312.6229).
    """

    def __init__(self, config: DetectionObjectiveConfig, task: Any) -> None:
        """Takes the configuration and a task of detection."""
        self._config = config
        self._task = task

    def loss(self, outputs: "Outputs", batch: "Batch") -> Loss:
        """Loss of one replica's batch.

        Args:
          outputs: ``logits`` float32 [b, N, K], ``offsets`` float32 [b, N, 4].
          batch: ``boxes`` float32 [b, M, 4], ``labels`` int32 [b, M], ``weight``
            float32 [b].

        Returns:
          Sums over images; terms are ``class_loss`` and ``box_loss``.
        """
        model, grid = self._task.model_config, self._task.grid
        taught = assign(batch["boxes"], batch["labels"], grid, model.reach)
        positive = tf.cast(taught.labels >= 0, tf.float32)
        logits = outputs["logits"]
        if model.classes == "exclusive":
            labels = tf.maximum(taught.labels, 0)
            entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
            classes = positive * entropy
        else:
            targets = tf.one_hot(taught.labels, model.num_classes)
            losses = focal_loss(
                logits, targets, self._config.focus, self._config.balance
            )
            classes = tf.reduce_sum(losses, axis=-1)
        # A box of no cell must not make its logarithm infinite: 0 times that is NaN.
        boxes = tf.where(positive[..., None] > 0, taught.boxes, [0.0, 0.0, 1.0, 1.0])
        errors = outputs["offsets"] - encode(boxes, grid.cells)
        found = tf.maximum(tf.reduce_sum(positive, axis=-1), 1.0)
        per_image = [
            tf.reduce_sum(each, axis=-1) / found
            for each in (classes, positive * huber(errors))
        ]
        class_loss, box_loss = (
            tf.reduce_sum(batch["weight"] * each) for each in per_image
        )
        weight = tf.reduce_sum(batch["weight"])
        return Loss(
            class_loss + self._config.box_weight * box_loss,
            weight,
            {"class_loss": (class_loss, weight), "box_loss": (box_loss, weight)},
        )
