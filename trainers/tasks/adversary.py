"""How a synthesiser's adversary works against its encoder."""

from typing import Any

import tensorflow as tf

from tfmodels.layers.gradient_reversal import clipped_share


def clipped_by_adversary(model: Any, batch: dict[str, Any]) -> tf.Tensor:
    """Share of the numbers of the gradients of symbols' own losses that the clip at the
    reversal changes, float32 []; always 0 is a clip that does nothing.

    Args:
      model: a Tacotron with a classifier.
      batch: of the task `speech_synthesis`.
    """
    encodings, mask = model.encoder.run(batch)
    with tf.GradientTape() as tape:
        tape.watch(encodings)
        logits = model.classifier.run(encodings)
        label = tf.broadcast_to(batch["speaker"][:, None], tf.shape(logits))
        losses = tf.nn.softmax_cross_entropy_with_logits(label, logits)
    gradient = tape.gradient(losses, encodings)
    there = mask[..., 0] * batch["weight"][:, None]
    return clipped_share(gradient, there, model.config.classifier.limit)
