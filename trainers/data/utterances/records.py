"""Prepared utterances, read one by one by whoever needs them."""

from pathlib import Path

import tensorflow as tf

from tfmodels.errors import DataError
from trainers.data.config import RecordedUtterancesData
from trainers.data.utterances import stored
from trainers.data.utterances.record_files import read_about
from trainers.data.utterances.record_files import record_path
from trainers.data.utterances.sound import FrontEnd


class RecordedSource:
    """Utterances from the files of `trainers.data.utterances.record_files`.

    Number n is of group n modulo the number of groups. A group with fewer utterances
    than the largest has numbers that are no utterance.
    """

    def __init__(self, config: RecordedUtterancesData, split: str) -> None:
        """Reads what all utterances share, and looks for the last one of each group.

        Raises:
          DataError: a file is missing or damaged.
        """
        self._folder, self._split = Path(config.path).resolve(), split
        self.about, language = read_about(self._folder)
        self.lexicon = language.lexicon
        self.grammar = language.grammar
        self.tying = language.tying
        self.is_aligned = self.about.is_aligned
        self.feature_dim = self.about.feature_dim
        self.max_words = self.about.max_words
        self.front_end = FrontEnd(self.about.sample_rate, self.feature_dim)
        self._sizes = self.about.sizes[split]
        self.num_speakers = len(self._sizes)
        self.size = self.num_speakers * max(self._sizes)
        accuracy = (stored.ACCURACY,) if self.about.has_accuracy else ()
        self.stored = (*self.about.lattices, *accuracy)
        for group, size in enumerate(self._sizes):
            path = record_path(self._folder, split, group, size - 1)
            if not path.is_file():
                raise DataError(
                    f"an utterance is missing: {path}. Expected {size} files beside"
                    " it; prepare the folder again, or correct data.path."
                )

    def read(self, index: tf.Tensor) -> dict[str, tf.Tensor]:
        """See `UtteranceSource.read`; and lattices, as in `stored`."""
        traced = tf.function(self._read, autograph=False).get_concrete_function(
            tf.TensorSpec([], tf.int64)
        )
        signature = tf.nest.map_structure(
            lambda output: tf.TensorSpec(output.shape, output.dtype),
            traced.structured_outputs,
        )
        return tf.map_fn(self._read, index, fn_output_signature=signature)

    def name(self, index: int) -> str:
        """The utterance's name in the data folder it is from."""
        group, place = index % self.num_speakers, index // self.num_speakers
        path = record_path(self._folder, self._split, group, place)
        example = tf.train.Example.FromString(path.read_bytes())
        return str(example.features.feature["name"].bytes_list.value[0].decode())

    def _read(self, index: tf.Tensor) -> dict[str, tf.Tensor]:
        group, place = index % self.num_speakers, index // self.num_speakers
        size = tf.gather(tf.constant(self._sizes, tf.int64), group)
        exists = place < size
        parts = [
            f"{self._folder}/{self._split}",
            tf.strings.as_string(group),
            tf.strings.join([tf.strings.as_string(place % size), ".record"]),
        ]
        content = tf.io.read_file(tf.strings.join(parts, "/"))
        values = tf.io.parse_single_example(content, self._types())
        features = tf.io.decode_raw(values["features"], tf.float32)
        features = tf.reshape(features, [-1, self.feature_dim])
        frames, length = self.about.max_frames, tf.shape(features)[0]
        alignment = tf.fill([frames], -1)
        if self.is_aligned:
            # One more, so that what pads is no state.
            shifted = _padded(tf.cast(values["alignment"], tf.int32) + 1, frames) - 1
            alignment = tf.where(exists, shifted, -1)
        batch = {
            "features": _padded(features, frames),
            "lengths": length,
            "alignment": alignment,
            "words": _padded(tf.cast(values["words"], tf.int32), self.max_words),
            "speaker": tf.cast(group, tf.int32),
            "exists": exists,
        }
        for name, widths in self.about.lattices.items():
            batch |= stored.from_features(name, values, (frames, *widths))
        return batch

    def _types(self) -> dict[str, tf.io.FixedLenFeature]:
        """What is read of a file."""
        types = {"words": tf.int64}
        if self.is_aligned:
            types["alignment"] = tf.int64
        for name in self.about.lattices:
            has_accuracy = f"{name}_accuracy" in self.stored
            types |= stored.feature_types(name, has_accuracy)
        return {
            "features": tf.io.FixedLenFeature([], tf.string),
            **{
                name: tf.io.FixedLenSequenceFeature([], type_, allow_missing=True)
                for name, type_ in types.items()
            },
        }


def _padded(values: tf.Tensor, size: int) -> tf.Tensor:
    """Values with zeros behind them, `size` in all."""
    more = [[0, size - tf.shape(values)[0]]] + [[0, 0]] * (values.shape.rank - 1)
    return tf.ensure_shape(tf.pad(values, more), [size, *values.shape[1:]])
