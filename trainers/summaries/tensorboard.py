"""Event files for TensorBoard, settings for its HParams dashboard included."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure
from tensorboard.plugins.hparams import api as hp  # type: ignore[import-untyped]

from trainers.sound import Sounds
from trainers.summaries.figures import rendered
from trainers.summaries.writer import Writer


class TensorBoardWriter(Writer):
    """Writes every kind of report below one folder.

    Args:
      folder: log directory, made if there is none.
    """

    def __init__(self, folder: Path) -> None:
        self._writer = tf.summary.create_file_writer(str(folder))

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Writes numbers and flushes, so that a dashboard shows them at once."""
        with self._writer.as_default(step):
            for name, value in values.items():
                tf.summary.scalar(name, value)
        self._writer.flush()

    def images(self, step: int, name: str, images: np.ndarray) -> None:
        """Writes all of the images, uint8 [N, H, W, C]."""
        with self._writer.as_default(step):
            tf.summary.image(name, images, max_outputs=len(images))

    def figure(self, step: int, name: str, figure: Figure) -> None:
        """Writes a drawing as an image."""
        self.images(step, name, rendered(figure)[None])

    def sounds(self, step: int, name: str, sounds: Sounds) -> None:
        """Writes all of them as WAV, which the dashboard *Audio* plays."""
        # Louder ones would wrap round.
        samples = np.clip(sounds.samples, -1, 1)[..., None]
        with self._writer.as_default(step):
            tf.summary.audio(
                name,
                samples,
                sounds.sample_rate,
                max_outputs=len(samples),
                encoding="wav",
            )

    def histograms(self, step: int, values: Mapping[str, np.ndarray]) -> None:
        """Writes distributions."""
        with self._writer.as_default(step):
            for name, array in values.items():
                tf.summary.histogram(name, array)

    def text(self, step: int, name: str, text: str) -> None:
        """Writes Markdown."""
        with self._writer.as_default(step):
            tf.summary.text(name, text)

    def hparams(self, values: Mapping[str, object]) -> None:
        """Writes settings; those that are not numbers, text or booleans, as text.

        TensorBoard finds by itself which settings differ between the runs below its
        folder and which scalars to show beside them. An experiment description
        (``hparams_config``) would switch that off.
        """
        plain = {
            name: value if isinstance(value, bool | int | float | str) else str(value)
            for name, value in values.items()
        }
        with self._writer.as_default():
            hp.hparams(plain)

    def close(self) -> None:
        """Writes what is held back and closes the file."""
        self._writer.close()
