"""Features of a split: made once and held in memory, or made of each batch's sound."""

import numpy as np
import tensorflow as tf

from trainers.data.speech.corpus import Corpus
from trainers.data.speech.front_end import Sounds

_FLOAT_BYTES = 4
# Utterances whose features are made together.
_AT_ONCE = 64
_READ_AT_ONCE = 32
_LEAST_DEVIATION = 1e-3


class Features:
    """Frames of the utterances of a split."""

    def __init__(
        self, corpus: Corpus, used: np.ndarray, front_end: Sounds, megabytes: int
    ) -> None:
        """Makes all features, if they always are the same and no larger than allowed.

        Args:
          corpus: the utterances.
          used: bool [n], those that are ever asked for.
          front_end: what makes features.
          megabytes: most that are held in memory.

        Raises:
          DataError: a recording cannot be read.
        """
        self._corpus, self._front_end = corpus, front_end
        samples = np.array([each.num_samples for each in corpus.utterances], np.int64)
        frames = front_end.log_mel.num_frames
        self.lengths = np.array([frames(int(n)) for n in samples], np.int64)
        """Frames of each utterance, int64 [n]."""
        with tf.device("/CPU:0"):
            self._num_samples = tf.constant(samples, tf.int32)
        self.width = front_end.log_mel.num_bins
        """Numbers that describe a frame."""
        kept = np.where(used, self.lengths, 0)
        size = kept.sum() * self.width * _FLOAT_BYTES
        self.is_stored = not corpus.changes and size <= megabytes * 2**20
        """Whether they are held in memory."""
        if self.is_stored:
            offsets = np.cumsum(kept) - kept
            stored = np.zeros([max(kept.sum(), 1), self.width], np.float32)
            self._fill(stored, offsets, np.flatnonzero(used))
            with tf.device("/CPU:0"):
                self._stored, self._offsets = map(tf.constant, (stored, offsets))

    def _fill(self, stored: np.ndarray, offsets: np.ndarray, used: np.ndarray) -> None:
        # Of similar lengths, so that little is padding.
        ordered = used[np.argsort(self.lengths[used], kind="stable")]
        for some in np.array_split(ordered, -(-len(used) // _AT_ONCE) or 1):
            index = tf.constant(some, tf.int64)
            longest = tf.constant(self.lengths[some].max(initial=1), tf.int32)
            made = self._made(index, tf.stack([index, index], -1), longest).numpy()
            for row, number in enumerate(some):
                length, offset = self.lengths[number], offsets[number]
                stored[offset : offset + length] = made[row, :length]

    def read(
        self, index: tf.Tensor, seed: tf.Tensor, frames: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Features of a batch.

        Args:
          index: int64 [b], which utterances.
          seed: int64 [b, 2], for what is random about each.
          frames: int32 [], T; none is longer.

        Returns:
          float32 [b, T, D], 0 behind the end, and int32 [b], frames of each. All of an
          utterance whose sound is no number is none.
        """
        lengths = self._front_end.log_mel.num_frames(
            tf.gather(self._num_samples, index)
        )
        if not self.is_stored:
            return self._made(index, seed, frames), lengths
        frame = tf.range(tf.cast(frames, tf.int64))
        place = tf.gather(self._offsets, index)[:, None] + frame
        last = tf.shape(self._stored, tf.int64)[0] - 1
        features = tf.gather(self._stored, tf.minimum(place, last))
        there = tf.cast(frame, tf.int32) < lengths[:, None]
        return tf.where(there[..., None], features, 0.0), lengths

    def _made(self, index: tf.Tensor, seed: tf.Tensor, frames: tf.Tensor) -> tf.Tensor:
        wanted = self._front_end.num_samples(frames)
        sound = self._corpus.audio(index, seed, wanted)
        lengths = tf.gather(self._num_samples, index)
        bad = tf.reduce_any(tf.math.is_nan(sound), axis=1)
        features = self._front_end(tf.where(bad[:, None], 0.0, sound), lengths)
        return tf.where(bad[:, None, None], np.float32(np.nan), features)


def frame_statistics(
    features: Features, lengths: np.ndarray, chosen: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each band over the frames of some utterances.

    Args:
      features: what reads them.
      lengths: frames of each utterance, int64 [n].
      chosen: which utterances are looked at, int64 [k].

    Returns:
      Two float32 [D]; the deviation of a band that does not vary is 1. Frames that are
      no numbers do not count.

    Raises:
      DataError: a recording cannot be read.
    """
    total, squares = np.zeros([2, features.width])
    count = 0
    for some in np.array_split(chosen, -(-len(chosen) // _READ_AT_ONCE)):
        longest = tf.constant(lengths[some].max(), tf.int32)
        index = tf.constant(some, tf.int64)
        read, _ = features.read(index, tf.stack([index, index], -1), longest)
        frames = read.numpy().astype(np.float64)
        there = np.arange(longest) < lengths[some, None]
        there &= ~np.isnan(frames).any(axis=-1)
        total += frames[there].sum(axis=0)
        squares += np.square(frames[there]).sum(axis=0)
        count += int(there.sum())
    count = max(count, 1)
    mean = total / count
    deviation = np.sqrt(np.maximum(squares / count - mean**2, 0))
    # A band without energy stays 0 whatever it is divided by.
    deviation = np.where(deviation < _LEAST_DEVIATION, 1.0, deviation)
    return mean.astype(np.float32), deviation.astype(np.float32)
