"""The parts of a hybrid recogniser that follow from a lexicon: states, graph, prior."""

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from tfmodels.errors import ConfigError
from tfmodels.lattices.chain import chain_denominator
from tfmodels.lattices.chain import chain_numerator
from tfmodels.lattices.composition import compose
from tfmodels.lattices.grammar import Grammar
from tfmodels.lattices.graph import Arcs
from tfmodels.lattices.graph import Graph
from tfmodels.lattices.graph import arcs
from tfmodels.lattices.lexicon import Lexicon
from tfmodels.lattices.lexicon import Pronounced
from tfmodels.lattices.phone_model import estimate_phones
from tfmodels.lattices.priors import count_pdfs
from tfmodels.lattices.priors import log_priors
from tfmodels.lattices.reference import all_spoken_phones
from tfmodels.lattices.topology import Scales
from tfmodels.lattices.topology import Topology
from tfmodels.lattices.topology import chain
from tfmodels.lattices.topology import of_size
from tfmodels.lattices.tying import Tying
from tfmodels.lattices.tying import left_biphone
from tfmodels.lattices.tying import monophone
from trainers.data.utterances.sources import UtteranceSource
from trainers.tasks.config import AcousticModelingConfig

_MOST_READ = 64
# Of phone models all histories of two phones are kept, as Kaldi's chain models do.
_FULL_ORDER = 3


@dataclass(frozen=True)
class Hybrid:
    """States that a model scores, and the graph of all that can be said with them."""

    lexicon: Lexicon
    tying: Tying
    graph: Arcs
    """One graph for all utterances, as NumPy arrays: H o C o L o G."""
    denominator: Arcs
    """What could be said in training: that graph, or one of phones."""
    numerator: Arcs | None = None
    """All transcripts, with the weights that a denominator of phones gives them; None
    where the denominator has the words itself."""

    @property
    def phone_of_pdf(self) -> np.ndarray:
        """int32 [P], phone of each output of the model."""
        return self.tying.phone_of_pdf()

    @property
    def is_silence(self) -> np.ndarray:
        """bool [1 + number of phones], whether a phone stands for no speech."""
        phones = self.lexicon.phones
        return np.isin(np.arange(len(phones.names)), sorted(phones.silences))

    def show(self, words: np.ndarray) -> str:
        """The names of words, int32 [N], without those that are 0 or less."""
        return " ".join(self.lexicon.words[word] for word in words if word > 0)


def make_hybrid(config: AcousticModelingConfig, source: UtteranceSource) -> Hybrid:
    """The word loop of some data: their words, in any number, as their grammar says.

    Raises:
      ConfigError: the states are not those of the data's alignments.
      DataError: states and topology do not fit together.
    """
    topologies = _topologies(config, source)
    tying = _tying(config, source, topologies)
    lexicon = source.lexicon
    scales = Scales(config.transition_scale, config.self_loop_scale)

    def composed(phones: Grammar) -> Graph:
        return compose(phones, topologies, tying, scales)

    words = composed(Pronounced(source.grammar, lexicon, config.silence_prob))
    graph = arcs(words)
    if config.phone_ngram is None:
        return Hybrid(lexicon, tying, graph, graph)
    order = config.phone_ngram
    said = pronounced(transcripts_of(source), lexicon, config.silence_prob)
    model = estimate_phones(said, order, min(order, _FULL_ORDER))
    denominator = chain_denominator(composed(model))
    spoken = all_spoken_phones(model, lexicon, config.silence_prob > 0)
    numerator = chain_numerator(composed(spoken), denominator)
    return Hybrid(lexicon, tying, graph, arcs(denominator), arcs(numerator))


def transcripts_of(source: UtteranceSource) -> Iterator[list[int]]:
    """The words of each utterance of a split."""
    for words, exists in _read_all(source, ("words", "exists")):
        for row in words[exists]:
            yield row[row > 0].tolist()


def pronounced(
    transcripts: Iterable[list[int]], lexicon: Lexicon, silence_prob: float
) -> Iterator[list[int]]:
    """Phones that transcripts may be said with; drawn, but always the same.

    Args:
      transcripts: words of each utterance.
      lexicon: pronunciations, a variant of which is drawn.
      silence_prob: probability of silence before, between and after words.
    """
    random = np.random.default_rng(0)
    silence = lexicon.phones.silence
    for words in transcripts:
        phones = [silence] * int(random.random() < silence_prob)
        for word in words:
            variants = lexicon.pronunciations[word]
            phones += variants[random.integers(len(variants))]
            phones += [silence] * int(random.random() < silence_prob)
        yield phones


def count_prior(source: UtteranceSource, num_pdfs: int) -> np.ndarray:
    """Log of the share of frames that each output has in the alignments of a split.

    Returns:
      float32 [P]; zeros where alignments are not known, which changes no path.
    """
    if not source.is_aligned:
        return np.zeros(num_pdfs, np.float32)

    read = _read_all(source, ("alignment",))
    alignments = (part[part >= 0] for (part,) in read)
    return log_priors(count_pdfs(alignments, num_pdfs))


def _read_all(
    source: UtteranceSource, names: Sequence[str]
) -> Iterator[tuple[np.ndarray, ...]]:
    """Some of what is known of all utterances, a part of them at a time."""

    @tf.function(autograph=False)
    def read(index: tf.Tensor) -> tuple[tf.Tensor, ...]:
        # Alone, so that the features of these utterances are never computed.
        batch = {"exists": tf.ones_like(index, tf.bool), **source.read(index)}
        return tuple(batch[name] for name in names)

    for part in np.array_split(np.arange(source.size), -(-source.size // _MOST_READ)):
        yield tuple(value.numpy() for value in read(tf.constant(part)))


def _topologies(
    config: AcousticModelingConfig, source: UtteranceSource
) -> dict[int, Topology]:
    """The model of each phone; silences of the data may have more states."""
    phones = source.lexicon.phones.index.values()
    if config.topology == "chain":
        return dict.fromkeys(phones, chain())
    sizes = dict.fromkeys(phones, config.num_states)
    if config.tying is None and source.tying is not None:
        for phone in set(phones) & set(range(source.tying.table.shape[1])):
            classes = (source.tying.table[:, phone] >= 0).sum(axis=-1)
            sizes[phone] = max(sizes[phone], int(classes.max()))
    return {
        phone: of_size(size, config.num_states, config.self_loop)
        for phone, size in sizes.items()
    }


def _tying(
    config: AcousticModelingConfig,
    source: UtteranceSource,
    topologies: dict[int, Topology],
) -> Tying:
    if source.is_aligned and config.tying is not None:
        raise ConfigError(
            "task.tying: the alignments of these data are known, in states of their"
            f" own. Expected no tying. Received task.tying: {config.tying}."
        )
    if config.tying is None:
        if source.tying is None:
            raise ConfigError(
                "task.tying: these data know no states. Expected task.tying:"
                " left_biphone, or another. Received none."
            )
        return source.tying
    if config.tying == "monophone":
        return monophone(topologies)
    return left_biphone(topologies, source.lexicon.phones.silences)
