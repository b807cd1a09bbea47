"""The commands that show what a temperature does to targets."""

import pathlib

import numpy as np
import pytest
import tensorflow as tf
from typer.testing import CliRunner

from tests.trainers.small import SORT
from tests.trainers.small import write_config
from tfmodels.errors import ConfigError
from tools import cli


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
