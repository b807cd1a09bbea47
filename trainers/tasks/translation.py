"""Translation: sentences in, sentences of another language out."""

import functools
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfmodels.decoding.combination import Ensemble
from tfmodels.decoding.translation import Around
from tfmodels.metrics.classification import top_k
from tfmodels.metrics.language_modeling import log_loss
from tfmodels.metrics.ngrams import bleu_statistics
from tfmodels.metrics.translation import MAX_ORDER
from tfmodels.metrics.translation import BleuCounts
from tfmodels.metrics.translation import bleu
from tfmodels.text.in_graph import GraphSegmenter
from trainers.data.parallel.dataset import parallel_dataset
from trainers.data.parallel.sources import open_parallel
from trainers.data.stream import steps_per_epoch
from trainers.experiment import RunConfig
from trainers.interfaces import Batch
from trainers.interfaces import Outputs
from trainers.interfaces import Shard
from trainers.interfaces import Totals
from trainers.summaries import figures
from trainers.summaries.texts import side_by_side
from trainers.tasks.answers import Answers
from trainers.tasks.answers import read_answers
from trainers.tasks.compiled_search import searcher
from trainers.tasks.config import TranslationConfig
from trainers.tasks.ensembles import open_ensemble
from trainers.tasks.given_answers import beginning_with
from trainers.tasks.given_answers import check_room
from trainers.tasks.models import build_model
from trainers.tasks.models import check_model
from trainers.totals import means

_MAX_SHOWN = 16
_MAX_DRAWN = 4


