"""Configuration of spoken utterances, and of how a recogniser is taught with them."""

from itertools import pairwise
from typing import Annotated
from typing import Literal
from typing import Self

import pydantic

from tfmodels.audio.config import POLICIES
from tfmodels.audio.config import SpecAugmentConfig
from tfmodels.config import Config
from trainers.data.config import Data

Policy = Literal["LB", "LD", "SM", "SS"]

# 80 bands from 125 to 7600 Hz at 16 kHz, 40 from 60 to 3800 Hz at 8 kHz.
_WIDE_BAND = 16_000
_LOWEST_HZ = 125.0, 60.0
_HIGHEST_SHARE = 0.475


class Bucket(Config):
    """A shape that batches of training are filled up to."""

    frames: int = pydantic.Field(ge=1)
    """Most frames of 10 ms."""
    units: int = pydantic.Field(ge=2)
    """Most characters, the variety's symbol and the end included."""


class SpeechData(Data):
    """What every source of utterances for `speech_recognition` has.

    ``batch_size`` counts utterances. A variety is a dialect or a language.
    """

    sample_rate: int = pydantic.Field(default=16_000, ge=1000)
    """Hz of the sound that features are made of; recordings of other rates are
    resampled."""
    mel_bins: int = pydantic.Field(default=80, ge=1)
    """Mel bands of the features, the model's ``feature_dim``."""
    lower_hz: float | None = pydantic.Field(default=None, ge=0)
    """Lower end of the first band; 125 from 16 kHz on and 60 below when absent."""
    upper_hz: float | None = pydantic.Field(default=None, gt=0)
    """Upper end of the last band; 0.475 of the sample rate when absent."""
    buckets: tuple[Bucket, ...] = pydantic.Field(min_length=1)
    """Shapes of training batches, each larger than the one before. An utterance is in
    the first that it fits into; training leaves out those that fit into none, and
    counts them, and no evaluation leaves any out."""
    variety_symbol: Literal["none", "begin", "end"] = "end"
    """Where the symbol of the variety stands in what a model learns to say."""
    uniform_variety: float = pydantic.Field(default=0.1, ge=0, le=1)
    """Probability with which training tells the model all varieties in equal shares in
    place of the right one, so that it can also be told nothing."""
    sampling_temperature: float = pydantic.Field(default=1.0, ge=1)
    """An epoch has utterances of a variety in proportion to their number to the power
    of one over this: 1 has each once, 5 nearly as many of small varieties as of large
    ones."""
    learned_varieties: tuple[str, ...] = ()
    """Varieties that are learned from; all when there are none. In a stage of its own,
    after one of all varieties, it makes a recogniser of these alone."""
    spec_augment: SpecAugmentConfig | Policy | None = None
    """Masks over features in training: numbers, or the name of a policy of
    arXiv:1904.08779: LB, LD, SM, SS."""
    graphemes: str | None = None
    """File of the table of characters. Where it is not there, it is made of the
    training transcripts and written there; when absent it is made each time anew."""
    pieces: int = pydantic.Field(default=0, ge=0)
    """Pieces of words, of several characters, that a new table has besides, learned
    from the training transcripts; a text is of the longest units that fit."""
    keep_case: tuple[str, ...] = ()
    """Languages whose capital letters stay; all others are in small letters."""
    cache_megabytes: int = pydantic.Field(default=1024, ge=0)
    """A split whose features are no larger is read once and held in memory; of a larger
    one every batch reads its recordings."""

    @property
    def bounds_hz(self) -> tuple[float, float]:
        """Lower and upper end of the bands."""
        lowest = _LOWEST_HZ[self.sample_rate < _WIDE_BAND]
        lower = lowest if self.lower_hz is None else self.lower_hz
        return lower, self.upper_hz or _HIGHEST_SHARE * self.sample_rate

    @property
    def masks(self) -> SpecAugmentConfig | None:
        """`spec_augment` with the numbers of a named policy."""
        given = self.spec_augment
        return POLICIES[given] if isinstance(given, str) else given

    @pydantic.model_validator(mode="after")
    def _bands_and_buckets_rise(self) -> Self:
        lower, upper = self.bounds_hz
        if not lower < upper <= self.sample_rate / 2:
            raise ValueError(
                "the mel bands do not fit. Expected data.lower_hz below data.upper_hz,"
                f" and this at most half of data.sample_rate. Received {lower},"
                f" {upper} and {self.sample_rate}."
            )
        shapes = [(bucket.frames, bucket.units) for bucket in self.buckets]
        for small, large in pairwise(shapes):
            if not all(a <= b for a, b in zip(small, large, strict=True)):
                raise ValueError(
                    "the buckets are not in order. Expected each of data.buckets to"
                    " have at least the frames and units of the one before. Received"
                    f" {list(large)} after {list(small)}."
                )
        return self


