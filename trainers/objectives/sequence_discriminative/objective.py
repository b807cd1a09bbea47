"""The objective of sequence training: criteria of whole utterances, as one loss."""

from collections.abc import Collection
from typing import TYPE_CHECKING
from typing import Any
from typing import NamedTuple
from typing import Protocol

import tensorflow as tf

from tfmodels.errors import ConfigError
from tfmodels.lattices.graph import LOG_ZERO
from tfmodels.lattices.graph import Arcs
from tfmodels.lattices.transcript import transcripts
from tfmodels.lattices.trellis import Labelled
from tfmodels.lattices.trellis import size
from trainers.data.utterances.stored import ACCURACY
from trainers.data.utterances.stored import DENOMINATOR
from trainers.data.utterances.stored import NUMERATOR
from trainers.data.utterances.stored import lattices_in
from trainers.interfaces import Loss
from trainers.interfaces import Objective
from trainers.objectives.sequence_discriminative.accuracy import Phones
from trainers.objectives.sequence_discriminative.config import (
    SequenceDiscriminativeConfig,
)
from trainers.objectives.sequence_discriminative.configured import ConfiguredCriterion

if TYPE_CHECKING:
    from trainers.interfaces import Batch
    from trainers.interfaces import Outputs
    from trainers.interfaces import Totals

_HEAD = "cross_entropy_logits"


class Hybrid(Protocol):
    """The states and the graph of a recogniser, as NumPy arrays."""

    denominator: Arcs
    """What could be said, one graph for all utterances."""
    numerator: Arcs | None
    """All transcripts with the weights that the denominator gives them, if it has no
    words itself."""

    @property
    def phone_of_pdf(self) -> Any:
        """int32 [P], phone of each output of the model."""

    @property
    def is_silence(self) -> Any:
        """bool [number of phones], whether a phone stands for no speech."""


class HybridTask(Protocol):
    """What the objective needs to know of its task."""

    hybrid: Hybrid
    stored: Collection[str]
    """What batches have of lattices, of the names in `trainers.data.utterances.stored`.
    """
    log_prior: Any
    """float32 [P], natural log of the share of frames that each output has."""


class _Sums(NamedTuple):
    """What a criterion says of a batch; all float32 [], but for the values."""

    values: tf.Tensor
    """float32 [B], to be maximised."""
    possible: tf.Tensor
    """float32 [B], 1 where numerator and denominator have paths."""
    criterion: tf.Tensor
    """float32 [B], the part of the values that sums over paths."""
    accuracy: tf.Tensor
    """float32 [B], frames in which competing paths are expected to be right."""
    cross_entropy: tf.Tensor
    """float32 [B], nats."""
    dropped: tf.Tensor
    """float32 [B], frames left out."""
    kept: tf.Tensor
    """float32 [B], arcs of lattices; 0 without these."""


class _Stored(NamedTuple):
    """Stored lattices of a batch."""

    denominator: Arcs
    numerator: Arcs
    accuracy: tf.Tensor | None
    """float32 [B, T, A], of the denominator's arcs."""


