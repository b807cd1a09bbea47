"""GNMT learns number words, with a shorter schedule than its configuration has."""

from pathlib import Path

import pytest

import trainers


@pytest.mark.slow
def test_half_the_steps_translate_numbers_never_seen(tmp_path: Path) -> None:
    short = ["run.steps=350", "model.clip.end_step=210", "data.test_examples=300"]
    metrics = trainers.train("gnmt/tiny", tmp_path, short).metrics
    assert metrics["test/token_accuracy"] > 0.8
    assert metrics["test/exact_match"] > 0.3  # chance is one in 100,000
