"""A split of a manifest, whose recordings are read when they are needed."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from tfmodels.errors import DataError
from trainers.data.speech.config import SpeechManifestData
from trainers.data.speech.corpus import Spoken
from trainers.data.speech.front_end import FrontEnd
from trainers.data.speech.front_end import Sounds
from trainers.data.speech.manifest import Utterance
from trainers.data.speech.manifest import read_manifest
from trainers.data.speech.recordings import describe_sound

_LOG = logging.getLogger(__name__)


class RecordedCorpus:
    """See `trainers.data.speech.corpus.Corpus`."""

    changes = False

    def __init__(
        self,
        entries: Sequence[Utterance],
        variety: str,
        front_end: Sounds,
        tolerant: bool = False,
    ) -> None:
        """Takes what a manifest says; headers are read where it gives no length.

        Args:
          entries: the split's utterances.
          variety: which key of them says the variety.
          front_end: what reads recordings.
          tolerant: whether a recording that cannot be read is as long as a frame, is
            named in the log once, and sounds like no number.

        Raises:
          DataError: an utterance has no variety, or no length and no readable header.
        """
        self._entries, self._tolerant = entries, tolerant
        self._told: set[str] = set()
        self._front_end = front_end
        self.utterances = tuple(self._spoken(each, variety) for each in entries)

    def _spoken(self, entry: Utterance, key: str) -> Spoken:
        variety = getattr(entry, key)
        if not variety:
            raise DataError(
                f"the utterance {entry.utt} is of no variety. Expected the key {key} in"
                f" each line of the manifest. Received {variety!r}; correct the"
                " manifest or data.variety."
            )
        seconds = entry.dur_s
        rate = self._front_end.sample_rate
        if seconds is None:
            try:
                seconds = describe_sound(Path(entry.audio)).seconds - entry.offset_s
            except DataError as error:
                self._tell(entry, error)
                seconds = self._front_end.num_samples(1) / rate
        return Spoken(
            entry.utt,
            entry.text,
            variety,
            entry.lang or variety,
            entry.speaker or entry.utt,
            max(round(seconds * rate), 0),
        )

    def _tell(self, entry: Utterance, error: DataError) -> None:
        """Names what cannot be read, or ends with it."""
        if not self._tolerant:
            raise error
        if entry.utt not in self._told:
            _LOG.warning("The utterance %s counts as nothing: %s", entry.utt, error)
        self._told.add(entry.utt)

    def audio(
        self, index: tf.Tensor, seed: tf.Tensor, num_samples: tf.Tensor
    ) -> tf.Tensor:
        """See `Corpus.audio`."""
        if tf.executing_eagerly():
            return tf.constant(self._read(index.numpy(), int(num_samples)))
        read = tf.numpy_function(
            self._read, [index, num_samples], tf.float32, stateful=False
        )
        return tf.ensure_shape(read, [index.shape[0], None])

    def _read(self, index: np.ndarray, num_samples: int) -> np.ndarray:
        batch = np.zeros([len(index), int(num_samples)], np.float32)
        for row, number in enumerate(index):
            entry = self._entries[number]
            try:
                samples = self._front_end.read(
                    Path(entry.audio), entry.offset_s, entry.dur_s
                )[: batch.shape[1]]
            except DataError as error:
                self._tell(entry, error)
                batch[row] = np.nan
            else:
                batch[row, : len(samples)] = samples
        return batch


def open_manifest(
    config: SpeechManifestData, front_end: FrontEnd
) -> dict[str, RecordedCorpus]:
    """The splits of a manifest.

    Raises:
      DataError: the manifest is damaged, a split is empty, or an utterance has no
        variety.
    """
    path = Path(config.manifest)
    entries = read_manifest(path)
    corpora = {}
    for split in ("train", *config.held_out_splits()):
        names = getattr(config, split)
        chosen = [entry for entry in entries if entry.split in names]
        if not chosen:
            found = ", ".join(sorted({entry.split for entry in entries})) or "none"
            raise DataError(
                f"the split {split} is empty. Expected utterances of"
                f" {', '.join(names)} in {path}. Received the splits {found}; correct"
                f" data.{split}."
            )
        corpora[split] = RecordedCorpus(
            chosen, config.variety, front_end, config.max_bad_fraction > 0
        )
    return corpora
