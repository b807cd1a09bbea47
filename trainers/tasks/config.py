"""Configuration of tasks."""

from typing import Literal
from typing import Self

import pydantic

from tfmodels.config import Config
from tfmodels.decoding.config import BeamSearchConfig


class DetectionConfig(Config):
    """Objects in images: their classes and boxes.

    The defaults are those of the region classifier of arXiv 1409.4842, section 8.
    """

    kind: Literal["detection"] = "detection"
    max_overlap: float = pydantic.Field(default=0.3, ge=0, le=1)
    """Of two boxes of a class whose intersection is a larger share of their union, only
    the surer one is an answer."""
    min_score: float = pydantic.Field(default=0.05, ge=0, le=1)
    """Least probability of an answer."""
    max_objects: int = pydantic.Field(default=20, ge=5)
    """Most answers for an image."""


class ImageClassificationConfig(Config):
    """One label for each image."""

    kind: Literal["image_classification"] = "image_classification"
    crops: Literal[1, 10, 12, 144] = 1
    """Views of each image that an evaluation averages the probabilities of: see
    `trainers.data.images.views`."""
    excluded: str | None = None
    """Text file of numbers, one a line; held-out examples whose names end with one of
    them do not count, such as the 1,762 of ILSVRC-2012 that are wrong."""


class LanguageModelingConfig(Config):
    """The next token at every position of a sequence."""

    kind: Literal["language_modeling"] = "language_modeling"
    varieties: tuple[str, ...] = ()
    """Dialects or languages whose transcripts are learned from, of data of speech; all
    when there are none."""
    texts: dict[str, str] = {}
    """Files of lines of some varieties, learned from as their transcripts are."""


class TranslationConfig(Config):
    """Sentences in, sentences of another language out."""

    kind: Literal["translation"] = "translation"
    search: BeamSearchConfig = BeamSearchConfig()
    """How evaluations and predictions look for translations."""
    target_language: str | None = None
    """Language of predictions, for a model that was taught several."""
    prefix: str | None = None
    """How predictions begin, in whole words; freely when absent."""
    target: str | None = None
    """What predictions are, from the first piece to the end: a search then only tells
    the price and the alignment of this translation."""
    ensemble: tuple[str, ...] = ()
    """Folders of runs with the same vocabulary: evaluations and predictions go by the
    mean of their probabilities and this one's. Exports have this run's model alone."""

    @pydantic.model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if self.prefix is not None and self.target is not None:
            raise ValueError(
                "a translation that is given whole has its own beginning. Expected one"
                f" of the keys prefix and target. Received prefix: {self.prefix!r} and"
                f" target: {self.target!r}."
            )
        return self


class RescoringConfig(Config):
    """Answers in another order: ``log P + a log P_LM + b words``.

    Chiu et al., arXiv 1712.01769. ``log P`` is the recogniser's own, whatever the
    search went by; it looks for as many answers as its beam is wide.
    """

    language_weight: float = pydantic.Field(default=0.0, ge=0)
    """a."""
    word_reward: float = 0.0
    """b, nats for each word."""


class SpeechRecognitionConfig(Config):
    """Speech in, its text and its variety out.

    The defaults of the search are those of Lingvo's recognisers. Where the symbol of a
    variety stands in an answer is a key of the data.
    """

    kind: Literal["speech_recognition"] = "speech_recognition"
    search: BeamSearchConfig = BeamSearchConfig(
        length_penalty=0.0,
        coverage_penalty=0.0,
        end_margin=5.0,
        max_length_factor=1.0,
    )
    """How evaluations and predictions look for what was said. Lengths count encodings;
    keys that are absent have the defaults of any search."""
    start_from: str | None = None
    """Folder of a run of the same recogniser with ``model.conditioning: null``, whose
    weights are the first ones: clusters begin as copies with some noise. Whoever opens
    the run later opens that one too, unless null is given then."""
    variety_known: bool = True
    """Whether an evaluation tells the model the variety of each utterance; a prediction
    never does."""
    unknown_variety: Literal["mixture", "two_pass", "argmax"] = "two_pass"
    """What the model is told of a variety that is not known. `mixture`: what is
    believed, and that is all. Otherwise it listens like that first, and then again:
    `two_pass` tells it what it has found, `argmax` only the likeliest variety, if that
    is likely enough."""
    threshold: float = pydantic.Field(default=0.5, ge=0, le=1)
    """Least probability of a variety that `argmax` tells alone."""
    believed: dict[str, pydantic.PositiveFloat] = {}
    """How likely each variety is, up to a common factor, before anything is heard; only
    those named here can be found. All are equally likely when empty."""
    believed_from: dict[
        pydantic.NonNegativeFloat, dict[str, pydantic.PositiveFloat]
    ] = {}
    """The same from some second of a recording on, until the next that is named: the
    model is told so in each frame, and listens once. For speech that changes from one
    variety to another."""
    restrict_characters: bool = False
    """Let answers have the characters of possible varieties alone."""
    language_models: dict[str, str] = {}
    """Folder of the run of each variety's language model, which has learned from the
    transcripts of the same data; ``all`` is that of varieties that are not named."""
    language_weight: float = pydantic.Field(default=0.35, ge=0)
    """Factor of their log-probabilities in the search (0.35: arXiv 1904.08779)."""
    rescoring: RescoringConfig | None = None
    """A second pass over what the search finds; none when absent."""

    @pydantic.model_validator(mode="after")
    def _something_rescores(self) -> Self:
        second = self.rescoring
        if second and second.language_weight and not self.language_models:
            raise ValueError(
                "there is no language model to rescore with. Expected"
                " task.language_models, or a rescoring.language_weight of 0. Received"
                f" rescoring.language_weight: {second.language_weight}."
            )
        return self


