"""Two dialects that contradict each other: what it is worth to tell which it is.

Ten words, of which four are exchanged in pairs; nothing but what the model is told says
which dialect it is. `multidialect_asr/conflicting` is the same in sound.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfmodels
from tests.tfmodels.las.small import SIZES
from tests.tfmodels.las.small import merged
from tests.tfmodels.las.small import one_hot
from tfmodels.decoding.step import END
from tfmodels.decoding.step import START

pytestmark = pytest.mark.slow

WORDS, FIRST, EXCHANGED = 10, 3, 4
SOUNDS = np.random.default_rng(7).normal(0, 1, [WORDS, 4, 5])
OTHERS = np.array([1, 0, 3, 2, *range(EXCHANGED, WORDS)])
CHANGES = {
    "encoder": {"num_layers": 1, "hidden_dim": 24},
    "decoder": {"num_layers": 1, "hidden_dim": 24, "embedding_dim": 8},
    "attention": {"width": 8},
    "vocabulary_size": FIRST + WORDS,
    "num_varieties": 2,
    "step_head": False,
}
CLUSTERS = {"at": ["encoder1"], "base": False}


def said(words: np.ndarray, dialects: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Utterances of one word each, in one of the two dialects."""
    random = np.random.default_rng(seed)
    sounds = SOUNDS[np.where(dialects == 1, OTHERS[words], words)]
    starts = np.full(len(words), START)
    return {
        "features": (sounds + random.normal(0, 0.1, sounds.shape)).astype(np.float32),
        "lengths": np.full(len(words), 4, np.int32),
        "variety": one_hot(*dialects, varieties=2),
        "target": np.stack([starts, FIRST + words], 1).astype(np.int32),
    }


def learner(model: keras.Model) -> Callable[..., None]:
    """Teaches the model, told nothing of a tenth of the utterances, for some steps."""
    optimizer = keras.optimizers.Adam(0.01)
    optimizer.build(model.trainable_variables)
    weights = [weight.value for weight in model.trainable_variables]

    @tf.function(autograph=False)
    def step(inputs: dict[str, tf.Tensor]) -> None:
        label = tf.pad(inputs["target"][:, 1:], [[0, 0], [0, 1]], constant_values=END)
        with tf.GradientTape() as tape:
            logits = model(inputs, training=True)["logits"]
            nats = tf.nn.sparse_softmax_cross_entropy_with_logits(label, logits)
            loss = tf.reduce_mean(nats)
        optimizer.apply(tape.gradient(loss, weights), model.trainable_variables)

    def learn(steps: int, dialects: int = 2) -> None:
        random = np.random.default_rng(dialects)
        for number in range(steps):
            words = random.integers(0, WORDS, 64)
            batch = said(words, random.integers(0, dialects, 64), number)
            batch["variety"][random.random(64) < 0.1] = 0.5
            step({name: tf.constant(value) for name, value in batch.items()})

    return learn


def errors(
    model: keras.Model, number: int, told: Any = None, dialects: int = 2
) -> float:
    """Share of wrong words among the first so many, each as often in each dialect."""
    words = np.tile(np.repeat(np.arange(number), dialects), 10)
    batch = said(words, np.arange(len(words)) % dialects, 99)
    if told is not None:
        batch["variety"] = told(batch["variety"]).astype(np.float32)
    heard = np.argmax(model(batch)["logits"][:, 0], axis=-1) - FIRST
    return float(np.mean(heard != words))


def build(conditioning: dict[str, Any] | None) -> keras.Model:
    keras.utils.set_random_seed(1)
    sizes = merged(SIZES, {**CHANGES, "conditioning": conditioning})
    return tfmodels.build("las", **sizes)


def test_told_nothing_it_stays_at_the_floor_and_one_dialect_alone_does_not() -> None:
    model = build(None)
    learn = learner(model)
    learn(150)
    assert 0.17 <= errors(model, WORDS) <= 0.25
    assert 0.4 < errors(model, EXCHANGED) < 0.6
    # The second baseline: the same weights go on with one dialect.
    learn(60, dialects=1)
    assert errors(model, WORDS, dialects=1) < 0.03
    assert errors(model, EXCHANGED) > 0.45


@pytest.mark.parametrize(
    "conditioning",
    [
        {"kind": "mean", "at": "both"},
        {"kind": "weight", **CLUSTERS},
        {"kind": "layer", "at": ["encoder1"]},
    ],
    ids=["mean", "weight", "layer"],
)
def test_told_the_dialect_it_makes_no_errors(conditioning: dict[str, Any]) -> None:
    model = build(conditioning)
    learner(model)(150)
    assert errors(model, WORDS) < 0.03
    # Told the other dialect, it understands it.
    assert errors(model, EXCHANGED, lambda told: told[:, ::-1]) > 0.97
    # Told nothing, it can but guess.
    assert 0.3 < errors(model, EXCHANGED, lambda told: 0 * told + 0.5) < 0.7
    six = errors(model, WORDS, lambda told: told[:, ::-1])
    assert six == pytest.approx(EXCHANGED / WORDS, abs=0.03)
