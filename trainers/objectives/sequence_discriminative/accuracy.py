"""How right an arc is in a frame: accuracies of sMBR and MPFE, errors for boosting.

The rules for silence are those of the Kaldi toolkit's ``lattice-functions``.
"""

from typing import NamedTuple

import tensorflow as tf

from tfmodels.lattices.trellis import Labelled


class Phones(NamedTuple):
    """What the outputs of the model mean."""

    of_pdf: tf.Tensor
    """int32 [P], phone of each output."""
    is_silence: tf.Tensor
    """bool [number of phones], whether a phone stands for no speech."""


def state_accuracy(
    reference: tf.Tensor, phones: Phones, one_silence_class: bool
) -> Labelled:
    """Accuracy of sMBR: 1 where the output is that of the reference.

    Args:
      reference: int32 [B, T], outputs of the alignment.
      phones: what they mean.
      one_silence_class: any silence is right for any other; if not, it is never right.

    Returns:
      float32 [B, T, P] by ``pdf``.
    """
    is_silence = tf.gather(phones.is_silence, phones.of_pdf)
    right = tf.one_hot(reference, tf.size(phones.of_pdf), True, False)
    right = _with_silence(right, is_silence, reference, one_silence_class)
    return Labelled(tf.cast(right, tf.float32), "pdf")


def phone_accuracy(
    reference: tf.Tensor, phones: Phones, one_silence_class: bool
) -> Labelled:
    """Accuracy of MPFE: 1 where the phone is that of the reference.

    Args:
      reference: int32 [B, T], outputs of the alignment.
      phones: what they mean.
      one_silence_class: any silence is right for any other; if not, it is never right.

    Returns:
      float32 [B, T, number of phones] by ``phone``.
    """
    said = tf.gather(phones.of_pdf, reference)
    right = tf.one_hot(said, tf.size(phones.is_silence), True, False)
    right = _with_silence(right, phones.is_silence, said, one_silence_class)
    return Labelled(tf.cast(right, tf.float32), "phone")


def phone_error(
    reference: tf.Tensor, phones: Phones, max_silence_error: float
) -> Labelled:
    """Error for boosting: 1 for another phone, `max_silence_error` for silence.

    Args:
      reference: int32 [B, T], outputs of the alignment.
      phones: what they mean.
      max_silence_error: error of silence where the reference is another phone.

    Returns:
      float32 [B, T, number of phones] by ``phone``.
    """
    said = tf.gather(phones.of_pdf, reference)
    right = tf.one_hot(said, tf.size(phones.is_silence), True, False)
    error = tf.where(phones.is_silence, max_silence_error, 1.0)
    return Labelled(tf.where(right, 0.0, error), "phone")


def _with_silence(
    right: tf.Tensor, is_silence: tf.Tensor, said: tf.Tensor, one_class: bool
) -> tf.Tensor:
    """Right labels, bool [B, T, K], under a rule for silence, bool [K]."""
    if not one_class:
        return right & ~is_silence
    return right | (is_silence & tf.gather(is_silence, said)[..., None])
