"""The objective: finds answers with the model, counts errors, tells the model both."""

from collections.abc import Callable
from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Any
from typing import NamedTuple
from typing import Protocol
from typing import runtime_checkable

import tensorflow as tf

from tfmodels.decoding.combination import smoothed
from tfmodels.decoding.config import BeamSearchConfig
from tfmodels.decoding.step import END
from tfmodels.decoding.step import Step
from tfmodels.decoding.step import repeated
from tfmodels.decoding.translation import Around
from tfmodels.decoding.translation import Teachable
from tfmodels.decoding.translation import best_answers
from tfmodels.decoding.translation import drawn_answers
from tfmodels.decoding.translation import log_probs_of
from tfmodels.decoding.varieties import LanguageModels
from tfmodels.decoding.varieties import fusing
from tfmodels.decoding.varieties import together
from tfmodels.errors import ConfigError
from tfmodels.metrics.words import WordTable
from tfmodels.metrics.words import word_ids
from trainers.interfaces import Loss
from trainers.interfaces import Objective
from trainers.objectives.minimum_word_error.config import MinimumWordErrorConfig
from trainers.objectives.minimum_word_error.expectation import correlations
from trainers.objectives.minimum_word_error.expectation import of_lists
from trainers.objectives.minimum_word_error.expectation import of_samples
from trainers.objectives.minimum_word_error.expectation import posteriors
from trainers.objectives.minimum_word_error.risks import risk_called
from trainers.right_answers import nats_per_answer
from trainers.right_answers import told

if TYPE_CHECKING:
    from trainers.interfaces import Batch
    from trainers.interfaces import Outputs
    from trainers.interfaces import Task


@runtime_checkable
class Recognition(Protocol):
    """What the objective asks of a task, besides being one."""

    words: WordTable
    """What units are to words."""

    def source(self, batch: "Batch") -> Any:
        """What the model's `encode` takes."""


@runtime_checkable
class Spelling(Protocol):
    """A task that knows how words are written; asked where words have weights."""

    def units(self, text: str) -> Sequence[int]:
        """The units of a text, without the end."""


class Answers(NamedTuple):
    """N answers of each utterance, which nothing is learned through."""

    ids: tf.Tensor
    """int32 [b, N, T]."""
    lengths: tf.Tensor
    """int32 [b, N], tokens that count; 0 where there is no answer."""
    language: tf.Tensor | None
    """float32 [b, N], weighted logs of a language model."""


