"""The parts of a hybrid recogniser that follow from a lexicon: states, graph, prior."""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from tfmodels.errors import ConfigError
from tfmodels.lattices.composition import compose
from tfmodels.lattices.graph import Arcs
from tfmodels.lattices.graph import arcs
from tfmodels.lattices.language_model import from_bigram
from tfmodels.lattices.lexicon import Lexicon
from tfmodels.lattices.lexicon import Pronounced
from tfmodels.lattices.priors import count_pdfs
from tfmodels.lattices.priors import log_priors
from tfmodels.lattices.topology import Scales
from tfmodels.lattices.topology import Topology
from tfmodels.lattices.topology import chain
from tfmodels.lattices.topology import left_to_right
from tfmodels.lattices.tying import Tying
from tfmodels.lattices.tying import left_biphone
from tfmodels.lattices.tying import monophone
from trainers.data.utterances.sources import UtteranceSource
from trainers.tasks.config import AcousticModelingConfig

_MOST_READ = 64


@dataclass(frozen=True)
class Hybrid:
    """States that a model scores, and the graph of all that can be said with them."""

    lexicon: Lexicon
    tying: Tying
    graph: Arcs
    """One graph for all utterances, as NumPy arrays: H o C o L o G."""

    @property
    def phone_of_pdf(self) -> np.ndarray:
        """int32 [P], phone of each output of the model."""
        return self.tying.phone_of_pdf()

    @property
    def is_silence(self) -> np.ndarray:
        """bool [1 + number of phones], whether a phone stands for no speech."""
        return np.arange(len(self.lexicon.phones.names)) == self.lexicon.phones.silence

    def show(self, words: np.ndarray) -> str:
        """The names of words, int32 [N], without those that are 0 or less."""
        return " ".join(self.lexicon.words[word] for word in words if word > 0)


def make_hybrid(config: AcousticModelingConfig, source: UtteranceSource) -> Hybrid:
    """The word loop of some data: their words, in any number, as their bigram says.

    Raises:
      ConfigError: the states are not those of the data's alignments.
      DataError: states and topology do not fit together.
    """
    topologies = dict.fromkeys(source.lexicon.phones.index.values(), _topology(config))
    tying = _tying(config, source, topologies)
    grammar = from_bigram(source.bigram)
    phones = Pronounced(grammar, source.lexicon, config.silence_prob)
    scales = Scales(config.transition_scale, config.self_loop_scale)
    graph = compose(phones, topologies, tying, scales)
    return Hybrid(source.lexicon, tying, arcs(graph))


def count_prior(source: UtteranceSource, num_pdfs: int) -> np.ndarray:
    """Log of the share of frames that each output has in the alignments of a split.

    Returns:
      float32 [P]; zeros where alignments are not known, which changes no path.
    """
    if source.tying is None:
        return np.zeros(num_pdfs, np.float32)

    @tf.function(autograph=False)
    def read(index: tf.Tensor) -> tf.Tensor:
        # Alone, so that the features of these utterances are never computed.
        return source.read(index)["alignment"]

    numbers = np.array_split(np.arange(source.size), -(-source.size // _MOST_READ))
    alignments = [read(tf.constant(part)).numpy() for part in numbers]
    return log_priors(count_pdfs((part[part >= 0] for part in alignments), num_pdfs))


def _topology(config: AcousticModelingConfig) -> Topology:
    if config.topology == "chain":
        return chain()
    return left_to_right(config.num_states, config.self_loop)


def _tying(
    config: AcousticModelingConfig,
    source: UtteranceSource,
    topologies: dict[int, Topology],
) -> Tying:
    if (config.tying is None) != (source.tying is not None):
        known = "are known, in states of their own" if source.tying else "are not known"
        expected = (
            "no tying" if source.tying else "task.tying: left_biphone, or another"
        )
        raise ConfigError(
            f"task.tying: the alignments of these data {known}. Expected {expected}."
            f" Received task.tying: {config.tying}."
        )
    if source.tying is not None:
        return source.tying
    if config.tying == "monophone":
        return monophone(topologies)
    return left_biphone(topologies, [source.lexicon.phones.silence])