class SpeechSynthesisConfig(Config):
    """Text in, speech out, in any voice and with any accent of the data."""

    kind: Literal["speech_synthesis"] = "speech_synthesis"
    max_frames: pydantic.PositiveInt = 192
    """Frames after which an evaluation takes it that an utterance does not end."""
    listened: int = pydantic.Field(default=36, ge=0)
    """Utterances, spread over a split, of which an evaluation makes sound, to compare
    pitch and to have a recogniser listen."""
    recogniser: str | None = None
    """Folder of a run of `speech_recognition`, which an evaluation asks what is said,
    in synthetic speech and in recordings; nothing is asked when absent."""
    speaker: str | None = None
    """Who says predictions; the first speaker when absent."""
    language: str | None = None
    """Language of the text of predictions, which eSpeak NG makes phonemes of; the first
    one of the data when absent."""
    accent: str | None = None
    """Language of the data in whose manner predictions are said; `language` when
    absent."""
    vocoder: str | None = None
    """Folder of the run of a vocoder, task.kind: vocoding, that makes sound of spectra;
    Griffin and Lim's algorithm does when absent."""


class VocodingConfig(Config):
    """Mel spectra in, sound out."""

    kind: Literal["vocoding"] = "vocoding"
    frames: pydantic.PositiveInt = 5
    """Frames of the windows that are learned from."""
    teacher: str | None = None
    """Folder of the run of a synthesiser, whose spectra are learned from as it makes
    them when it hears each recording; the recorded ones when absent."""


class AcousticModelingConfig(Config):
    """Scores of the states of a hidden Markov model in every frame of an utterance.

    The defaults are those of the Kaldi toolkit for hybrid models trained with cross
    entropy.
    """

    kind: Literal["acoustic_modeling"] = "acoustic_modeling"
    tying: Literal["monophone", "left_biphone"] | None = None
    """What a state depends on: its phone, or the phone before as well. When absent, as
    the data have it: the states of their alignments, or those of a decision tree that
    ``tfmodels data prepare kaldi`` has grown or was given."""
    topology: Literal["left_to_right", "chain"] = "left_to_right"
    """States of a phone, silence included: in a row; or one, whose first frame differs
    from the others, for lattice-free training at a third of the frame rate."""
    num_states: int = pydantic.Field(default=3, ge=1)
    """States of a phone, for `left_to_right`."""
    self_loop: float = pydantic.Field(default=0.75, gt=0, lt=1)
    """Probability of staying in a state for another frame, for `left_to_right`."""
    transition_scale: float = pydantic.Field(default=1.0, ge=0)
    """Factor of the log probabilities of leaving a state for each other; 0 for
    lattice-free training, which does not use them."""
    self_loop_scale: float = pydantic.Field(default=0.1, ge=0)
    """Factor of the log probabilities of staying in a state, and of leaving it."""
    silence_prob: float = pydantic.Field(default=0.5, ge=0, lt=1)
    """Probability of silence before, between and after words."""
    phone_ngram: int | None = pydantic.Field(default=None, ge=2)
    """Order of a model of phones, which is what could be said in lattice-free training
    (Kaldi: 4); made of the training transcripts. When absent, the words that can be
    decoded are. Decoding is of words in both."""
    acoustic_scale: float = pydantic.Field(default=0.1, gt=0)
    """Factor of the scores in decoding, that of the language model being 1."""
    other_scales: tuple[pydantic.PositiveFloat, ...] = ()
    """Scales that an evaluation decodes with as well, as ``wer_at_0.5``: models must be
    compared each at its own best."""
    prior_scale: float = pydantic.Field(default=1.0, ge=0)
    """Share of the log prior that is taken off the scores in decoding; 0 for models
    trained on the whole graph."""
    lattice_beam: float | None = pydantic.Field(default=None, ge=0)
    """Nats from the best path within which an evaluation keeps a lattice, to report
    ``oracle_wer``, the errors of its best path, and ``decoded_density``, its arcs per
    frame; when absent it makes none."""
