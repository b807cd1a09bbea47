"""Tests of expected GLEU: hand values, and gradients enumerated over all samples."""

import itertools
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.trainers.toy import ToyTask
from tfmodels.decoding.step import StepOutput
from tfmodels.errors import ConfigError
from trainers.objectives.config import ExpectedRewardConfig
from trainers.objectives.expected_reward import ExpectedReward


class ToyTranslator(keras.Model):
    """What follows depends on the token before and the mean of the source."""

    def __init__(self, vocabulary: int = 5) -> None:
        super().__init__()
        random = np.random.default_rng(0)
        self.vocabulary, self.encoded = vocabulary, 0
        table = random.normal(0, 1, [2, vocabulary, vocabulary])
        self.source, self.follows = (
            self.add_weight(
                shape=[vocabulary] * 2, initializer=keras.initializers.Constant(part)
            )
            for part in table
        )

    def encode(self, source: tf.Tensor) -> dict[str, tf.Tensor]:
        self.encoded += 1
        mask = tf.cast(source > 0, tf.float32)
        seen = tf.gather(self.source.value, source)
        total = tf.reduce_sum(mask[:, :, None] * seen, axis=1)
        mean = total / tf.reduce_sum(mask, axis=1, keepdims=True)
        return {"mean": mean, "mask": mask}

    def initial_state(self, memory: dict[str, tf.Tensor]) -> tf.Tensor:
        return memory["mean"][:, :0]

    def step(self, tokens: tf.Tensor, state: Any, memory: Any) -> StepOutput:
        logits = tf.gather(self.follows.value, tokens) + memory["mean"]
        return StepOutput(tf.nn.log_softmax(logits), state, state)

    def decode_targets(self, memory: Any, target: tf.Tensor) -> dict[str, tf.Tensor]:
        logits = tf.gather(self.follows.value, target) + memory["mean"][:, None]
        return {"logits": logits}

    def call(self, inputs: Any, training: bool = False) -> dict[str, tf.Tensor]:
        return self.decode_targets(self.encode(inputs["source"]), inputs["target"])

    def probabilities(self, source: tf.Tensor) -> tf.Tensor:
        """Of the first token, float32 [b, V]."""
        start = tf.ones(tf.shape(source)[:1], tf.int32)
        memory = self.encode(source)
        return tf.exp(self.step(start, self.initial_state(memory), memory).log_probs)


class ToyTranslation(ToyTask):
    """Hands a model its inputs by name."""

    def outputs(self, model: Any, batch: Any, training: bool) -> Any:
        inputs = {name: batch[name] for name in ("source", "target")}
        return model(inputs, training=training)


def objective(**values: Any) -> ExpectedReward:
    return ExpectedReward(ExpectedRewardConfig.parse(values), ToyTranslation())


def batch_of(rows: int = 3, weight: list[float] | None = None) -> dict[str, tf.Tensor]:
    label = tf.constant([[3, 2, 0], [4, 4, 2], [3, 4, 2]][:rows])
    weights = tf.cast(label > 0, tf.float32)
    if weight is not None:
        weights *= tf.constant(weight)[:, None]
    return {
        "source": tf.constant([[4, 2, 0], [3, 3, 2], [3, 4, 2]][:rows]),
        "target": tf.constant([[1, 3, 2], [1, 4, 4], [1, 3, 4]][:rows]),
        "label": label,
        "weight": weights,
        "seed": tf.constant([[7, 1], [7, 2], [7, 3]][:rows], tf.int64),
    }


@pytest.mark.parametrize("samples", [2, 3])
def test_estimate_is_the_gradient_but_for_the_baseline(samples: int):
    # All samples of a model of a single step, each with its probability.
    logits = tf.Variable([0.3, -0.5, 0.8, 0.1, -1.0])
    rewards = tf.constant([0.0, 0.7, 0.2, 1.0, 0.4])
    with tf.GradientTape() as tape:
        expected_reward = tf.reduce_sum(tf.nn.softmax(logits) * rewards)
    exact = tape.gradient(expected_reward, logits).numpy()
    taught = objective(samples=samples, likelihood_weight=0.0)
    batch = {"label": tf.constant([[2]]), "weight": tf.ones([1, 1])}
    mean = np.zeros(5)
    for drawn in itertools.product(range(5), repeat=samples):
        with tf.GradientTape() as tape:
            log_probs = tf.nn.log_softmax(logits)
            outputs = {
                "logits": tf.zeros([1, 1, 5]),
                "sample_log_probs": tf.gather(log_probs, [drawn]),
                "rewards": tf.gather(rewards, [drawn]),
            }
            loss = taught.loss(outputs, batch)
        probability = np.exp(sum(float(log_probs[token]) for token in drawn))
        mean -= probability * tape.gradient(loss.total, logits).numpy()
    np.testing.assert_allclose(mean, (samples - 1) / samples * exact, atol=1e-6)
    assert np.abs(exact).max() > 0.05


