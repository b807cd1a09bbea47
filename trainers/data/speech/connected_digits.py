"""Utterances of several digits, joined of recordings of single ones by one speaker."""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from trainers.data.speech.config import ConnectedDigitsData
from trainers.data.speech.corpus import Spoken
from trainers.data.speech.digit_clips import ClipFile
from trainers.data.speech.digit_clips import Clips
from trainers.data.speech.digit_clips import list_clips
from trainers.data.speech.digit_clips import read_clips
from trainers.data.speech.front_end import FrontEnd

_EDGE_SECONDS = 0.05
_FULL_SCALE = 32768.0
_SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class _Plan:
    """What each of n utterances is joined of; W is the largest number of digits."""

    clips: np.ndarray
    """int64 [n, W], numbers of recordings; -1 after the last."""
    starts: np.ndarray
    """int64 [n, W], samples before each recording."""
    num_samples: np.ndarray
    """int64 [n]."""
    gain: np.ndarray
    """float32 [n], factor of the recordings."""
    noise: np.ndarray
    """float32 [n], standard deviation of the noise, in steps of 16 bits."""


class ConnectedDigits:
    """See `trainers.data.speech.corpus.Corpus`."""

    def __init__(
        self,
        config: ConnectedDigitsData,
        split: str,
        clips: Clips,
        front_end: FrontEnd,
    ) -> None:
        """Draws all utterances; they follow from `corpus_seed` and the split alone."""
        self.changes = config.fresh_noise and split == "train"
        number = _SPLITS.index(split)
        rng = np.random.default_rng([config.corpus_seed, number])
        self._origin = np.int64(len(_SPLITS) * config.corpus_seed + number)
        count = getattr(config, f"{split}_utterances")
        plan = _draw(config, rng, clips, front_end.sample_rate, count)
        self.utterances = tuple(
            _spoken(config, split, n, [clips.files[c] for c in row if c >= 0], length)
            for n, (row, length) in enumerate(
                zip(plan.clips.tolist(), plan.num_samples.tolist(), strict=True)
            )
        )
        lengths = np.diff(clips.offsets)
        there = plan.clips >= 0
        # On the host, where input pipelines run.
        with tf.device("/CPU:0"):
            # Silence comes first: what is no recording is read there.
            self._samples = tf.constant(np.append(np.int16(0), clips.samples))
            self._first, self._lengths, self._starts = (
                tf.constant(np.where(there, values, 0), tf.int32)
                for values in (
                    1 + clips.offsets[plan.clips],
                    lengths[plan.clips],
                    plan.starts,
                )
            )
            self._gain = tf.constant(plan.gain)
            self._noise = tf.constant(plan.noise)
        self._compiled = tf.function(
            self._composed,
            input_signature=[
                tf.TensorSpec([None], tf.int64),
                tf.TensorSpec([None, 2], tf.int64),
                tf.TensorSpec([], tf.int32),
            ],
            autograph=False,
        )

    def audio(
        self, index: tf.Tensor, seed: tf.Tensor, num_samples: tf.Tensor
    ) -> tf.Tensor:
        """See `Corpus.audio`."""
        return self._compiled(index, seed, num_samples)

    def _composed(
        self, index: tf.Tensor, seed: tf.Tensor, num_samples: tf.Tensor
    ) -> tf.Tensor:
        first, lengths, starts = (
            tf.gather(values, index)[..., None]
            for values in (self._first, self._lengths, self._starts)
        )
        at = tf.range(num_samples)
        place = tf.zeros([tf.shape(index)[0], num_samples], tf.int32)
        for word in range(self._starts.shape[1]):
            within = at - starts[:, word]
            spoken = (within >= 0) & (within < lengths[:, word])
            place = tf.where(spoken, first[:, word] + within, place)
        sound = tf.cast(tf.gather(self._samples, place), tf.float32)
        if not self.changes:
            seed = tf.stack([index, tf.fill(tf.shape(index), self._origin)], axis=-1)
        noise = tf.map_fn(
            lambda each: tf.random.stateless_normal([num_samples], each, alg="philox"),
            seed,
            fn_output_signature=tf.TensorSpec([None], tf.float32),
        )
        gain, deviation = (
            tf.gather(values, index)[:, None] for values in (self._gain, self._noise)
        )
        return (gain * sound + deviation * noise) / _FULL_SCALE


def open_digits(
    config: ConnectedDigitsData, front_end: FrontEnd
) -> dict[str, ConnectedDigits]:
    """All splits of the configured recordings.

    Raises:
      DataError: a recording is missing or damaged.
    """
    files = list_clips(config)
    corpora = {}
    for split in ("train", *config.held_out_splits()):
        clips = read_clips([file for file in files if file.split == split], front_end)
        corpora[split] = ConnectedDigits(config, split, clips, front_end)
    return corpora


def _draw(
    config: ConnectedDigitsData,
    rng: np.random.Generator,
    clips: Clips,
    rate: int,
    count: int,
) -> _Plan:
    """Chooses speakers, recordings, pauses, loudness and noise."""
    by_speaker: dict[str, dict[str, list[int]]] = {}
    for number, file in enumerate(clips.files):
        speakers = by_speaker.setdefault(file.language, {})
        speakers.setdefault(file.speaker, []).append(number)
    lengths = np.diff(clips.offsets)
    energies = np.add.reduceat(
        np.square(clips.samples, dtype=np.float64), clips.offsets[:-1]
    )
    fewest, most = config.words
    chosen = np.full([count, most], -1)
    starts = np.zeros([count, most], np.int64)
    totals = np.zeros(count, np.int64)
    loudness = np.zeros(count)
    edge = round(_EDGE_SECONDS * rate)
    for row in range(count):
        language = _language(config, rng, sorted(by_speaker))
        names = sorted(by_speaker[language])
        own = by_speaker[language][names[rng.integers(len(names))]]
        said = rng.choice(own, rng.integers(fewest, most + 1))
        gaps = np.rint(rng.uniform(*config.gap_seconds, len(said)) * rate).astype(int)
        gaps[0] = edge
        ends = np.cumsum(gaps + lengths[said])
        chosen[row, : len(said)] = said
        starts[row, : len(said)] = ends - lengths[said]
        totals[row] = ends[-1] + edge
        loudness[row] = np.sqrt(energies[said].sum() / lengths[said].sum())
    gain = 10 ** (rng.uniform(-config.gain_db, config.gain_db, count) / 20)
    if config.snr_db is None:
        noise = rng.uniform(*config.noise, count)
    else:
        noise = gain * loudness * 10 ** (-rng.uniform(*config.snr_db, count) / 20)
    return _Plan(
        chosen, starts, totals, gain.astype(np.float32), noise.astype(np.float32)
    )


def _language(
    config: ConnectedDigitsData, rng: np.random.Generator, languages: list[str]
) -> str:
    if len(languages) == 1:
        return languages[0]
    return "ar" if rng.random() < config.arabic_share else "en"


def _spoken(
    config: ConnectedDigitsData,
    split: str,
    number: int,
    said: list[ClipFile],
    num_samples: int,
) -> Spoken:
    first = said[0]
    return Spoken(
        f"{split}-{number}",
        " ".join(clip.word for clip in said),
        first.language if config.variety == "language" else first.accent,
        first.language,
        first.speaker,
        num_samples,
    )
