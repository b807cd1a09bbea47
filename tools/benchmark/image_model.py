"""The image classifiers that benchmarks train and ask, and images for them."""

import json
from dataclasses import asdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from typing import Literal

if TYPE_CHECKING:
    from tfmodels.classification.model import ImageClassifier

_NUM_IMAGES = 64
_GRAIN = 8


@dataclass(frozen=True)
class Case:
    """A network, its images and its optimizer; float32."""

    network: Literal["googlenet", "googlenet_bn", "inception_v4"] = "googlenet"
    batch_size: int = 8
    steps: int = 1
    """Of one turn."""
    side: int = 224
    """Height and width of the images."""
    num_classes: int = 1000
    width: float = 1.0
    """Factor of the published widths."""
    blocks: tuple[int, int, int] = (4, 7, 3)
    """Inception-v4: at 35x35, 17x17 and 8x8."""

    @property
    def plain(self) -> dict[str, Any]:
        """JSON-like data: all that a peer must know."""
        return {**asdict(self), **self._recipe()}

    @property
    def config(self) -> str:
        """Whose task, model, objective and optimizer these are."""
        return f"{self.network.removesuffix('_bn')}/paper"

    def _recipe(self) -> dict[str, Any]:
        if self.network == "inception_v4":
            return {
                "l2": 4e-5,
                "label_smoothing": 0.1,
                "auxiliary_weight": 0.4,
                "clip_global_norm": 2.0,
            }
        return {
            "l2": 2e-4,
            "label_smoothing": 0.0,
            "auxiliary_weight": 0.3,
            "clip_global_norm": None,
        }

    def model(self) -> dict[str, Any]:
        """The section ``model``."""
        values: dict[str, Any] = {
            "kind": self.network.removesuffix("_bn"),
            "num_classes": self.num_classes,
            "input_shape": [self.side, self.side, 3],
            "width_multiplier": self.width,
        }
        if self.network == "inception_v4":
            return {**values, "block_counts": list(self.blocks)}
        variant = "bn" if self.network == "googlenet_bn" else "paper"
        return {**values, "variant": variant}

    def overrides(self, data: dict[str, Any], xla: bool = False) -> list[str]:
        """Changes to `config` that train the model on images.

        Args:
          data: what `write_images` returned.
          xla: whether steps are compiled.
        """
        values = {
            "model": self.model(),
            "data": {**data, "batch_size": self.batch_size, "last_batch": "drop"},
            "run.steps": 1000,
            "run.average": {"kind": "none"},
            "run.xla": xla,
        }
        return [f"{key}={json.dumps(value)}" for key, value in values.items()]

    def write_images(self, folder: Path) -> dict[str, Any]:
        """Writes coarse noise as TFRecords; the section ``data`` that reads them."""
        import numpy as np

        from tools.prepare.image_files import Labelled
        from tools.prepare.images import Layout
        from tools.prepare.images import write_images

        random = np.random.default_rng(0)
        coarse = -(-self.side // _GRAIN)
        small = random.integers(0, 256, (_NUM_IMAGES, coarse, coarse, 3), np.uint8)
        images = small.repeat(_GRAIN, 1).repeat(_GRAIN, 2)
        images = images[:, : self.side, : self.side]
        labels = random.integers(0, self.num_classes, _NUM_IMAGES)
        splits = {split: Labelled(images, labels) for split in ("train", "test")}
        names = [f"class {number}" for number in range(self.num_classes)]
        return dict(write_images(splits, names, folder, Layout.RECORDS))

    def build(self) -> "ImageClassifier":
        """Ours, with fresh weights."""
        import tfmodels

        values = self.model()
        built: ImageClassifier = tfmodels.build(values.pop("kind"), **values)
        return built
