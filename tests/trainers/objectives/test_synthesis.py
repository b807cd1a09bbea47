"""The loss of a synthesiser beside loops, closed forms and samples."""

import itertools
import types

import numpy as np
import pytest
import tensorflow as tf

from tests.tfmodels.tacotron.small import batch as texts
from tests.tfmodels.tacotron.small import build
from tfmodels.layers.gradient_reversal import reverse_gradient
from trainers.objectives.config import SynthesisConfig
from trainers.objectives.synthesis import Synthesis
from trainers.objectives.synthesis import attention_to_truth
from trainers.objectives.synthesis import divergence
from trainers.objectives.synthesis import monotone_surprise
from trainers.objectives.synthesis import off_diagonal

PER = types.SimpleNamespace(step=2.0, symbol=3.0, utterance=5.0)
TASK = types.SimpleNamespace(frames_per=PER)


def example():
    """Two utterances of 4 and 2 frames, and a row that only fills up; r is 2."""
    rng = np.random.default_rng(3)
    batch = {
        "frames": tf.constant([4, 2, 4]),
        "symbol_lengths": tf.constant([3, 2, 3]),
        "weight": tf.constant([1.0, 1.0, 0.0]),
        "speaker": tf.constant(np.eye(2)[[0, 1, 0]], tf.float32),
        "token": tf.constant([[0, 0, 1, 2], [1, -1, -1, -1], [0, 0, 0, 0]]),
    }
    shapes = {
        "target": (3, 4, 5),
        "mel": (3, 4, 5),
        "mel_post": (3, 4, 5),
        "stop": (3, 2),
        "speaker_logits": (3, 3, 2),
        "residual_mean": (3, 2),
        "residual_log_variance": (3, 2),
    }
    outputs = {
        name: tf.constant(rng.normal(size=shape), tf.float32)
        for name, shape in shapes.items()
    }
    shares = rng.uniform(size=(3, 2, 3))
    shares /= shares.sum(-1, keepdims=True)
    outputs["alignment"] = tf.constant(shares, tf.float32)
    outputs["unit"] = tf.zeros([3, 3])
    outputs["training_step"] = tf.fill([3], 25.0)
    return outputs, batch


def test_terms_and_total_are_those_of_loops():
    outputs, batch = example()
    config = SynthesisConfig(
        kl_weight=0.5,
        kl_steps=100,
        guided_weight=0.7,
        alignment_weight=0.6,
        monotone_weight=0.3,
        guidance_steps=50,
    )
    loss = Synthesis(config, TASK).loss(outputs, batch)
    o = {name: each.numpy().astype(np.float64) for name, each in outputs.items()}
    sums = dict.fromkeys(loss.terms, 0.0)
    for row, (frames, symbols) in enumerate([(4, 3), (2, 2)]):
        for t in range(frames):
            for name in ("mel", "mel_post"):
                far = o[name][row, t] - o["target"][row, t]
                sums[f"{name}_error"] += np.sum(far**2) / 5
        steps = frames // 2
        for t in range(steps):
            chance = 1 / (1 + np.exp(-o["stop"][row, t]))
            is_last = t == steps - 1
            sums["stop"] -= 10 * np.log(chance) if is_last else np.log(1 - chance)
            for j in range(symbols if row == 0 else 3):
                away = j / symbols - t / steps
                cell = 1 - np.exp(-(away**2) / (2 * 0.2**2))
                sums["guided"] += cell * o["alignment"][row, t, j]
        for j in range(symbols):
            logits = o["speaker_logits"][row, j]
            sums["speaker_cross_entropy"] += np.log(np.exp(logits).sum()) - logits[row]
        for mean, log in zip(
            o["residual_mean"][row], o["residual_log_variance"][row], strict=True
        ):
            sums["kl"] += 0.5 * (mean**2 + np.exp(log) - 1 - log)
    # Of the second utterance no step's middle is known.
    for row, (count, last) in enumerate([(2, 3), (1, 2)]):
        shares = tf.cast(outputs["alignment"][row : row + 1], tf.float32)
        lost = monotone_surprise(
            shares, tf.constant([float(count)]), tf.constant([last])
        )
        sums["monotone"] += float(lost[0])
    for t, true in ((0, 0), (1, 2)):
        sums["alignment"] -= np.log(o["alignment"][0, t, true] + 1e-3)
    weights = {
        "mel_error": 6,
        "mel_post_error": 6,
        "stop": 3,
        "kl": 2,
        "speaker_cross_entropy": 5,
        "guided": 3,
        "monotone": 3,
        "alignment": 2,
    }
    assert loss.terms.keys() == weights.keys()
    for name, (total, weight) in loss.terms.items():
        np.testing.assert_allclose(total, sums[name], rtol=1e-5, err_msg=name)
        assert float(weight) == weights[name]
    # At step 25 a quarter of the divergence counts, and half of what guides.
    expected = sums["mel_error"] + sums["mel_post_error"] + 2 * sums["stop"]
    expected += 0.25 * 0.5 * 5 * sums["kl"] + 0.02 * 3 * sums["speaker_cross_entropy"]
    guides = 0.7 * sums["guided"] + 0.6 * sums["alignment"] + 0.3 * sums["monotone"]
    expected += 0.5 * 2 * guides
    np.testing.assert_allclose(loss.total, expected, rtol=1e-5)
    assert float(loss.weight) == 6


