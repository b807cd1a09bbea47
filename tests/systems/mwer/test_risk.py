"""The likeliest text is not the one with the fewest errors: a recogniser learns both.

One sound was written down as "a b" four times, as "a c" and as "d c" three times each.
"a b" is the likeliest, and costs 0.9 wrong words an utterance; "a c" costs 0.7.
"""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfmodels
from tests.tfmodels.las.small import SIZES
from tests.tfmodels.las.small import merged
from tests.trainers.recognizing import ToyRecognition
from tfmodels.decoding.config import BeamSearchConfig
from tfmodels.decoding.step import END
from tfmodels.decoding.step import START
from tfmodels.decoding.translation import translate
from tfmodels.metrics.words import WordTable
from trainers.objectives.config import CrossEntropyConfig
from trainers.objectives.cross_entropy import CrossEntropy
from trainers.objectives.minimum_word_error.config import MinimumWordErrorConfig
from trainers.objectives.minimum_word_error.objective import MinimumWordError

UNITS = ["", "", "", " ", "a", "b", "c", "d"]
WRITTEN = ["a b"] * 4 + ["a c"] * 3 + ["d c"] * 3
LENGTH = {"max_length_factor": 0.0, "max_length_extra": 5}


class Heard(ToyRecognition):
    """What `MinimumWordError` asks of a task."""

    words = WordTable(UNITS)


def utterances() -> dict[str, tf.Tensor]:
    label = [[*(UNITS.index(letter) for letter in text), END] for text in WRITTEN]
    sound = np.random.default_rng(0).normal(0, 1, [1, 6, 5])
    return {
        "features": tf.constant(np.repeat(sound, len(WRITTEN), 0), tf.float32),
        "lengths": tf.fill([len(WRITTEN)], 6),
        "variety": tf.ones([len(WRITTEN), 1]),
        "label": tf.constant(label),
        "target": tf.constant([[START, *row[:-1]] for row in label]),
        "weight": tf.ones([len(WRITTEN), 4]),
    }


def learn(model: keras.Model, objective: Any, task: Any, steps: int) -> Any:
    """The terms of the last step, for each utterance."""
    optimizer = keras.optimizers.Adam(0.01)
    optimizer.build(model.trainable_variables)
    weights, batch = [w.value for w in model.trainable_variables], utterances()

    @tf.function(autograph=False)
    def step() -> dict[str, tf.Tensor]:
        with tf.GradientTape() as tape:
            loss, _ = objective.loss_with_model(task, model, batch, True)
            mean = loss.total / loss.weight
        optimizer.apply(tape.gradient(mean, weights), model.trainable_variables)
        return {name: value / number for name, (value, number) in loss.terms.items()}

    for _ in range(steps):
        terms = step()
    return {name: float(value) for name, value in terms.items()}


def likeliest(model: keras.Model, count: int) -> dict[str, float]:
    """Texts and their probabilities, best first."""
    config = BeamSearchConfig(
        beam_width=4,
        n_best=count,
        length_penalty=0.0,
        coverage_penalty=0.0,
        pruning_margin=None,
        **LENGTH,
    )
    source = {n: v[:1] for n, v in utterances().items()}
    found = translate(model, source, config)
    texts = ["".join(UNITS[u] for u in row if u != END) for row in found.ids[0].numpy()]
    return dict(zip(texts, np.exp(found.log_probs[0]).tolist(), strict=True))


@pytest.mark.slow
def test_it_moves_to_the_text_with_the_fewest_errors() -> None:
    keras.utils.set_random_seed(1)
    changes = {
        "encoder": {"num_layers": 1, "hidden_dim": 8},
        "decoder": {"num_layers": 1, "hidden_dim": 16, "embedding_dim": 4},
        "vocabulary_size": len(UNITS),
        "num_varieties": 1,
        "step_head": False,
        "conditioning": None,
    }
    model, task = tfmodels.build("las", **merged(SIZES, changes)), Heard()
    learn(model, CrossEntropy(CrossEntropyConfig(), task), task, 250)
    found = likeliest(model, 3)
    assert next(iter(found)) == "a b"
    for text, share in {"a b": 0.4, "a c": 0.3, "d c": 0.3}.items():
        assert found[text] == pytest.approx(share, abs=0.03)
    config = MinimumWordErrorConfig(num_answers=4, **LENGTH)
    terms = learn(model, MinimumWordError(config, task), task, 150)
    found = likeliest(model, 1)
    assert next(iter(found)) == "a c"
    # The optimum over all answers has 0.97286 and 0.70692 (specification, 8.6).
    assert found["a c"] > 0.9
    assert terms["expected_errors"] == pytest.approx(0.7069, abs=0.02)
