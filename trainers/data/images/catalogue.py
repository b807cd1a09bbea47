"""Data sets that tensorflow-datasets has prepared: their files, read as records are."""

from typing import Any

from tfmodels.errors import ConfigError
from tfmodels.errors import DataError
from trainers.data.catalogue import TensorFlowDatasetsData
from trainers.data.images.records import RecordPart
from trainers.data.images.records import RecordSource


def open_prepared(config: TensorFlowDatasetsData, split: str) -> RecordSource:
    """Opens one split of a data set of the catalogue.

    The package says which records of which files a split is, and what classes are
    called; images are found and decoded as those of other TFRecords.

    Raises:
      ConfigError: the package is not installed; a key names no image or no class; or
        the data set has no such split.
      DataError: the data set is unknown, has not been prepared, or lies in files of
        another format.
    """
    builder = _builder(config)
    info = builder.info
    if str(info.file_format.value) != "tfrecord":
        raise DataError(
            f"data.name: {info.full_name} lies in {info.file_format.value} files."
            " Expected one prepared with file_format='tfrecord'. Received data.data_dir"
            f" {config.data_dir}."
        )
    wanted = str(getattr(config, split))
    try:
        parts = [
            RecordPart(str(part.filename), int(part.skip), int(part.take))
            for part in info.splits[wanted].file_instructions
        ]
    except ValueError as error:
        raise ConfigError(
            f"data.{split}: {info.full_name} has no such split. Expected one of"
            f" {', '.join(info.splits)}, or a part of one. Received {wanted!r}:"
            f" {_brief(error)}"
        ) from None
    keys = (config.image_key, config.label_key)
    return RecordSource(parts, *keys, _classes(info, config))


def _builder(config: TensorFlowDatasetsData) -> Any:
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise ConfigError(
            "data.kind: tensorflow_datasets needs a package that cannot be imported."
            " Expected what `pip install tensorflow-datasets` installs; or"
            " data.kind: image_records, which reads the same files without it. Received"
            f" {error}."
        ) from None
    try:
        builder = tfds.builder(config.name, data_dir=config.data_dir)
    except (ValueError, AssertionError) as error:
        raise DataError(
            f"data.name: there is no data set {config.name!r}. Expected a name of the"
            " catalogue of tensorflow-datasets, or of a folder in data.data_dir."
            f" Received {_brief(error)}"
        ) from None
    if not builder.info.splits:
        raise DataError(
            f"data.name: {config.name} has not been prepared. Expected its files in"
            " data.data_dir, as tfds.builder(name, data_dir=...).download_and_prepare()"
            f" leaves them. Received none in {builder.data_dir}."
        )
    return builder


def _classes(info: Any, config: TensorFlowDatasetsData) -> tuple[str, ...]:
    """Names of the classes; both keys must be there."""
    features = info.features
    names = None
    if {config.image_key, config.label_key} <= set(features):
        names = getattr(features[config.label_key], "names", None)
    if not names:
        raise ConfigError(
            f"data.image_key, data.label_key: {info.full_name} has no such image and"
            f" class. Expected some of {', '.join(features)}. Received"
            f" {config.image_key} and {config.label_key}."
        )
    return tuple(map(str, names))


def _brief(error: Exception) -> str:
    return str(error).split("\n")[0][:200]