class SequenceDiscriminative(Objective):
    """Objective: MMI, boosted MMI, sMBR, MPFE or MPE of what was said.

    The loss is ``-F``, summed over utterances; its weight is their frames. Utterances
    for which there is no path have neither loss nor weight. Where replicas do not wait
    for one another, each decodes with the parameters that it fetched (US10672384,
    claim 1; Heigold et al., ICASSP 2014).
    """

    def __init__(self, config: SequenceDiscriminativeConfig, task: HybridTask) -> None:
        """Takes states, graph and prior from the task.

        Raises:
          ConfigError: lattices were to be read, and no data have any.
        """
        if config.denominator == "stored" and DENOMINATOR not in task.stored:
            raise ConfigError(
                "objective.denominator: these data have no stored lattices. Expected"
                " lattice or full; received stored."
            )
        if config.criterion == "mpe" and ACCURACY not in task.stored:
            raise ConfigError(
                "objective.criterion: these data do not tell phones, which mpe counts."
                " Expected data with alignments of transition ids beside their"
                " lattices, or another criterion; received mpe."
            )
        self.config = config
        self._graph, self._spoken = task.hybrid.denominator, task.hybrid.numerator
        phones = Phones(task.hybrid.phone_of_pdf, task.hybrid.is_silence)
        self._criterion = ConfiguredCriterion(config, phones, task.log_prior)
        # Without XLA the recursions over frames take ten times as long.
        self._sums = tf.function(self._computed, autograph=False, jit_compile=True)

    def loss(self, outputs: "Outputs", batch: "Batch") -> Loss:
        """Loss of one replica's batch.

        Args:
          outputs: ``logits`` floating-point [B, T, P], and the same of
            ``cross_entropy_logits`` if they have a weight.
          batch: ``label`` int32 [B, T], the alignment; where it is not known, or what
            could be said are phones, all paths with the ``words`` int32 [B, W] are
            right; in stored lattices, those of the numerator; ``num_scored`` int32 [B];
            ``weight`` float32 [B, T], 0 in rows that only fill the batch up.

        Returns:
          The sums; terms per frame are the criterion under its own name, the
          ``expected_accuracy``, ``cross_entropy`` in nats, the ``lattice_density`` in
          arcs, and the share of ``dropped_frames``; a share of the utterances are the
          ``impossible_utterances``.

        Raises:
          ConfigError: the model has no such head, or skips frames that stored lattices
            have.
        """
        _check_head(self.config, outputs)
        stored = self._stored(outputs, batch)
        sums = self._sums(
            outputs["logits"],
            batch["num_scored"],
            batch.get("label"),
            batch.get("words"),
            stored,
            outputs[_HEAD] if self.config.head_weight else None,
        )
        frames = tf.reduce_sum(batch["weight"], axis=1)
        exists = tf.cast(frames > 0, tf.float32)
        counts = exists * sums.possible
        weight = tf.reduce_sum(counts * frames)

        def per_frame(values: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return tf.reduce_sum(counts * values), weight

        terms: Totals = {
            self.config.criterion: per_frame(sums.criterion),
            "expected_accuracy": per_frame(sums.accuracy),
            "cross_entropy": per_frame(sums.cross_entropy),
            "impossible_utterances": (
                tf.reduce_sum(exists - counts),
                tf.reduce_sum(exists),
            ),
        }
        if self.config.denominator != "full":
            terms["lattice_density"] = per_frame(sums.kept)
        if self.config.criterion == "mmi" and self.config.drop_frames:
            terms["dropped_frames"] = per_frame(sums.dropped)
        return Loss(-tf.reduce_sum(counts * sums.values), weight, terms)

    def _stored(self, outputs: "Outputs", batch: "Batch") -> _Stored | None:
        if self.config.denominator != "stored":
            return None
        graph, said = (lattices_in(batch, name) for name in (DENOMINATOR, NUMERATOR))
        frames = graph.source.shape[1]
        if outputs["logits"].shape[1] != frames:
            raise ConfigError(
                "model: it does not score every frame of stored lattices. Expected"
                f" {frames} scored frames; received {outputs['logits'].shape[1]}, with"
                " objective.denominator: stored."
            )
        accuracy = batch[ACCURACY] if self.config.criterion == "mpe" else None
        return _Stored(graph, said, accuracy)

    def _computed(
        self,
        logits: tf.Tensor,
        num_scored: tf.Tensor,
        label: tf.Tensor | None,
        words: tf.Tensor | None,
        stored: _Stored | None,
        head_logits: tf.Tensor | None,
    ) -> _Sums:
        logits = tf.cast(logits, tf.float32)
        graph, said, accuracy = self._graph, label, None
        if stored is not None:
            graph, said = stored.denominator, stored.numerator
            if stored.accuracy is not None:
                accuracy = Labelled(stored.accuracy)
        elif label is None or self._spoken is not None:
            spoken = self._graph if self._spoken is None else self._spoken
            said = transcripts(spoken, words, size(logits, 1))
        result = self._criterion(logits, num_scored, said, graph, accuracy, head_logits)
        sequence, mask = result.sequence, result.denominator.mask
        if stored is not None:
            mask = stored.denominator.weight > LOG_ZERO / 2
        kept = tf.zeros_like(result.value)
        if mask is not None:
            kept = tf.math.count_nonzero(mask, axis=(1, 2), dtype=tf.float32)
        return _Sums(
            result.value,
            tf.cast(sequence.is_possible, tf.float32),
            sequence.value,
            sequence.accuracy,
            -result.cross_entropy,
            tf.math.count_nonzero(sequence.is_dropped, axis=1, dtype=tf.float32),
            kept,
        )


def _check_head(config: SequenceDiscriminativeConfig, outputs: "Outputs") -> None:
    if config.head_weight and _HEAD not in outputs:
        raise ConfigError(
            f"The model has no output {_HEAD}. Expected model.cross_entropy_head: true,"
            f" or objective.head_weight: 0. Received {config.head_weight}."
        )