class MinimumWordError(Objective):
    """Objective: the errors expected of the model's own answers, and cross entropy.

    Prabhavalkar et al., arXiv 1712.01818; US 11107463 B2, 11646019 B2, 11922932 B2. The
    source is encoded once; the model as it is searches for N answers, or draws them, in
    the step; their errors are counted; then the model is told them as wholes, and that
    is where gradients come from. Log-probabilities are sums over units, the end
    included, and so is the cross entropy; losses are means over utterances.

    The whole model works as in inference, without dropout. A search never finds the
    same answer twice; places without one count nothing.
    """

    def __init__(self, config: MinimumWordErrorConfig, task: "Task") -> None:
        """Takes the configuration, and a task that knows words.

        Raises:
          ConfigError: the task is none that recognises words, or the risk is none.
        """
        if not isinstance(task, Recognition):
            raise ConfigError(
                "the task knows no words. Expected one with words and source. Received"
                f" {type(task).__name__}, with objective.kind: {config.kind}."
            )
        self.config = config
        self._task: Recognition = task
        self._risk = risk_called(config.risk, self._word_weights())
        self._models: LanguageModels | None = None
        if config.language_weight:
            self._models = getattr(task, "language_models", None)
            if self._models is None:
                raise ConfigError(
                    "there is no language model. Expected a task with language models,"
                    " or objective.language_weight: 0. Received"
                    f" objective.language_weight: {config.language_weight}."
                )

    def _word_weights(self) -> dict[tuple[int, ...], float]:
        given = self.config.word_weights
        if not given:
            return {}
        if not isinstance(self._task, Spelling):
            raise ConfigError(
                "the task does not know how words are written. Expected one with units,"
                " or no objective.word_weights. Received"
                f" {type(self._task).__name__} with {len(given)} of them."
            )
        weights = {}
        for word, weight in given.items():
            units = self._task.units(word)
            numbers = word_ids(tf.constant([[*units, END]]), self._task.words)
            if tf.math.count_nonzero(numbers) != 1:
                raise ConfigError(
                    "objective.word_weights: this is not one word. Expected words made"
                    f" of the vocabulary's units, without spaces. Received {word}."
                )
            weights[tuple(units)] = weight
        return weights

    def loss_with_model(
        self,
        task: "Task",
        model: Callable[..., "Outputs"],
        batch: "Batch",
        training: bool,
    ) -> "tuple[Loss, Outputs]":
        """Finds answers, counts their errors, and computes the loss.

        Args:
          task: see `Objective`.
          model: `Teachable` besides; with language models, the memory of its `encode`
            has ``variety`` float32 [b, K].
          batch: ``target`` and ``label`` int32 [b, U] and ``weight`` float32 [b, U] as
            for cross entropy; to draw answers, ``seed`` int32 or int64 [b, 2]; and what
            the task makes the source of.
          training: changes nothing in the model.
        """
        recognizer: Teachable = model  # type: ignore[assignment]
        memory = recognizer.encode(self._task.source(batch))
        outputs = told(task, model, memory, batch, training)
        held = tf.nest.map_structure(tf.stop_gradient, memory)
        found = self._answers(recognizer, held, batch)
        log_probs = log_probs_of(recognizer, memory, found.ids, found.lengths)
        if found.language is not None:
            log_probs += found.language
        length = found.ids.shape[2] or tf.shape(found.ids)[2]
        answers = tf.reshape(found.ids, [-1, length])
        references = repeated(batch["label"], self.config.num_answers)
        errors = self._risk(answers, references, self._task.words)
        outputs = {
            **outputs,
            "answers": found.ids,
            "answer_lengths": found.lengths,
            "answer_log_probs": log_probs,
            "answer_errors": tf.reshape(errors, tf.shape(found.lengths)),
        }
        return self.loss(outputs, batch), outputs

    def _answers(self, model: Teachable, memory: Any, batch: "Batch") -> Answers:
        config = self.config
        if config.answers == "samples":
            drawn = drawn_answers(
                model, memory, batch["seed"], config, config.num_answers
            )
            return Answers(drawn.ids, drawn.lengths, None)
        parts: list[Around] = []
        if config.search_scale != 1:
            parts.append(_smoothing(config.search_scale))
        if self._models is not None:
            variety = memory["variety"]
            parts.append(fusing(self._models, config.language_weight, variety))
        search = BeamSearchConfig(
            beam_width=config.num_answers,
            n_best=config.num_answers,
            length_penalty=0.0,
            coverage_penalty=0.0,
            pruning_margin=None,
            max_length_factor=config.max_length_factor,
            max_length_extra=config.max_length_extra,
        )
        best = best_answers(model, memory, search, together(*parts))
        if self._models is None:
            return Answers(best.ids, best.lengths, None)
        language = self._models.log_probs(variety, best.ids, best.lengths)
        language = tf.stop_gradient(config.language_weight * language)
        return Answers(best.ids, best.lengths, language)

    def loss(self, outputs: "Outputs", batch: "Batch") -> Loss:
        """Loss of one replica's batch.

        Args:
          outputs: ``logits`` floating-point [b, U, V] of the right answers; of N found
            ones ``answers`` int32 [b, N, T], ``answer_lengths`` int32 [b, N], 0 where
            there is none, ``answer_log_probs`` floating-point [b, N], a language
            model's part included, and ``answer_errors`` [b, N].
          batch: ``label`` int32 [b, U]; ``weight`` float32 [b, U].

        Returns:
          The sums over utterances. Terms are means over utterances with answers:
          ``expected_errors``, those of the best answer in ``best_errors`` and of the
          one with the fewest in ``oracle_errors``; how many ``answers`` there are;
          ``reference_found``, whether the reference is among them;
          ``without_gradient``, whether all cost the same; of lists, the ``entropy`` of
          their probabilities in nats and its exponential, ``effective_answers``. Over
          utterances whose answers differ in errors, ``correlation`` of the logs of
          their probabilities with fewer errors. And the ``cross_entropy`` of a unit.
        """
        config, log_probs = self.config, outputs["answer_log_probs"]
        valid = outputs["answer_lengths"] > 0
        errors = tf.cast(outputs["answer_errors"], log_probs.dtype)
        errors = tf.where(valid, tf.stop_gradient(errors), tf.zeros_like(errors))
        if config.answers == "n_best":
            values = of_lists(log_probs, errors, valid, config.posterior_scale)
        else:
            values = of_samples(
                log_probs, errors, config.baseline, config.unbiased_mean
            )
        costs, exists = nats_per_answer(outputs, batch)
        total = tf.reduce_sum(exists * (values + config.cross_entropy_weight * costs))
        terms = {
            **self._terms(outputs, batch, errors),
            "cross_entropy": (tf.reduce_sum(costs), tf.reduce_sum(batch["weight"])),
        }
        return Loss(total, tf.reduce_sum(exists), terms)

    def _terms(
        self, outputs: "Outputs", batch: "Batch", errors: tf.Tensor
    ) -> dict[str, tuple[tf.Tensor, tf.Tensor]]:
        log_probs = tf.stop_gradient(outputs["answer_log_probs"])
        valid = outputs["answer_lengths"] > 0
        there = tf.cast(valid, errors.dtype)
        number = tf.reduce_sum(there, axis=1)
        values: dict[str, tf.Tensor] = {}
        if self.config.answers == "n_best":
            probs, logs = posteriors(log_probs, valid, self.config.posterior_scale)
            entropy = -tf.reduce_sum(probs * logs, axis=1)
            values = {"entropy": entropy, "effective_answers": tf.exp(entropy)}
        else:
            probs = tf.math.divide_no_nan(there, number[:, None])
        best = tf.argmax(tf.where(valid, log_probs, log_probs.dtype.min), axis=1)
        fewest = tf.reduce_min(tf.where(valid, errors, errors.dtype.max), axis=1)
        most = tf.reduce_max(errors, axis=1)
        same = _equal(outputs["answers"], batch["label"])
        values = {
            "expected_errors": tf.reduce_sum(probs * errors, axis=1),
            "best_errors": tf.gather(errors, best, batch_dims=1),
            "oracle_errors": fewest,
            "answers": number,
            "reference_found": tf.cast(tf.reduce_any(same, axis=1), errors.dtype),
            "without_gradient": tf.cast(fewest >= most, errors.dtype),
            **values,
        }
        exists = tf.reduce_any(batch["weight"] > 0, axis=1) & (number > 0)
        correlation, varies = correlations(log_probs, errors, valid)
        rows = {**dict.fromkeys(values, exists), "correlation": exists & varies}
        values["correlation"] = correlation
        return {
            name: (
                tf.reduce_sum(tf.where(rows[name], each, 0.0)),
                tf.reduce_sum(tf.cast(rows[name], errors.dtype)),
            )
            for name, each in values.items()
        }


def _smoothing(exponent: float) -> Around:
    def around(step: Step, state: Any, rows: int) -> tuple[Step, Any]:
        return smoothed(step, exponent), state

    return around


def _equal(answers: tf.Tensor, label: tf.Tensor) -> tf.Tensor:
    """Whether answers int32 [b, N, T] are the label int32 [b, U], bool [b, N]."""
    missing = tf.shape(answers)[2] - tf.shape(label)[1]
    label = tf.pad(label, [[0, 0], [0, tf.maximum(missing, 0)]])
    answers = tf.pad(answers, [[0, 0], [0, 0], [0, tf.maximum(-missing, 0)]])
    return tf.reduce_all(answers == label[:, None], axis=2)
