"""Where the figures of a run go: the interface of a writer, and several as one."""

from collections.abc import Mapping
from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Any

from trainers.files import writing
from trainers.sound import Sounds

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure


class Writer:
    """Receives what a run reports; a subclass overrides the kinds that it keeps.

    As it stands it keeps nothing.
    """

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Numbers by name (``split/name``), as they are after `step` steps."""

    def images(self, step: int, name: str, images: "np.ndarray") -> None:
        """Images, uint8 [N, H, W, C] with 1, 3 or 4 channels."""

    def figure(self, step: int, name: str, figure: "Figure") -> None:
        """A drawing."""

    def sounds(self, step: int, name: str, sounds: Sounds) -> None:
        """Sounds to listen to."""

    def histograms(self, step: int, values: Mapping[str, "np.ndarray"]) -> None:
        """Distributions of the elements of arrays of any shape, by name."""

    def text(self, step: int, name: str, text: str) -> None:
        """Text in Markdown."""

    def hparams(self, values: Mapping[str, object]) -> None:
        """The settings of the run by name, without nesting."""

    def close(self) -> None:
        """Writes what is still held back and releases the files."""


class Writers(Writer):
    """Passes everything on to several writers, or to none where nothing is kept.

    Every method raises a `DataError` when a writer has no room to write.
    """

    def __init__(self, writers: Sequence[Writer] = ()) -> None:
        self.writers = tuple(writers)

    def _pass_on(self, kind: str, *arguments: Any) -> None:
        for writer in self.writers:
            with writing("the logs of the run"):
                getattr(writer, kind)(*arguments)

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Passes numbers on."""
        self._pass_on("scalars", step, values)

    def images(self, step: int, name: str, images: "np.ndarray") -> None:
        """Passes images on."""
        self._pass_on("images", step, name, images)

    def figure(self, step: int, name: str, figure: "Figure") -> None:
        """Passes a drawing on."""
        self._pass_on("figure", step, name, figure)

    def sounds(self, step: int, name: str, sounds: Sounds) -> None:
        """Passes sounds on."""
        self._pass_on("sounds", step, name, sounds)

    def histograms(self, step: int, values: Mapping[str, "np.ndarray"]) -> None:
        """Passes distributions on."""
        self._pass_on("histograms", step, values)

    def text(self, step: int, name: str, text: str) -> None:
        """Passes text on."""
        self._pass_on("text", step, name, text)

    def drawn(self, step: int, name: str, drawing: "Figure | Sounds | str") -> None:
        """Passes on what a task shows: a drawing, sounds, or text in Markdown."""
        kinds: dict[type, str] = {str: "text", Sounds: "sounds"}
        kind = kinds.get(type(drawing), "figure")
        self._pass_on(kind, step, name, drawing)

    def hparams(self, values: Mapping[str, object]) -> None:
        """Passes settings on."""
        self._pass_on("hparams", values)

    def close(self) -> None:
        """Closes all of them."""
        self._pass_on("close")
