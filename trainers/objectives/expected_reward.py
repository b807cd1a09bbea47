"""The GLEU that a model's own answers are expected to have, mixed with likelihood."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import tensorflow as tf

from tfmodels.decoding.sampling import Samples
from tfmodels.decoding.step import END
from tfmodels.decoding.step import repeated
from tfmodels.decoding.translation import Teachable
from tfmodels.decoding.translation import drawn_answers
from tfmodels.decoding.translation import log_probs_of
from tfmodels.errors import ConfigError
from tfmodels.metrics.ngrams import sentence_gleu
from trainers.interfaces import Loss
from trainers.interfaces import Objective
from trainers.objectives.config import ExpectedRewardConfig
from trainers.right_answers import nats_per_answer
from trainers.right_answers import told

if TYPE_CHECKING:
    from trainers.interfaces import Batch
    from trainers.interfaces import Outputs
    from trainers.interfaces import Task


class ExpectedReward(Objective):
    """Objective: ``E[GLEU(Y, Y*)] + w log P(Y*|X)``, Y drawn from the model.

    Wu et al., arXiv 1609.08144, equations 8 and 9. The gradient of the expectation is
    estimated from m samples of each source as ``1/m sum_k (r_k - r) grad log P(Y_k|X)``
    with r their mean reward. As r includes r_k, that is expected to be (m - 1) / m of
    the gradient. Log-probabilities are summed over tokens, and losses over sentences.

    The whole model works as in inference, without dropout and with its final bounds: it
    is that model's answers that are drawn. The source is encoded once. Samples follow
    from each example's own seed, and so are the same for any number of replicas.
    """

    def __init__(self, config: ExpectedRewardConfig, task: "Task") -> None:
        """Takes the configuration; the task is one whose model is `Teachable`."""
        self.config = config

    def loss_with_model(
        self,
        task: "Task",
        model: Callable[..., "Outputs"],
        batch: "Batch",
        training: bool,
    ) -> "tuple[Loss, Outputs]":
        """Draws answers, rewards them, and computes the loss.

        Args:
          task: see `Objective`.
          model: `Teachable` besides.
          batch: ``source`` int32 [b, S], ``label`` int32 [b, T] and ``weight`` float32
            [b, T] as for cross entropy, ``seed`` int32 or int64 [b, 2].
          training: changes nothing in the model.

        Raises:
          ConfigError: the batch is not of that kind.
        """
        missing = {"source", "label", "seed"} - set(batch)
        if missing:
            raise ConfigError(
                "The data are none to draw answers for. Expected examples with source,"
                f" label and seed. Received {', '.join(sorted(batch))}, with"
                f" objective.kind: {self.config.kind}."
            )
        translator: Teachable = model  # type: ignore[assignment]
        memory = translator.encode(batch["source"])
        outputs = told(task, model, memory, batch, training)
        samples = drawn_answers(
            translator,
            tf.nest.map_structure(tf.stop_gradient, memory),
            batch["seed"],
            self.config,
            self.config.samples,
        )
        samples = Samples(*map(tf.stop_gradient, samples))
        log_probs = log_probs_of(translator, memory, samples.ids, samples.lengths)
        outputs = {
            **outputs,
            "sample_log_probs": log_probs,
            "rewards": _rewards(samples, batch),
        }
        return self.loss(outputs, batch), outputs

    def loss(self, outputs: "Outputs", batch: "Batch") -> Loss:
        """Loss of one replica's batch.

        Args:
          outputs: ``logits`` float32 [b, T, V] of the right answers;
            ``sample_log_probs`` float32 [b, m], of sampled ones, and their ``rewards``
            float32 [b, m].
          batch: ``label`` int32 [b, T]; ``weight`` float32 [b, T].

        Returns:
          The sums over sentences, whose gradient is the estimate; the value says
          little. Terms are ``cross_entropy`` of a token, ``sampled_gleu``, and the
          ``reward_deviation`` from it, without which samples teach nothing.
        """
        costs, exists = nats_per_answer(outputs, batch)
        rewards = tf.stop_gradient(outputs["rewards"])
        mean = tf.reduce_mean(rewards, axis=1)
        advantage = rewards - mean[:, None]
        expected = tf.reduce_mean(advantage * outputs["sample_log_probs"], axis=1)
        values = expected - self.config.likelihood_weight * costs
        sentences = tf.reduce_sum(exists)
        deviation = tf.math.reduce_std(rewards, axis=1)
        return Loss(
            -tf.reduce_sum(exists * values),
            sentences,
            {
                "cross_entropy": (tf.reduce_sum(costs), tf.reduce_sum(batch["weight"])),
                "sampled_gleu": (tf.reduce_sum(exists * mean), sentences),
                "reward_deviation": (tf.reduce_sum(exists * deviation), sentences),
            },
        )


def _rewards(samples: Samples, batch: "Batch") -> tf.Tensor:
    """GLEU of each sample, float32 [b, m]; the end does not count."""
    shape = tf.shape(samples.ids)
    ids = tf.reshape(samples.ids, [-1, shape[2]])
    lengths = tf.reshape(samples.lengths, [-1])
    ends = tf.reduce_any(ids == END, axis=1)
    label = repeated(batch["label"], samples.ids.shape[1])
    given = tf.math.count_nonzero(
        (batch["label"] != END) & (batch["label"] > 0), axis=1, dtype=tf.int32
    )
    values = sentence_gleu(
        ids,
        lengths - tf.cast(ends, tf.int32),
        label,
        repeated(given, samples.ids.shape[1]),
    )
    return tf.reshape(values, shape[:2])
