"""Drawings of results: confusion matrices, images with predictions, learning curves.

They use Matplotlib's objects and no ``pyplot``, which would keep every figure alive and
look for a display.
"""

import math
from collections import defaultdict
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imsave
from matplotlib.ticker import MaxNLocator

from trainers.summaries.panels import Margins
from trainers.summaries.panels import panels

_MAX_LABELLED_CLASSES = 40
_MAX_COUNTED_CLASSES = 15
_MAX_CHARACTERS = 100
_FRAMES_A_SECOND = 100
_INCHES_A_CHARACTER = 0.07
_TITLE_ALONE = Margins(0.05, 0.05, 0.05, 0.3)


def rendered(figure: Figure) -> np.ndarray:
    """The pixels of a figure, uint8 [H, W, 4]; drawn only if it has changed since."""
    canvas = figure.canvas
    if figure.stale or not isinstance(canvas, FigureCanvasAgg):
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
    return np.array(canvas.buffer_rgba())


def save(figure: Figure, path: Path) -> None:
    """Writes a figure as a PNG file."""
    # Figure.savefig draws once to lay out and again to write.
    imsave(path, rendered(figure), format="png")


def confusion_matrix(counts: np.ndarray, class_names: Sequence[str]) -> Figure:
    """Shares of each class taken for each other; small matrices show their counts too.

    Args:
      counts: float or integer [K, K], rows are labels and columns are predictions.
      class_names: K names; left out where there are too many to be read.
    """
    num_classes = len(class_names)
    labelled = num_classes <= _MAX_LABELLED_CLASSES
    names = class_names if labelled else ()
    room = 0.5 + _INCHES_A_CHARACTER * max(map(len, names), default=0)
    side = min(9.0, 1.5 + 0.35 * num_classes)
    margins = Margins(room, 0.9, room, 0.1)
    figure, (axes,) = panels(1, room + side + 0.9, room + side + 0.1, margins)
    axes.set(xlabel="prediction", ylabel="label")
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-9)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    scale = axes.inset_axes((1.02, 0.15, 0.04, 0.7))
    figure.colorbar(image, scale, label="share of the label")
    if labelled:
        ticks = range(num_classes)
        axes.set_xticks(ticks, class_names, rotation=90)
        axes.set_yticks(ticks, class_names)
    if num_classes <= _MAX_COUNTED_CLASSES:
        for (row, column), share in np.ndenumerate(shares):
            axes.text(
                column,
                row,
                f"{counts[row, column]:g}",
                color="white" if share > 0.5 else "black",
                ha="center",
                va="center",
                size="small",
            )
    return figure


def counts(heights: np.ndarray, name: str) -> Figure:
    """How often each whole number from 0 was counted, int [n]."""
    figure = Figure(figsize=(5, 3), layout="constrained")
    axes = figure.add_subplot()
    axes.bar(np.arange(len(heights)), heights)
    axes.set_xlabel(name)
    axes.set_ylabel("count")
    return figure


def labelled_images(
    images: np.ndarray, labels: Sequence[str], predictions: Sequence[str]
) -> Figure:
    """A grid of images under their predictions, wrong ones in red with the label.

    Args:
      images: uint8 [N, H, W, C] with 1, 3 or 4 channels.
      labels: N class names.
      predictions: N class names.
    """
    columns = math.ceil(math.sqrt(len(images)))
    width, height = columns * 1.5, math.ceil(len(images) / columns) * 1.7
    figure = Figure(figsize=(width, height))
    # In inches; axes of its own for each image would take most of the time.
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    scale = 1.35 / max(images.shape[1:3])
    up, aside = (scale * side / 2 for side in images.shape[1:3])
    for number, (image, label, prediction) in enumerate(
        zip(images, labels, predictions, strict=True)
    ):
        row, column = divmod(number, columns)
        x, y = 1.5 * column + 0.75, 1.7 * row + 0.98
        right = label == prediction
        # One channel is grey, which Matplotlib wants without its axis.
        pixels = image[..., 0] if image.shape[-1] == 1 else image
        bounds = (x - aside, x + aside, y + up, y - up)
        axes.imshow(pixels, cmap="gray", vmin=0, vmax=255, extent=bounds, aspect="auto")
        axes.text(
            x,
            1.7 * row + 0.25,
            prediction if right else f"{prediction} ({label})",
            color="black" if right else "red",
            size="small",
            ha="center",
        )
    # Every image drawn has set the limits to its own bounds.
    axes.set(xlim=(0, width), ylim=(height, 0))
    return figure


def boxed_images(
    examples: Sequence[tuple[np.ndarray, np.ndarray, Sequence[str]]],
) -> Figure:
    """A grid of images with titled boxes.

    Args:
      examples: images, uint8 [H, W, C] with 1, 3 or 4 channels, of any sizes; boxes of
        each, float [n, 4]: top, left, bottom, right in pixels; and their titles.
    """
    figure, grid = panels(len(examples), 3.0, 3.0, _TITLE_ALONE)
    for axes, (image, boxes, titles) in zip(grid, examples, strict=True):
        pixels = image[..., 0] if image.shape[-1] == 1 else image
        height, width = pixels.shape[:2]
        bounds = (0, width, height, 0)
        axes.imshow(pixels, cmap="gray", vmin=0, vmax=255, extent=bounds)
        axes.set(xticks=[], yticks=[])
        axes.set_axis_off()
        for number, (box, title) in enumerate(zip(boxes, titles, strict=True)):
            top, left, bottom, right = box
            color = f"C{number % 10}"
            corners = (
                [left, right, right, left, left],
                [top, top, bottom, bottom, top],
            )
            axes.plot(*corners, color=color)
            axes.text(left, top, title, color=color, size="small", va="bottom")
    return figure


