"""Writes endpoints of a Keras model as a TensorFlow SavedModel."""

from collections.abc import Iterable
from collections.abc import Mapping
from pathlib import Path

import keras
import tensorflow as tf

from export.interfaces import Endpoint


def write_saved_model(
    model: keras.Model,
    endpoints: Mapping[str, Endpoint],
    folder: Path,
    assets: Iterable[Path] = (),
) -> None:
    """Saves endpoints as signatures; the first is also ``serving_default``.

    Args:
      model: the Keras model whose weights the endpoints read.
      endpoints: functions to save, by signature name.
      folder: where to write; made if absent.
      assets: text files to copy into the SavedModel's ``assets`` folder.
    """
    archive = keras.export.ExportArchive()
    # Endpoints saved through a bare tf.Module lose the weights without an error when
    # TFLite converts them (it reads uninitialised variables); an archive keeps them.
    archive.track(model)
    archive.track(_Assets(assets))
    for name, endpoint in endpoints.items():
        archive.add_endpoint(name, endpoint.function, list(endpoint.inputs))
    archive.write_out(str(folder), verbose=False)


class _Assets(tf.Module):
    """Files that travel inside a SavedModel."""

    def __init__(self, paths: Iterable[Path]) -> None:
        super().__init__()
        self.files = [tf.saved_model.Asset(str(path)) for path in paths]
