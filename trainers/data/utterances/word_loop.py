"""Utterances of a made-up language, drawn by TensorFlow operations from their number.

So any machine can make any utterance without a file. Shapes: b utterances, W words, S
states (three of each possible silence and phone, in order), T frames, D features.
"""

from typing import Any
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfmodels.errors import DataError
from tfmodels.lattices.language_model import from_bigram
from tfmodels.lattices.lexicon import Lexicon
from trainers.data.config import WordLoopData
from trainers.data.utterances import language as made_up
from trainers.data.utterances.language import make_language

_MIN_WORDS, _MAX_WORDS = 3, 6
_SMOOTHING = (0.15, 0.7, 0.15)
_NOISE_CORRELATION = 0.85

# Far above the number of a training utterance.
_HELD_OUT = 2**31

# States of a silence, followed by those of a word.
_SLOT = made_up.NUM_STATES * (1 + made_up.MAX_PHONES)


class _Plan(NamedTuple):
    """What is said and for how long."""

    words: tf.Tensor
    """int32 [b, W], 0 after the last word."""
    pdfs: tf.Tensor
    """int32 [b, S], of every state that there could be."""
    ends: tf.Tensor
    """int32 [b, S], first frame after each state; absent states last no frame."""

    @property
    def lengths(self) -> tf.Tensor:
        """Frames of each utterance, int32 [b]."""
        return self.ends[:, -1]


