"""What the drawings show."""

from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure

from trainers.summaries.figures import alignments
from trainers.summaries.figures import confusion_matrix
from trainers.summaries.figures import curves
from trainers.summaries.figures import labelled_images
from trainers.summaries.figures import labelled_sequences
from trainers.summaries.figures import rendered
from trainers.summaries.figures import save
from trainers.summaries.figures import save_curves

COUNTS = np.array([[8.0, 2.0], [0.0, 0.0]])
RED = [[255, 0, 0, 255]]


def test_confusion_matrix_shows_shares_and_counts() -> None:
    axes = confusion_matrix(COUNTS, ["cat", "dog"]).axes[0]
    np.testing.assert_allclose(axes.images[0].get_array(), [[0.8, 0.2], [0.0, 0.0]])
    assert [text.get_text() for text in axes.texts] == ["8", "2", "0", "0"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["cat", "dog"]


@pytest.mark.parametrize(("num_classes", "labelled"), [(40, True), (41, False)])
def test_many_classes_lose_counts_and_then_names(
    num_classes: int, labelled: bool
) -> None:
    names = [f"class {number}" for number in range(num_classes)]
    axes = confusion_matrix(np.eye(num_classes), names).axes[0]
    assert not axes.texts
    assert (
        "class 0" in [text.get_text() for text in axes.get_xticklabels()]
    ) == labelled


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_wrong_predictions_are_red_and_carry_the_label(channels: int) -> None:
    images = np.full([3, 4, 4, channels], 128, np.uint8)
    figure = labelled_images(images, ["a", "b", "c"], ["a", "x", "c"])
    (axes,) = figure.axes
    titles = [(text.get_text(), text.get_color()) for text in axes.texts]
    assert titles == [("a", "black"), ("x (b)", "red"), ("c", "black")]
    assert rendered(figure).dtype == np.uint8


def test_alignments_make_room_for_their_longest_tokens() -> None:
    weights = np.zeros([2, 3])
    short, long, silent = (
        alignments([(["a", "b"], answer, weights)])
        for answer in (["x"], ["a token of twenty-odd"], [])
    )
    left = [
        figure.axes[0].get_position().x0 * figure.get_figwidth()
        for figure in (silent, short, long)
    ]
    assert left == sorted(left)
    assert left[2] > left[1] + 1
    # A model that says nothing.
    assert rendered(silent).any()


def test_curves_have_a_panel_per_figure_and_a_line_per_split() -> None:
    series = {
        "train/loss": [(1, 3.0), (2, 2.0)],
        "learning_rate": [(1, 0.1), (2, 0.05)],
        "test/loss": [(2, 2.5)],
    }
    loss, rate = curves(series).axes
    assert [axes.get_title() for axes in (loss, rate)] == ["loss", "learning_rate"]
    lines = {line.get_label(): line.get_xydata().tolist() for line in loss.lines}
    assert lines == {"train": [[1, 3], [2, 2]], "test": [[2, 2.5]]}
    assert rate.lines[0].get_label() == "learning_rate"


def test_curves_are_saved_as_a_picture(tmp_path: Path) -> None:
    save_curves({"train/loss": [(1, 3.0), (2, float("nan"))]}, tmp_path / "curves.png")
    with PIL.Image.open(tmp_path / "curves.png") as picture:
        assert picture.size == (400, 260)
    save_curves({}, tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()


def test_rendered_pixels_have_the_size_and_colours_of_the_figure() -> None:
    pixels = rendered(Figure(figsize=(2, 1), dpi=50, facecolor="red"))
    assert pixels.shape == (50, 100, 4)
    np.testing.assert_array_equal(np.unique(pixels.reshape(-1, 4), axis=0), RED)


def test_a_figure_is_drawn_again_only_after_a_change(tmp_path: Path) -> None:
    class Counted(Figure):
        num_draws = 0

        def draw(self, renderer: Any) -> None:
            self.num_draws += 1
            super().draw(renderer)

    figure = Counted(figsize=(2, 1), layout="constrained")
    before = rendered(figure)
    save(figure, tmp_path / "figure.png")
    assert figure.num_draws == 1
    with PIL.Image.open(tmp_path / "figure.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture), before)
    figure.text(0.5, 0.5, "new")
    assert np.any(rendered(figure) != before)
    assert figure.num_draws == 2


def test_no_figure_is_kept_by_pyplot() -> None:
    rendered(confusion_matrix(COUNTS, ["cat", "dog"]))
    assert pyplot.get_fignums() == []


def test_sequences_are_lines_and_mistakes_are_red() -> None:
    figure = labelled_sequences(["3 1", "$x$\n日"], ["1 3", "ab"], ["1 3", "a" * 300])
    drawn = [(text.get_text(), text.get_color()) for text in figure.texts]
    assert drawn == [
        ("in   3 1", "gray"),
        ("out  1 3", "black"),
        (r"in   $x$\n\u65e5", "gray"),
        ("out  " + "a" * 95, "red"),
        ("not  ab", "black"),
    ]
    assert rendered(figure).shape[-1] == 4
