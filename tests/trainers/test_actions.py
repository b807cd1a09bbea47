"""What each action writes, and at which steps."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from matplotlib.figure import Figure

from tests.trainers.toy import ToyTask
from tests.trainers.toy import toy_stage
from tfmodels.errors import Diverged
from trainers import actions
from trainers.experiment import ProfileConfig
from trainers.interfaces import Placed
from trainers.interfaces import Shard
from trainers.interfaces import Stage
from trainers.interfaces import Summary
from trainers.loop import Action
from trainers.optimizers.averages import build_average
from trainers.optimizers.config import NoAverage
from trainers.summaries.writer import Writer


class Memory(Writer):
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.lines: list[tuple[int, dict[str, float]]] = []
        self.drawn: dict[str, tuple[int, Figure]] = {}
        self.distributions: dict[str, np.ndarray] = {}

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        self.lines.append((step, dict(values)))

    def figure(self, step: int, name: str, figure: Figure) -> None:
        self.drawn[name] = (step, figure)

    def histograms(self, step: int, values: Mapping[str, np.ndarray]) -> None:
        self.distributions = dict(values)


class Drawn:
    """A trainable with a picture of its own."""

    def figures(self) -> dict[str, Figure]:
        return {"timeline": Figure()}


@pytest.fixture
def memory() -> Memory:
    return Memory()


@pytest.fixture
def placed() -> Placed:
    model = ToyTask().build_model()
    return Placed(model, build_average(NoAverage(), model.variables, 1))


def chunk(steps: int, **changes: object) -> Summary:
    """What a chunk of steps of half a second each reports."""
    values = {
        "totals": {"loss": (4.0, 8.0)},
        "skipped": 0,
        "learning_rate": 0.1,
        "seconds": steps / 2,
        "gradient_norm": 1.0,
        "extra": {},
    }
    return Summary(steps=steps, **{**values, **changes})


def run(action: Action, stop: int, start: int = 0) -> list[int]:
    """Calls an action as the loop would if there were no other; the chunks' ends."""
    ends = []
    while start < stop:
        end = min(action.next_step(start) or stop, stop)
        action(end, chunk(end - start))
        ends.append(end)
        start = end
    return ends


def later(stage_start: int) -> Stage:
    """A stage that is not the first of its run."""
    return Stage(**{**vars(toy_stage(ToyTask())), "start": stage_start})


def test_log_writes_means_over_the_steps_since_the_last_line(memory: Memory) -> None:
    log = actions.Log(4, memory, batch_size=8)
    assert [log.next_step(step) for step in (0, 3, 4)] == [4, 4, 8]
    log(1, chunk(1, totals={"loss": (2.0, 8.0)}, gradient_norm=5.0))
    log(
        4,
        chunk(3, totals={"loss": (4.0, 24.0), "top1": (6.0, 8.0)}, learning_rate=0.2),
    )
    log(8, chunk(4, totals={"loss": (3.0, 4.0)}, skipped=2, seconds=0.5))
    assert memory.lines == [
        (
            4,
            {
                "train/loss": 6 / 32,
                "train/top1": 0.75,
                "train/learning_rate": 0.2,
                "train/gradient_norm": 5.0,
                "train/skipped_updates": 0.0,
                "train/examples_per_second": 16.0,
            },
        ),
        (
            8,
            {
                "train/loss": 0.75,
                "train/learning_rate": 0.1,
                "train/gradient_norm": 1.0,
                "train/skipped_updates": 2.0,
                "train/examples_per_second": 64.0,
            },
        ),
    ]


def test_a_call_comes_at_every_multiple_of_the_interval() -> None:
    called: list[int] = []
    assert run(actions.Call(3, called.append), stop=10, start=1) == [3, 6, 9, 10]
    assert called == [3, 6, 9]


def test_samples_are_of_the_batch_of_the_next_step(memory: Memory) -> None:
    stage = later(stage_start=40)
    run(actions.DrawSamples(5, memory, stage, Drawn()), stop=46, start=43)
    assert memory.drawn["strategy/timeline"][0] == 45
    step, figure = memory.drawn["train/features"]
    batches = stage.task.dataset("train", Shard(), 0).skip(5)
    total = float(tf.reduce_sum(next(iter(batches))["features"]))
    assert (step, figure.get_suptitle()) == (45, str(total))


def test_histograms_hold_every_trained_variable(memory: Memory, placed: Placed) -> None:
    run(actions.DrawHistograms(2, memory, placed), stop=2)
    expected = {variable.path for variable in placed.model.trainable_variables}
    assert memory.distributions.keys() == expected
    np.testing.assert_array_equal(
        memory.distributions["hidden/kernel"], placed.model.get_layer("hidden").kernel
    )


def test_diagnostics_are_of_the_batch_of_the_next_step(
    memory: Memory, placed: Placed
) -> None:
    stage = later(stage_start=40)
    run(actions.Diagnose(3, memory, stage, placed, max_dead=0.5), stop=44, start=40)
    batch = next(iter(stage.task.dataset("train", Shard(), 2)))
    mean = float(tf.reduce_mean(batch["features"]))
    assert memory.lines == [
        (42, {"diagnostics/dead_channels": 0.0, "diagnostics/mean_feature": mean})
    ]


@pytest.mark.parametrize(("num_dead", "stops"), [(1, False), (2, True)])
def test_too_many_dead_channels_are_written_and_then_stop_the_run(
    memory: Memory, placed: Placed, num_dead: int, stops: bool
) -> None:
    kernel = placed.model.get_layer("head").kernel
    kernel.assign(tf.where(tf.range(3) < num_dead, 0.0, kernel.value))
    action = actions.Diagnose(1, memory, later(0), placed, max_dead=0.5)
    if stops:
        with pytest.raises(Diverged, match=r"66\.67% .* step 1\b.*50\.00%.*run\.max_"):
            run(action, stop=1)
    else:
        run(action, stop=1)
    (line,) = memory.lines
    assert line[1]["diagnostics/dead_channels"] == pytest.approx(num_dead / 3)


def test_a_profile_of_a_window_of_steps(tmp_path: Path) -> None:
    profile = actions.Profile(ProfileConfig(start=2, steps=3), tmp_path, end=100)
    ends = run(profile, stop=10)
    assert ends == [2, 5, 10]
    (trace,) = tmp_path.glob("plugins/profile/*/*.xplane.pb")
    assert trace.stat().st_size > 0


def test_a_profile_ends_with_its_stage(tmp_path: Path) -> None:
    window = ProfileConfig(start=2, steps=30)
    assert run(actions.Profile(window, tmp_path / "first", end=4), stop=4) == [2, 4]
    assert list(tmp_path.glob("first/plugins/profile/*/*.xplane.pb"))
    # The profiler is free again: the next stage has what is left of the window.
    rest = actions.Profile(window, tmp_path / "second", end=50)
    rest(6, chunk(2))
    rest(32, chunk(26))
    assert list(tmp_path.glob("second/plugins/profile/*/*.xplane.pb"))
    late = actions.Profile(window, tmp_path / "third", end=90)
    assert run(late, stop=90, start=50) == [90]
    assert not (tmp_path / "third").exists()
