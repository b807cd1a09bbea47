"""Language modelling: the next token at every position of a sequence."""

import functools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfmodels.metrics.classification import top_k
from tfmodels.metrics.language_modeling import log_loss
from tfmodels.metrics.language_modeling import sequence_accuracy
from tfmodels.text.graphemes import Graphemes
from tfmodels.text.sentence_pieces import SentencePieces
from trainers.data.speech.transcripts import TranscriptSource
from trainers.data.stream import steps_per_epoch
from trainers.data.tokens.dataset import token_dataset
from trainers.data.tokens.sources import Notation
from trainers.data.tokens.sources import TokenSource
from trainers.data.tokens.sources import open_tokens
from trainers.data.tokens.stories import StoriesSource
from trainers.experiment import RunConfig
from trainers.interfaces import Batch
from trainers.interfaces import Outputs
from trainers.interfaces import Shard
from trainers.interfaces import Totals
from trainers.summaries import figures
from trainers.tasks.config import LanguageModelingConfig
from trainers.tasks.models import build_model
from trainers.tasks.models import check_model
from trainers.totals import means

_MAX_SHOWN = 16


class LanguageModeling:
    """Tokens in, scores of every next token out.

    Batches are those of `trainers.data.tokens.dataset.token_dataset`.
    """

    def __init__(
        self, config: LanguageModelingConfig, model: Any, data: Any, run: RunConfig
    ) -> None:
        """Opens the data; its tokens and its length must be the model's.

        Raises:
          ConfigError: model and data do not fit together.
          DataError: a file is missing or too short.
        """
        self._config = config
        self._model_config = model
        self._data = data
        self._run = run
        self._sources: dict[str, TokenSource] = {}
        self._scorer = functools.cache(_scorer)
        source = self._source("train")
        sizes = {"vocabulary_size": source.vocabulary_size, "max_length": source.length}
        check_model(model, data, sizes)
        self.splits: tuple[str, ...] = ("train", *data.held_out_splits())
        self.ordinary_tokens = source.ordinary_tokens
        self.show = source.show
        self.graphemes: Graphemes | None = None
        """What the tokens of transcripts mean."""
        if isinstance(source, TranscriptSource):
            self.graphemes = source.graphemes
        self.pieces: SentencePieces | None = None
        """What the tokens of stories mean."""
        if isinstance(source, StoriesSource):
            self.pieces = source.pieces
        self.batch_size: int = data.batch_size
        self.steps_per_epoch: int = steps_per_epoch(
            source.size, data.batch_size, data.last_batch
        )

    def _source(self, split: str) -> TokenSource:
        if split not in self._sources:
            length = self._model_config.max_length
            config = self._config
            self._sources[split] = open_tokens(
                self._data, split, length, config.varieties, config.texts
            )
        return self._sources[split]

    def build_model(self) -> keras.Model:
        """The configured model under the configured precision."""
        return build_model(self._model_config, self._run.precision)

    @tf.autograph.experimental.do_not_convert
    def dataset(
        self, split: str, shard: Shard = Shard(), start: int = 0
    ) -> tf.data.Dataset:
        """See `trainers.data.tokens.dataset.token_dataset`."""
        return token_dataset(
            self._source(split), self._data, split, self._run.seed, shard, start
        )

    def outputs(
        self, model: Callable[..., Outputs], batch: Batch, training: bool
    ) -> Outputs:
        """``logits`` float32 [b, T, K]."""
        return model(self.inputs(batch), training=training)

    def inputs(self, batch: Batch) -> tf.Tensor:
        """The model's input, int32 [b, T]."""
        return batch["tokens"]

    def metrics(self, outputs: Outputs, batch: Batch) -> Totals:
        """Right tokens, wholly right sequences, nats of the labels; all weighted."""
        scored = outputs["logits"], batch["label"], batch["weight"]
        nats, weight = log_loss(*scored)
        totals: Totals = {
            "token_accuracy": top_k(*scored, k=1),
            "sequence_accuracy": sequence_accuracy(*scored),
            "nats_per_token": (nats, weight),
        }
        if "character" in batch:
            characters = tf.reduce_sum(batch["weight"] * batch["character"])
            totals["nats_per_character"] = (nats, characters)
        return totals

    def report(self, totals: Totals) -> dict[str, float]:
        """The means, and ``perplexity``: exp of the nats per token."""
        results = means(totals)
        return {**results, "perplexity": float(np.exp(results["nats_per_token"]))}

    def figures(self, outputs: Outputs, batch: Batch, totals: Totals) -> dict[str, Any]:
        """Some sequences with their labels and the most probable tokens instead."""
        guesses = np.argmax(outputs["logits"], axis=-1)
        return {"predictions": self._drawn(batch, guesses)}

    def samples(self, batch: Batch) -> dict[str, Any]:
        """Some sequences of a training batch with their labels."""
        return {"sequences": self._drawn(batch, np.asarray(batch["label"]))}

    def _drawn(self, batch: Batch, guesses: np.ndarray) -> Any:
        counts = np.asarray(batch["weight"]) > 0
        shown = np.flatnonzero(counts.any(axis=1))[:_MAX_SHOWN]
        tokens, labels = np.asarray(batch["tokens"]), np.asarray(batch["label"])
        show = self._source("train").show
        return figures.labelled_sequences(
            [show(tokens[row]) for row in shown],
            [show(labels[row][counts[row]]) for row in shown],
            [show(guesses[row][counts[row]]) for row in shown],
        )

    def diagnostics(self, model: keras.Model, batch: Batch) -> dict[str, float]:
        """None: normalisation before every branch keeps all channels alive."""
        return {}

    def predict(self, model: keras.Model, source: str) -> str:
        """Goes on with a text, always with the most probable token.

        Raises:
          DataError: the text cannot be made into tokens of this data.
        """
        score = self._scorer(model)
        length = self._model_config.max_length
        return continuation(score, self._source("train"), source, length)


def continuation(
    score: Callable[[np.ndarray], Any], notation: Notation, text: str, length: int
) -> str:
    """Goes on with a text, always with the most probable token.

    Args:
      score: a function of int32 [1, T] that returns float32 [1, T, K].
      notation: makes tokens of text, and text of tokens.
      text: what to go on with.
      length: T; what is not known yet is filled up, since no position sees later ones.

    Raises:
      DataError: the text cannot be made into tokens.
    """
    tokens, num_new = notation.prompt(text)
    for _ in range(num_new):
        filled = tokens + [0] * (length - len(tokens))
        logits = score(np.array([filled], np.int32))
        tokens.append(int(np.argmax(logits[0, len(tokens) - 1])))
    return notation.show(tokens[-num_new:])


def _scorer(model: keras.Model) -> Callable[[np.ndarray], tf.Tensor]:
    """A compiled function of int32 [1, T] that returns float32 [1, T, K]."""
    return tf.function(
        lambda tokens: model(tokens, training=False)["logits"], autograph=False
    )
