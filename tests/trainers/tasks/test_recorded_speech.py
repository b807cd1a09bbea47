"""Training on prepared utterances from a configuration: every criterion, and checks."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import trainers
from tests.trainers.kaldi_folder import make_folder
from tfmodels.errors import ConfigError
from tfmodels.errors import DataError
from tfmodels.lattices.chain import chain_denominator
from tfmodels.lattices.chain import chain_numerator
from tfmodels.lattices.composition import compose
from tfmodels.lattices.forward_backward import log_partition
from tfmodels.lattices.graph import LOG_ZERO
from tfmodels.lattices.graph import arcs
from tfmodels.lattices.phone_model import estimate_phones
from tfmodels.lattices.reference import spoken_phones
from tfmodels.lattices.topology import Scales
from tfmodels.lattices.topology import chain
from tfmodels.lattices.transcript import transcripts
from trainers.configuration import read_yaml
from trainers.data.kaldi.preparation import prepare
from trainers.data.kaldi.source import open_source
from trainers.data.kaldi.tree import grow_tree
from trainers.data.utterances.records import RecordedSource
from trainers.data.utterances.stored import NUMERATOR
from trainers.data.utterances.stored import lattices_in
from trainers.experiment import Experiment
from trainers.objectives.sequence_discriminative.accuracy import Phones
from trainers.objectives.sequence_discriminative.configured import ConfiguredCriterion
from trainers.objectives.sequence_discriminative.objective import SequenceDiscriminative
from trainers.stages import open_task
from trainers.tasks.hybrid import pronounced
from trainers.tasks.hybrid import transcripts_of
from trainers.tasks.utterance_check import UtteranceCheck

SPEECH = """
task: {{kind: acoustic_modeling, acoustic_scale: 0.5}}
model: {{kind: acoustic_dnn, feature_dim: 16, num_pdfs: 12, left_context: 1,
  right_context: 1, hidden_dims: [8], activation: relu}}
data: {{kind: utterance_records, path: {path}, batch_size: 2}}
objective: {{kind: sequence_discriminative, criterion: mmi, denominator: stored,
  acoustic_scale: 0.5}}
