"""Cross entropy with label smoothing and weighted auxiliary heads."""

from typing import TYPE_CHECKING

import tensorflow as tf

from tfmodels.errors import ConfigError
from tfmodels.metrics.likelihood import nats
from tfmodels.metrics.parts import Parts
from trainers.interfaces import Loss
from trainers.interfaces import Objective
from trainers.objectives.config import CrossEntropyConfig

if TYPE_CHECKING:
    from trainers.interfaces import Batch
    from trainers.interfaces import Outputs
    from trainers.interfaces import Task


def smoothed_cross_entropy(
    logits: tf.Tensor | Parts, labels: tf.Tensor, smoothing: float
) -> tf.Tensor:
    """Cross entropy from a target that is mostly, but not only, the label.

    See `tfmodels.metrics.likelihood.nats`.

    Args:
      logits: floating-point [..., K], computed with in float32; or its parts, if labels
        are class numbers.
      labels: int32 [...], class numbers from 0 to K - 1; or floating-point [..., K],
        a distribution over classes in place of one of them.
      smoothing: share of the target spread evenly over all classes.

    Returns:
      float32 [...], in nats.
    """
    logits = tf.nest.map_structure(lambda x: tf.cast(x, tf.float32), logits)
    if not labels.dtype.is_floating:
        return nats(logits, labels, smoothing)
    labels = tf.cast(labels, tf.float32)
    hard = tf.nn.softmax_cross_entropy_with_logits(labels, logits)
    if not smoothing:
        return hard
    uniform = tf.reduce_logsumexp(logits, axis=-1) - tf.reduce_mean(logits, axis=-1)
    return (1 - smoothing) * hard + smoothing * uniform


class CrossEntropy(Objective):
    """Objective: cross entropy of ``logits`` plus that of each auxiliary head.

    ``CE(logits) + sum_h auxiliary_weights[h] * CE(h)``, all heads with the same weights
    and smoothing, and with the same labels (GoogLeNet, arXiv 1409.4842, section 5; US
    9904875 B2, claim 1) but for those that examples have labels of their own for, such
    as the variety of speech (US 12254865 B2, claim 1).
    """

    def __init__(self, config: CrossEntropyConfig, task: "Task") -> None:
        """Takes the configuration; any task will do."""
        self.config = config

    def loss(self, outputs: "Outputs", batch: "Batch") -> Loss:
        """Loss of one replica's batch.

        Args:
          outputs: ``logits`` and each auxiliary head, floating-point [B, K] or
            [B, T, K]; the former may be in parts.
          batch: ``label`` int32 [B] or [B, T]; ``weight`` float32 of the same shape;
            ``label_probs`` float32 [B, K] or [B, T, K], distributions to learn in place
            of the labels, if an objective has made any. For a head called ``x_logits``
            its own labels are ``x_label``, as ``label``, if there are any.

        Returns:
          The sums; terms are ``cross_entropy`` and, for a head called ``x_logits``,
          ``x_cross_entropy``, each before its auxiliary weight.

        Raises:
          ConfigError: the model has no output of a name that is needed, or examples
            have no label.
        """
        if "label" not in batch:
            raise ConfigError(
                "The data do not say which classes are right. Expected data with labels"
                " for objective.kind: cross_entropy; for speech, with alignments."
                f" Received examples of {', '.join(sorted(batch))}."
            )
        weight = tf.reduce_sum(batch["weight"])
        total = self._sum("logits", outputs, batch)
        terms = {"cross_entropy": (total, weight)}
        for name, factor in self.config.auxiliary_weights.items():
            head = self._sum(name, outputs, batch)
            terms[f"{name.removesuffix('_logits')}_cross_entropy"] = (head, weight)
            total = total + factor * head
        return Loss(total, weight, terms)

    def _sum(self, name: str, outputs: "Outputs", batch: "Batch") -> tf.Tensor:
        if name not in outputs:
            raise ConfigError(
                f"The model has no output {name!r} to take a cross entropy of."
                f" Expected: names among its outputs {sorted(outputs)}. Received:"
                f" objective.auxiliary_weights={self.config.auxiliary_weights}."
            )
        smoothing = self.config.label_smoothing
        labels = batch.get("label_probs", batch["label"])
        labels = batch.get(f"{name.removesuffix('_logits')}_label", labels)
        losses = smoothed_cross_entropy(outputs[name], labels, smoothing)
        return tf.reduce_sum(batch["weight"] * losses)