class SpeechManifestData(SpeechData):
    """Recordings and transcripts that a manifest lists.

    A line is a JSON object with ``utt``, ``audio`` (relative to the manifest),
    ``text``, ``split``, and where they are known ``offset_s``, ``dur_s``, ``lang``,
    ``dialect``, ``speaker``. WAV files of any rate and kind are read; FLAC, OGG and MP3
    with the optional library soundfile.
    """

    kind: Literal["speech_manifest"] = "speech_manifest"
    manifest: str
    """File with a line for each utterance; workers must see it at the same place."""
    train: tuple[str, ...] = pydantic.Field(default=("train",), min_length=1)
    """Splits of the manifest to learn from."""
    validation: tuple[str, ...] | None = None
    test: tuple[str, ...] | None = ("test",)
    variety: Literal["dialect", "lang"] = "dialect"
    """Which key of the manifest says the variety."""
    varieties: tuple[str, ...] | None = None
    """All varieties in the order of their numbers; those of the training split, sorted,
    when absent."""
    max_bad_fraction: float = pydantic.Field(default=0.0, ge=0, le=1)
    """Stop when more than this share of the utterances cannot be read. Above 0 those
    that cannot be are named in the log, count as nothing, and are
    ``bad_examples``; at 0 the first one ends the run with its reason."""


Range = Annotated[tuple[float, float], pydantic.AfterValidator(lambda r: _ordered(r))]

ACCENTS = {
    "jackson": "en-us",
    "theo": "en-us",
    "nicolas": "en-be",
    "yweweler": "en-de",
    "lucas": "en-de",
    "george": "en-gr",
}
"""Accents of the Free Spoken Digit Dataset's speakers, as it gives them."""


class ConnectedDigitsData(SpeechData):
    """Digits said one after another, joined of recordings of single ones.

    English ones of the Free Spoken Digit Dataset, Arabic ones of the Arabic Speech
    Commands, or both. Recordings, and in Arabic speakers, of one split are in no other.
    Every seed of a run learns from the same utterances, in another order.
    """

    kind: Literal["connected_digits"] = "connected_digits"
    sample_rate: int = pydantic.Field(default=8000, ge=1000)
    mel_bins: int = pydantic.Field(default=40, ge=1)
    buckets: tuple[Bucket, ...] = pydantic.Field(
        default=(Bucket(frames=132, units=14), Bucket(frames=240, units=26)),
        min_length=1,
    )
    english: str | None = None
    """Folder with ``<digit>_<speaker>_<number>.wav``. Numbers 0 to 4 are the test
    split, 5 to 7 the validation split if there is one."""
    arabic: str | None = None
    """Folder with ``train.csv`` and ``val.csv``, columns file, digit, speaker, and the
    files. The speakers of ``val.csv`` are the test split, three others the validation
    split if there is one."""
    variety: Literal["accent", "language"] = "accent"
    """What a variety is: how English is spoken, all Arabic being one more; or the
    language."""
    accents: dict[str, str] = pydantic.Field(default_factory=lambda: dict(ACCENTS))
    """Accent of each English speaker."""
    arabic_share: float = pydantic.Field(default=0.6, ge=0, le=1)
    """Share of Arabic utterances where there are both languages."""
    words: tuple[int, int] = (1, 4)
    """Fewest and most digits of an utterance."""
    gap_seconds: Range = (0.05, 0.2)
    """Shortest and longest pause between two digits."""
    gain_db: float = pydantic.Field(default=6.0, ge=0)
    """Most by which an utterance is made louder or softer."""
    noise: Range = (3.0, 20.0)
    """Standard deviation of white noise, in steps of 16 bits, lowest and highest."""
    snr_db: Range | None = None
    """Lowest and highest ratio of speech to noise in decibels, in place of `noise`."""
    fresh_noise: bool = False
    """Draw the noise of training utterances in each epoch anew; features are then made
    for each batch, not once."""
    train_utterances: int = pydantic.Field(default=5000, ge=1)
    validation_utterances: int | None = pydantic.Field(default=None, ge=1)
    test_utterances: int = pydantic.Field(default=400, ge=1)
    corpus_seed: int = pydantic.Field(default=0, ge=0, lt=2**31)
    """Origin of all utterances."""

    @property
    def max_bad_fraction(self) -> float:
        """Zero: utterances are joined of recordings that all must be there."""
        return 0.0

    def held_out_splits(self) -> tuple[str, ...]:
        """The test split, and the validation split if it has utterances."""
        return ("test",) if self.validation_utterances is None else _HELD_OUT

    @pydantic.model_validator(mode="after")
    def _something_to_say(self) -> Self:
        if self.english is None and self.arabic is None:
            raise ValueError(
                "there are no recordings. Expected data.english, data.arabic or both."
                " Received neither."
            )
        if not 1 <= self.words[0] <= self.words[1]:
            raise ValueError(
                "no number of digits is allowed. Expected data.words to be two numbers"
                f" from 1 on, the second not below the first. Received {self.words}."
            )
        return self


_HELD_OUT = ("validation", "test")


def _ordered(values: tuple[float, float]) -> tuple[float, float]:
    if values[0] > values[1]:
        raise ValueError(
            "a range has no numbers. Expected the lowest, then the highest. Received"
            f" {list(values)}."
        )
    return values
