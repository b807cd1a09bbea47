"""The beam search of the model itself against all sequences, told one by one."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfmodels
from tfmodels.decoding.config import BeamSearchConfig
from tfmodels.decoding.translation import translate

END, LENGTH = 2, 4
SOURCE = np.array([[3, 4, 1, 2], [4, 2, 0, 0]], np.int32)


def answers() -> np.ndarray:
    """Sequences of the tokens 1, 3 and 4 that end, int32 [40, LENGTH]."""
    return np.array(
        [
            [*inner, END, *[0] * (LENGTH - 1 - count)]
            for count in range(LENGTH)
            for inner in itertools.product((1, 3, 4), repeat=count)
        ],
        np.int32,
    )


@pytest.mark.parametrize("wiring", ["paper", "gnmt_v2", "bottom_query"])
def test_a_wide_beam_is_brute_force(wiring):
    keras.utils.set_random_seed(3)
    model = tfmodels.build(
        "gnmt",
        vocabulary_size=5,
        embedding_dim=6,
        hidden_dim=6,
        attention_dim=4,
        encoder_layers=2,
        decoder_layers=3,
        wiring=wiring,
        softmax_bias=True,
        initial={"kind": "scaled", "embedding_std": 2.0, "input_gain": 4.0},
    )
    model.softmax.assign(3 * model.softmax)
    # Padding is no answer: what is told cannot have any within.
    model.softmax_bias.assign([-25, 0, 0.5, 0, 0])
    config = BeamSearchConfig(
        beam_width=64,
        n_best=5,
        pruning_margin=None,
        length_penalty=0.6,
        coverage_penalty=0.4,
        max_length_factor=0.0,
        max_length_extra=LENGTH,
    )
    found = translate(model, tf.constant(SOURCE), config)
    ids = answers()
    before = np.pad(ids[:, :-1], [(0, 0), (1, 0)], constant_values=1)
    before[:, 1:] *= ids[:, :-1] != END
    there = ids > 0
    for row, source in enumerate(SOURCE):
        told = model({"source": np.tile(source, (len(ids), 1)), "target": before})
        logs = np.asarray(tf.nn.log_softmax(told["logits"]), np.float64)
        prices = np.take_along_axis(logs, ids[:, :, None], 2)[:, :, 0] * there
        attention = np.asarray(told["attention"]) * there[:, :, None]
        covered = np.clip(attention.sum(axis=1), 1e-3, 1)[:, source > 0]
        lengths = there.sum(axis=1)
        scores = prices.sum(axis=1) / ((5 + lengths) / 6) ** 0.6
        scores += 0.4 * np.log(covered).sum(axis=1)
        best = np.argsort(-scores)[:5]
        assert len(set(lengths[best])) > 1
        np.testing.assert_array_equal(found.ids[row], ids[best])
        np.testing.assert_allclose(found.scores[row], scores[best], rtol=1e-4)
        wanted = attention[best].sum(axis=1)
        np.testing.assert_allclose(found.coverage[row], wanted, atol=1e-5)
