"""The criterion that a configuration describes, as a function of a model's logits."""

from typing import NamedTuple

import tensorflow as tf

from tfmodels.errors import DataError
from tfmodels.lattices.graph import Arcs
from tfmodels.lattices.pruning import lattice_mask
from tfmodels.lattices.transcript import Transcripts
from tfmodels.lattices.trellis import Labelled
from tfmodels.lattices.trellis import is_possible
from tfmodels.lattices.trellis import size
from tfmodels.lattices.viterbi import best_path
from trainers.objectives.sequence_discriminative.accuracy import Phones
from trainers.objectives.sequence_discriminative.accuracy import phone_accuracy
from trainers.objectives.sequence_discriminative.accuracy import phone_error
from trainers.objectives.sequence_discriminative.accuracy import state_accuracy
from trainers.objectives.sequence_discriminative.config import (
    SequenceDiscriminativeConfig,
)
from trainers.objectives.sequence_discriminative.criteria import Criterion
from trainers.objectives.sequence_discriminative.criteria import Denominator
from trainers.objectives.sequence_discriminative.criteria import Numerator
from trainers.objectives.sequence_discriminative.criteria import Sums
from trainers.objectives.sequence_discriminative.criteria import differentiable
from trainers.objectives.sequence_discriminative.criteria import frame_cross_entropy
from trainers.objectives.sequence_discriminative.criteria import minimum_bayes_risk
from trainers.objectives.sequence_discriminative.criteria import mmi
from trainers.objectives.sequence_discriminative.criteria import numerator_sums


class Result(NamedTuple):
    """A criterion of a batch of utterances."""

    value: tf.Tensor
    """floating-point [B], to be maximised; differentiable; 0 where not possible."""
    sequence: Criterion
    """Its part without cross entropy and penalties, with respect to the scores."""
    cross_entropy: tf.Tensor
    """floating-point [B], summed log probability of what was said."""
    denominator: Denominator
    """What competed; its mask tells the density of lattices."""


class ConfiguredCriterion:
    """Maps logits of utterances to the criterion of each, with its exact gradient.

    Sums over paths do not change when a frame's scores all move alike, so logits need
    no softmax: with or without, derivatives with respect to logits are the same.

    Args:
      config: which criterion.
      phones: what the model's outputs mean.
      log_prior: float32 [P], log of the share of frames that each output has.
    """

    def __init__(
        self,
        config: SequenceDiscriminativeConfig,
        phones: Phones,
        log_prior: tf.Tensor,
    ) -> None:
        self.config = config
        self._phones = phones
        self._log_prior = log_prior

    def __call__(
        self,
        logits: tf.Tensor,
        lengths: tf.Tensor,
        numerator: Numerator,
        graph: Arcs,
        accuracy: Labelled | None = None,
        head_logits: tf.Tensor | None = None,
    ) -> Result:
        """Computes the criterion; compile it with XLA.

        Args:
          logits: floating-point [B, T, P].
          lengths: int32 [B], frames of each utterance.
          numerator: what was said: an alignment int32 [B, T], a graph of each, or
            words as `Transcripts`.
          graph: what could have been said: a graph, or a stored lattice of each.
          accuracy: of the arcs of stored lattices, which MPE needs.
          head_logits: floating-point [B, T, P], of the head that `head_weight` is for.
        """
        config = self.config
        active = tf.sequence_mask(lengths, size(logits, 1))[..., None]
        logits = tf.where(active, logits, 0)
        scores = self.scores(logits)
        fixed = tf.stop_gradient(scores)
        reference = _alignment(fixed, lengths, numerator)
        denominator = self._denominator(fixed, lengths, graph, reference)
        said = numerator_sums(fixed, lengths, numerator, denominator)
        sequence = self._sequence(
            fixed, lengths, said, denominator, reference, accuracy
        )
        # A target, not a function of the logits; and the gradient of a loop over frames
        # cannot leave what XLA compiles.
        target = tf.stop_gradient(said.gamma)
        cross_entropy = frame_cross_entropy(logits, lengths, target)
        value = (1 - config.smoothing) * differentiable(sequence, scores)
        value += config.smoothing * cross_entropy
        if config.output_l2:
            value -= config.output_l2 / 2 * tf.reduce_sum(logits**2, axis=(1, 2))
        if head_logits is not None:
            head = frame_cross_entropy(head_logits, lengths, target)
            value += config.head_weight * head
        value = tf.where(sequence.is_possible, value, 0)
        return Result(value, sequence, cross_entropy, denominator)

    def scores(self, logits: tf.Tensor) -> tf.Tensor:
        """Scaled log likelihoods, up to a constant of each frame, [B, T, P]."""
        prior = self.config.prior_scale * tf.cast(self._log_prior, logits.dtype)
        return self.config.acoustic_scale * (logits - prior)

    def _denominator(
        self,
        scores: tf.Tensor,
        lengths: tf.Tensor,
        graph: Arcs,
        reference: tf.Tensor,
    ) -> Denominator:
        config = self.config
        if config.denominator != "lattice":
            return Denominator(graph, leak=config.leak)
        mask = lattice_mask(
            scores,
            lengths,
            graph,
            config.lattice_beam,
            config.decode_beam,
            config.max_active,
            reference,
        )
        return Denominator(graph, mask)

    def _sequence(
        self,
        scores: tf.Tensor,
        lengths: tf.Tensor,
        said: Sums,
        denominator: Denominator,
        reference: tf.Tensor,
        accuracy: Labelled | None,
    ) -> Criterion:
        """The criterion without cross entropy and penalties."""
        config = self.config
        if config.criterion == "mmi":
            boost = self._boost(reference) if config.boost else None
            return mmi(scores, lengths, said, denominator, boost, config.drop_frames)
        accuracy = self._accuracy(reference, accuracy)
        risk = minimum_bayes_risk(scores, lengths, denominator, accuracy)
        # Without its numerator an utterance has no reference to be compared with.
        possible = risk.is_possible & is_possible(said.log_z)
        return Criterion(
            tf.where(possible, risk.value, 0),
            tf.where(possible[:, None, None], risk.derivative, 0),
            possible,
            risk.is_dropped,
            tf.where(possible, risk.accuracy, 0),
        )

    def _boost(self, reference: tf.Tensor) -> Labelled:
        error = phone_error(reference, self._phones, self.config.max_silence_error)
        return error._replace(values=self.config.boost * error.values)

    def _accuracy(self, reference: tf.Tensor, accuracy: Labelled | None) -> Labelled:
        one_class = self.config.one_silence_class
        if self.config.criterion == "smbr":
            return state_accuracy(reference, self._phones, one_class)
        if self.config.criterion == "mpfe":
            return phone_accuracy(reference, self._phones, one_class)
        if accuracy is None:
            raise DataError(
                "The lattices do not say how right their phones are. Expected an"
                " accuracy of each arc for objective.criterion: mpe. Received none."
            )
        return accuracy


def _alignment(
    scores: tf.Tensor, lengths: tf.Tensor, numerator: Numerator
) -> tf.Tensor:
    """What was said as one output per frame, int32 [B, T]."""
    if isinstance(numerator, Arcs):
        numerator = best_path(scores, lengths, numerator).pdf
    elif isinstance(numerator, Transcripts):
        arcs, addend = numerator
        numerator = best_path(scores, lengths, arcs, addend=addend).pdf
    # Padding is often -1, which is no output.
    return tf.maximum(numerator, 0)
