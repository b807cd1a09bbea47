"""Connected digits, put together from the Free Spoken Digit Dataset's recordings."""

import re
import wave
from pathlib import Path

import numpy as np
import tensorflow as tf

from tfmodels.errors import ConfigError
from tfmodels.errors import DataError
from tfmodels.lattices.language_model import from_bigram
from tfmodels.lattices.lexicon import Lexicon
from tfmodels.lattices.lexicon import PhoneSet
from trainers.data.config import SpokenDigitsData
from trainers.data.utterances.sound import FrontEnd
from trainers.data.utterances.sound import read_wave

# Pronunciations as in CMUdict, without stress.
_SPELLING = {
    "zero": "Z IH R OW",
    "one": "W AH N",
    "two": "T UW",
    "three": "TH R IY",
    "four": "F AO R",
    "five": "F AY V",
    "six": "S IH K S",
    "seven": "S EH V AH N",
    "eight": "EY T",
    "nine": "N AY N",
}
_NUM_DIGITS = len(_SPELLING)
_SAMPLE_RATE = 8000
_NUM_BINS = 40
_LOWER_HZ, _UPPER_HZ = 60.0, 3800.0
_MIN_WORDS, _MAX_WORDS = 3, 6
_LONGEST_PAUSE = 1600
# Samples of 16 bits are seldom wholly silent: three of their steps.
_HISS = 1e-4

# The data set's own convention, and far above the number of a training utterance.
_NUM_HELD_OUT = 5
_HELD_OUT = 2**31

_NAME = re.compile(r"(\d)_(.+)_(\d+)\.wav")