@pytest.mark.parametrize(
    ("mean", "variance", "nats"), [(1, 1, 0.5), (0, 4, 0.806853), (0, 1, 0)]
)
def test_divergence(mean, variance, nats):
    found = divergence(tf.constant([[float(mean)]]), tf.math.log([[float(variance)]]))
    np.testing.assert_allclose(found, [nats], atol=1e-6)


def test_divergence_is_what_samples_say():
    mean, log_variance = np.array([0.5, -1.0]), np.log([0.3, 2.0])
    drawn = np.random.default_rng(0).normal(size=[400_000, 2])
    z = mean + np.exp(log_variance / 2) * drawn
    likelier = 0.5 * (z**2 - drawn**2 - log_variance).sum(axis=1)
    found = divergence(
        tf.constant(mean[None], tf.float32), tf.constant(log_variance[None], tf.float32)
    )
    np.testing.assert_allclose(found, [likelier.mean()], rtol=0.01)


def test_diagonal_attention_is_free():
    exact = tf.eye(6)[None]
    steps, symbols = tf.constant([6.0]), tf.constant([6])
    assert float(tf.reduce_max(off_diagonal(exact, steps, symbols, 0.2))) < 1e-6
    assert float(off_diagonal(exact[:, ::-1], steps, symbols, 0.2)[0, 0]) > 0.99


def test_ways_through_a_text_are_those_of_all_paths():
    rng = np.random.default_rng(6)
    shares = rng.uniform(size=(2, 4, 4))
    steps, symbols = [4, 3], [4, 3]
    found = monotone_surprise(
        tf.constant(shares, tf.float32),
        tf.constant(steps, tf.float32),
        tf.constant(symbols),
    )
    for row in range(2):
        total = 0.0
        for path in itertools.product(range(symbols[row]), repeat=steps[row]):
            moves = np.diff(path)
            ends = path[0] < 2 and path[-1] >= symbols[row] - 2
            if ends and set(moves) <= {0, 1, 2}:
                total += np.prod([shares[row, t, j] + 1e-3 for t, j in enumerate(path)])
        np.testing.assert_allclose(found[row], -np.log(total), rtol=1e-5)


def test_truth_is_that_of_the_middle_frame():
    alignment = tf.constant([[[0.1, 0.9], [0.3, 0.7]]])
    token = tf.constant([[1, 0, 1, -1, -1, 1]])
    share, known = attention_to_truth(alignment, token)
    np.testing.assert_allclose(share[0, 0], 0.1)
    np.testing.assert_array_equal(known, [[1, 0]])


def test_reversal_clips_each_symbols_own_gradient():
    """Of the loss of a symbol the gradient is clipped at 0.5, whatever it is scaled by;
    twice the batch has twice the gradient and no other clip."""
    outputs, batch = example()
    # Far too large, so that everything is clipped.
    kernel = tf.constant([[900.0, -900.0], [-900.0, 900.0]])
    encodings = tf.Variable(np.full([3, 3, 2], 0.001), dtype=tf.float32)
    found = []
    for weight in (0.02, 0.2):
        objective = Synthesis(SynthesisConfig(classifier_weight=weight), TASK)
        with tf.GradientTape() as tape:
            seen, unit = reverse_gradient(encodings, 1.0, 0.5)
            outputs["speaker_logits"], outputs["unit"] = seen @ kernel, unit
            loss = objective.loss(outputs, batch)
        found.append(tape.gradient(loss.total, encodings).numpy())
    there = np.array([[1, 1, 1], [1, 1, 0], [0, 0, 0]])
    np.testing.assert_allclose(
        np.abs(found[0]), 0.02 * 3 * 0.5 * there[..., None] * np.ones(2), rtol=1e-5
    )
    np.testing.assert_allclose(found[1], 10 * found[0], rtol=1e-5)


def test_rows_alone_have_the_gradients_of_all():
    """Replicas with parts of a batch, of uneven lengths, add up to one with all."""
    model, source = build(frozen_norm=True), texts()
    source["weight"] = tf.ones([3])
    source["token"] = tf.zeros([3, 8], tf.int32)
    config = SynthesisConfig(guided_weight=0.5, alignment_weight=0.5, monotone_weight=1)
    objective = Synthesis(config, TASK)

    def gradients(rows):
        part = {name: each[rows] for name, each in source.items()}
        with tf.GradientTape() as tape:
            outputs = model(part, training=True)
            loss = objective.loss(outputs, part)
        return float(loss.weight), tape.gradient(loss.total, model.trainable_weights)

    weight, whole = gradients(slice(None))
    parts = [gradients(slice(0, 1)), gradients(slice(1, 3))]
    assert weight == sum(part[0] for part in parts)
    for variable, expected, *found in zip(
        model.trainable_weights, whole, *[part[1] for part in parts], strict=True
    ):
        total = sum(map(tf.convert_to_tensor, found))
        np.testing.assert_allclose(
            *(total, tf.convert_to_tensor(expected)),
            atol=2e-4,
            rtol=1e-4,
            err_msg=variable.path,
        )
