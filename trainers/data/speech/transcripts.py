"""Transcripts of utterances as sequences of tokens, for a language model."""

import logging
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf

from tfmodels.errors import ConfigError
from tfmodels.text.graphemes import START
from tfmodels.text.graphemes import Graphemes
from trainers.data.kaldi.lines import filled_lines
from trainers.data.parallel.arrays import Side
from trainers.data.parallel.arrays import Writer
from trainers.data.speech.config import SpeechData
from trainers.data.speech.sources import open_speech

_LOG = logging.getLogger(__name__)


class TranscriptSource:
    """What a recogniser of the same data is to say, without the sound; see
    `trainers.data.tokens.sources.TokenSource`."""

    def __init__(
        self,
        labels: Sequence[list[int]],
        graphemes: Graphemes,
        length: int,
        variety: str,
    ) -> None:
        """Takes labels as they are, each ending with the end.

        Args:
          labels: of each utterance; no more than T of them count.
          graphemes: what they mean.
          length: T, tokens that the model takes.
          variety: how texts to go on with are written.
        """
        self.graphemes = graphemes
        """What tokens mean."""
        self.vocabulary_size = graphemes.size
        self.ordinary_tokens = range(graphemes.space, graphemes.size)
        self.length = length
        self.size = len(labels)
        self._variety = variety
        writer = Writer(graphemes.size)
        for label in labels:
            writer.add(label[:length])
        self._labels = Side(*writer.arrays())

    def read(self, index: tf.Tensor, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        """See `TokenSource.read`; all labels of a transcript count, the end too."""
        label = self._labels.read(index)
        label = tf.pad(label, [[0, 0], [0, self.length - tf.shape(label)[1]]])
        label = tf.ensure_shape(label, [None, self.length])
        starts = tf.fill([tf.shape(label)[0], 1], START)
        there = tf.cast(label != 0, tf.int32)
        return {
            "tokens": tf.concat([starts, label[:, :-1]], axis=1) * there,
            "label": label,
            "weight": tf.cast(there, tf.float32),
        }

    def prompt(self, text: str) -> tuple[list[int], int]:
        """The last characters of a text, at most half of what the model sees."""
        kept = self.graphemes.encode(text, self._variety)[-(self.length // 2) :]
        return [START, *kept], self.length - len(kept)

    def show(self, tokens: Sequence[int]) -> str:
        """The text, up to the first end."""
        return self.graphemes.decode(tokens)


def open_transcripts(
    config: SpeechData,
    split: str,
    length: int,
    varieties: Sequence[str] = (),
    texts: Mapping[str, str] | None = None,
) -> TranscriptSource:
    """Reads what was said in a split.

    Args:
      config: the section `data` of a recogniser.
      split: its name.
      length: T, tokens that the model takes; of longer transcripts the first count.
      varieties: those that count; all when there are none.
      texts: files of lines that the training split has besides, of each variety.

    Raises:
      ConfigError: nothing was said in these varieties.
      DataError: the data or a text are missing or damaged, or of no known variety.
    """
    source = open_speech(config)
    graphemes = source.graphemes
    limits = [varieties, config.learned_varieties if split == "train" else ()]
    labels = [
        graphemes.label(each.text, each.variety, config.variety_symbol)
        for each in source.utterances(split)
        if all(each.variety in some for some in limits if some)
    ]
    if split == "train":
        labels += [
            graphemes.label(line.text, variety, config.variety_symbol)
            for variety, path in (texts or {}).items()
            for line in filled_lines(Path(path))
        ]
    names = [variety.name for variety in graphemes.varieties]
    if not labels:
        raise ConfigError(
            f"task.varieties: the split {split} has no transcript of these. Expected"
            f" some of {', '.join(names)}. Received {', '.join(varieties)}."
        )
    long = sum(len(label) > length for label in labels)
    if long:
        _LOG.warning(
            "Of %d transcripts of the split %s only the first %d characters count.",
            *(long, split, length),
        )
    return TranscriptSource(labels, graphemes, length, (*varieties, *names)[0])
