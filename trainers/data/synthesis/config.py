"""Configuration of recordings that a synthesiser learns from."""

from itertools import pairwise
from typing import Literal
from typing import Self

import pydantic

from tfmodels.audio.presets import PRESETS
from tfmodels.audio.presets import MelPreset
from tfmodels.audio.presets import PresetName
from tfmodels.config import Config
from tfmodels.text.symbols import Representation
from trainers.data.config import Data


class SynthesisBucket(Config):
    """A shape that batches are filled up to."""

    frames: int = pydantic.Field(ge=1)
    """Most frames, a multiple of those that the model says at once."""
    symbols: int = pydantic.Field(ge=2)
    """Most symbols, the end included."""


class SynthesisData(Data):
    """What every source of recordings for `speech_synthesis` has.

    ``batch_size`` counts utterances.
    """

    front_end: PresetName = "small"
    """Numbers of the mel spectra: those of two papers, of the public model of 22 kHz,
    or small ones. Recordings of other rates are resampled."""
    symbols: Representation = "characters"
    """What the model reads: characters, UTF-8 bytes, or phonemes with tones."""
    tones: bool = True
    """Whether phonemes have the tones and stresses that the manifest says; else none
    has any."""
    lower_case: bool = True
    """Whether characters and bytes are of small letters."""
    inventory: str | None = None
    """File of the table of symbols. Where it is not there, it is made of the training
    utterances and written there; when absent it is made each time anew."""
    buckets: tuple[SynthesisBucket, ...] = pydantic.Field(min_length=1)
    """Shapes of batches, each larger than the one before. An utterance is in the first
    that it fits into; training leaves out those that fit into none, and counts them,
    and no evaluation leaves any out."""
    sampling_temperature: float = pydantic.Field(default=1.0, ge=1)
    """An epoch has utterances of a language in proportion to their number to the power
    of one over this: 1 has each once, 2 the square root."""
    rms_db: float | None = pydantic.Field(default=None, le=0)
    """Loudness that every recording is brought to, root mean square in decibels of the
    full scale; as it is when absent."""
    cache_megabytes: int = pydantic.Field(default=1024, ge=0)
    """A split whose features are no larger is read once and held in memory; of a larger
    one every batch reads its recordings."""

    @property
    def max_bad_fraction(self) -> float:
        """Zero: a recording that cannot be read ends training."""
        return 0.0

    @property
    def preset(self) -> MelPreset:
        """The numbers of `front_end`."""
        return PRESETS[self.front_end]

    @pydantic.model_validator(mode="after")
    def _buckets_rise(self) -> Self:
        shapes = [(bucket.frames, bucket.symbols) for bucket in self.buckets]
        for small, large in pairwise(shapes):
            if not all(a <= b for a, b in zip(small, large, strict=True)):
                raise ValueError(
                    "the buckets are not in order. Expected each of data.buckets to"
                    " have at least the frames and symbols of the one before. Received"
                    f" {list(large)} after {list(small)}."
                )
        return self


class SynthesisManifestData(SynthesisData):
    """Recordings and texts that manifests list.

    A line of a manifest is a JSON object with ``id`` (or ``utt``), ``wav`` (or
    ``audio``; relative to the manifest), ``text``, ``language`` (or ``lang``),
    ``speaker``, ``split``, and where they are known ``phonemes``, ``tones``,
    ``durations_ms``, ``offset_s``, ``dur_s``. A file whose lines are
    ``wav|text|speaker|language`` or
    ``id|speaker|language|wav|spec|linear|text|phonemes`` is read too; its utterances
    are of the split that the file is called, without its ending.
    """

    kind: Literal["synthesis_manifest"] = "synthesis_manifest"
    manifests: tuple[str, ...] = pydantic.Field(min_length=1)
    """Files with a line for each utterance; workers must see them at the same place."""
    train: tuple[str, ...] = pydantic.Field(default=("train",), min_length=1)
    """Splits of the manifests to learn from."""
    validation: tuple[str, ...] | None = None
    test: tuple[str, ...] | None = ("test",)
    words: tuple[str, ...] | None = None
    """Splits of phrases with words that are in no training phrase."""
    reference: tuple[str, ...] | None = None
    """Splits of recordings that a judge of speakers is made of; never learned from."""
    speakers: tuple[str, ...] | None = None
    """All speakers in the order of their numbers; those of the training split, sorted,
    when absent."""
    languages: tuple[str, ...] | None = None
    """All languages in the order of their numbers; those of the training split, sorted,
    when absent."""

    def held_out_splits(self) -> tuple[str, ...]:
        """The configured splits that are not for training."""
        names = ("validation", "test", "words", "reference")
        return tuple(name for name in names if getattr(self, name) is not None)
