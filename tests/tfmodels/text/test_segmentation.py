"""Nothing is lost, and a graph makes the same ids as plain Python."""

import hypothesis
import numpy as np
import pytest
import tensorflow as tf

from tests.tfmodels.text import multi30k
from tfmodels.text.in_graph import GraphSegmenter
from tfmodels.text.learning import count_words
from tfmodels.text.learning import learn_vocabulary
from tfmodels.text.segmentation import Segmenter

TEXT = [
    "the cat sat on the mat, the dog sat on the log",
    "die Katze saß auf der Matte; der Hund saß draußen",
    "a <B>a <0x41> <unk> </s>",
] * 2
ODD = [
    "",
    " ",
    "   ",
    "  double  spaces ",
    "▁",
    "a▁b ▁ ▁▁",
    "tab\there, null \0, bell \a, next line \x85, separator \u2028",
    "carriage\r\nand line",
    "emoji 😀 👩‍👩‍👧 🇩🇪",
    "日本語 ภาษาไทย العربية ქართული",
    "<0x41><pad><s></s><unk> <2de> <B>x",
    "e\u0301 is not é; no\u00a0break",
    "\U0010f900\U0010f901\U0010fa41 private",
    "\ufeffmark",
    "☃",
    "☃a a☃ a☃a",
    "cat" * 300,
]


def vocabulary(kind):
    return learn_vocabulary(count_words(TEXT), 420, kind=kind, max_alphabet=40)


@pytest.fixture(scope="module", params=["wordpieces", "mixed"])
def segmenter(request):
    return Segmenter(vocabulary(request.param))


@pytest.fixture(scope="module")
def graph(segmenter):
    return GraphSegmenter(segmenter.vocabulary)


def names(segmenter, text):
    return [segmenter.vocabulary.names[number] for number in segmenter.encode(text)]


@pytest.mark.parametrize("text", ODD)
def test_round_trip(segmenter, text):
    assert segmenter.decode(segmenter.encode(text)) == text


@hypothesis.given(hypothesis.strategies.text())
@hypothesis.settings(max_examples=100, deadline=None)
def test_round_trip_of_any_text(segmenter, text):
    ids = segmenter.encode(text)
    assert segmenter.decode(ids) == text
    assert min(ids) >= segmenter.vocabulary.first_byte


def test_the_longest_match_is_taken():
    segmenter = Segmenter(learn_vocabulary({"low": 9, "lower": 1, "we": 8}, 300))
    assert names(segmenter, "lower we") == ["▁lower", "▁we"]
    assert names(segmenter, "lowe  slow") == [
        *("▁low", "e"),
        "▁",
        *("▁", "<0x73>", "low"),
    ]


def test_words_and_marked_characters():
    """arXiv:1609.08144, section 4.2: Miki becomes <B>M <M>i <M>k <E>i."""
    words = {"the": 5, "Miki": 1, "a": 1}
    segmenter = Segmenter(learn_vocabulary(words, 283, kind="mixed"))
    assert segmenter.vocabulary.pieces[-1] == "▁the"
    assert names(segmenter, "the Miki") == ["▁the", "<B>M", "<M>i", "<M>k", "<E>i"]
    assert names(segmenter, "a  thé") == [
        "<B>a",
        "▁",
        *("<B>t", "<M>h", "<0xC3>", "<0xA9>"),
    ]


def test_decoding_stops_at_the_end_and_passes_over_what_is_no_text(segmenter):
    ids = [1, *segmenter.encode("the cat"), 3, 0, 2, *segmenter.encode("dog")]
    assert segmenter.decode(ids) == "the cat"


def test_graph_makes_the_same_ids(segmenter, graph):
    texts = [*ODD, *TEXT]
    assert graph.encode(tf.constant(texts)).to_list() == [
        segmenter.encode(text) for text in texts
    ]


@hypothesis.given(hypothesis.strategies.lists(hypothesis.strategies.text(), max_size=4))
@hypothesis.settings(max_examples=15, deadline=None)
def test_graph_makes_the_same_ids_of_any_text(segmenter, graph, texts):
    ids = graph.encode(tf.constant(texts, tf.string, [len(texts)]))
    assert ids.to_list() == [segmenter.encode(text) for text in texts]
    decoded = graph.decode(ids.to_tensor()).numpy()
    assert [text.decode() for text in decoded] == texts


def test_graph_decodes_whatever_a_model_may_say(segmenter, graph):
    random = np.random.default_rng(0)
    size = segmenter.vocabulary.size
    # Half of them mostly bytes, which are seldom UTF-8.
    ids = random.integers(0, [[size]] * 40 + [[260]] * 40, (80, 12))
    decoded = graph.decode(tf.constant(ids, tf.int32)).numpy()
    assert [text.decode() for text in decoded] == [segmenter.decode(r) for r in ids]


def test_graph_in_an_input_pipeline_and_in_a_saved_model(segmenter, graph, tmp_path):
    expected = [segmenter.encode(text) for text in ODD]
    texts = tf.data.Dataset.from_tensor_slices(ODD)
    batches = texts.batch(4).map(graph.encode)
    assert [ids for batch in batches for ids in batch.to_list()] == expected

    class Both(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def __call__(self, texts):
            return self.graph.decode(self.graph.encode(texts).to_tensor())

    module = Both()
    module.graph = graph
    tf.saved_model.save(module, str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path))
    assert [text.decode() for text in loaded(tf.constant(ODD)).numpy()] == ODD


@multi30k.needed
@pytest.mark.parametrize("kind", ["wordpieces", "mixed"])
def test_multi30k(kind):
    """All lines of the evaluation splits, in all languages."""
    lines = [
        line
        for split in ("val", "test_2016_flickr")
        for language in ("en", "de", "fr", "cs")
        for line in multi30k.captions(split, language)
    ]
    words = count_words(lines[::10])
    segmenter = Segmenter(learn_vocabulary(words, 1200, kind=kind, max_alphabet=60))
    graph = GraphSegmenter(segmenter.vocabulary)
    ids = [segmenter.encode(line) for line in lines]
    assert [segmenter.decode(row) for row in ids] == lines
    assert graph.encode(tf.constant(lines)).to_list() == ids


@multi30k.needed
@pytest.mark.slow
def test_all_of_multi30k():
    for language in ("en", "de", "fr", "cs"):
        lines = multi30k.captions("train", language)
        segmenter = Segmenter(learn_vocabulary(count_words(lines[:3000]), 1000))
        graph = GraphSegmenter(segmenter.vocabulary)
        ids = [segmenter.encode(line) for line in lines]
        assert [segmenter.decode(row) for row in ids] == lines
        assert graph.encode(tf.constant(lines)).to_list() == ids
        decoded = graph.decode(tf.ragged.constant(ids).to_tensor()).numpy()
        assert [text.decode() for text in decoded] == lines
