"""Runs that are examined as they train: of a network that lives, and of a dead one."""

from pathlib import Path
from typing import Any

import keras
import pytest
import tensorflow as tf

import trainers
from tests.trainers.small import ONE_MODULE
from tests.trainers.small import assert_same_state
from tests.trainers.small import last_state
from tests.trainers.small import write_config
from tfmodels.errors import ConfigError
from tfmodels.errors import Diverged
from trainers.configuration import load_experiment
from trainers.runs import load_run
from trainers.summaries.jsonl import read_scalars
from trainers.tasks.image_classification import ImageClassification

pytestmark = pytest.mark.slow

SHORT = [
    *ONE_MODULE,
    "run.steps=6",
    "run.steps_per_loop=2",
    "run.checkpoint_every=4",
]
EXAMINED = [*SHORT, "run.diagnostics_every=3"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that was examined and profiled."""
    folder = tmp_path_factory.mktemp("finished")
    profile = "run.profile={start: 2, steps: 2}"
    trainers.train(write_config(folder), folder / "run", [*EXAMINED, profile])
    return folder / "run"


def kill_last_module(model: keras.Model) -> keras.Model:
    for layer in model.layers:
        if layer.name.startswith("3a_") and layer.name.endswith("_bn"):
            layer.beta.assign(tf.fill(layer.beta.shape, -1e6))
    return model


def test_a_dead_network_stops_the_run_and_keeps_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = ImageClassification.build_model
    monkeypatch.setattr(
        ImageClassification, "build_model", lambda task: kill_last_module(build(task))
    )
    # At step 6 the run would save its dead weights if it were not stopped first.
    intervals = ["run.checkpoint_every=3", "run.diagnostics_every=6"]
    overrides = [*SHORT, *intervals, "run.max_dead_channels=0.9"]
    with pytest.raises(Diverged, match=r"100\.00%.*step 6\. .*90\.00%") as caught:
        trainers.train(write_config(tmp_path), tmp_path / "run", overrides)
    assert caught.value.exit_code == 4
    assert load_run(tmp_path / "run").step == 3
    found = read_scalars(tmp_path / "run" / "metrics.jsonl")
    assert found["diagnostics/dead_channels"] == [(6, 1.0)]
    assert not (tmp_path / "run" / "metrics.json").exists()


def test_a_living_network_is_examined_at_every_interval(finished: Path) -> None:
    found = read_scalars(finished / "metrics.jsonl")
    for name in ("dead_channels", "dead_channels/conv1", "dead_channels/3a"):
        assert [step for step, _ in found[f"diagnostics/{name}"]] == [3, 6]
        assert all(share < 0.5 for _, share in found[f"diagnostics/{name}"])


def test_a_profile_lies_where_tensorboard_looks_for_it(finished: Path) -> None:
    assert list(finished.glob("tensorboard/plugins/profile/*/*.xplane.pb"))


def test_examining_changes_nothing_in_a_run(finished: Path, tmp_path: Path) -> None:
    trainers.train(write_config(tmp_path), tmp_path / "run", SHORT)
    assert last_state(tmp_path / "run")["optimizer/iteration"] == 6
    assert_same_state(finished, tmp_path / "run")


def test_a_task_examines_at_most_64_images(finished: Path) -> None:
    run = load_run(finished)
    batch: dict[str, Any] = next(iter(run.task.dataset("train")))
    assert len(batch["image"]) == 96
    whole = run.task.diagnostics(run.model, batch)
    part = {name: value[:64] for name, value in batch.items()}
    assert run.task.diagnostics(run.model, part) == whole


@pytest.mark.parametrize("share", ["0", "1.5"])
def test_the_bound_is_a_share(tmp_path: Path, share: str) -> None:
    with pytest.raises(ConfigError, match=r"run\.max_dead_channels"):
        load_experiment(write_config(tmp_path), [f"run.max_dead_channels={share}"])
