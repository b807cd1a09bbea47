"""A pipeline's timeline as text, as a picture, and for a trace viewer."""

from typing import Any

from matplotlib.figure import Figure

from trainers.strategies.pipeline.simulation import Span
from trainers.strategies.pipeline.simulation import Timeline

_FILLS = {"F": "-", "R": "+", "B": "=", "W": "~"}
_COLORS = {"F": "tab:blue", "R": "tab:cyan", "B": "tab:orange", "W": "tab:green"}
_MEANINGS = {
    "F": "forward",
    "R": "forward again",
    "B": "gradient",
    "W": "gradient of the weights",
}
# Narrower bars have no room for a label of three characters.
_MIN_LABELLED = 0.02


def text(timeline: Timeline, width: int = 80) -> str:
    """Draws one row of characters for each device.

    A task begins with its name, such as F3 for the forward task of micro-batch 3, as
    far as there is room for it; waiting is blank. Where a device has several stages, a
    letter says which of them.

    Args:
      timeline: simulated or measured.
      width: most characters of a row.
    """
    count = timeline.num_devices
    heads = [f"{device} |" for device in range(count)]
    room = max(1, width - len(heads[-1]) - 1)
    start = min(span.start for span in timeline.spans)
    scale = room / float(timeline.makespan or 1)
    rows = [[" "] * room for _ in range(count)]
    for span in timeline.spans:
        begin, end = (round(float(t - start) * scale) for t in (span.start, span.end))
        filled = _label(span, timeline).ljust(end - begin, _FILLS[span.task.kind])
        rows[span.device][begin:end] = filled[: end - begin]
    return "\n".join(
        f"{head:>{len(heads[-1])}}{''.join(row)}|"
        for head, row in zip(heads, rows, strict=True)
    )


def figure(timeline: Timeline, unit: str) -> Figure:
    """Draws one row of bars for each device.

    Args:
      timeline: simulated or measured.
      unit: of its durations, for the axis.
    """
    count = timeline.num_devices
    drawn = Figure(figsize=(12, 1.2 + 0.5 * count), layout="constrained")
    axes = drawn.add_subplot(xlabel=unit, ylabel="device")
    start = min(span.start for span in timeline.spans)
    whole = float(timeline.makespan or 1)
    for span in timeline.spans:
        left, length = float(span.start - start), float(span.end - span.start)
        color = _COLORS[span.task.kind]
        axes.barh(span.device, length, left=left, color=color, edgecolor="white")
        if length / whole >= _MIN_LABELLED:
            middle = left + length / 2
            name = _label(span, timeline)
            axes.text(middle, span.device, name, ha="center", va="center", size=7)
    for kind in sorted({span.task.kind for span in timeline.spans}, key="FRBW".index):
        axes.barh(0, 0, color=_COLORS[kind], label=_MEANINGS[kind])
    axes.set_yticks(range(count))
    axes.invert_yaxis()
    axes.set_title(f"waiting: {timeline.bubble:.1%} of the devices' time", size=10)
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize="small")
    return drawn


def chrome_trace(timeline: Timeline, microseconds: float = 1e6) -> dict[str, Any]:
    """Makes a trace for chrome://tracing or Perfetto, with a thread for each device.

    Args:
      timeline: simulated or measured.
      microseconds: how long its unit of time is shown.

    Returns:
      JSON-like data of complete events (format "X" of the Trace Event Format).
    """
    names = [
        {
            "name": "thread_name",
            "ph": "M",
            "pid": 0,
            "tid": device,
            "args": {"name": f"device {device}"},
        }
        for device in range(timeline.num_devices)
    ]
    start = min(span.start for span in timeline.spans)
    events = [
        {
            "name": _label(span, timeline),
            "cat": _MEANINGS[span.task.kind],
            "ph": "X",
            "ts": float(span.start - start) * microseconds,
            "dur": float(span.end - span.start) * microseconds,
            "pid": 0,
            "tid": span.device,
            "args": {"stage": span.task.stage, "micro_batch": span.task.micro_batch},
        }
        for span in timeline.spans
    ]
    return {"traceEvents": [*names, *events], "displayTimeUnit": "ms"}


def _label(span: Span, timeline: Timeline) -> str:
    several = any(each.task.stage >= timeline.num_devices for each in timeline.spans)
    chunk = span.task.stage // timeline.num_devices
    return f"{span.task}{chr(ord('a') + chunk) if several else ''}"
