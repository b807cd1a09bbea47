"""A split of a manifest, whose recordings are read when they are needed."""

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


class RecordedCorpus:
    """See `trainers.data.speech.corpus.Corpus`."""

    changes = False

    def __init__(
        self,
        entries: Sequence[Utterance],
        variety: str,
        front_end: Sounds,
    ) -> None:
        """Takes what a manifest says; headers are read where it gives no length.

        Args:
          entries: the split's utterances.
          variety: which key of them says the variety.
          front_end: what reads recordings.

        Raises:
          DataError: an utterance has no variety, or no length and no readable header.
        """
        self._entries = entries
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
        if seconds is None:
            seconds = describe_sound(Path(entry.audio)).seconds - entry.offset_s
        return Spoken(
            entry.utt,
            entry.text,
            variety,
            entry.lang or variety,
            entry.speaker or entry.utt,
            max(round(seconds * self._front_end.sample_rate), 0),
        )

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
            samples = self._front_end.read(
                Path(entry.audio), entry.offset_s, entry.dur_s
            )[: batch.shape[1]]
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
        corpora[split] = RecordedCorpus(chosen, config.variety, front_end)
    return corpora
