"""What a recogniser understands where the variety is known, and where it is not."""

from typing import Any
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfmodels.decoding.beam_search import Hypotheses
from tfmodels.decoding.config import BeamSearchConfig
from tfmodels.decoding.rescoring import SecondPass
from tfmodels.decoding.rescoring import rescored
from tfmodels.decoding.step import START
from tfmodels.decoding.translation import Around
from tfmodels.decoding.translation import Teachable
from tfmodels.decoding.translation import best_answers
from tfmodels.decoding.varieties import LanguageModels
from tfmodels.decoding.varieties import believed
from tfmodels.decoding.varieties import decided
from tfmodels.decoding.varieties import expecting
from tfmodels.decoding.varieties import fusing
from tfmodels.decoding.varieties import keeping
from tfmodels.decoding.varieties import posterior_of_steps
from tfmodels.decoding.varieties import together
from tfmodels.metrics.recognition import varieties_said
from tfmodels.metrics.words import WordTable
from tfmodels.metrics.words import word_counts
from tfmodels.text.graphemes import Graphemes
from trainers.tasks.beliefs import configured
from trainers.tasks.config import RescoringConfig
from trainers.tasks.config import SpeechRecognitionConfig


class Heard(NamedTuple):
    """What was understood of a batch."""

    hypotheses: Hypotheses
    """Of units."""
    variety: tf.Tensor
    """float32 [b, K], how likely each variety is."""


class Listener:
    """Searches for what was said, and finds the variety where it is not known.

    The variety is that of the model's head for steps, over the best answer; without it,
    that of the head for encodings; without both, the one whose symbol the answer has.

    Args:
      config: the search, and what is done where the variety is not known.
      graphemes: the units.
      models: those that `config` names, opened; None for the recogniser alone.

    Raises:
      ConfigError: something is believed of a variety that there is not.
    """

    def __init__(
        self,
        config: SpeechRecognitionConfig,
        graphemes: Graphemes,
        models: LanguageModels | None = None,
    ) -> None:
        self._config, self._models = config, models
        self._fused = config.language_weight if models else 0.0
        self._words = WordTable(graphemes.surfaces)
        names = [variety.name for variety in graphemes.varieties]
        self.beliefs = configured(config, names)
        """What varieties are believed to be spoken."""
        self._symbols = [graphemes.symbol(number) for number in range(len(names))]
        self._units = np.stack([graphemes.mask([name]) for name in names])

    def told(self, model: Teachable, source: Any, search: BeamSearchConfig) -> Heard:
        """Listens to speech whose varieties are known.

        Args:
          model: gives ``variety_logits`` where it has a head for steps.
          source: what its `encode` takes, with ``variety`` float32 [b, K].
          search: how it is looked for.
        """
        return self.remembered(model, model.encode(source), search)

    def remembered(
        self, model: Teachable, memory: Any, search: BeamSearchConfig
    ) -> Heard:
        """`told` of speech that is encoded already."""
        return self._pass(model, memory, search, memory["variety"] > 0)

    def untold(self, model: Teachable, source: Any, search: BeamSearchConfig) -> Heard:
        """Listens to speech of which nothing is known but what is believed.

        The varieties of its answer are those found before the model is told them.

        Args:
          model: see `told`.
          source: see `told`, but for the variety.
          search: see `told`.
        """
        told, prior = self.beliefs.of(source["features"], source["lengths"])

        def heard(variety: tf.Tensor) -> Heard:
            memory = model.encode({**source, "variety": variety})
            parts = []
            if self._config.believed or self.beliefs.change:
                size = self._units.shape[1]
                parts.append(expecting(prior, self._symbols, size))
            return self._pass(model, memory, search, prior > 0, *parts)

        first = heard(told)
        found = believed(first.variety, prior)
        if self.beliefs.change or self._config.unknown_variety == "mixture":
            return first._replace(variety=found)
        told = found
        if self._config.unknown_variety == "argmax":
            told = decided(found, self._config.threshold)
        return heard(told)._replace(variety=found)

    def _pass(
        self,
        model: Teachable,
        memory: Any,
        search: BeamSearchConfig,
        possible: tf.Tensor,
        *parts: Around,
    ) -> Heard:
        if self._config.restrict_characters:
            parts = (keeping(self._units, possible), *parts)
        if self._models and self._fused:
            variety = memory["variety"]
            parts = (fusing(self._models, self._fused, variety), *parts)
        wanted = search
        if self._config.rescoring:
            wanted = search.model_copy(update={"n_best": search.beam_width})
        found = best_answers(model, memory, wanted, together(*parts))
        if self._config.rescoring:
            found = self._rescored(found, memory, self._config.rescoring)
            found = Hypotheses(*(each[:, : search.n_best] for each in found))
        return Heard(found, self._variety(model, memory, found))

    def _rescored(
        self, found: Hypotheses, memory: Any, config: RescoringConfig
    ) -> Hypotheses:
        """The same answers in the order of the second pass."""
        count, length = found.ids.shape[1], tf.shape(found.ids)[2]
        words = word_counts(tf.reshape(found.ids, [-1, length]), self._words)
        language = tf.zeros_like(found.log_probs)
        if self._models:
            language = self._models.log_probs(
                memory["variety"], found.ids, found.lengths
            )
        # Some of the language model is in already.
        missing = config.language_weight - self._fused
        second = SecondPass(missing, config.word_reward)
        return rescored(found, language, tf.reshape(words, [-1, count]), second)

    def _variety(self, model: Teachable, memory: Any, found: Hypotheses) -> tf.Tensor:
        """What the model says of varieties, float32 [b, K]."""
        best, lengths = found.ids[:, 0], found.lengths[:, 0]
        before = tf.pad(best[:, :-1], [[0, 0], [1, 0]], constant_values=START)
        logits = model.decode_targets(memory, before).get("variety_logits")
        if logits is not None:
            return posterior_of_steps(logits, lengths)
        if "encoder_variety_logits" in memory:
            return tf.nn.softmax(memory["encoder_variety_logits"])
        said = varieties_said(best, tf.constant(self._symbols))
        # Of answers without a symbol nothing is known.
        return said[:, :-1] + said[:, -1:] / len(self._symbols)
