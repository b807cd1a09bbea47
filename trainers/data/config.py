"""Configuration of data sources, their batches and their augmentation."""

from typing import Annotated
from typing import Literal
from typing import Self

import pydantic

from tfmodels.config import Config
from tfmodels.errors import ConfigError


class NoAugmentation(Config):
    """Images as they are, resized to the model's input."""

    kind: Literal["none"] = "none"


class ShiftAugmentation(Config):
    """Random shifts by whole pixels, for small images whose size must not change."""

    kind: Literal["shift"] = "shift"
    pixels: int = pydantic.Field(default=1, ge=1)


class InceptionAugmentation(Config):
    """Random area and aspect crop, mirror image, colour: GoogLeNet section 6."""

    kind: Literal["inception"] = "inception"
    area: tuple[float, float] = (0.08, 1.0)
    """Share of the image's area that a crop covers, drawn uniformly between the two."""
    aspect: tuple[float, float] = (0.75, 1.3333333333333333)
    """Width over height of a crop, drawn uniformly between the two."""
    flip: bool = True
    """Mirror left to right with probability one half."""
    random_resize_method: bool = True
    """Bilinear, area, nearest or bicubic with equal probability; else bilinear."""
    brightness: float = pydantic.Field(default=32 / 255, ge=0, le=1)
    saturation: tuple[float, float] | None = (0.5, 1.5)
    hue: float = pydantic.Field(default=0.2, ge=0, le=0.5)
    contrast: tuple[float, float] | None = (0.5, 1.5)


AnyAugmentation = Annotated[
    NoAugmentation | ShiftAugmentation | InceptionAugmentation,
    pydantic.Field(discriminator="kind"),
]


class Data(Config):
    """What every source of examples has."""

    batch_size: int = pydantic.Field(ge=1)
    """Examples per optimizer step, over all replicas and accumulation steps."""
    last_batch: Literal["drop", "pad"] = "pad"
    """End of a training epoch: drop the incomplete batch, or fill it up with other
    examples of weight 0, which change neither loss nor metrics."""

    def held_out_splits(self) -> tuple[str, ...]:
        """The configured splits that are not for training."""
        names = ("validation", "test")
        return tuple(name for name in names if getattr(self, name, None) is not None)


class ImageData(Data):
    """What every source of labelled images has."""

    shuffle: bool = True
    """Visit training examples in a new random order each epoch."""
    augmentation: AnyAugmentation = NoAugmentation()
    crop_fraction: float = pydantic.Field(default=1.0, gt=0, le=1)
    """Share of height and width kept, in the centre, when evaluating and predicting."""
    max_bad_fraction: float = pydantic.Field(default=0.01, ge=0, le=1)
    """Stop when more than this share of the examples read cannot be decoded."""


class DigitsData(ImageData):
    """1,797 real handwritten 8x8 digits that scikit-learn ships; nothing is downloaded.

    Training uses rows 0-1436, test rows 1437-1796, written by other people.
    """

    kind: Literal["digits"] = "digits"

    def held_out_splits(self) -> tuple[str, ...]:
        """The test split, there always."""
        return ("test",)


class ImageFolderData(ImageData):
    """Folders of images in the ImageNet layout: ``path/<split>/<class>/<image>``."""

    kind: Literal["image_folder"] = "image_folder"
    path: str
    train: str = "train"
    """Folder of the training split, below `path`."""
    validation: str | None = None
    test: str | None = "val"


class ManifestData(ImageData):
    """CSV or JSONL files with ``path`` and ``label`` (a class name) on each line."""

    kind: Literal["manifest"] = "manifest"
    train: str
    validation: str | None = None
    test: str | None = None
    root: str | None = None
    """Folder that relative paths start from; the manifest's own folder when absent."""


class RecordsData(ImageData):
    """TFRecord files of ``tf.train.Example``: an encoded image and a class number."""

    kind: Literal["image_records"] = "image_records"
    train: str
    """Glob pattern of the training shards, such as ``/data/train-*``."""
    validation: str | None = None
    test: str | None = None
    labels: str
    """Text file with one class name per line, in the order of the class numbers."""
    image_key: str = "image/encoded"
    label_key: str = "image/class/label"
    label_offset: int = 0
    """Class number of the first class: 1 in files where 0 means background."""


class TokenData(Data):
    """What every source of sequences of tokens has."""

    @property
    def max_bad_fraction(self) -> float:
        """Zero: tokens that have been opened can all be read."""
        return 0.0


class SortingData(TokenData):
    """Random symbols, then the same symbols sorted, which are to be predicted.

    For a model with ``max_length: 2 * length + 1``, ``vocabulary_size: symbols + 2``.
    The test sequences are the same for every seed of a run, and apart from training.
    """

    kind: Literal["sorting"] = "sorting"
    symbols: int = pydantic.Field(default=16, ge=2)
    """Different symbols."""
    length: int = pydantic.Field(default=12, ge=1)
    """Symbols in a sequence."""
    train_examples: int = pydantic.Field(default=6400, ge=1)
    """Sequences that make an epoch; those of every epoch are new."""
    test_examples: int = pydantic.Field(default=512, ge=1)

    def held_out_splits(self) -> tuple[str, ...]:
        """The test split, there always."""
        return ("test",)


