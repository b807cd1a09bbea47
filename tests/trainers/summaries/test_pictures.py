"""Drawings as files: their names, which of them stay, what a viewer finds in them."""

from pathlib import Path

import numpy as np
import PIL.Image
from matplotlib.figure import Figure

from trainers.summaries.pictures import PictureFolder


def drawing(color: str) -> Figure:
    """One inch by half an inch, of one colour."""
    return Figure(figsize=(1, 0.5), facecolor=color)


def test_the_newest_drawing_of_a_name_is_a_file(tmp_path: Path):
    writer = PictureFolder(tmp_path / "run" / "pictures")
    writer.figure(10, "test/confusion", drawing("red"))
    writer.figure(10, "train/images", drawing("lime"))
    writer.figure(20, "test/confusion", drawing("blue"))
    writer.close()
    files = {path.name: path for path in (tmp_path / "run" / "pictures").iterdir()}
    assert files.keys() == {"test_confusion.png", "train_images.png"}
    with PIL.Image.open(files["test_confusion.png"]) as image:
        assert (image.format, image.size) == ("PNG", (100, 50))
        pixels = np.asarray(image.convert("RGB")).reshape(-1, 3)
    np.testing.assert_array_equal(np.unique(pixels, axis=0), [[0, 0, 255]])


def test_nothing_but_drawings_makes_a_folder(tmp_path: Path):
    writer = PictureFolder(tmp_path / "pictures")
    writer.scalars(1, {"train/loss": 0.5})
    writer.images(1, "images", np.zeros([1, 2, 2, 3], np.uint8))
    writer.histograms(1, {"kernel": np.zeros([2])})
    writer.text(1, "text", "some")
    writer.hparams({"rate": 0.1})
    writer.close()
    assert list(tmp_path.iterdir()) == []