optimizer: {{kind: adam, learning_rate: {{kind: constant, initial: 0.01}}}}
strategy: {{kind: data_parallel, devices: cpu}}
run: {{steps: 2}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``lattices`` and ``tree``, prepared with lattices, and with grown states."""
    path = tmp_path_factory.mktemp("speech")
    make_folder(path / "source", lattices=True)
    prepare(open_source(path / "source", 16), path / "lattices", 2)
    for split in ("train", "test"):
        (path / "source" / split / "lattices.txt").unlink()
    source = open_source(path / "source", 16)
    tree = grow_tree(source, 8, is_chain=True)
    prepare(source, path / "tree", 2, tree)
    return path


def text(path: Path, **sections: dict[str, Any]) -> str:
    """The experiment as YAML, with changes to its sections."""
    values = read_yaml(SPEECH.format(path=path), "speech")
    for name, section in sections.items():
        values[name] = {**values[name], **section}
    return json.dumps(values)


def experiment(path: Path, **sections: dict[str, Any]) -> Experiment:
    return Experiment.parse(json.loads(text(path, **sections)))


def trained(folder: Path, content: str, workdir: Path) -> dict[str, float]:
    """What a run of two steps says of the test split."""
    workdir.mkdir()
    (workdir / "speech.yaml").write_text(content)
    trainers.train(workdir / "speech.yaml", workdir / "run")
    lines = (workdir / "run" / "metrics.jsonl").read_text().splitlines()
    found: dict[str, float] = json.loads(lines[-1])
    return found


@pytest.mark.slow
@pytest.mark.parametrize("criterion", ["mpe", "smbr"])
def test_training_on_stored_lattices(
    folder: Path, tmp_path: Path, criterion: str
) -> None:
    content = text(folder / "lattices", objective={"criterion": criterion})
    figures = trained(folder, content, tmp_path / criterion)
    assert figures["test/impossible_utterances"] == 0
    assert figures["test/lattice_density"] > 1
    assert -1 <= figures[f"test/{criterion}"] <= 1
    assert 0 <= figures["test/frame_accuracy"] <= 1


@pytest.mark.slow
def test_the_loss_is_that_of_the_lattices(folder: Path) -> None:
    made = experiment(folder / "lattices", objective={"smoothing": 0.0})
    task: Any = open_task(made, made.data)
    objective = SequenceDiscriminative(made.objective, task)
    batch = next(iter(task.single_pass("train").skip(2)))
    # The third batch: one utterance, and a number that is none.
    assert batch["weight"].numpy()[:, 0].tolist() == [1, 0]
    logits = 6 * tf.random.stateless_normal([*batch["weight"].shape, 12], [1, 2])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = objective.loss({"logits": logits}, batch)
    gradient = tape.gradient(loss.total, logits)
    phones = Phones(task.hybrid.phone_of_pdf, task.hybrid.is_silence)
    criterion = ConfiguredCriterion(made.objective, phones, task.log_prior)
    said, kept = (lattices_in(batch, name) for name in (NUMERATOR, "denominator"))
    with tf.GradientTape() as tape:
        tape.watch(logits)
        expected = criterion(logits, batch["num_scored"], said, kept).value
        total = -expected[0]
    slope = tape.gradient(total, logits)
    np.testing.assert_allclose(gradient, slope, atol=1e-5)
    np.testing.assert_allclose(loss.total, -expected[0], rtol=1e-3)
    assert int(loss.weight) == batch["lengths"][0]
    assert expected[0] < 0


@pytest.mark.slow
def test_training_without_lattices_on_a_tree_and_phones(
    folder: Path, tmp_path: Path
) -> None:
    content = text(
        folder / "tree",
        task={
            "topology": "chain",
            "phone_ngram": 3,
            "lattice_beam": 5.0,
            "transition_scale": 0.0,
            "self_loop_scale": 0.0,
        },
        model={"num_pdfs": 8},
        objective={"denominator": "full", "leak": 0.1, "acoustic_scale": 1.0},
    )
    figures = trained(folder, content, tmp_path / "phones")
    assert figures["test/mmi"] < 0
    assert figures["test/impossible_utterances"] < 1
    assert 0 <= figures["test/oracle_wer"] <= figures["test/wer"]
    assert figures["test/decoded_density"] >= 1


def test_numerators_of_phones_are_those_of_their_transcripts(folder: Path) -> None:
    made = experiment(
        folder / "tree",
        task={"topology": "chain", "phone_ngram": 3},
        model={"num_pdfs": 8},
    )
    task: Any = open_task(made, made.data)
    hybrid, source = task.hybrid, RecordedSource(made.data, "train")
    said = list(pronounced(transcripts_of(source), source.lexicon, 0.5))
    assert len(said) == 5
    model = estimate_phones(said, 3, 3)
    frames = 12
    scores = tf.random.stateless_normal([1, frames, 8], [3, 4])
    lengths, scales = tf.constant([frames]), Scales(1.0, 0.1)
    topologies = dict.fromkeys(source.lexicon.phones.index.values(), chain())
    whole = chain_denominator(compose(model, topologies, hybrid.tying, scales))
    total = log_partition(scores, lengths, arcs(whole))
    np.testing.assert_allclose(
        log_partition(scores, lengths, hybrid.denominator), total, rtol=1e-5
    )
    possible = 0
    for words in ([1, 2], [3], [2, 2], [1, 3]):
        numerator, addend = transcripts(hybrid.numerator, tf.constant([words]), frames)
        found = log_partition(scores, lengths, numerator, addend=addend)
        try:
            spoken = spoken_phones(words, model, source.lexicon)
            graph = compose(spoken, topologies, hybrid.tying, scales)
        except DataError:  # the model allows none of their phones
            assert found < LOG_ZERO / 2
            continue
        expected = log_partition(scores, lengths, arcs(chain_numerator(graph, whole)))
        np.testing.assert_allclose(found, expected, rtol=1e-5)
        assert found < total
        possible += 1
    assert possible >= 2


def test_data_that_lack_what_a_criterion_needs(folder: Path) -> None:
    made = experiment(
        folder / "tree",
        task={"topology": "chain"},
        model={"num_pdfs": 8},
        objective={"criterion": "mmi"},
    )
    task: Any = open_task(made, made.data)
    with pytest.raises(ConfigError, match="no stored lattices"):
        SequenceDiscriminative(made.objective, task)
    made = experiment(folder / "lattices", objective={"criterion": "mpe"})
    task = open_task(made, made.data)
    task.stored = ("denominator", "numerator")
    with pytest.raises(ConfigError, match="do not tell phones"):
        SequenceDiscriminative(made.objective, task)
    objective = SequenceDiscriminative(
        made.objective.model_copy(update={"criterion": "mmi"}), task
    )
    batch = next(iter(task.single_pass("test")))
    with pytest.raises(ConfigError, match="every frame of stored lattices"):
        objective.loss({"logits": tf.zeros([2, 8, 12])}, batch)


def test_what_is_too_short_is_found(folder: Path) -> None:
    seen: list[int] = []
    # Of ten states in a row, some words have no path.
    made = experiment(
        folder / "tree",
        task={"tying": "monophone", "num_states": 10},
        model={"num_pdfs": 40},
    )
    task: Any = open_task(made, made.data)
    report = UtteranceCheck(task)("train", seen.append)
    assert (report.utterances, report.words) == (5, 8)
    assert sum(seen) == 6
    assert 0 < len(report.unusable) <= 5
    assert "too short for its words" in report.unusable[0].reason
    assert report.unusable[0].name in ("ann-1", "ann-2", "ann-3", "bob-1", "bob-2")
