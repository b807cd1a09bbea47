"""Images in TFRecord files, read in any order through an index of byte offsets."""

import glob
import os
import struct
from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfmodels.errors import DataError
from trainers.data.config import RecordsData
from trainers.data.images.decoding import EncodedSource

_HEADER = struct.Struct("<QI")
"""Length of the data and the checksum of those 8 bytes; then data and its checksum."""
_CHECKSUM_BYTES = 4


class RecordPart(NamedTuple):
    """Records of a file that follow one another."""

    path: str
    skip: int = 0
    """Records before them."""
    take: int | None = None
    """How many they are; all when absent."""


class RecordSource(EncodedSource):
    """Labelled images in TFRecord files of ``tf.train.Example``.

    Opening reads 12 bytes of every record, to know where each begins; that makes any
    record readable alone, so that a damaged one loses no other.
    """

    def __init__(
        self,
        parts: Sequence[RecordPart],
        image_key: str,
        label_key: str,
        labels: tuple[str, ...],
        label_offset: int = 0,
    ) -> None:
        """Indexes files; see `RecordsData` for keys and offset.

        Raises:
          DataError: a file is not a TFRecord file, or is damaged where it counts.
        """
        super().__init__(labels)
        self._keys = image_key, label_key
        self._label_offset = label_offset
        offsets = [_offsets(part) for part in parts]
        counts = [len(part) for part in offsets]
        self.size = sum(counts)
        paths = [part.path for part in parts]
        with tf.device("/CPU:0"):
            self._paths = tf.constant(np.array(paths, object), tf.string)
            self._file = tf.constant(np.repeat(np.arange(len(paths)), counts), tf.int32)
            self._offset = tf.constant(np.concatenate(offsets), tf.int64)

    def element(self, index: tf.Tensor) -> tf.data.Dataset:
        """See `EncodedSource.element`; a class number out of range is an error too."""
        variant = tf.raw_ops.TFRecordDatasetV2(
            filenames=self._paths[self._file[index]][None],
            compression_type="",
            # Without a buffer, only the bytes of this record are read.
            buffer_size=tf.constant(0, tf.int64),
            byte_offsets=self._offset[index][None],
        )
        spec = tf.TensorSpec([], tf.string)
        records = tf.data.experimental.from_variant(variant, spec)
        return records.take(1).map(self._parse)

    def name(self, index: int) -> str:
        """See `Source.name`: the file and the place in it."""
        path = self._paths[self._file[index]].numpy().decode()
        return f"{path}, record at byte {int(self._offset[index])}"

    def _parse(self, record: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        image_key, label_key = self._keys
        features = {
            image_key: tf.io.FixedLenFeature([], tf.string),
            label_key: tf.io.FixedLenFeature([], tf.int64),
        }
        example = tf.io.parse_single_example(record, features)
        label = example[label_key] - self._label_offset
        known = tf.logical_and(label >= 0, label < len(self.labels))
        message = "class number out of range (data.labels, data.label_offset)"
        with tf.control_dependencies([tf.debugging.Assert(known, [message, label])]):
            return example[image_key], tf.cast(label, tf.int32)


def open_records(config: RecordsData, split: str) -> RecordSource:
    """Opens one split of TFRecord files.

    Raises:
      DataError: no file matches, one is damaged, or there are no records or labels.
    """
    pattern = str(getattr(config, split))
    paths = sorted(glob.glob(pattern))
    if not paths:
        raise DataError(
            f"no file matches {pattern!r}. Expected TFRecord files. Received"
            f" data.{split}; correct it."
        )
    source = RecordSource(
        [RecordPart(path) for path in paths],
        config.image_key,
        config.label_key,
        _read_labels(config),
        config.label_offset,
    )
    if not source.size:
        raise DataError(
            f"the files {pattern} hold no record. Expected at least one. Received"
            f" data.{split}; correct it."
        )
    return source


def _offsets(part: RecordPart) -> np.ndarray:
    """Where the records of a part begin, int64 [n]."""
    end = None if part.take is None else part.skip + part.take
    return np.fromiter(record_offsets(part.path), np.int64)[part.skip : end]


def record_offsets(path: str) -> Iterator[int]:
    """Where each record of a TFRecord file begins, in bytes.

    Raises:
      DataError: a record's length is damaged, so what follows cannot be found; the file
        is compressed, or ends in the middle of a record.
    """
    size = os.path.getsize(path)
    position = 0
    with open(path, "rb", buffering=0) as file:
        while position < size:
            header = file.read(_HEADER.size)
            length, checksum = (
                _HEADER.unpack(header) if len(header) == _HEADER.size else (0, None)
            )
            if checksum != masked_crc32c(header[:8]):
                raise _damaged(path, position, "a length that fails its checksum")
            end = position + _HEADER.size + length + _CHECKSUM_BYTES
            if end > size:
                raise _damaged(path, position, "the end of the file inside the record")
            yield position
            position = file.seek(end)


def masked_crc32c(data: bytes) -> int:
    """The checksum of TFRecord files: CRC-32C (Castagnoli), rotated and shifted."""
    value = 0xFFFFFFFF
    for byte in data:
        value = _CRC_TABLE[(value ^ byte) & 0xFF] ^ (value >> 8)
    value ^= 0xFFFFFFFF
    return ((value >> 15 | value << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _crc_table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return tuple(table)


_CRC_TABLE = _crc_table()


def _damaged(path: str, position: int, received: str) -> DataError:
    return DataError(
        f"{path} is damaged at byte {position}: the records from there on cannot be"
        f" found. Expected an uncompressed, complete TFRecord file. Received"
        f" {received}; write the file again or leave it out."
    )


def _read_labels(config: RecordsData) -> tuple[str, ...]:
    try:
        lines = Path(config.labels).read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"cannot read the class names {config.labels}. Expected a text file with"
            f" one name per line. Received {error}; correct data.labels."
        ) from None
    labels = tuple(line.strip() for line in lines if line.strip())
    if not labels:
        raise DataError(
            f"{config.labels} names no class. Expected one name per line. Received an"
            " empty file; correct data.labels."
        )
    return labels