def labelled_sequences(
    inputs: Sequence[str], labels: Sequence[str], predictions: Sequence[str]
) -> Figure:
    """Lines of text: each input and its prediction, wrong ones in red with the label.

    Args:
      inputs: N texts; what is no ASCII is escaped, and long lines are cut.
      labels: N texts.
      predictions: N texts.
    """
    lines: list[tuple[str, str]] = []
    for source, label, prediction in zip(inputs, labels, predictions, strict=True):
        right = label == prediction
        lines.append((f"in   {source}", "gray"))
        lines.append((f"out  {prediction}", "black" if right else "red"))
        if not right:
            lines.append((f"not  {label}", "black"))
    figure = Figure(figsize=(10, 0.3 + 0.2 * len(lines)))
    for number, (text, color) in enumerate(lines):
        figure.text(
            0.02,
            1 - (number + 1) / (len(lines) + 1),
            ascii(text)[1:-1][:_MAX_CHARACTERS],
            color=color,
            family="monospace",
            size="small",
            parse_math=False,
        )
    return figure


def spectrograms(
    sounds: Sequence[np.ndarray],
    labels: Sequence[str],
    predictions: Sequence[str],
    *,
    rate: float = _FRAMES_A_SECOND,
) -> Figure:
    """Sounds under what was understood, wrong texts in red with the label.

    Args:
      sounds: N times float [T, D], energies of D bands.
      labels: N texts; what is no ASCII is escaped, and long ones are cut.
      predictions: N texts.
      rate: frames a second.
    """
    figure, grid = panels(len(sounds), 5.0, 1.9, Margins(0.15, 0.15, 0.25, 0.3))
    for axes, sound, label, prediction in zip(
        grid, sounds, labels, predictions, strict=True
    ):
        right = label == prediction
        title = prediction if right else f"{prediction} ({label})"
        bounds = (0, len(sound) / rate, 0, sound.shape[1])
        axes.imshow(sound.T, origin="lower", aspect="auto", extent=bounds)
        axes.tick_params(labelsize="x-small")
        axes.set_yticks([])
        axes.set_title(
            ascii(title)[1:-1][:_MAX_CHARACTERS],
            color="black" if right else "red",
            size="small",
            parse_math=False,
        )
    return figure


def alignments(
    sentences: Sequence[tuple[Sequence[str], Sequence[str], np.ndarray]],
) -> Figure:
    """How much each token of an answer attended to each token of its source.

    Args:
      sentences: tokens of the source, S; of the answer, T; and float weights of at
        least [T, S], each row from 0 to 1.
    """
    left = _room(token for _, answer, _ in sentences for token in answer)
    bottom = _room(token for source, _, _ in sentences for token in source)
    margins = Margins(left, 0.1, bottom, 0.1)
    figure, grid = panels(len(sentences), 4.4 + left, 3.9 + bottom, margins)
    for axes, (source, answer, weights) in zip(grid, sentences, strict=True):
        shown = weights[: len(answer), : len(source)]
        axes.imshow(shown, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        for axis, tokens in ((axes.xaxis, source), (axes.yaxis, answer)):
            labels = [ascii(token)[1:-1] for token in tokens]
            axis.set_ticks(range(len(tokens)), labels, size="x-small", parse_math=False)
        axes.tick_params(axis="x", rotation=90)
    return figure


def _room(tokens: Iterable[str]) -> float:
    """Inches that the longest token needs beside an axis."""
    return 0.2 + _INCHES_A_CHARACTER * max(
        (len(ascii(t)) - 2 for t in tokens), default=0
    )


def curves(series: Mapping[str, Sequence[tuple[int, float]]]) -> Figure:
    """One panel per figure with a line for each split that reports it.

    Args:
      series: (step, value) pairs by ``split/name``, as `read_scalars` returns them.
    """
    by_title: dict[str, list[str]] = defaultdict(list)
    for name in series:
        by_title[name.rpartition("/")[2]].append(name)
    figure, grid = panels(len(by_title), 4.0, 2.6, Margins(0.7, 0.15, 0.5, 0.3))
    for axes, (title, names) in zip(grid, by_title.items(), strict=True):
        for name in names:
            steps, values = zip(*series[name], strict=True)
            marker = "o" if len(steps) == 1 else None
            axes.plot(
                steps, values, marker=marker, label=name.rpartition("/")[0] or name
            )
        axes.set(title=title, xlabel="step")
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
    return figure


def save_curves(series: Mapping[str, Sequence[tuple[int, float]]], path: Path) -> None:
    """Draws `curves` into a PNG file; without any series, nothing."""
    if series:
        save(curves(series), path)