class TextData(TokenData):
    """UTF-8 text files as bytes, for a model with ``vocabulary_size: 256``."""

    kind: Literal["text"] = "text"
    train: str
    """File of the training split."""
    validation: str | None = None
    test: str | None = None
    test_share: float | None = pydantic.Field(default=None, gt=0, lt=1)
    """The end of `train` that is the test split instead of a file of its own."""
    made_when_missing: bool = False
    """Where `train` is no file, learn from a text that is made here."""

    @pydantic.model_validator(mode="after")
    def _one_test_split(self) -> Self:
        if self.test is not None and self.test_share is not None:
            raise ValueError(
                "a text has one test split. Expected a file, test, or a share of train,"
                f" test_share. Received test: {self.test} and test_share:"
                f" {self.test_share}."
            )
        return self

    def held_out_splits(self) -> tuple[str, ...]:
        """The configured splits that are not for training."""
        share = () if self.test_share is None else ("test",)
        return (*super().held_out_splits(), *share)


class StoriesData(TokenData):
    """UTF-8 text files of short texts, as pieces of another program's vocabulary.

    Each text begins with the piece ``<s>``. Longer ones than the model's ``max_length``
    are cut, and no piece is predicted twice.
    """

    kind: Literal["stories"] = "stories"
    train: str
    """File of the training split."""
    validation: str | None = None
    test: str | None = None
    tokenizer: str
    """A byte-pair ``.model`` of SentencePiece, or a ``.json`` that was made of one."""
    separator: str = pydantic.Field(default="<|endoftext|>", min_length=1)
    """What stands between two texts."""


class UtteranceData(Data):
    """What every source of spoken utterances has.

    ``batch_size`` counts utterances; where replicas do not wait for one another, each
    of them takes so many for a step of its own.
    """

    @property
    def max_bad_fraction(self) -> float:
        """Zero: utterances that have been opened can all be read."""
        return 0.0

    def held_out_splits(self) -> tuple[str, ...]:
        """The test split, there always."""
        return ("test",)


class RecordedUtterancesData(UtteranceData):
    """Utterances of real speakers, as ``tfmodels data prepare kaldi`` writes them.

    For a model with ``feature_dim`` of as many mel bands as were asked for there, 40 as
    a rule: log energies, of mean 0 and variance 1 over each utterance. Every utterance
    is filled up to the longest. Speakers are in groups, each of which one replica owns.
    """

    kind: Literal["utterance_records"] = "utterance_records"
    path: str
    """Folder that was written; workers must see it at the same place."""


class DrawnUtteranceData(UtteranceData):
    """What sources have that make as many utterances as they are asked for."""

    max_frames: int = pydantic.Field(ge=1)
    """Frames that every utterance is filled up to; none is longer."""
    train_utterances: int = pydantic.Field(ge=1)
    """A multiple of the number of speakers, each of whom speaks as many."""
    test_utterances: int = pydantic.Field(ge=1)
    """Other utterances of the same speakers, a multiple of their number too."""

    def check_speakers(self, speakers: int) -> None:
        """Checks that speakers can share the utterances equally.

        Raises:
          ConfigError: they cannot.
        """
        for key in ("train_utterances", "test_utterances"):
            if getattr(self, key) % speakers:
                raise ConfigError(
                    f"every speaker says as many utterances. Expected {key} to be a"
                    f" multiple of the {speakers} speakers. Received {key}:"
                    f" {getattr(self, key)}."
                )


class WordLoopData(DrawnUtteranceData):
    """Utterances of a made-up language, drawn from a hidden Markov model.

    For a model with ``feature_dim: 12`` and ``num_pdfs: 87``. Its 40 words follow one
    another as a bigram says; frames are a state's mean, a speaker's offset and noise
    that is correlated in time, so that a frame alone says little and its word much.
    Every seed of a run learns from the same utterances, in another order.
    """

    kind: Literal["word_loop"] = "word_loop"
    max_frames: int = pydantic.Field(default=110, ge=60)
    train_utterances: int = pydantic.Field(default=800, ge=1)
    test_utterances: int = pydantic.Field(default=200, ge=1)
    speakers: int = pydantic.Field(default=20, ge=1)
    noise: float = pydantic.Field(default=1.6, ge=0)
    """Standard deviation of the noise; the phones' means have one of 1."""
    language: int = pydantic.Field(default=0, ge=0, lt=2**31)
    """Origin of words, bigram, means, speakers and of all utterances."""

    @pydantic.model_validator(mode="after")
    def _speakers_say_as_much(self) -> Self:
        self.check_speakers(self.speakers)
        return self


class SpokenDigitsData(DrawnUtteranceData):
    """Connected digits, made of the recordings of the Free Spoken Digit Dataset.

    For a model with ``feature_dim: 40``: log energies of mel bands from 60 to 3800 Hz,
    of mean 0 and variance 1 over each utterance. Every seed of a run learns from the
    same utterances, in another order.
    """

    kind: Literal["fsdd"] = "fsdd"
    path: str
    """Folder with the files ``<digit>_<speaker>_<number>.wav``, 16 bits at 8 kHz.
    Numbers 0 to 4 are for testing; workers must see it at the same place."""
    max_frames: int = pydantic.Field(default=400, ge=1)
    train_utterances: int = pydantic.Field(default=1200, ge=1)
    test_utterances: int = pydantic.Field(default=180, ge=1)
