"""The made-up language of the word loop: its words, bigram, states and voices."""

import dataclasses

import numpy as np

from tfmodels.lattices.lexicon import Lexicon
from tfmodels.lattices.lexicon import PhoneSet
from tfmodels.lattices.topology import left_to_right
from tfmodels.lattices.tying import Tying
from tfmodels.lattices.tying import left_biphone

NUM_PHONES = 14
NUM_STATES = 3
NUM_CLASSES = 2
NUM_WORDS = 40
MIN_PHONES, MAX_PHONES = 2, 3
SILENCE = 1
"""The phone that is not spoken; the others follow it."""
FEATURE_DIM = 12
SILENCE_RATE = 0.2
"""How often there is silence before, between and after words."""
EXIT_RATE = 0.55
"""How often a state ends after each of its frames: durations are geometric."""

_BIGRAM_CONCENTRATION, _BIGRAM_MIX = 0.3, 0.85
_PHONE_DEVIATION, _STATE_DEVIATION, _CONTEXT_DEVIATION = 1.0, 0.6, 0.35
_SPEAKER_DEVIATION = 0.8


@dataclasses.dataclass(frozen=True)
class Language:
    """Tables that a few hidden Markov models are made of, each below 64 kB.

    Phones have three states from left to right. How a state sounds, its *pdf*, depends
    on the class of the phone before; silence is of class 0, and so is the beginning of
    an utterance. Silence has three states that depend on nothing.
    """

    lexicon: Lexicon
    bigram: np.ndarray
    """float32 [1 + V, V]: how likely word j + 1 is after word i, and first for i = 0.
    Nothing is said of the end."""
    tying: Tying
    """The pdfs of a phone's states, given the phone before."""
    means: np.ndarray
    """float32 [pdfs, D], how each sounds."""
    offsets: np.ndarray
    """float32 [speakers, D], what each speaker adds."""


def make_language(seed: int, num_speakers: int) -> Language:
    """Draws a language; speakers come last, so that their number changes nothing else.

    Args:
      seed: its origin.
      num_speakers: voices that speak it.
    """
    random = np.random.default_rng(seed)
    lexicon = _draw_lexicon(random)
    rows = random.dirichlet([_BIGRAM_CONCENTRATION] * NUM_WORDS, NUM_WORDS + 1)
    bigram = _BIGRAM_MIX * rows + (1 - _BIGRAM_MIX) / NUM_WORDS
    tying = _draw_tying(random)
    means = _draw_means(random)
    offsets = random.normal(0, _SPEAKER_DEVIATION, (num_speakers, FEATURE_DIM))
    return Language(
        lexicon,
        bigram.astype(np.float32),
        tying,
        means.astype(np.float32),
        offsets.astype(np.float32),
    )


def _draw_lexicon(random: np.random.Generator) -> Lexicon:
    """Words that all sound different."""
    spoken = [f"p{phone}" for phone in range(1, NUM_PHONES + 1)]
    chosen: dict[tuple[str, ...], None] = {}
    while len(chosen) < NUM_WORDS:
        length = random.integers(MIN_PHONES, MAX_PHONES + 1)
        phones = random.integers(0, NUM_PHONES, length)
        chosen[tuple(spoken[phone] for phone in phones)] = None
    words = (f"w{word}" for word in range(1, NUM_WORDS + 1))
    phone_set = PhoneSet.create(["sil", *spoken], "sil")
    return Lexicon.create(zip(words, chosen, strict=True), phone_set)


def _draw_tying(random: np.random.Generator) -> Tying:
    """Pdfs that depend on the class of the phone before, half of the phones in each."""
    left_class = np.zeros(1 + SILENCE + NUM_PHONES, np.int32)
    others = random.permutation(NUM_PHONES)[: NUM_PHONES // 2]
    left_class[1 + SILENCE + others] = 1
    model = left_to_right(NUM_STATES, 1 - EXIT_RATE)
    topologies = dict.fromkeys(range(SILENCE, 1 + SILENCE + NUM_PHONES), model)
    return left_biphone(topologies, [SILENCE], left_class.tolist())


def _draw_means(random: np.random.Generator) -> np.ndarray:
    """A phone's mean, plus one of its state, plus one of its context."""
    phones = 1 + NUM_PHONES
    shape = (phones, NUM_STATES, NUM_CLASSES, FEATURE_DIM)
    values = random.normal(0, _PHONE_DEVIATION, (phones, 1, 1, FEATURE_DIM))
    values = values + random.normal(
        0, _STATE_DEVIATION, (phones, NUM_STATES, 1, FEATURE_DIM)
    )
    values = values + random.normal(0, _CONTEXT_DEVIATION, shape)
    # Pdfs are numbered by phone, then by class, then by state; silence has one class.
    by_pdf = values.transpose(0, 2, 1, 3).reshape(-1, FEATURE_DIM)
    return by_pdf[NUM_STATES * (NUM_CLASSES - 1) :]
