"""The commands that show what a temperature does to targets."""

import json
import pathlib
from collections import Counter

import numpy as np
import pytest
import tensorflow as tf
from typer.testing import CliRunner

import trainers
from tests.trainers.small import SORT
from tests.trainers.small import write_config
from tfmodels.errors import ConfigError
from tools import cli
from trainers.configuration import read_yaml
from trainers.data.parallel.config import NumberWordsData
from trainers.data.parallel.config import ParallelTextData
from trainers.data.parallel.number_words import NumberWords
from trainers.data.parallel.sources import open_parallel
from trainers.training import RunResult


def run(*arguments: str) -> str:
    result = CliRunner().invoke(cli.app, ["raml", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def raises(words: str, *arguments: str) -> None:
    with pytest.raises(ConfigError, match=words):
        CliRunner().invoke(cli.app, ["raml", *arguments], catch_exceptions=False)


def test_probabilities_of_the_papers_phones():
    output = run(
        *("distribution", "--length", "20", "--tokens", "61"),
        *("--tau", "0.9", "--e-max", "author"),
    )
    assert "7.616 edits in the mean" in output
    assert "0.149418" in output


def test_a_temperature_for_a_share_of_edits_and_its_warning():
    common = ("distribution", "--length", "20", "--tokens", "32000")
    found = run(*common, "--edited", "0.1", "--e-max", "author")
    assert "10.00% of 20 tokens" in found
    tau = found.split()[1].rstrip(":")
    assert 0.85 < float(tau) < 0.9
    assert "almost plain" in run(*common, "--tau", "0.6")
    raises("no temperature to look at", *common)
    raises("no such rule", *common, "--tau", "1", "--e-max", "3m")


def test_references_beside_samples(tmp_path: pathlib.Path):
    config = str(write_config(tmp_path, SORT))
    objective = "objective={kind: reward_augmented, reward: hamming, samples: 3}"
    output = run("inspect", config, "--set", objective, "--examples", "2")
    lines = output.splitlines()
    lines = [line for line in lines if "edits," in line or "reference" in line]
    assert [line.startswith("reference") for line in lines] == 2 * [
        True,
        False,
        False,
        False,
    ]
    for first in (0, 4):
        reference = lines[first].split()[1:]
        for line in lines[first + 1 : first + 4]:
            edits, _, weight, *sample = line.split()
            pairs = zip(reference, sample, strict=True)
            assert int(edits) == sum(a != b for a, b in pairs)
            assert float(weight) == pytest.approx(1 / 3, abs=1e-3)
    raises("no sequences are drawn", "inspect", config)


def test_the_sampler_elsewhere(tmp_path: pathlib.Path):
    folder = str(tmp_path / "sampler")
    run(
        *("sampler", "--output", folder, "--tokens", "8", "--first", "4"),
        *("--max-length", "10"),
    )
    draw = tf.saved_model.load(folder).signatures["serving_default"]
    ids = tf.constant([[4, 5, 6, 2, 0], [7, 8, 9, 10, 11]])
    given = {"ids": ids, "length": tf.constant([4, 5]), "tau": tf.constant(1e-3)}
    cold = draw(**given, seed=tf.constant([1, 2]))
    np.testing.assert_array_equal(cold["ids"], ids)
    assert not cold["distance"].numpy().any()
    np.testing.assert_allclose(cold["log_weight"], 0, atol=1e-6)
    given["tau"] = tf.constant(1.0)
    drawn = [draw(**given, seed=tf.constant([1, i])) for i in (3, 3, 4)]
    first, again, other = (each["ids"].numpy().tolist() for each in drawn)
    assert first == again
    assert first != other


NUMBERS = """
task: {kind: translation}
model: {kind: gnmt, vocabulary_size: 320, encoder_layers: 2, decoder_layers: 2}
data: {kind: number_words, vocabulary_size: 320, train_examples: 50,
  test_examples: 5, batch_size: 8, last_batch: drop}
objective: {kind: reward_augmented, tau: 0.8, samples: 2}
optimizer: {kind: adam, learning_rate: {kind: constant, initial: 0.001}}
run: {steps: 1}
"""
DATA = NumberWordsData.parse(read_yaml(NUMBERS, "numbers")["data"])


def test_drawn_translations_are_read_back(tmp_path: pathlib.Path):
    config = str(write_config(tmp_path, NUMBERS))
    folder = tmp_path / "drawn"
    output = run("materialize", config, "--output", str(folder), "--epochs", "2")
    section = ParallelTextData.parse(read_yaml(output, "output")["data"])
    read = open_parallel(section)
    sources = read.sentences("train")
    rows = [line.split("\t") for line in (folder / "train.about.tsv").open()]
    assert rows[0][:2] == ["sample_weight", "edits"]
    assert len(sources) == len(rows) - 1 == 2 * 2 * 50
    assert set(Counter(sources).values()) == {4}
    numbers = {
        source: target
        for split in ("train", "test")
        for source, target in NumberWords(DATA, split).pairs()
    }
    edits = [int(row[1]) for row in rows[1:]]
    assert {row[0] for row in rows[1:]} == {"0.5"}
    pairs = zip(sources, read.references("train"), edits, strict=True)
    for source, target, count in pairs:
        # Some edits undo one another in the text, such as "o" and "n" for "on".
        assert count or target == numbers[source]
    changed = sum(
        target != numbers[source]
        for source, target in zip(sources, read.references("train"), strict=True)
    )
    assert 0.8 * sum(map(bool, edits)) < changed <= sum(map(bool, edits))
    held_out = zip(read.sentences("test"), read.references("test"), strict=True)
    assert all(numbers[source] == target for source, target in held_out)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["vocabulary"] == read.vocabulary.hash
    assert manifest["edits"] == {str(e): edits.count(e) for e in sorted(set(edits))}
    assert manifest["objective"]["temperature_units"] == "author"


def test_only_translations_are_written(tmp_path: pathlib.Path):
    config = str(write_config(tmp_path, SORT))
    objective = "objective={kind: reward_augmented, reward: hamming}"
    options = ("--output", str(tmp_path / "drawn"), "--set", objective)
    raises("only translations are written", "materialize", config, *options)


def test_temperatures_and_seeds_in_a_table(tmp_path, monkeypatch):
    def train(config, folder, overrides):
        values = dict(part.split("=") for part in overrides)
        figure = float(values.get("objective.tau", 0)) + float(values["run.seed"])
        return RunResult({"test/a": figure, "test/b": 1.0}, 5)

    monkeypatch.setattr(trainers, "train", train)
    options = ("--tau", "0.5", "--tau", "0.7", "--seed", "1", "--seed", "4", "--plain")
    common = ("sweep", "some/config", "--workdir", str(tmp_path), *options)
    output = run(*common, "--metric", "test/a")
    assert "2.5 (1..4)" in output
    assert "3.2 (1.7..4.7)" in output
    assert "test/b" not in output
    found = json.loads((tmp_path / "sweep.json").read_text())
    assert found["plain"]["4"] == {"test/a": 4.0, "test/b": 1.0}
    assert found["tau 0.7"]["1"]["test/a"] == 1.7
    raises("no such figure", *common, "--metric", "test/c")
