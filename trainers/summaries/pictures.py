"""Drawings of a run as PNG files, for people without TensorBoard."""

from pathlib import Path
from typing import TYPE_CHECKING

from trainers.summaries.figures import save
from trainers.summaries.writer import Writer

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class PictureFolder(Writer):
    """Keeps the newest drawing of each name: ``test/confusion`` is test_confusion.png.

    Args:
      folder: where the files go, made with the first of them.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def figure(self, step: int, name: str, figure: "Figure") -> None:
        """Writes a drawing."""
        self._folder.mkdir(parents=True, exist_ok=True)
        save(figure, self._folder / f"{name.replace('/', '_')}.png")
