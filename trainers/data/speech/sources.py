"""All splits of an experiment's speech, with one table of characters."""

import functools
import logging
from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

import numpy as np

from tfmodels.errors import DataError
from tfmodels.text.graphemes import Graphemes
from tfmodels.text.graphemes import normalized
from trainers.data.parallel.arrays import Side
from trainers.data.parallel.arrays import Writer
from trainers.data.speech.arranged import Arranged
from trainers.data.speech.arranged import first_that_fits
from trainers.data.speech.config import SpeechData
from trainers.data.speech.connected_digits import open_digits
from trainers.data.speech.corpus import Corpus
from trainers.data.speech.corpus import Spoken
from trainers.data.speech.features import Features
from trainers.data.speech.features import frame_statistics
from trainers.data.speech.front_end import FrontEnd
from trainers.data.speech.recorded import open_manifest
from trainers.data.speech.tables import open_graphemes

_LOG = logging.getLogger(__name__)


class SpeechSplit(Arranged):
    """The utterances of a split as a recogniser takes them."""

    def __init__(
        self, name: str, corpus: Corpus, config: SpeechData, graphemes: Graphemes
    ) -> None:
        """Encodes transcripts and puts utterances into buckets.

        Raises:
          ConfigError: a bucket does not fill a batch, and must.
          DataError: an utterance is of another variety, or none is left to learn from.
        """
        self.corpus, self._config = corpus, config
        spoken = corpus.utterances
        self.variety = np.array([_number(graphemes, each) for each in spoken], np.int64)
        """The number of each utterance's variety, int64 [n]."""
        self.kinds = self.variety
        writer = Writer(graphemes.size)
        for each in spoken:
            place = config.variety_symbol
            writer.add(graphemes.label(each.text, each.variety, place))
        self.labels = Side(*writer.arrays())
        """What a model is to say."""
        front_end = FrontEnd(config)
        frames = front_end.log_mel.num_frames
        self.lengths = np.array([frames(each.num_samples) for each in spoken])
        """Frames of each utterance, int64 [n]."""
        self.is_training = name == "train"
        self.shapes = self._shapes()
        sizes = np.stack([self.lengths, self.labels.lengths], axis=-1)
        self.bucket = first_that_fits(sizes, self.shapes)
        self.short, self.long = self.lengths < 1, self.bucket < 0
        """Utterances without a frame, and those that fit into no bucket, bool [n]."""
        if self.is_training:
            self._leave_out()
            self._keep_learned(graphemes)
        elif self.short.any():
            raise DataError(
                f"the utterance {spoken[int(self.short.argmax())].name} of the split"
                f" {name} is too short for a frame. Expected at least"
                f" {front_end.num_samples(1)} samples at {config.sample_rate} Hz."
                " Received fewer; remove it."
            )
        self.features = functools.cache(
            lambda: Features(
                corpus, self.bucket >= 0, front_end, config.cache_megabytes
            )
        )
        """Opens the features, which may read all recordings."""

    def _shapes(self) -> np.ndarray:
        shapes = [(bucket.frames, bucket.units) for bucket in self._config.buckets]
        longest = self.lengths.max(initial=1), self.labels.lengths.max(initial=1)
        if not self.is_training and any(
            a > b for a, b in zip(longest, shapes[-1], strict=True)
        ):
            shapes.append(tuple(np.maximum(longest, shapes[-1])))
        return np.array(shapes, np.int64)

    def _leave_out(self) -> None:
        self.bucket[self.short] = -1
        short, long = int(self.short.sum()), int(self.long.sum())
        largest = self._config.buckets[-1]
        if np.all(self.bucket < 0):
            raise DataError(
                "no utterance is left to learn from. Expected utterances of at most"
                f" {largest.frames} frames and {largest.units} units. Received {long:,}"
                f" that are longer and {short:,} without a frame; raise data.buckets."
            )
        if short or long:
            _LOG.warning(
                "Of the training split, %d utterances of more than %d frames or %d"
                " units and %d too short for a frame are left out; %d stay.",
                *(long, largest.frames, largest.units, short),
                int(np.sum(self.bucket >= 0)),
            )

    def _keep_learned(self, graphemes: Graphemes) -> None:
        wanted = self._config.learned_varieties
        if not wanted:
            return
        names = [variety.name for variety in graphemes.varieties]
        chosen = [number for number, name in enumerate(names) if name in wanted]
        self.bucket[~np.isin(self.variety, chosen)] = -1
        if set(wanted) - set(names) or np.all(self.bucket < 0):
            raise DataError(
                "there is nothing to learn of some varieties. Expected data."
                f"learned_varieties to be some of {', '.join(names)}, with utterances"
                f" of the training split. Received {', '.join(wanted)}."
            )


