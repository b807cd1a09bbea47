"""Utterances of the made-up language: their statistics, and what each depends on."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from tfmodels.errors import ConfigError
from trainers.data.config import WordLoopData
from trainers.data.utterances.dataset import utterance_dataset
from trainers.data.utterances.language import make_language
from trainers.data.utterances.sources import open_utterances
from trainers.interfaces import Shard

CONFIG = WordLoopData(batch_size=80)
STILL = CONFIG.model_copy(update={"noise": 0.0})
SMALL = WordLoopData(
    batch_size=4, train_utterances=24, test_utterances=12, speakers=6, max_frames=130
)


def take(config, split, count, **options):
    source = open_utterances(config, split)
    dataset = utterance_dataset(source, config, split, **options)
    return list(dataset.take(count).as_numpy_iterator())


def joined(batches):
    return {name: np.concatenate([b[name] for b in batches]) for name in batches[0]}


@pytest.fixture(scope="module")
def spoken():
    """All utterances of the training split and of the test split."""
    return {split: joined(take(CONFIG, split, 10)) for split in ("train", "test")}


@pytest.fixture(scope="module")
def language():
    return make_language(0, 20)


def runs(alignment):
    """(pdf, frames) of each state in a row; no state follows itself."""
    known = alignment[alignment >= 0]
    return [(int(pdf), len(list(frames))) for pdf, frames in itertools.groupby(known)]


def spell(words, states, language):
    """States of words in plain Python, with silence wherever `states` has it."""
    spelled, silences, last = [], 0, 0
    for word in (*words[words > 0], None):
        if states[len(spelled) :][:1] == [0]:
            spelled += [0, 1, 2]
            silences, last = silences + 1, 1
        for phone in language.lexicon.pronunciations[word][0] if word else ():
            spelled += language.tying.pdfs(last, phone, 0)
            last = phone
    return spelled, silences


def test_shapes_and_sizes(spoken):
    # A prototype of this task by other means has 55.7k frames and 888 test words.
    train, test = spoken["train"], spoken["test"]
    assert train["features"].shape == (800, 110, 12)
    assert train["features"].dtype == np.float32
    assert train["words"].shape == (800, 6)
    assert {train[n].dtype.name for n in ("words", "alignment", "lengths")} == {"int32"}
    assert abs(train["lengths"].sum() - 55_700) < 0.05 * 55_700
    assert abs(np.count_nonzero(test["words"][test["weight"] > 0]) - 888) < 45
    assert 15 < train["lengths"].min() <= train["lengths"].max() <= 110
    assert set(np.count_nonzero(train["words"], axis=1)) == {3, 4, 5, 6}


def test_nothing_is_said_after_the_end(spoken):
    train = spoken["train"]
    after = np.arange(110) >= train["lengths"][:, None]
    assert np.all((train["alignment"] == -1) == after)
    assert not train["features"][after].any()
    assert np.all(train["features"][~after].any(axis=-1))


def test_the_tables_fit_together(language):
    tying = language.tying
    assert tying.num_pdfs == len(language.means) == 87
    assert np.bincount(tying.phone_of_pdf()).tolist() == [0, 3] + [6] * 14
    assert len(set(language.lexicon.pronunciations)) == 41
    np.testing.assert_allclose(language.bigram.sum(1), 1, rtol=1e-6)
    assert language.bigram.min() >= 0.15 / 40
    tables = language.bigram, language.means, language.offsets, tying.table[:, :, 0]
    for table in tables:
        assert table.nbytes < 64_000
    # Spread about 1 between phones, 0.6 between states, 0.35 between contexts.
    contexts = language.means[3:].reshape(14, 2, 3, 12)
    assert np.diff(contexts, axis=1).std() / np.sqrt(2) == pytest.approx(0.35, rel=0.1)
    # Words tell the class of every left neighbour, and silence is of that of the start.
    assert tying.pdfs(0, 9, 0) == tying.pdfs(1, 9, 0)


def test_alignments_are_the_words_states_with_optional_silence(spoken, language):
    train = spoken["train"]
    num_silences = 0
    for alignment, words in zip(train["alignment"], train["words"], strict=True):
        states = [pdf for pdf, _ in runs(alignment)]
        spelled, silences = spell(words, states, language)
        assert states == spelled
        num_silences += silences
    places = 800 + np.count_nonzero(train["words"])
    assert num_silences / places == pytest.approx(0.2, abs=0.02)


def test_durations_are_geometric(spoken, language):
    frames = [n for row in spoken["train"]["alignment"] for _, n in runs(row)]
    counts = np.bincount(frames)[1:5] / len(frames)
    expected = 0.55 * 0.45 ** np.arange(4)
    np.testing.assert_allclose(counts, expected, atol=0.01)
    assert np.mean(frames) == pytest.approx(1 / 0.55, rel=0.02)


def test_words_follow_the_bigram(spoken, language):
    counts = np.zeros((41, 40))
    for words in spoken["train"]["words"]:
        said = words[words > 0]
        np.add.at(counts, ([0, *said[:-1]], said - 1), 1)
    # Chi-square over cells that are expected often enough for it.
    expected = language.bigram * counts.sum(1, keepdims=True)
    often = expected > 5
    distance = ((counts - expected)[often] ** 2 / expected[often]).sum()
    freedom = often.sum()
    assert abs(distance - freedom) < 4 * np.sqrt(2 * freedom)


def test_noise_is_stationary_and_correlated_in_time():
    loud, still = take(CONFIG, "test", 1)[0], take(STILL, "test", 1)[0]
    np.testing.assert_array_equal(loud["alignment"], still["alignment"])
    noise = loud["features"] - still["features"]
    for frame in (0, 20, 40):
        there = loud["lengths"] > frame + 1
        now, later = noise[there, frame].ravel(), noise[there, frame + 1].ravel()
        assert now.std() == pytest.approx(1.6, rel=0.1)
        assert np.corrcoef(now, later)[0, 1] == pytest.approx(0.85, abs=0.03)
    apart = noise[loud["lengths"] > 30]
    assert abs(np.corrcoef(apart[:-1, 5].ravel(), apart[1:, 5].ravel())[0, 1]) < 0.1


def test_without_noise_frames_are_smoothed_means_and_the_voice(language):
    batch = take(STILL, "test", 1)[0]
    row = 7
    means = language.means[batch["alignment"][row, : batch["lengths"][row]]]
    edges = np.pad(means, ((1, 1), (0, 0)), mode="edge")
    expected = 0.15 * edges[:-2] + 0.7 * means + 0.15 * edges[2:]
    expected += language.offsets[batch["speaker"][row]]
    np.testing.assert_allclose(
        batch["features"][row, : len(means)], expected, atol=1e-5
    )


def test_an_utterance_depends_on_its_number_alone():
    source = open_utterances(SMALL, "train")
    whole = source.read(tf.range(24, dtype=tf.int64))
    some = source.read(tf.constant([17, 3], tf.int64))
    for name, values in some.items():
        np.testing.assert_array_equal(values, tf.gather(whole[name], [17, 3]))


def spliced(part, rows):
    """Five frames around each, float [frames, 60], and the pdf of the middle one."""
    windows, pdfs = [], []
    for row in range(rows):
        length = part["lengths"][row]
        frames = np.pad(part["features"][row, :length], ((2, 2), (0, 0)), mode="edge")
        windows.append(np.concatenate([frames[i : i + length] for i in range(5)], 1))
        pdfs.append(part["alignment"][row, :length])
    return np.concatenate(windows), np.concatenate(pdfs)


def test_frames_can_be_told_apart_but_not_well(spoken):
    # A small network gets about one in two right, in the prototype and here.
    classifier = LinearDiscriminantAnalysis().fit(*spliced(spoken["train"], 200))
    assert 0.3 < classifier.score(*spliced(spoken["test"], 50)) < 0.6


def test_long_utterances_are_drawn_again():
    short = CONFIG.model_copy(update={"max_frames": 60})
    long, cut = take(CONFIG, "test", 1)[0], take(short, "test", 1)[0]
    fits = long["lengths"] <= 60
    assert 0.1 < fits.mean() < 0.9
    np.testing.assert_array_equal(long["words"][fits], cut["words"][fits])
    assert cut["lengths"].max() <= 60
    # Those drawn again differ from one another.
    assert len({row.tobytes() for row in cut["alignment"]}) == len(fits)


def test_splits_share_a_language_and_no_utterance(spoken):
    train = {row.tobytes() for row in spoken["train"]["features"]}
    assert len(train) == 800
    assert not train & {row.tobytes() for row in spoken["test"]["features"]}


def test_other_languages_are_other_tables():
    one, two = make_language(0, 4), make_language(1, 4)
    assert one.lexicon.pronunciations != two.lexicon.pronunciations
    assert np.abs(one.means - two.means).max() > 1
    # More speakers do not change what is said, nor the voices there were.
    np.testing.assert_array_equal(make_language(0, 9).offsets[:4], one.offsets)


def test_speakers_share_the_utterances_equally():
    with pytest.raises(ConfigError, match=r"Expected train_utterances to be a mult"):
        WordLoopData.parse({"batch_size": 4, "train_utterances": 30})


def test_workers_own_speakers():
    shares = [
        joined(take(SMALL, "train", 3, shard=Shard(worker, 2, own=True)))
        for worker in range(2)
    ]
    assert sorted(np.concatenate([s["index"] for s in shares])) == list(range(24))
    assert [set(s["speaker"]) for s in shares] == [{0, 2, 4}, {1, 3, 5}]


def test_a_worker_that_restarts_does_not_begin_again():
    shard = Shard(1, 2, own=True)
    batches = take(SMALL, "train", 6, shard=shard)
    first, second = joined(batches[:3])["index"], joined(batches[3:])["index"]
    assert not np.array_equal(first, second)
    assert sorted(first) == sorted(second)
    again = take(SMALL, "train", 1, shard=shard, start=4)[0]
    np.testing.assert_array_equal(again["features"], batches[4]["features"])


def test_the_pipeline_needs_nothing_from_another_machine():
    source = open_utterances(SMALL, "train")
    dataset = utterance_dataset(source, SMALL, "train")
    graph = dataset._as_serialized_graph().numpy()
    assert b"PyFunc" not in graph
    definition = tf.compat.v1.GraphDef.FromString(graph)
    functions = [node for f in definition.library.function for node in f.node_def]
    for node in (*definition.node, *functions):
        if node.op == "Const":
            assert tf.make_ndarray(node.attr["value"].tensor).nbytes < 64_000