class WordLoopSource:
    """Utterance n of a split, spoken by speaker n modulo the number of speakers.

    The words follow the bigram, with optional silence around each. An utterance longer
    than the configured number of frames is drawn anew.
    """

    feature_dim = made_up.FEATURE_DIM
    max_words = _MAX_WORDS
    is_aligned = True
    stored = ()

    def __init__(self, config: WordLoopData, split: str) -> None:
        """Draws the language, which all splits share."""
        self.language = make_language(config.language, config.speakers)
        self.lexicon = self.language.lexicon
        self.bigram = self.language.bigram
        self.grammar = from_bigram(self.bigram)
        self.tying = self.language.tying
        self.num_speakers = config.speakers
        training = split == "train"
        self.size = config.train_utterances if training else config.test_utterances
        self._first = 0 if training else _HELD_OUT
        self._config = config

    def read(self, index: tf.Tensor) -> dict[str, tf.Tensor]:
        """See `UtteranceSource.read`; a function of the language and the number."""
        speaker = tf.cast(index % self.num_speakers, tf.int32)
        origin = self._origin(index)
        plan = self._plan(origin)
        frame = tf.range(self._config.max_frames)
        spoken = frame < plan.lengths[:, None]
        moment = tf.minimum(frame, plan.lengths[:, None] - 1)
        state = tf.searchsorted(plan.ends, moment, side="right")
        pdf = tf.gather(plan.pdfs, state, batch_dims=1)
        features = _smooth(tf.gather(self.language.means, pdf))
        features += tf.gather(self.language.offsets, speaker)[:, None]
        features += self._noise(origin)
        return {
            "features": tf.where(spoken[..., None], features, 0.0),
            "lengths": plan.lengths,
            "alignment": tf.where(spoken, pdf, -1),
            "words": plan.words,
            "speaker": speaker,
        }

    def open(self, name: str) -> tuple[tf.Tensor, tf.Tensor]:
        """The utterance of this split that has a number, written in digits.

        Raises:
          DataError: there is none.
        """
        if not (name.isdecimal() and int(name) < self.size):
            raise DataError(
                "No utterance has this name: those of a made-up language are numbered."
                f" Expected a number below {self.size}; received {name!r}."
            )
        read = self.read(tf.constant([int(name)], tf.int64))
        return read["features"], read["lengths"]

    def describe(self) -> dict[str, Any]:
        """See `FrontEnd.describe`: nobody else speaks this language."""
        return self._config.plain()

    @property
    def front_end(self) -> "WordLoopSource":
        """Itself: its utterances are not made of anything."""
        return self

    def name(self, index: int) -> str:
        """Its number, which `open` takes."""
        return str(index)

    def _origin(self, index: tf.Tensor) -> tf.Tensor:
        """Seeds of all that is random about utterances, int64 [b, 2]."""
        language = tf.fill(
            tf.shape(index), tf.constant(self._config.language, tf.int64)
        )
        return tf.stack([language, self._first + index], axis=-1)

    def _plan(self, origin: tf.Tensor) -> _Plan:
        """Draws what is said, and draws again what would take too long."""

        def too_long(plan: _Plan) -> tf.Tensor:
            return plan.lengths > self._config.max_frames

        def again(attempt: tf.Tensor, plan: _Plan) -> tuple[tf.Tensor, _Plan]:
            attempt += tf.cast(too_long(plan), tf.int64)
            return attempt, self._draw(origin, attempt)

        attempt = tf.zeros_like(origin[:, 0])
        _, plan = tf.while_loop(
            lambda _, plan: tf.reduce_any(too_long(plan)),
            again,
            (attempt, self._draw(origin, attempt)),
        )
        return plan

    def _draw(self, origin: tf.Tensor, attempt: tf.Tensor) -> _Plan:
        """Draws words, silences and durations."""
        sizes = (1, _MAX_WORDS, _MAX_WORDS + 1, (_MAX_WORDS + 1) * _SLOT)
        uniform = _uniform(origin, attempt, sum(sizes))
        count, word, silence, duration = tf.split(uniform, sizes, axis=1)
        num_words = _MIN_WORDS + tf.cast(
            count * (_MAX_WORDS - _MIN_WORDS + 1), tf.int32
        )
        spoken = tf.range(_MAX_WORDS) < num_words
        words = tf.where(spoken, self._walk(word), 0)
        silent = (silence < made_up.SILENCE_RATE) & (
            tf.range(_MAX_WORDS + 1) <= num_words
        )
        pdfs, present = self._states(words, silent)
        # The geometric distribution by inversion: 1 for most, longer for small values.
        frames = 1 + tf.floor(tf.math.log1p(-duration) / np.log(1 - made_up.EXIT_RATE))
        ends = tf.cumsum(tf.where(present, tf.cast(frames, tf.int32), 0), axis=1)
        return _Plan(words, pdfs, ends)

    def _walk(self, uniform: tf.Tensor) -> tf.Tensor:
        """Words that follow one another as the bigram says, int32 [b, W]."""
        # The last sum may be a little below 1, and then no word would be left.
        bounds = np.cumsum(self.bigram, axis=1)[:, :-1]
        words = [tf.zeros_like(uniform[:, 0], tf.int32)]
        for place in range(_MAX_WORDS):
            passed = tf.gather(bounds, words[-1]) <= uniform[:, place, None]
            words.append(1 + tf.reduce_sum(tf.cast(passed, tf.int32), axis=1))
        return tf.stack(words[1:], axis=1)

    def _states(
        self, words: tf.Tensor, silent: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """The states of an utterance: a silence before each word, the word, ..., and a
        silence at the end.

        Args:
          words: int32 [b, W], 0 after the last.
          silent: bool [b, W + 1], whether there is silence before each, and at the end.

        Returns:
          pdfs int32 [b, S], and bool [b, S], which of them there are.
        """
        phones = tf.gather(_spellings(self.lexicon), words)
        last = tf.gather(_last_phones(self.lexicon), words)
        before = tf.pad(last[:, :-1], [[0, 0], [1, 0]])
        before = tf.where(silent[:, :-1], made_up.SILENCE, before)
        left = tf.concat([before[..., None], phones[..., :-1]], axis=-1)
        at_end = [[0, 0], [0, 1], [0, 0]]
        shape = tf.concat([tf.shape(words), [-1]], axis=0)
        # Of right neighbours, all of which are alike, the end.
        table = self.tying.table[:, :, 0]
        rows = table.reshape(-1, made_up.NUM_STATES)
        spoken = tf.gather(rows, left * table.shape[1] + phones)
        spoken = tf.pad(tf.reshape(spoken, shape), at_end)
        there = tf.repeat(phones > 0, made_up.NUM_STATES, axis=-1)
        there = tf.pad(there, at_end)
        quiet = tf.zeros_like(spoken[..., : made_up.NUM_STATES])
        quiet += table[0, made_up.SILENCE]
        silent = tf.repeat(silent[..., None], made_up.NUM_STATES, axis=-1)
        pdfs = tf.concat([quiet, spoken], axis=-1)
        present = tf.concat([silent, there], axis=-1)
        flat = [-1, (_MAX_WORDS + 1) * _SLOT]
        return tf.reshape(pdfs, flat), tf.reshape(present, flat)

    def _noise(self, origin: tf.Tensor) -> tf.Tensor:
        """Stationary noise, each frame's correlated with the one before: [b, T, D]."""
        num_frames = self._config.max_frames
        shape = [num_frames, made_up.FEATURE_DIM]
        white = tf.map_fn(
            lambda seed: tf.random.stateless_normal(shape, seed, alg="philox"),
            origin,
            fn_output_signature=tf.TensorSpec(shape, tf.float32),
        )
        fresh = tf.concat(
            [[1.0], tf.fill([num_frames - 1], (1 - _NOISE_CORRELATION**2) ** 0.5)], 0
        )
        time = tf.range(num_frames)
        age = tf.cast(time[:, None] - time, tf.float32)
        kept = tf.where(age >= 0, _NOISE_CORRELATION ** tf.abs(age), 0.0) * fresh
        return self._config.noise * tf.matmul(kept, white)


def _uniform(origin: tf.Tensor, attempt: tf.Tensor, size: int) -> tf.Tensor:
    """Numbers from 0 to 1 for one attempt at each utterance, float32 [b, size]."""

    def draw(row: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        seed = tf.random.experimental.stateless_fold_in(*row, alg="philox")
        return tf.random.stateless_uniform([size], seed, alg="philox")

    signature = tf.TensorSpec([size], tf.float32)
    return tf.map_fn(draw, (origin, attempt), fn_output_signature=signature)


def _spellings(lexicon: Lexicon) -> np.ndarray:
    """Phones of each word, int32 [1 + V, phones], 0 after the last."""
    table = np.zeros((len(lexicon.words), made_up.MAX_PHONES), np.int32)
    for word, variants in enumerate(lexicon.pronunciations):
        for phones in variants:
            table[word, : len(phones)] = phones
    return table


def _last_phones(lexicon: Lexicon) -> np.ndarray:
    """Last phone of each word, int32 [1 + V], 0 for no word."""
    spoken = lexicon.pronunciations[1:]
    return np.array([0, *(variants[0][-1] for variants in spoken)], np.int32)


def _smooth(frames: tf.Tensor) -> tf.Tensor:
    """Moves each frame, float32 [b, T, D], a little towards its neighbours."""
    before = tf.concat([frames[:, :1], frames[:, :-1]], axis=1)
    after = tf.concat([frames[:, 1:], frames[:, -1:]], axis=1)
    past, present, future = _SMOOTHING
    return past * before + present * frames + future * after
