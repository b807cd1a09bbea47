"""Writes endpoints of a Keras model as a TensorFlow SavedModel."""

import shutil
from collections.abc import Iterable
from collections.abc import Mapping
from pathlib import Path

import keras
from tensorflow.python.saved_model.loader_impl import parse_saved_model

from export.interfaces import Endpoint
from tfmodels.errors import DataError

# Operations that reach out of the graph; no model that this room writes has one.
_UNSAFE = {"ReadFile", "WriteFile", "MatchingFiles", "PyFunc", "EagerPyFunc"}


def write_saved_model(
    model: keras.Model,
    endpoints: Mapping[str, Endpoint],
    folder: Path,
    files: Iterable[Path] = (),
) -> None:
    """Saves endpoints as signatures; the first is also ``serving_default``.

    Args:
      model: the Keras model whose weights the endpoints read.
      endpoints: functions to save, by signature name.
      folder: where to write; made if absent.
      files: files to copy into the SavedModel's ``assets.extra`` folder.
    """
    archive = keras.export.ExportArchive()
    # Endpoints saved through a bare tf.Module lose the weights without an error when
    # TFLite converts them (it reads uninitialised variables); an archive keeps them.
    archive.track(model)
    for name, endpoint in endpoints.items():
        for resource in endpoint.resources:
            archive.track(resource)
        archive.add_endpoint(name, endpoint.function, list(endpoint.inputs))
    archive.write_out(str(folder), verbose=False)
    # The part of a SavedModel that its format reserves for files of the user's.
    extra = folder / "assets.extra"
    for path in files:
        extra.mkdir(exist_ok=True)
        shutil.copy(path, extra)


def check_operations(folder: Path) -> None:
    """Refuses a SavedModel that would touch files or call into Python when it runs.

    Raises:
      DataError: it holds such an operation, or is not a SavedModel at all.
    """
    try:
        saved = parse_saved_model(str(folder))
    except OSError as error:
        raise DataError(f"{folder} is not a readable SavedModel: {error}") from None
    found = {
        node.op
        for meta in saved.meta_graphs
        for nodes in (
            meta.graph_def.node,
            *(function.node_def for function in meta.graph_def.library.function),
        )
        for node in nodes
    }
    if found & _UNSAFE:
        raise DataError(
            f"{folder} is not safe to run. Expected operations on tensors only."
            f" Received: {', '.join(sorted(found & _UNSAFE))}."
        )
