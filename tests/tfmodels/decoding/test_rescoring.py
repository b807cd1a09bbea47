"""The second pass: orders by hand, and the best factors by trying all."""

import numpy as np
import tensorflow as tf

from tests.tfmodels.decoding.tables import Tables
from tfmodels.decoding.beam_search import beam_search
from tfmodels.decoding.config import BeamSearchConfig
from tfmodels.decoding.rescoring import SecondPass
from tfmodels.decoding.rescoring import best_second_pass
from tfmodels.decoding.rescoring import rescored


def test_answers_in_their_new_order() -> None:
    tables = Tables(2, seed=31)
    config = BeamSearchConfig(beam_width=4, n_best=4, pruning_margin=None)
    found = beam_search(
        tables.step, tables.state(), tf.constant([4, 1]), 4, config, tables.mask()
    ).hypotheses
    # The second example has room for nothing but the end.
    assert found.lengths[1].numpy().tolist() == [1, 0, 0, 0]
    language = tf.constant([[-9.0, -3.0, -8.0, -2.0], [-1.0, 0.0, 0.0, 0.0]])
    words = tf.constant([[1, 2, 0, 3], [0, 9, 9, 9]])
    second = rescored(found, language, words, SecondPass(0.5, 0.25))
    scores = found.log_probs[0] + 0.5 * language[0] + 0.25 * tf.cast(words[0], float)
    order = np.argsort(-scores.numpy())
    assert order.tolist() != [0, 1, 2, 3]
    np.testing.assert_allclose(second.scores[0], scores.numpy()[order], rtol=1e-6)
    np.testing.assert_array_equal(second.ids[0], found.ids.numpy()[0, order])
    np.testing.assert_array_equal(
        second.lengths, [found.lengths.numpy()[0, order], [1, 0, 0, 0]]
    )
    np.testing.assert_array_equal(
        second.log_probs[0], found.log_probs.numpy()[0, order]
    )


def test_factors_with_the_fewest_errors() -> None:
    log_probs = np.array([[-1.0, -2.0], [-1.0, -1.5]])
    language = np.array([[-5.0, -1.0], [-1.0, -2.0]])
    words = np.array([[2, 2], [1, 2]])
    errors = np.array([[2, 0], [1, 0]])
    # Without anything both are wrong; the language model mends one, words the other.
    assert best_second_pass(
        log_probs, language, words, errors, [0.0, 0.5], [0.0, 1.5]
    ) == (SecondPass(0.5, 1.5), 0)
    assert best_second_pass(log_probs, language, words, errors, [0.0, 0.5], [0.0]) == (
        SecondPass(0.5, 0.0),
        1,
    )