class SpeechSource:
    """What `open_speech` returns."""

    def __init__(
        self,
        config: SpeechData,
        corpora: Mapping[str, Corpus],
        front_end: FrontEnd,
        varieties: tuple[str, ...] | None = None,
        write: bool = True,
    ) -> None:
        """Makes or reads the table of characters; sound is read when it is asked for.

        Args:
          config: the section `data`.
          corpora: the utterances of each split.
          front_end: what makes features.
          varieties: names of all; those of the training split, sorted, when None.
          write: whether a new table is written to its file.

        Raises:
          DataError: the table's file is damaged or of other varieties, or a variety is
            of two languages.
        """
        self.front_end = front_end
        self._config, self._corpora = config, corpora
        self.graphemes = open_graphemes(
            config, corpora["train"].utterances, varieties, write
        )
        self.split = functools.cache(self._split)

    def _split(self, name: str) -> SpeechSplit:
        return SpeechSplit(name, self._corpora[name], self._config, self.graphemes)

    @property
    def feature_dim(self) -> int:
        """Numbers that describe a frame."""
        return self._config.mel_bins

    @property
    def num_varieties(self) -> int:
        """How many there are, K."""
        return len(self.graphemes.varieties)

    @property
    def steps_per_epoch(self) -> int:
        """Batches of a training epoch."""
        return self.split("train").order.steps_per_epoch

    def references(self, split: str) -> list[str]:
        """Transcripts of a split as they are counted, in their order."""
        lower = {v.name: v.lower_case for v in self.graphemes.varieties}
        return [
            normalized(each.text, lower[each.variety])
            for each in self._corpora[split].utterances
        ]

    def utterances(self, split: str) -> tuple[Spoken, ...]:
        """What is known of the utterances of a split, in their order."""
        return self._corpora[split].utterances

    def statistics(self, max_utterances: int = 1000) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of each band over training frames.

        Args:
          max_utterances: at most so many are looked at, spread over the split; those
            that training leaves out are not.

        Returns:
          Two float32 [D].

        Raises:
          DataError: a recording cannot be read.
        """
        split = self.split("train")
        used = split.bucket >= 0
        step = -(-np.count_nonzero(used) // max_utterances)
        chosen = np.flatnonzero(used)[::step]
        # By themselves: a prediction needs these frames, and no others.
        features = Features(split.corpus, used, self.front_end, megabytes=0)
        return frame_statistics(features, split.lengths, chosen)


def _number(graphemes: Graphemes, spoken: Spoken) -> int:
    try:
        return graphemes.number(spoken.variety)
    except DataError as error:
        raise DataError(f"{spoken.name}: {error}") from None


_OPEN: dict[str, Callable[[Any, FrontEnd], Mapping[str, Corpus]]] = {
    "connected_digits": open_digits,
    "speech_manifest": open_manifest,
}


def open_speech(config: SpeechData, write: bool = True) -> SpeechSource:
    """Opens all splits of an experiment's speech.

    Args:
      config: the section `data`; one of the kinds that extend `SpeechData`.
      write: whether a new table of characters is written to its file.

    Raises:
      DataError: a manifest, table or recording is missing or damaged; an utterance is
        of no known variety.
    """
    values = config.plain()
    front_end = FrontEnd(config)
    corpora = _OPEN[values["kind"]](config, front_end)
    named = values.get("varieties")
    varieties = None if named is None else tuple(named)
    return SpeechSource(config, corpora, front_end, varieties, write)
