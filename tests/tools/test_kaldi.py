"""`tfmodels data` on a folder in Kaldi's forms."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.trainers.kaldi_folder import make_folder
from tfmodels.errors import ConfigError
from tfmodels.errors import DataError
from tools.data import app

CONFIG = """
task: {kind: acoustic_modeling, acoustic_scale: 0.5}
model: {kind: acoustic_dnn, feature_dim: 10, num_pdfs: 12, hidden_dims: [4]}
data: {kind: utterance_records, path: PATH, batch_size: 2}
objective: {kind: cross_entropy}
optimizer: {kind: adam, learning_rate: {kind: constant, initial: 0.01}}
run: {steps: 2}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_folder(tmp_path / "source")
    return tmp_path


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(part) for part in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return f"{result.exit_code} {result.output}"


def test_prepared_and_looked_at(folder: Path) -> None:
    source, output = folder / "source", folder / "out"
    options = ("--source", source, "--output", output, "--mel-bins", 10)
    printed = run("prepare", "kaldi", *options)
    assert "kind: utterance_records" in printed
    config = folder / "speech.yaml"
    config.write_text(CONFIG.replace("PATH", str(output)))
    printed = run("check", config)
    assert printed.startswith("0 ")
    assert re.search(r"train +│ +5 +│ +\d+ +│ +8 +│ +0", printed)
    # Now an utterance is gone, which is said, and only its speaker's others are there.
    (source / "train" / "bob-1.wav").unlink()
    with pytest.raises(DataError, match=r"1 utterances of .* --leave-out"):
        run("prepare", "kaldi", *options)
    printed = run("prepare", "kaldi", *options, "--leave-out")
    assert re.search("train: bob-1: .*Expected a WAV", printed)
    # A topology of other states than those of the alignments, and no path.
    printed = run("check", config, "--set", "task.silence_prob=0.0")
    assert printed.startswith("3 ")
    assert "train: ann-1: its alignment is no path of the graph" in printed


def test_options_that_do_not_fit(folder: Path) -> None:
    for options in ((), ("--chain", "--source", folder / "source")):
        with pytest.raises(ConfigError, match="an option is missing"):
            run("prepare", "kaldi", "--output", folder / "out", *options)