class Translation:
    """Sentences in, sentences of another language out.

    Batches are those of `trainers.data.parallel.dataset.parallel_dataset`.
    """

    def __init__(
        self, config: TranslationConfig, model: Any, data: Any, run: RunConfig
    ) -> None:
        """Opens the data, and learns their vocabulary if there is none yet.

        Raises:
          ConfigError: model, data and other runs do not fit together.
          DataError: a file or a run is missing or damaged.
        """
        self.config = config
        self._model_config = model
        self._data = data
        self._run = run
        self._searcher: Callable[..., Any] = functools.cache(searcher)
        self._together = functools.cache(self._with_others)
        self._source = open_parallel(data)
        self.vocabulary = self._source.vocabulary
        """What the ids mean."""
        check_model(model, data, {"vocabulary_size": self.vocabulary.size})
        self.meaning: str = self.vocabulary.hash
        """Of ids; see `trainers.abilities.HasMeaning`."""
        self.ordinary_tokens = self.vocabulary.ordinary
        """Those that an objective may put in the place of others."""
        self._segmenter = GraphSegmenter(self.vocabulary)
        self._others = open_ensemble(config.ensemble, self.vocabulary)
        self._given, self._beginning = self._given_answer()
        self.splits: tuple[str, ...] = ("train", *data.held_out_splits())
        self.batch_size: int = data.batch_size
        self.steps_per_epoch: int = steps_per_epoch(
            self._source.size, data.batch_size, data.last_batch
        )

    def _given_answer(self) -> tuple[list[int], Around | None]:
        """Tokens that predictions begin with, and what a search makes of them."""
        if self.config.target is not None:
            given = self._source.encode_target(self.config.target)
        elif self.config.prefix is not None:
            given = self._source.encode_target(self.config.prefix)[:-1]
        else:
            return [], None
        return given, beginning_with(given, self.vocabulary.size)

    def _with_others(self, model: Any) -> Any:
        return Ensemble((model, *self._others)) if self._others else model

    def build_model(self) -> keras.Model:
        """The configured model under the configured precision."""
        return build_model(self._model_config, self._run.precision)

    @tf.autograph.experimental.do_not_convert
    def dataset(
        self, split: str, shard: Shard = Shard(), start: int = 0
    ) -> tf.data.Dataset:
        """See `trainers.data.parallel.dataset.parallel_dataset`."""
        return parallel_dataset(
            self._source, self._data, split, self._run.seed, shard, start
        )

    def outputs(
        self, model: Callable[..., Outputs], batch: Batch, training: bool
    ) -> Outputs:
        """``logits`` float32 [b, T, V] and ``attention`` float32 [b, T, S].

        An evaluation searches as well: ``translation`` int32 [b, T'], the best one.
        """
        if training:
            return dict(model(self.inputs(batch), training=True))
        model = self._together(model)
        outputs = dict(model(self.inputs(batch), training=False))
        search = self._searcher(model, self.config.search, self._run.xla)
        outputs["translation"] = search(batch["source"]).ids[:, 0]
        return outputs

    def inputs(self, batch: Batch) -> dict[str, tf.Tensor]:
        """The model's inputs: ``source`` int32 [b, S] and ``target`` int32 [b, T]."""
        return {"source": batch["source"], "target": batch["target"]}

    def metrics(self, outputs: Outputs, batch: Batch) -> Totals:
        """Right tokens and nats of the labels; of translations, what BLEU counts."""
        scored = outputs["logits"], batch["label"], batch["weight"]
        totals: Totals = {
            "token_accuracy": top_k(*scored, k=1),
            "nats_per_token": log_loss(*scored),
        }
        if "translation" not in outputs:
            return totals
        exists = tf.reduce_any(batch["weight"] > 0, axis=1)
        texts = tf.boolean_mask(self._texts(outputs["translation"]), exists)
        # Pieces lose nothing: this is the translation as it was written.
        references = tf.boolean_mask(self._texts(batch["label"]), exists)
        counts = tf.reduce_sum(bleu_statistics(texts, references), axis=0)
        counts = tf.cast(counts, tf.float32)
        matches, ngrams, lengths = tf.split(counts, [MAX_ORDER, MAX_ORDER, 2])
        equal = tf.math.count_nonzero(texts == references, dtype=tf.float32)
        number = tf.math.count_nonzero(exists, dtype=tf.float32)
        return {
            **totals,
            "exact_match": (equal, number),
            "ngrams": (matches, ngrams),
            "lengths": (lengths[:1], lengths[1:]),
        }

    def _texts(self, ids: tf.Tensor) -> tf.Tensor:
        """Texts string [b] of ids int32 [b, T]."""
        with tf.device("cpu"):
            return self._segmenter.decode(ids)

    def report(self, totals: Totals) -> dict[str, float]:
        """The means; ``perplexity``, exp of the nats per token; and ``bleu``.

        BLEU is sacreBLEU's, 0 to 100: ``nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp``.
        """
        results = means(totals)
        results["perplexity"] = float(np.exp(results["nats_per_token"]))
        if "ngrams" in totals:
            (matches, ngrams), (said, written) = totals["ngrams"], totals["lengths"]
            counted = BleuCounts(
                tuple(int(count) for count in matches),
                tuple(int(count) for count in ngrams),
                int(said[0]),
                int(written[0]),
            )
            results["bleu"] = bleu(counted)
        return results

    def figures(self, outputs: Outputs, batch: Batch, totals: Totals) -> dict[str, Any]:
        """Some sentences with their translations, drawn and as text; what each token
        attended to."""
        shown = self._shown(batch)
        texts = self._texts(outputs["translation"]).numpy()
        attention = outputs["attention"].numpy()
        lines = self._lines(batch, shown, texts)
        return {
            "predictions": figures.labelled_sequences(*lines),
            "translations": side_by_side(("source", "right", "translation"), lines),
            "attention": figures.alignments(
                [
                    (self._names(batch["source"][row]), self._names(label), weights)
                    for row in shown[:_MAX_DRAWN]
                    for label, weights in [(batch["label"][row], attention[row])]
                ]
            ),
        }

    def samples(self, batch: Batch) -> dict[str, Any]:
        """Some sentences of a training batch with their translations."""
        texts = self._texts(batch["label"]).numpy()
        lines = self._lines(batch, self._shown(batch), texts)
        return {"sentences": figures.labelled_sequences(*lines)}

    def _shown(self, batch: Batch) -> np.ndarray:
        exists = (np.asarray(batch["weight"]) > 0).any(axis=1)
        return np.flatnonzero(exists)[:_MAX_SHOWN]

    def _lines(
        self, batch: Batch, shown: np.ndarray, texts: np.ndarray
    ) -> list[list[str]]:
        """Sources, right translations and `texts` of some rows."""
        given, wanted = (
            self._texts(batch[name]).numpy() for name in ("source", "label")
        )
        return [
            [line.decode(errors="replace") for line in column[shown]]
            for column in (given, wanted, texts)
        ]

    def show(self, tokens: Sequence[int]) -> str:
        """Tokens as text."""
        return self._source.decode(tokens)

    def _names(self, ids: tf.Tensor) -> list[str]:
        """Pieces of one side, without padding."""
        numbers = np.asarray(ids)
        return [self.vocabulary.names[number] for number in numbers[numbers > 0]]

    def diagnostics(self, model: keras.Model, batch: Batch) -> dict[str, float]:
        """Share of each accumulator's values that stand at its bound; ``delta``, the
        bound itself, if there is one."""
        shares = model.clipped_shares(self.inputs(batch))
        found = {f"clipped/{name}": float(share) for name, share in shares.items()}
        bound = model.new_pass(training=True).limit
        return found if bound is None else {**found, "delta": float(bound)}

    def predict(self, model: keras.Model, source: str) -> Answers:
        """The best translations of a sentence.

        Raises:
          DataError: there is no token for the configured language, or what is given of
            the translation is too long.
        """
        ids = self._source.encode(source, self.config.target_language)
        check_room(self._given, ids, self.config.search)
        width = self.config.search.beam_width
        search = self.config.search.model_copy(update={"n_best": width})
        find = self._searcher(
            self._together(model), search, self._run.xla, self._beginning
        )
        found = find(tf.constant([ids], tf.int32))
        return read_answers(self.vocabulary, ids, found)
