"""Answers of a model whose source is a nest, not tokens: best, drawn, told."""

import numpy as np
import tensorflow as tf

from tests.tfmodels.decoding.recognizer import TableRecognizer
from tests.tfmodels.decoding.recognizer import sounds
from tfmodels.decoding.combination import smoothed
from tfmodels.decoding.config import BeamSearchConfig
from tfmodels.decoding.scores import max_lengths
from tfmodels.decoding.step import END
from tfmodels.decoding.translation import drawn_answers
from tfmodels.decoding.translation import log_probs_of
from tfmodels.decoding.translation import translate

CONFIG = BeamSearchConfig(
    beam_width=3,
    n_best=3,
    pruning_margin=None,
    max_length_factor=1.0,
    max_length_extra=2,
    length_penalty=0.0,
    coverage_penalty=0.0,
)


def test_told_answers_are_as_likely_as_the_search_found_them() -> None:
    model, source = TableRecognizer(), sounds()
    found = translate(model, source, CONFIG)
    assert found.ids.shape == [4, 3, 7]
    # An answer may have two units more than there are frames.
    assert (found.lengths.numpy() <= source["lengths"].numpy()[:, None] + 2).all()
    assert len(np.unique(found.lengths)) > 2
    rows = [tuple(row) for each in found.ids.numpy() for row in each]
    assert all(len(set(rows[i : i + 3])) == 3 for i in range(0, 12, 3))
    memory = model.encode(source)
    told = log_probs_of(model, memory, found.ids, found.lengths)
    np.testing.assert_allclose(told, found.log_probs, atol=1e-4)


def test_told_answers_are_as_likely_as_they_were_drawn() -> None:
    model, source = TableRecognizer(), sounds()
    memory, seeds = model.encode(source), tf.constant([[3, row] for row in range(4)])
    drawn = drawn_answers(model, memory, seeds, CONFIG, 5)
    told = log_probs_of(model, memory, drawn.ids, drawn.lengths)
    np.testing.assert_allclose(told, tf.reduce_sum(drawn.log_probs, 2), atol=1e-4)
    cut = (drawn.ids.numpy() != END).all(axis=2)
    assert cut.any()


def test_flatter_probabilities_find_other_lists_at_their_price() -> None:
    model, source = TableRecognizer(scale=2.0), sounds()
    memory = model.encode(source)
    flat = translate(
        model, source, CONFIG, lambda step, state, rows: (smoothed(step, 0.3), state)
    )
    plain = translate(model, source, CONFIG)
    assert not np.array_equal(flat.ids, plain.ids)
    ids = flat.ids[:, 0]
    target = tf.pad(ids[:, :-1], [[0, 0], [1, 0]], constant_values=1)
    logits = model.decode_targets(memory, target)["logits"]
    powers = tf.exp(0.3 * tf.nn.log_softmax(logits)).numpy()
    shares = powers / powers.sum(-1, keepdims=True)
    for row in range(4):
        length = int(flat.lengths[row, 0])
        price = np.log(shares[row, np.arange(length), ids[row, :length].numpy()]).sum()
        assert abs(price - float(flat.log_probs[row, 0])) < 1e-4


def test_a_limit_known_before_is_the_one_of_the_graph() -> None:
    for factor in (0.0, 0.1, 0.7, 1.1, 2.3):
        config = CONFIG.model_copy(update={"max_length_factor": factor})
        numbers = range(200)
        found = max_lengths(tf.range(200), config).numpy().tolist()
        assert found == [max_lengths(number, config) for number in numbers]
