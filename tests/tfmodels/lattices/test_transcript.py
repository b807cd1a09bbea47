"""Numerators made on the spot against those that are composed one by one."""

import numpy as np
import pytest
import tensorflow as tf

from tests.tfmodels.lattices.speech import LEXICON
from tests.tfmodels.lattices.speech import SILENCE_PROB
from tests.tfmodels.lattices.speech import TOPOLOGIES
from tests.tfmodels.lattices.speech import bigram
from tfmodels.lattices.composition import compose
from tfmodels.lattices.forward_backward import occupancies
from tfmodels.lattices.graph import arcs
from tfmodels.lattices.graph import stack
from tfmodels.lattices.lexicon import Pronounced
from tfmodels.lattices.reference import spoken_words
from tfmodels.lattices.topology import Scales
from tfmodels.lattices.transcript import transcripts
from tfmodels.lattices.tying import left_biphone
from tfmodels.lattices.viterbi import best_path

HMMS = TOPOLOGIES, left_biphone(TOPOLOGIES), Scales()
WORDS = np.array([[2, 1, 0], [1, 0, 0], [3, 3, 2], [0, 0, 0]], np.int32)
LENGTHS = np.array([11, 7, 12, 4], np.int32)


@pytest.mark.parametrize("scale", [0.3, 5.0])
def test_sums_and_alignments_are_those_of_graphs_of_their_own(scale: float) -> None:
    model = bigram()
    loop = arcs(compose(Pronounced(model, LEXICON, SILENCE_PROB), *HMMS))
    # The last utterance is of silence, which no grammar of its own says with no word.
    own = [
        compose(spoken_words(row[row > 0], model, LEXICON, SILENCE_PROB), *HMMS)
        for row in WORDS[:3].tolist()
        for row in [np.array(row)]
    ]
    scores = scale * np.random.RandomState(0).randn(4, 12, HMMS[1].num_pdfs)
    graph, addend = transcripts(loop, tf.constant(WORDS), 12)
    addend = addend._replace(values=tf.cast(addend.values, tf.float64))
    found = occupancies(tf.constant(scores), LENGTHS, graph, addend=addend)
    expected = occupancies(tf.constant(scores[:3]), LENGTHS[:3], stack(own))
    for some, all_ in zip(expected, found, strict=True):
        np.testing.assert_allclose(all_[:3], some, atol=1e-5)
    path = best_path(tf.constant(scores), LENGTHS, graph, addend=addend)
    alone = best_path(tf.constant(scores[:3]), LENGTHS[:3], stack(own))
    np.testing.assert_array_equal(path.pdf[:3], alone.pdf)


def test_too_short_for_its_words_is_impossible() -> None:
    loop = arcs(compose(Pronounced(bigram(), LEXICON, SILENCE_PROB), *HMMS))
    scores = tf.zeros([4, 2, HMMS[1].num_pdfs])
    graph, addend = transcripts(loop, tf.constant(WORDS), 2)
    log_z, gamma = occupancies(scores, tf.constant([2] * 4), graph, addend=addend)
    assert (log_z.numpy() > -1e20).tolist() == [False, True, False, True]
    assert not gamma[0].numpy().any()