class SpokenDigitsSource:
    """Utterance n of a split: 3 to 6 recordings of speaker n modulo their number.

    Pauses of up to 0.2 s are around them, and words that would not fit into the
    configured number of frames are left out at the end. Recordings 0 to 4 of each digit
    and speaker are for testing. Features are log-mel, normalized over the utterance;
    alignments are not known.
    """

    feature_dim = _NUM_BINS
    max_words = _MAX_WORDS
    tying = None
    is_aligned = False
    stored = ()

    def __init__(self, config: SpokenDigitsData, split: str) -> None:
        """Looks at every recording's header.

        Raises:
          ConfigError: the speakers cannot share the utterances equally, or a recording
            is longer than an utterance.
          DataError: a recording is missing, damaged or of another kind.
        """
        self._folder = Path(config.path).resolve()
        counts = _count_recordings(self._folder)
        self.speakers = tuple(sorted(counts))
        """Names of the speakers."""
        self.num_speakers = len(self.speakers)
        config.check_speakers(self.num_speakers)
        self.size = getattr(config, f"{split}_utterances")
        self.lexicon = digits_lexicon()
        uniform = np.full((1 + _NUM_DIGITS, _NUM_DIGITS), 1 / _NUM_DIGITS)
        self.grammar = from_bigram(uniform)
        training = split == "train"
        held_out = np.full(self.num_speakers, _NUM_HELD_OUT, np.int32)
        ends = np.array([counts[speaker] for speaker in self.speakers], np.int32)
        self._recordings = (held_out, ends) if training else (0 * held_out, held_out)
        self._first = 0 if training else _HELD_OUT
        self.front_end = FrontEnd(_SAMPLE_RATE, _NUM_BINS, _LOWER_HZ, _UPPER_HZ)
        window, hop = self.front_end.window, self.front_end.hop
        self._num_samples = 1 + window + hop * (config.max_frames - 1)
        self._check_lengths()

    def _check_lengths(self) -> None:
        longest = max(_count_samples(path) for path in self._folder.glob("*.wav"))
        needed = self.front_end.num_frames(longest + 2 * _LONGEST_PAUSE) + 1
        frames = self.front_end.num_frames(self._num_samples)
        if needed > frames:
            raise ConfigError(
                "a recording does not fit into an utterance. Expected data.max_frames"
                f" of at least {needed}; received {frames}."
            )

    def read(self, index: tf.Tensor) -> dict[str, tf.Tensor]:
        """See `UtteranceSource.read`."""
        samples, num_samples, words = self.compose(index)
        features, lengths = self.front_end(samples, num_samples)
        return {
            "features": features,
            "lengths": lengths,
            "alignment": tf.fill(tf.shape(features)[:2], -1),
            "words": words,
            "speaker": tf.cast(index % self.num_speakers, tf.int32),
        }

    def name(self, index: int) -> str:
        """Its number."""
        return str(index)

    def compose(self, index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Reads and joins the recordings of some utterances.

        Args:
          index: int64 [b], which utterances.

        Returns:
          Samples float32 [b, L] at 8 kHz, from -1 to 1; how many of them are spoken,
          int32 [b]; and the words, int32 [b, W], 0 after the last.
        """
        signature = (
            tf.TensorSpec([self._num_samples], tf.float32),
            tf.TensorSpec([], tf.int32),
            tf.TensorSpec([_MAX_WORDS], tf.int32),
        )
        return tf.map_fn(self._compose, index, fn_output_signature=signature)

    def _compose(self, index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        seed = tf.stack([tf.constant(0, tf.int64), self._first + index])
        sizes = (1, _MAX_WORDS, _MAX_WORDS, _MAX_WORDS + 1)
        uniform = tf.random.stateless_uniform([sum(sizes)], seed, alg="philox")
        count, digit, recording, pause = tf.split(uniform, sizes)
        num_words = _between(count[0], _MIN_WORDS, _MAX_WORDS + 1)
        digits = _between(digit, 0, _NUM_DIGITS)
        speaker = index % self.num_speakers
        first, end = (tf.gather(bounds, speaker) for bounds in self._recordings)
        paths = self._paths(digits, speaker, _between(recording, first, end))
        pauses = _between(pause, 0, _LONGEST_PAUSE + 1)
        parts = [tf.zeros(pauses[:1])]
        ends = []
        for place in range(_MAX_WORDS):
            silence = tf.zeros(pauses[place + 1 :][:1])
            parts.append(tf.concat([read_wave(paths[place]), silence], 0))
            ends.append(tf.add_n([tf.size(part) for part in parts]))
        # Ends grow: what is kept is a beginning.
        kept = (tf.stack(ends) <= self._num_samples) & (
            tf.range(_MAX_WORDS) < num_words
        )
        length = tf.reduce_max(tf.where(kept, tf.stack(ends), 0))
        samples = tf.concat(parts, 0)[:length]
        samples = tf.pad(samples, [[0, self._num_samples - length]])
        hiss = tf.random.stateless_normal([self._num_samples], seed, alg="philox")
        return samples + _HISS * hiss, length, tf.where(kept, digits + 1, 0)

    def _paths(
        self, digits: tf.Tensor, speaker: tf.Tensor, recordings: tf.Tensor
    ) -> tf.Tensor:
        """Names of files, string [W]."""
        start = tf.strings.join([f"{self._folder}/", tf.strings.as_string(digits)])
        name = tf.gather(self.speakers, speaker)
        number = tf.strings.as_string(recordings)
        return tf.strings.join([start, "_", name, "_", number, ".wav"])


def digits_lexicon() -> Lexicon:
    """The ten digits, "zero" first, in the phones of American English."""
    entries = [(word, spelling.split()) for word, spelling in _SPELLING.items()]
    spoken = sorted({phone for _, phones in entries for phone in phones})
    return Lexicon.create(entries, PhoneSet.create(["sil", *spoken], "sil"))


def _between(
    uniform: tf.Tensor, start: int | tf.Tensor, end: int | tf.Tensor
) -> tf.Tensor:
    """Whole numbers from `start` up to `end`, int32, of numbers from 0 to 1."""
    width = tf.cast(end - start, tf.float32)
    return start + tf.cast(uniform * width, tf.int32)


def _count_recordings(folder: Path) -> dict[str, int]:
    """How many recordings, numbered from 0, each speaker made of every digit.

    Raises:
      DataError: there are none, or one is missing.
    """
    names = [_NAME.fullmatch(path.name) for path in folder.glob("*.wav")]
    found = {(m[2], int(m[3]), int(m[1])) for m in names if m}
    counts: dict[str, int] = {}
    for speaker, number, _ in found:
        counts[speaker] = max(counts.get(speaker, 0), number + 1)
    if not counts:
        raise DataError(
            f"no recordings in {folder}. Expected files such as 7_george_0.wav of the"
            " Free Spoken Digit Dataset; correct data.path."
        )
    for speaker, count in counts.items():
        # One more than is held out: there must be something to learn from.
        for number in range(max(count, _NUM_HELD_OUT + 1)):
            for digit in range(_NUM_DIGITS):
                if (speaker, number, digit) not in found:
                    raise DataError(
                        f"a recording is missing: {folder}/{digit}_{speaker}_{number}"
                        ".wav. Expected all digits of a speaker with the same numbers."
                    )
    return counts


def _count_samples(path: Path) -> int:
    """Samples of a recording.

    Raises:
      DataError: it is no whole WAV file of 16 bits, one channel and 8 kHz.
    """
    try:
        with wave.open(str(path)) as file:
            form = file.getnchannels(), file.getsampwidth(), file.getframerate()
            promised = file.getnframes()
            whole = path.stat().st_size >= 2 * promised
    except (OSError, EOFError, wave.Error) as error:
        raise DataError(
            f"cannot read the recording {path}: {error}. Expected a WAV file."
        ) from None
    if form != (1, 2, _SAMPLE_RATE) or not whole or not promised:
        raise DataError(
            f"{path} is not of the Free Spoken Digit Dataset. Expected a whole file of"
            f" one channel, 16 bits and {_SAMPLE_RATE} Hz; received {form[0]}"
            f" channel(s), {8 * form[1]} bits and {form[2]} Hz, {promised} samples"
            f" promised in {path.stat().st_size} bytes."
        )
    return promised
