"""Timelines as text, as a picture and as a trace, against drawings made by hand."""

from fractions import Fraction

import pytest

from trainers.strategies.pipeline.schedules import schedule
from trainers.strategies.pipeline.simulation import Timeline
from trainers.strategies.pipeline.simulation import simulate
from trainers.strategies.pipeline.timeline import chrome_trace
from trainers.strategies.pipeline.timeline import figure
from trainers.strategies.pipeline.timeline import text


def timeline(name: str, chunks: int = 1, scale: int = 1, **options: str) -> Timeline:
    made = schedule(name, 2, 2, chunks, **options)
    return simulate(made, lambda task: scale * (2 if task.kind == "B" else 1))


def test_text_of_fill_drain() -> None:
    # K = 2, M = 2, backward twice as long: (M + K - 1) * 3 = 9 units of 3 characters.
    assert text(timeline("gpipe"), width=31).splitlines() == [
        "0 |F0-F1-         B1====B0====|",
        "1 |   F0-F1-B1====B0====      |",
    ]


def test_text_of_1f1b() -> None:
    assert text(timeline("1f1b"), width=31).splitlines() == [
        "0 |F0-F1-      B0====   B1====|",
        "1 |   F0-B0====F1-B1====      |",
    ]


@pytest.mark.parametrize("scale", [1, 7])
def test_text_does_not_depend_on_the_unit(scale: int) -> None:
    assert text(timeline("gpipe", scale=scale), 31) == text(timeline("gpipe"), 31)


def test_recomputation_has_a_look_of_its_own() -> None:
    drawn = text(timeline("gpipe", rematerialize="always"), width=37)
    # Device 1: forward 0 and 1, again and gradient of 1, again and gradient of 0.
    assert drawn.splitlines()[1].startswith("1 |   F0-F1-R1+B1====R0+B0====")


def test_stages_of_one_device_have_letters() -> None:
    drawn = text(timeline("interleaved_1f1b", chunks=2), width=100)
    assert "F0a" in drawn
    assert "F0b" in drawn
    assert "F0a" not in text(timeline("1f1b"), width=100)


@pytest.mark.parametrize("width", [20, 80, 133])
def test_text_fits_the_width(width: int) -> None:
    made = schedule("1f1b", 4, 16)
    for row in text(simulate(made, lambda _: Fraction(1, 3)), width).splitlines():
        assert len(row) == width


def test_trace_events() -> None:
    trace = chrome_trace(timeline("gpipe"), microseconds=10)
    events = [event for event in trace["traceEvents"] if event["ph"] == "X"]
    assert len(events) == 8
    assert events[0] == {
        "name": "F0",
        "cat": "forward",
        "ph": "X",
        "ts": 0.0,
        "dur": 10.0,
        "pid": 0,
        "tid": 0,
        "args": {"stage": 0, "micro_batch": 0},
    }
    last = max(events, key=lambda event: event["ts"] + event["dur"])
    assert (last["name"], last["tid"], last["ts"], last["dur"]) == ("B0", 0, 70, 20)
    named = [event["args"]["name"] for event in trace["traceEvents"][:2]]
    assert named == ["device 0", "device 1"]


def test_measured_times_start_at_zero() -> None:
    simulated = timeline("gpipe")
    late = Timeline(
        tuple(
            span.__class__(span.task, span.device, span.start + 5.5, span.end + 5.5)
            for span in simulated.spans
        ),
        simulated.num_devices,
    )
    assert text(late) == text(simulated)
    assert chrome_trace(late) == chrome_trace(simulated)


def test_figure_has_a_bar_for_each_task() -> None:
    (axes,) = figure(timeline("gpipe"), "seconds").axes
    bars = [patch for patch in axes.patches if patch.get_width() > 0]
    assert len(bars) == 8
    assert sorted({label.get_text() for label in axes.texts}) == [
        "B0",
        "B1",
        "F0",
        "F1",
    ]
    assert axes.get_xlabel() == "seconds"
