"""Segmented sentences as flat arrays of ids, in memory or mapped from files."""

import hashlib
import json
import os
from array import array
from collections.abc import Sequence
from dataclasses import asdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from trainers.files import write_atomically
from trainers.files import writing

_SIDES = ("source", "target")
_LENGTH_TYPE = np.dtype(np.int64)


@dataclass(frozen=True)
class Counts:
    """What became of the pairs of a split."""

    sizes: tuple[int, ...]
    """Pairs of each corpus that are there."""
    empty: int
    """Pairs left out since a side is empty."""
    long: int
    """Pairs left out since a side is longer than allowed."""


class Side:
    """Sentences of one side, one after another; how long each is."""

    def __init__(self, tokens: np.ndarray, offsets: np.ndarray) -> None:
        """Takes arrays, or the same mapped from files, which graphs then read too.

        Args:
          tokens: uint16 or int32 [N], all ids.
          offsets: int64 [n + 1]; sentence i begins at offsets[i], the next one after.
        """
        self._arrays = (tokens, offsets)
        self._constants: tuple[tf.Tensor, ...] | None = None
        if not isinstance(tokens, np.memmap):
            # On the host: input pipelines run there, and a text may be large.
            with tf.device("/CPU:0"):
                self._constants = tuple(map(tf.constant, self._arrays))

    @property
    def lengths(self) -> np.ndarray:
        """Ids of each sentence, int64 [n]."""
        return np.diff(self._arrays[1])

    def _tensors(self) -> tuple[tf.Tensor, ...]:
        return self._constants or tuple(map(_mapped, self._arrays))

    def read(self, index: tf.Tensor) -> tf.Tensor:
        """Ids of sentences int64 [b], int32 [b, T], padded with 0 to the longest."""
        tokens, offsets = self._tensors()
        starts, stops = tf.gather(offsets, index), tf.gather(offsets, index + 1)
        places = tf.ragged.range(starts, stops)
        ids = tf.cast(tf.gather(tokens, places.flat_values), tf.int32)
        return places.with_flat_values(ids).to_tensor(shape=[index.shape[0], None])

    def read_lengths(self, index: tf.Tensor) -> tf.Tensor:
        """How many ids sentences int64 [b] have, int64 [b]."""
        _, offsets = self._tensors()
        return tf.gather(offsets, index + 1) - tf.gather(offsets, index)


def _mapped(mapped: Any) -> tf.Tensor:
    """A file as a tensor, of which only what is used is ever read."""
    return tf.raw_ops.ImmutableConst(
        dtype=tf.as_dtype(mapped.dtype),
        shape=mapped.shape,
        memory_region_name=str(Path(mapped.filename)),
    )


class Writer:
    """Collects sentences of one side, in as little memory as their ids need."""

    def __init__(self, vocabulary_size: int) -> None:
        """Takes the number of ids, which decides how many bytes each has."""
        self._tokens = array("H" if vocabulary_size <= 2**16 else "i")
        self._offsets = array("q", [0])

    def add(self, ids: list[int]) -> None:
        """Takes the next sentence."""
        self._tokens.extend(ids)
        self._offsets.append(len(self._tokens))

    def arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """All ids, and where sentences begin."""
        tokens = np.frombuffer(self._tokens, self._tokens.typecode)
        return tokens, np.frombuffer(self._offsets, _LENGTH_TYPE)


class Cache:
    """Files of one split in a folder, which belong to texts and a vocabulary."""

    def __init__(self, folder: str, split: str, identity: Any) -> None:
        """Takes all that decides what the files hold, as JSON-like data."""
        text = json.dumps(identity, sort_keys=True)
        name = hashlib.sha256(text.encode()).hexdigest()[:16]
        self._base = Path(folder) / f"{split}.{name}"

    def _file(self, name: str) -> Path:
        return self._base.with_name(f"{self._base.name}.{name}")

    def read(self) -> tuple[Counts, Side, Side] | None:
        """What was written, mapped; None if nothing was."""
        about = self._file("json")
        if not about.exists():
            return None
        values = json.loads(about.read_text(encoding="utf-8"))
        counts = Counts(tuple(values["sizes"]), values["empty"], values["long"])
        return counts, *self._sides(values["type"])

    def write(
        self, counts: Counts, sides: Sequence[Writer]
    ) -> tuple[Counts, Side, Side]:
        """Writes all files, the one that says they are there as the last.

        Returns:
          What `read` gives from now on.

        Raises:
          DataError: the folder cannot be written.
        """
        for side, writer in zip(_SIDES, sides, strict=True):
            tokens, offsets = writer.arrays()
            self._store(f"{side}.ids", tokens)
            self._store(f"{side}.offsets", offsets)
        about = {**asdict(counts), "type": tokens.dtype.str}
        write_atomically(self._file("json"), json.dumps(about))
        return counts, *self._sides(about["type"])

    def _sides(self, kind: str) -> tuple[Side, Side]:
        source, target = (
            Side(
                np.memmap(self._file(f"{side}.ids"), kind, "r"),
                np.memmap(self._file(f"{side}.offsets"), _LENGTH_TYPE, "r"),
            )
            for side in _SIDES
        )
        return source, target

    def _store(self, name: str, values: np.ndarray) -> None:
        path = self._file(name)
        partial = path.with_name(f".{path.name}.{os.getpid()}")
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            values.tofile(partial)
            partial.replace(path)
