"""Systems learn in a pipeline: a Transformer, AmoebaNet-D, another system's model."""

from pathlib import Path

import pytest

import trainers


@pytest.mark.slow
def test_a_third_of_the_steps_sort_far_above_chance(tmp_path: Path) -> None:
    metrics = trainers.train("gpipe/tiny", tmp_path, ["run.steps=200"]).metrics
    assert metrics["test/token_accuracy"] > 0.85  # likeliest symbol: 0.26
    assert metrics["test/sequence_accuracy"] > 0.2  # chance is nothing


@pytest.mark.slow
def test_amoebanet_is_far_above_chance_in_a_fifth_of_the_recipe(tmp_path: Path) -> None:
    result = trainers.train("gpipe/amoebanet_tiny", tmp_path, ["run.steps=3 epochs"])
    assert result.metrics["test/top1"] > 0.5  # chance is 0.1


@pytest.mark.slow
def test_another_system_trains_in_a_pipeline(tmp_path: Path) -> None:
    strategy = "strategy={kind: pipeline, stages: 2, microbatches: 4, devices: cpu}"
    overrides = ["run.steps=2 epochs", strategy]
    result = trainers.train("inception_v4/tiny", tmp_path, overrides)
    assert result.metrics["test/top1"] > 0.3  # chance is 0.1
