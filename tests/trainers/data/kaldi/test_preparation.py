"""A made-up folder is prepared: what is read back is what was put in."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tests.trainers.kaldi_folder import LEXICON
from tests.trainers.kaldi_folder import SPOKEN
from tests.trainers.kaldi_folder import decoding_graph
from tests.trainers.kaldi_folder import kept_arcs
from tests.trainers.kaldi_folder import make_folder
from tfmodels.errors import ConfigError
from tfmodels.errors import DataError
from tfmodels.lattices.expectation import expectation
from tfmodels.lattices.forward_backward import log_partition
from tfmodels.lattices.forward_backward import occupancies
from tfmodels.lattices.graph import Arcs
from tfmodels.lattices.graph import arcs
from tfmodels.lattices.pruning import restricted
from tfmodels.lattices.trellis import Labelled
from trainers.data.config import RecordedUtterancesData
from trainers.data.kaldi.preparation import prepare
from trainers.data.kaldi.source import Source
from trainers.data.kaldi.source import open_source
from trainers.data.kaldi.tree import grow_tree
from trainers.data.utterances.dataset import utterance_dataset
from trainers.data.utterances.records import RecordedSource
from trainers.data.utterances.sources import open_utterances
from trainers.data.utterances.stored import DENOMINATOR
from trainers.data.utterances.stored import NUMERATOR
from trainers.data.utterances.stored import lattices_in
from trainers.interfaces import Batch
from trainers.interfaces import Shard


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("kaldi") / "source"
    make_folder(path, lattices=True)
    return path


@pytest.fixture(scope="module")
def source(folder: Path) -> Source:
    return open_source(folder, 16)


@pytest.fixture(scope="module")
def prepared(folder: Path, source: Source) -> Path:
    path = folder.parent / "prepared"
    assert prepare(source, path, 2) == []
    return path


@pytest.fixture
def damaged(folder: Path, tmp_path: Path) -> Path:
    """A copy of the folder, to be damaged."""
    return Path(shutil.copytree(folder, tmp_path / "damaged"))


def opened(path: Path, split: str = "train") -> RecordedSource:
    config = RecordedUtterancesData(path=str(path), batch_size=2)
    found = open_utterances(config, split)
    assert isinstance(found, RecordedSource)
    return found


@pytest.fixture(scope="module")
def whole(prepared: Path) -> Batch:
    made = opened(prepared)
    return made.read(tf.range(made.size, dtype=tf.int64))


def test_utterances_survive(source: Source, prepared: Path, whole: Batch) -> None:
    made = opened(prepared)
    assert (made.num_speakers, made.size, made.feature_dim) == (2, 6, 16)
    # Two groups, of which the second has an utterance less.
    assert whole["exists"].numpy().tolist() == [True] * 5 + [False]
    names = [made.name(index) for index in range(5)]
    assert sorted(names) == sorted(SPOKEN["train"])
    by_name = {u.name: u for u in source.utterances["train"]}
    numbers = source.alignments("train")
    assert source.language.transitions is not None
    for row, name in enumerate(names):
        length = int(whole["lengths"][row])
        features = source.features(by_name[name])
        np.testing.assert_array_equal(whole["features"][row, :length], features)
        assert not np.any(whole["features"][row, length:])
        expected = source.language.transitions.pdf[numbers[name]]
        np.testing.assert_array_equal(whole["alignment"][row, :length], expected)
        assert np.all(whole["alignment"][row, length:] == -1)
        said = [made.lexicon.words[w] for w in whole["words"][row].numpy() if w]
        assert " ".join(said) == SPOKEN["train"][name]
    assert np.all(whole["alignment"][5] == -1)


def test_the_language_survives(source: Source, prepared: Path) -> None:
    made = opened(prepared)
    assert made.lexicon.words[1:] == tuple(LEXICON)
    assert made.lexicon.phones.silences == {1, 4}
    assert made.lexicon.pronunciations == source.language.lexicon.pronunciations
    for history in ((), (1,), (2,)):
        for word in (1, 2, 3):
            expected = source.language.grammar.log_prob(history, word)
            found = made.grammar.log_prob(history, word)
            assert found == pytest.approx(expected, abs=1e-6)
    tying = source.tying()
    assert tying is not None
    assert made.tying is not None
    np.testing.assert_array_equal(made.tying.table, tying.table)


def test_stored_lattices_are_those_made_on_the_fly(
    source: Source, prepared: Path, whole: Batch
) -> None:
    made = opened(prepared)
    names = [made.name(row) for row in range(5)]
    assert source.language.transitions is not None
    aligned = {
        name: source.language.transitions.pdf[ids]
        for name, ids in source.alignments("train").items()
    }
    graph = decoding_graph(source.language)
    kept = dict(zip(aligned, kept_arcs(graph, list(aligned.values())), strict=True))
    frames, lengths = whole["features"].shape[1], whole["lengths"][:5]
    mask = np.zeros((5, frames, graph.num_arcs), bool)
    for row, name in enumerate(names):
        mask[row, : len(kept[name])] = kept[name]
    scores = tf.constant(np.random.RandomState(0).randn(5, frames, 12))
    lattices, spoken = (
        Arcs(*(value[:5] for value in lattices_in(whole, name)))
        for name in (DENOMINATOR, NUMERATOR)
    )
    fresh = occupancies(scores, lengths, arcs(graph), tf.constant(mask))
    for value, other in zip(occupancies(scores, lengths, lattices), fresh, strict=True):
        np.testing.assert_allclose(value, other, rtol=1e-5, atol=1e-5)
    # What was said is more than its alignment and less than all.
    only = restricted(scores, tf.maximum(whole["alignment"][:5], 0))
    path = log_partition(only, lengths, arcs(graph))
    said = log_partition(scores, lengths, spoken)
    assert np.all(path.numpy() <= said.numpy() + 1e-4)
    assert np.all(said.numpy() <= fresh[0].numpy() + 1e-4)
    assert made.stored == ("denominator", "numerator", "denominator_accuracy")
    # Of the alignment all phones are right, silence before and after included.
    accuracy = tf.cast(whole["denominator_accuracy"][:5], tf.float64)
    right = expectation(only, lengths, lattices, Labelled(accuracy)).value
    spelled = [SPOKEN["train"][name].split() for name in names]
    phones = [2 + sum(len(LEXICON[w].split()) for w in words) for words in spelled]
    np.testing.assert_allclose(right, phones, rtol=1e-5)


def test_replicas_own_speakers(prepared: Path) -> None:
    config = RecordedUtterancesData(path=str(prepared), batch_size=2)
    shard = Shard(index=1, count=2, own=True)
    batches = utterance_dataset(opened(prepared), config, "train", shard=shard)
    rows = [
        (int(speaker), int(number))
        for batch in batches.take(6)
        for speaker, number, weight in zip(
            batch["speaker"], batch["index"], batch["weight"], strict=True
        )
        if weight > 0
    ]
    assert set(rows) == {(1, 1), (1, 3)}


def test_workers_read_by_themselves(prepared: Path) -> None:
    config = RecordedUtterancesData(path=str(prepared), batch_size=2)

    @tf.function(autograph=False)
    def read() -> tf.data.Dataset:
        return utterance_dataset(opened(prepared), config, "train")

    graph = read.get_concrete_function().graph.as_graph_def()
    nodes = [*graph.node, *(n for f in graph.library.function for n in f.node_def)]
    assert not [node.name for node in nodes if "PyFunc" in node.op]
    constants = [n.attr["value"].tensor for n in nodes if n.op == "Const"]
    assert max(constant.ByteSize() for constant in constants) < 64_000


def test_recordings_are_opened_by_name(
    folder: Path, prepared: Path, whole: Batch
) -> None:
    made = opened(prepared)
    features, lengths = made.front_end.open(
        str(folder / "train" / f"{made.name(0)}.wav")
    )
    np.testing.assert_array_equal(features[0], whole["features"][0, : int(lengths[0])])
    with pytest.raises(DataError, match="Expected a WAV file"):
        made.front_end.open(str(folder / "phones.txt"))


def _without(path: Path, start: str) -> None:
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if not line.startswith(start)))


def test_utterances_that_cannot_be_used(damaged: Path, tmp_path: Path) -> None:
    train = damaged / "train"
    (train / "ann-1.wav").unlink()
    text = (train / "text").read_text()
    (train / "text").write_text(text.replace("ann-2 Z", "ann-2 V"))
    _without(train / "alignments.txt", "ann-3")
    file = damaged / "test" / "alignments.txt"
    file.write_text(file.read_text().replace("bob-3 ", "bob-3 1 "))
    lattices = (train / "lattices.txt").read_text()
    head = lattices.split("bob-2\n")[0]
    # Of another utterance, whose length and words are others.
    other = head.split("ann-2\n")[1].split("\n\n")[0]
    (train / "lattices.txt").write_text(f"{head}bob-2\n{other}\n\n")
    problems = prepare(open_source(damaged, 16), tmp_path / "out", 2)
    reasons = {problem.utterance: problem.reason for problem in problems}
    assert set(reasons) == {"ann-1", "ann-2", "ann-3", "bob-2", "bob-3"}
    assert opened(tmp_path / "out").name(0) == "bob-1"
    assert "Expected a WAV file" in reasons["ann-1"]
    assert "no pronunciation of V" in reasons["ann-2"]
    assert "no alignment" in reasons["ann-3"]
    assert "alignment is of another length" in reasons["bob-3"]
    assert "lattice is of another length" in reasons["bob-2"]


def test_a_lattice_that_lost_the_reference(damaged: Path, tmp_path: Path) -> None:
    text = (damaged / "train" / "text").read_text()
    (damaged / "train" / "text").write_text(text.replace("bob-2 X", "bob-2 Y Y Y Y"))
    (problem,) = prepare(open_source(damaged, 16), tmp_path / "out", 2)
    assert problem.utterance == "bob-2"
    assert "lost what was said" in problem.reason


def test_folders_that_cannot_be_prepared(damaged: Path, tmp_path: Path) -> None:
    source = open_source(damaged, 16)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("")
    with pytest.raises(ConfigError, match=r"thesis\.txt"):
        prepare(source, tmp_path / "full", 2)
    with pytest.raises(DataError, match="no prepared utterances"):
        opened(tmp_path / "full")
    (damaged / "test" / "lattices.txt").unlink()
    with pytest.raises(DataError, match=r"lattices\.txt for train only"):
        open_source(damaged, 16)
    (damaged / "train" / "lattices.txt").unlink()
    (damaged / "transitions.txt").unlink()
    with pytest.raises(DataError, match=r"states of .* are not known"):
        prepare(open_source(damaged, 16), tmp_path / "out", 2)


def test_grown_states(damaged: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="received lattices"):
        grow_tree(open_source(damaged, 16), 14, is_chain=False)
    for split in SPOKEN:
        (damaged / split / "lattices.txt").unlink()
    source = open_source(damaged, 16)
    # With as many leaves as states, each phone's states are those of the monophones.
    same = grow_tree(source, 12, is_chain=False)
    prepare(source, tmp_path / "same", 2, same)
    found = opened(tmp_path / "same").read(tf.constant([0], tf.int64))
    (name,) = (opened(tmp_path / "same").name(0),)
    assert source.language.transitions is not None
    expected = source.language.transitions.pdf[source.alignments("train")[name]]
    length = int(found["lengths"][0])
    np.testing.assert_array_equal(found["alignment"][0, :length], expected)
    chained = grow_tree(source, 8, is_chain=True)
    prepare(source, tmp_path / "chain", 2, chained)
    made = opened(tmp_path / "chain")
    assert not made.is_aligned
    assert made.tying is not None
    assert made.tying.num_pdfs == 8
