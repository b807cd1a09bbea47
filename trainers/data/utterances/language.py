"""The made-up language of the word loop: its words, bigram, states and voices."""

import dataclasses

import numpy as np

from trainers.data.utterances.lexicon import Lexicon

NUM_PHONES = 14
NUM_STATES = 3
NUM_CLASSES = 2
NUM_WORDS = 40
MIN_PHONES, MAX_PHONES = 2, 3
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
    left_class: np.ndarray
    """int32 [1 + phones], class of each phone as the left neighbour of another."""
    pdfs: np.ndarray
    """int32 [1 + phones, states, classes], the pdf of a phone's state, given the class
    of the phone before."""
    means: np.ndarray
    """float32 [pdfs, D], how each sounds."""
    offsets: np.ndarray
    """float32 [speakers, D], what each speaker adds."""

    @property
    def num_pdfs(self) -> int:
        """States that sound different from one another, P."""
        return len(self.means)

    @property
    def phone_of_pdf(self) -> np.ndarray:
        """int32 [P], the phone that each pdf is of."""
        phones = np.zeros(self.num_pdfs, np.int32)
        phones[self.pdfs] = np.arange(len(self.pdfs))[:, None, None]
        return phones


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
    left_class = np.zeros(1 + NUM_PHONES, np.int32)
    left_class[1 + random.permutation(NUM_PHONES)[: NUM_PHONES // 2]] = 1
    pdfs = _number_pdfs()
    means = _draw_means(random, pdfs)
    offsets = random.normal(0, _SPEAKER_DEVIATION, (num_speakers, FEATURE_DIM))
    return Language(
        lexicon,
        bigram.astype(np.float32),
        left_class,
        pdfs,
        means.astype(np.float32),
        offsets.astype(np.float32),
    )


def _draw_lexicon(random: np.random.Generator) -> Lexicon:
    """Words that all sound different."""
    chosen: dict[tuple[int, ...], None] = {}
    while len(chosen) < NUM_WORDS:
        length = random.integers(MIN_PHONES, MAX_PHONES + 1)
        phones = random.integers(1, NUM_PHONES + 1, length)
        chosen[tuple(int(phone) for phone in phones)] = None
    names = ("sil", *(f"p{phone}" for phone in range(1, NUM_PHONES + 1)))
    words = tuple(f"w{word}" for word in range(1, NUM_WORDS + 1))
    return Lexicon(words, names, tuple(chosen))


def _number_pdfs() -> np.ndarray:
    """See `Language.pdfs`: silence first, the same in both classes, then the phones."""
    silence = np.arange(NUM_STATES).repeat(NUM_CLASSES)
    spoken = NUM_STATES + np.arange(NUM_PHONES * NUM_STATES * NUM_CLASSES)
    numbers = np.concatenate([silence, spoken]).astype(np.int32)
    return numbers.reshape(1 + NUM_PHONES, NUM_STATES, NUM_CLASSES)


def _draw_means(random: np.random.Generator, pdfs: np.ndarray) -> np.ndarray:
    """A phone's mean, plus one of its state, plus one of its context."""
    phones, states, classes = pdfs.shape
    shape = (phones, states, classes, FEATURE_DIM)
    values = random.normal(0, _PHONE_DEVIATION, (phones, 1, 1, FEATURE_DIM))
    values = values + random.normal(
        0, _STATE_DEVIATION, (phones, states, 1, FEATURE_DIM)
    )
    values = values + random.normal(0, _CONTEXT_DEVIATION, shape)
    means = np.empty((pdfs.max() + 1, FEATURE_DIM))
    means[pdfs.ravel()] = values.reshape(-1, FEATURE_DIM)
    return means
