"""Configuration of images with boxes around their objects."""

from abc import abstractmethod
from typing import Literal
from typing import Self

import pydantic

from trainers.data.config import Data


class DetectionData(Data):
    """What every source of images with boxes has."""

    shuffle: bool = True
    """Visit training examples in a new random order each epoch."""

    @property
    @abstractmethod
    def labels(self) -> tuple[str, ...]:
        """Class names, in the order of the class numbers."""

    @property
    def max_bad_fraction(self) -> float:
        """Zero: images that have been opened can all be read."""
        return 0.0


class DigitCanvasesData(DetectionData):
    """Real handwritten digits on empty canvases, their boxes known; made when opened.

    The digits are those of the kind `digits`: canvases of the test split have digits
    by other people. Digits are enlarged, do not touch one another's boxes, and are as
    tightly boxed as their ink allows. Every seed of a run learns from the same ones.
    """

    kind: Literal["digit_canvases"] = "digit_canvases"
    side: int = pydantic.Field(default=32, ge=8)
    """Height and width of a canvas, in pixels."""
    objects: tuple[int, int] = (1, 3)
    """Fewest and most digits on a canvas; fewer where no more find a place."""
    scale: tuple[float, float] = (1.0, 3.0)
    """Least and largest enlargement of the 8x8 digits."""
    train_examples: int = pydantic.Field(default=4000, ge=1)
    test_examples: int = pydantic.Field(default=500, ge=1)
    origin: int = pydantic.Field(default=0, ge=0)
    """Origin of all canvases."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The ten digits."""
        return tuple("0123456789")

    def held_out_splits(self) -> tuple[str, ...]:
        """The test split, there always."""
        return ("test",)

    @pydantic.model_validator(mode="after")
    def _digits_fit(self) -> Self:
        least, most = self.scale
        if not 1 <= least <= most <= self.side / 8:
            raise ValueError(
                "scale: digits must fit on the canvas. Expected from 1 to side / 8 ="
                f" {self.side / 8:g}, the smaller first. Received {list(self.scale)}."
            )
        if not 1 <= self.objects[0] <= self.objects[1]:
            raise ValueError(
                "objects: expected at least 1, and the smaller number first. Received"
                f" {list(self.objects)}."
            )
        return self
