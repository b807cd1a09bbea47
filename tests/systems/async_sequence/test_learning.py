"""The word loop is learned: cross entropy, then whole utterances, asynchronously."""

import json
from pathlib import Path

import pytest

import trainers

OVERRIDES = ["data.train_utterances=600", "data.test_utterances=200"]


@pytest.mark.slow
def test_sequence_training_makes_fewer_word_errors(tmp_path: Path) -> None:
    trainers.train("async_sequence/tiny", tmp_path, OVERRIDES)
    lines = map(json.loads, (tmp_path / "metrics.jsonl").read_text().splitlines())
    frames, *_, words = [line for line in lines if "test/wer" in line]
    assert frames["step"] == 1800  # the end of cross entropy
    best = min(value for name, value in frames.items() if name.startswith("test/wer"))
    assert best < 0.3  # chance is about 1
    assert words["test/wer"] < 0.9 * best
    # Shorter sentences would be an easy way to fewer errors.
    assert words["test/insertions"] <= frames["test/insertions"] + 0.01
    assert words["test/frame_accuracy"] > frames["test/frame_accuracy"] - 0.02
