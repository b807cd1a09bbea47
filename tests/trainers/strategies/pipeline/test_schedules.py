"""Schedules against the published bubbles, peaks and orders, all of them exact."""

from fractions import Fraction
from itertools import product

import pytest

from tfmodels.errors import ConfigError
from trainers.strategies.pipeline.schedules import Schedule
from trainers.strategies.pipeline.schedules import Task
from trainers.strategies.pipeline.schedules import forward_only
from trainers.strategies.pipeline.schedules import schedule
from trainers.strategies.pipeline.simulation import peak_live
from trainers.strategies.pipeline.simulation import simulate

NAMES = ("gpipe", "1f1b", "interleaved_1f1b", "zb_h1")


def unit(made: Schedule):
    """t_F = t_B = t_W = 1 for a whole device's share, whatever its number of chunks."""
    split = any(task.kind == "W" for task in made.tasks)
    chunks = made.num_stages // len(made.orders)
    cost = {"F": 1, "R": 1, "B": 1 if split else 2, "W": 1}
    return lambda task: Fraction(cost[task.kind], chunks)


def makespan(made: Schedule) -> float:
    return float(simulate(made, unit(made)).makespan)


@pytest.mark.parametrize(
    ("devices", "micro", "fill_drain", "interleaved", "zero_bubble", "peaks"),
    [
        (2, 4, (15, 0.2000), (13.5, 12.75), (13, 0.0769), [2, 1]),
        (4, 4, (21, 0.4286), (16.5, 14.25), (15, 0.2000), [4, 3, 2, 1]),
        (4, 8, (33, 0.2727), (28.5, 26.25), (27, 0.1111), [4, 3, 2, 1]),
        (8, 32, (117, 0.1795), (106.5, 101.25), (103, 0.0680), [*range(8, 0, -1)]),
    ],
)
def test_published_makespans_and_peaks(
    devices: int,
    micro: int,
    fill_drain: tuple[float, float],
    interleaved: tuple[float, float],
    zero_bubble: tuple[float, float],
    peaks: list[int],
) -> None:
    for name, (span, bubble) in (
        ("gpipe", fill_drain),
        ("1f1b", fill_drain),
        ("zb_h1", zero_bubble),
    ):
        timeline = simulate(made := schedule(name, devices, micro), unit(made))
        assert timeline.makespan == span
        assert timeline.bubble == pytest.approx(bubble, abs=5e-5)
    for chunks, span in zip((2, 4), interleaved, strict=True):
        assert makespan(schedule("interleaved_1f1b", devices, micro, chunks)) == span
    assert peak_live(schedule("1f1b", devices, micro)) == peaks
    assert peak_live(schedule("gpipe", devices, micro)) == [micro] * devices
    assert max(peak_live(schedule("zb_h1", devices, micro))) == devices


@pytest.mark.parametrize(
    ("devices", "micro", "chunks", "peaks"),
    [
        (4, 8, 2, [11, 9, 7, 5]),
        (4, 8, 4, [19, 17, 15, 13]),
        (8, 32, 2, [*range(23, 8, -2)]),
        (4, 4, 2, [8, 8, 8, 8]),
    ],
)
def test_interleaved_peaks(
    devices: int, micro: int, chunks: int, peaks: list[int]
) -> None:
    assert peak_live(schedule("interleaved_1f1b", devices, micro, chunks)) == peaks


@pytest.mark.parametrize(("devices", "micro", "span"), [(4, 8, 41), (8, 32, 149)])
@pytest.mark.parametrize("name", ["gpipe", "1f1b"])
def test_recomputation_starts_before_the_gradient_arrives(
    name: str, devices: int, micro: int, span: int
) -> None:
    assert makespan(schedule(name, devices, micro, rematerialize="always")) == span


def test_published_orders() -> None:
    first, *_, last = schedule("1f1b", 4, 8).orders
    assert " ".join(map(str, first)) == (
        "F0 F1 F2 F3 B0 F4 B1 F5 B2 F6 B3 F7 B4 B5 B6 B7"
    )
    assert " ".join(map(str, last)) == (
        "F0 B0 F1 B1 F2 B2 F3 B3 F4 B4 F5 B5 F6 B6 F7 B7"
    )
    first, *_, last = schedule("zb_h1", 4, 8).orders
    assert " ".join(map(str, first)).startswith("F0 F1 F2 F3 B0 W0 F4 B1 W1")
    assert " ".join(map(str, last)) == (
        "F0 B0 F1 B1 F2 B2 F3 B3 W0 F4 B4 W1 F5 B5 W2 F6 B6 W3 F7 B7 W4 W5 W6 W7"
    )


def test_every_task_once_and_no_deadlock() -> None:
    for name, devices, micro in product(NAMES, range(1, 9), range(1, 17)):
        chunks = 2 if name == "interleaved_1f1b" else 1
        if chunks > 1 and micro % devices:
            continue
        for rematerialize in ("never", "always"):
            made = schedule(name, devices, micro, chunks, rematerialize)
            kinds = {"F", "B"} | ({"W"} if name == "zb_h1" else set())
            kinds |= {"R"} if rematerialize == "always" else set()
            expected = {
                Task(kind, stage, m)
                for kind, stage, m in product(
                    sorted(kinds), range(devices * chunks), range(micro)
                )
            }
            executed = list(made.executable())
            assert set(executed) == expected
            assert len(executed) == len(expected)
            positions = {task: i for i, task in enumerate(executed)}
            for task in executed:
                assert all(positions[n] < positions[task] for n in made.needs(task))


def test_one_micro_batch_is_plain_model_parallelism() -> None:
    for name in ("gpipe", "1f1b"):
        assert makespan(schedule(name, 4, 1)) == 12  # nothing overlaps


def test_except_last_keeps_what_the_gradient_needs_at_once() -> None:
    *_, last = schedule("1f1b", 4, 8, rematerialize="except_last").orders
    assert not any(task.kind == "R" for task in last)
    for order in schedule("gpipe", 4, 8, rematerialize="except_last").orders:
        again = [str(task) for task in order if task.kind == "R"]
        assert again == ["R6", "R5", "R4", "R3", "R2", "R1", "R0"]


def test_evaluation_takes_m_plus_k_minus_1() -> None:
    assert makespan(forward_only(4, 8)) == 11


def test_orders_that_wait_for_one_another_are_found() -> None:
    stuck = Schedule(2, 1, ((Task("B", 0, 0), Task("F", 0, 0)), (Task("F", 1, 0),)))
    with pytest.raises(ValueError, match="deadlock"):
        list(stuck.executable())


def test_micro_batches_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"strategy\.microbatches.* multiple of 4"):
        schedule("interleaved_1f1b", 4, 6, 2)
    with pytest.raises(ConfigError, match=r"strategy\.chunks"):
        schedule("gpipe", 4, 8, 2)
