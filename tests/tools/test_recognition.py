"""Runs of recognisers compared utterance by utterance; weights of a second pass."""

import json
import re
from pathlib import Path

import jiwer
import numpy as np
import pytest
from typer.testing import CliRunner

import trainers
from tests.trainers.data.speech.corpora import write_manifest
from tests.trainers.small import SORT
from tests.trainers.small import write_config
from tests.trainers.tasks.test_language_models import language_experiment
from tests.trainers.tasks.test_language_models import write_run
from tests.trainers.tasks.test_speech_recognition import experiment
from tfmodels.errors import ConfigError
from tfmodels.errors import DataError
from tools import cli
from trainers.configuration import load_experiment


def run(*arguments: str) -> str:
    words = ["recognition", *arguments]
    return CliRunner().invoke(cli.app, words, catch_exceptions=False).output


def test_what_cannot_be_compared(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="2 runs and 1 controls"):
        run("compare", "a", "b", "--control", "c")
    sorting = tmp_path / "sorting"
    write_run(sorting, load_experiment(write_config(tmp_path, SORT)), seed=0)
    with pytest.raises(ConfigError, match="recognises no speech"):
        run("compare", str(sorting), "--control", str(sorting))


@pytest.mark.slow
def test_figures_are_those_of_an_evaluation(tmp_path: Path) -> None:
    manifest = write_manifest(tmp_path)
    config = experiment(manifest)
    folders = [tmp_path / "one", tmp_path / "other"]
    for seed, folder in enumerate(folders):
        write_run(folder, config, seed)
    output = tmp_path / "compared.json"
    run(
        *("compare", str(folders[0]), "--control", str(folders[1])),
        *("--resamples", "200", "--output", str(output)),
    )
    figures = json.loads(output.read_text())
    expected = [trainers.evaluate(folder)["test/wer"] for folder in folders]
    found = [figures["wer"], figures["control's wer"]]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    relative = figures["fewer errors, relative"]
    np.testing.assert_allclose(relative, 1 - expected[0] / expected[1], rtol=1e-6)
    lists = tmp_path / "lists.jsonl"
    run("nbest", str(folders[0]), "--output", str(lists), "--count", "3")
    lines = [*map(json.loads, lists.read_text("utf-8").splitlines())]
    assert {line["utt"] for line in lines} == {f"u{n}" for n in range(20, 25)}
    references = [line["ref"] for line in lines]
    best = [line["nbest"][0]["text"] for line in lines]
    assert jiwer.wer(references, best) == pytest.approx(expected[0])
    for line in lines:
        assert 1 <= len(line["nbest"]) <= 3
        logs = [each["logp"] for each in line["nbest"]]
        shares = [each["posterior"] for each in line["nbest"]]
        np.testing.assert_allclose(shares, np.exp(logs) / np.sum(np.exp(logs)))
        for each in line["nbest"]:
            words = jiwer.process_words(line["ref"], each["text"])
            wrong = words.substitutions + words.insertions + words.deletions
            assert each["errors"] == wrong
            assert 2 in each["tokens"]
    # Whichever is better by far, one of the two directions is no luck.
    assert 0 <= figures["p"] <= 1
    assert (figures["p"] < 0.5) == (relative > 0)
    with pytest.raises(DataError, match="no intact checkpoint of step 7"):
        run("compare", str(folders[0]), "--control", str(folders[1]), "--step", "7")
    with pytest.raises(ConfigError, match="no split validation"):
        run("second-pass", str(folders[0]))
    language = tmp_path / "language"
    write_run(language, language_experiment(manifest), 3)
    models = ("--set", f"task.language_models={{all: {language}}}")
    fusion = ("--set", "task.language_weight=0.0")
    arguments = (str(folders[0]), *models, *fusion)
    printed = run("second-pass", "--split", "test", *arguments)
    found = dict(re.findall(r"│ ([a-z_ ]+?) +│ (\S+) +│", printed))
    best = {name: found[name] for name in ("language_weight", "word_reward")}
    second = ", ".join(f"{name}: {value}" for name, value in best.items())
    changes = [
        f"task.language_models={{all: {language}}}",
        *("task.language_weight=0.0", f"task.rescoring={{{second}}}"),
    ]
    rescored = trainers.evaluate(folders[0], changes)["test/wer"]
    assert float(found["wer of the second pass"]) == pytest.approx(rescored, rel=1e-4)
    assert rescored <= float(found["wer of the search"]) + 1e-6