def test_drawn_answers_estimate_the_gradient():
    # One token is an answer here, right or wrong; `</s>` at once is an empty one.
    model, batch = ToyTranslator(), batch_of(2)
    batch["label"], batch["target"] = tf.constant([[3], [4]]), tf.ones([2, 1], tf.int32)
    batch["weight"] = tf.ones([2, 1])
    taught = objective(
        samples=20_000, likelihood_weight=0.0, max_length_factor=0.0, max_length_extra=1
    )
    with tf.GradientTape(persistent=True) as tape:
        chances = model.probabilities(batch["source"])
        exact = tf.reduce_sum(tf.gather(chances, batch["label"], batch_dims=1))
        loss, _ = taught.loss_with_model(ToyTranslation(), model, batch, True)
    assert float(loss.terms["sampled_gleu"][0]) == pytest.approx(float(exact), abs=0.02)
    for weight in (model.source, model.follows):
        np.testing.assert_allclose(
            -tf.convert_to_tensor(tape.gradient(loss.total, weight.value)),
            tf.convert_to_tensor(tape.gradient(exact, weight.value)),
            atol=0.01,
        )


def test_right_answers_count_with_their_summed_log_probability():
    model, batch = ToyTranslator(), batch_of()

    def total(weight: float) -> float:
        taught = objective(samples=4, likelihood_weight=weight)
        return float(
            taught.loss_with_model(ToyTranslation(), model, batch, True)[0].total
        )

    log_prob = 0.0
    for row in range(3):
        memory = model.encode(batch["source"][row : row + 1])
        for before, label in zip(
            batch["target"][row], batch["label"][row], strict=True
        ):
            output = model.step(before[None], model.initial_state(memory), memory)
            log_prob += float(output.log_probs[0, label]) if int(label) else 0.0
    assert total(0.017) - total(0.0) == pytest.approx(-0.017 * log_prob, abs=1e-5)


def test_the_source_is_encoded_once_and_seeds_decide():
    model, batch, taught = ToyTranslator(), batch_of(), objective(samples=6)
    first = taught.loss_with_model(ToyTranslation(), model, batch, True)[1]
    assert model.encoded == 1
    again = taught.loss_with_model(ToyTranslation(), model, batch, False)[1]
    other = {**batch, "seed": batch["seed"] + 1}
    third = taught.loss_with_model(ToyTranslation(), model, other, True)[1]
    assert np.array_equal(first["sample_log_probs"], again["sample_log_probs"])
    assert not np.array_equal(first["sample_log_probs"], third["sample_log_probs"])
    assert len(set(first["sample_log_probs"][0].numpy().tolist())) > 1


def test_rows_add_up_and_those_without_weight_are_none():
    model, taught = ToyTranslator(), objective(samples=3)
    run = tf.function(
        lambda batch: taught.loss_with_model(ToyTranslation(), model, batch, True)[0],
        autograph=False,
        reduce_retracing=True,
    )
    whole, empty = run(batch_of()), run(batch_of(weight=[1.0, 1.0, 0.0]))
    two = run(batch_of(2))
    third = run({name: x[2:] for name, x in batch_of().items()})
    assert float(whole.total) == pytest.approx(float(two.total + third.total), abs=1e-5)
    assert float(empty.total) == pytest.approx(float(two.total), abs=1e-5)
    assert float(whole.weight) == 3
    assert float(empty.weight) == 2
    for name, (value, count) in two.terms.items():
        assert float(empty.terms[name][0]) == pytest.approx(float(value), abs=1e-5)
        assert float(empty.terms[name][1]) == pytest.approx(float(count))


def test_equal_rewards_teach_nothing():
    taught = objective(samples=4, likelihood_weight=0.0)
    log_probs = tf.Variable([[-1.0, -2.0, -3.0, -4.0]])
    with tf.GradientTape() as tape:
        outputs = {
            "logits": tf.zeros([1, 1, 5]),
            "sample_log_probs": log_probs.value(),
            "rewards": tf.fill([1, 4], 0.3),
        }
        batch = {"label": tf.constant([[2]]), "weight": tf.ones([1, 1])}
        loss = taught.loss(outputs, batch)
    np.testing.assert_allclose(tape.gradient(loss.total, log_probs), 0, atol=1e-7)


def test_data_without_a_source():
    batch = {"label": tf.zeros([1, 1], tf.int32), "weight": tf.ones([1, 1])}
    with pytest.raises(ConfigError, match="Received label, weight"):
        objective().loss_with_model(ToyTranslation(), ToyTranslator(), batch, True)
