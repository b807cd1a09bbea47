"""Speech recognition: utterances in, their text and their variety out."""

import functools
from collections.abc import Callable
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfmodels.decoding.step import PAD
from tfmodels.las.streaming import frames_per_encoding
from tfmodels.metrics.classification import confusion_matrix
from tfmodels.metrics.classification import top_k
from tfmodels.metrics.language_modeling import log_loss
from tfmodels.metrics.recognition import WER_OF_VARIETY
from tfmodels.metrics.recognition import error_rates
from tfmodels.metrics.recognition import oracle_rate
from tfmodels.metrics.recognition import rates_of_varieties
from tfmodels.metrics.recognition import report_of_varieties
from tfmodels.metrics.recognition import varieties_said
from tfmodels.metrics.words import WordTable
from trainers.data.speech.dataset import speech_dataset
from trainers.data.speech.sources import open_speech
from trainers.experiment import RunConfig
from trainers.interfaces import Batch
from trainers.interfaces import Outputs
from trainers.interfaces import Shard
from trainers.interfaces import Totals
from trainers.summaries import figures
from trainers.tasks import speech_pictures as pictures
from trainers.tasks.beginning import begin_from
from trainers.tasks.config import SpeechRecognitionConfig
from trainers.tasks.language_models import open_language_models
from trainers.tasks.listening import Listener
from trainers.tasks.models import build_model
from trainers.tasks.models import check_model
from trainers.tasks.transcripts import Transcripts
from trainers.tasks.transcripts import read_transcripts
from trainers.totals import means


class SpeechRecognition:
    """Frames of speech in, characters and the symbol of a variety out.

    Batches are those of `trainers.data.speech.dataset.speech_dataset`; where the model
    scores varieties by its encodings, with ``encoder_variety_label`` int32 [b, U], the
    same as ``variety_label``.
    """

    def __init__(
        self, config: SpeechRecognitionConfig, model: Any, data: Any, run: RunConfig
    ) -> None:
        """Opens the data, and makes their table of characters if there is none yet.

        Raises:
          ConfigError: model, data and language models do not fit together, or
            something is said of a variety that there is not.
          DataError: a file or a language model's run is missing or damaged.
        """
        self.config = config
        self._model_config = model
        self._data = data
        self._run = run
        self._searcher = functools.cache(self._make_searcher)
        self._draws = model.scheduled_sampling is not None
        self._source = open_speech(data)
        self.graphemes = self._source.graphemes
        """What the ids mean."""
        self.front_end = self._source.front_end
        """What makes frames of sound."""
        sizes = {
            "vocabulary_size": self.graphemes.size,
            "num_varieties": self._source.num_varieties,
            "feature_dim": self._source.feature_dim,
        }
        check_model(model, data, sizes)
        self.language_models = open_language_models(
            config.language_models, self.graphemes
        )
        """Of all varieties, for searches; None if none are configured."""
        self.listener = Listener(config, self.graphemes, self.language_models)
        """Searches for what was said."""
        self.words = WordTable(self.graphemes.surfaces)
        """What units are to words."""
        self.ordinary_tokens = range(self.graphemes.space, self.graphemes.size)
        """Those that an objective may put in the place of others: characters."""
        self.varieties = tuple(each.name for each in self.graphemes.varieties)
        """Names of all dialects or languages, K."""
        self.splits: tuple[str, ...] = ("train", *data.held_out_splits())
        self.batch_size: int = data.batch_size
        self.steps_per_epoch: int = self._source.steps_per_epoch

    def build_model(self) -> keras.Model:
        """The configured model, which normalises by what training frames are like.

        Raises:
          ConfigError: the run that it is to begin from does not fit.
          DataError: there is no such run.
        """
        model = build_model(self._model_config, self._run.precision)
        if self.config.start_from is not None:
            folder = Path(self.config.start_from)
            begin_from(model, folder, self.graphemes, self._run.seed)
        mean, deviation = self._source.statistics()
        model.feature_mean.assign(mean)
        model.feature_std.assign(deviation)
        return model

    @tf.autograph.experimental.do_not_convert
    def dataset(
        self, split: str, shard: Shard = Shard(), start: int = 0
    ) -> tf.data.Dataset:
        """Batches of utterances; see the class."""
        batches = speech_dataset(
            self._source, self._data, split, self._run.seed, shard, start
        )
        if not self._model_config.encoder_head:
            return batches
        return batches.map(
            lambda batch: {**batch, "encoder_variety_label": batch["variety_label"]}
        )

    def outputs(
        self, model: Callable[..., Outputs], batch: Batch, training: bool
    ) -> Outputs:
        """What the model gives; that of its encodings at each unit, [b, U, K].

        An evaluation searches as well: ``recognised`` int32 [b, N, T], best first, and
        ``variety_probs`` float32 [b, K].
        """
        if training:
            drawn = {"seed": batch["seed"]} if self._draws else {}
            outputs = dict(model({**self.inputs(batch), **drawn}, training=True))
        else:
            recogniser: Any = model
            source, search = self.source(batch), self.config.search
            memory = recogniser.encode(source)
            outputs = recogniser.decode_targets(memory, batch["target"])
            if self.config.variety_known:
                heard = self.listener.remembered(recogniser, memory, search)
            else:
                heard = self.listener.untold(recogniser, source, search)
            outputs["recognised"] = heard.hypotheses.ids
            outputs["variety_probs"] = heard.variety
        if "encoder_variety_logits" in outputs:
            logits, units = outputs["encoder_variety_logits"], batch["target"]
            steps = tf.ones_like(units, logits.dtype)[:, :, None]
            outputs["encoder_variety_logits"] = logits[:, None] * steps
        return outputs

    def inputs(self, batch: Batch) -> dict[str, tf.Tensor]:
        """The model's inputs: those of `source`, and ``target`` int32 [b, U]."""
        return {**self.source(batch), "target": batch["target"]}

    def source(self, batch: Batch) -> dict[str, tf.Tensor]:
        """What the model's `encode` takes: ``features``, ``lengths``, ``variety``."""
        return {name: batch[name] for name in ("features", "lengths", "variety")}

    def units(self, text: str) -> list[int]:
        """The units of a text as it is, without the end."""
        return self.graphemes.spelled(text)

    def metrics(self, outputs: Outputs, batch: Batch) -> Totals:
        """Right units, their nats, right varieties; of a search, wrong words too.

        ``variety_step_accuracy`` is of units, of a model that is told the units before.
        Of what was recognised ``variety_accuracy`` counts how often the variety that it
        finds likeliest is right, and ``symbol_accuracy`` that whose symbol it says.
        """
        scored = outputs["logits"], batch["label"], batch["weight"]
        totals: Totals = {
            "unit_accuracy": top_k(*scored, k=1),
            "nats_per_unit": log_loss(*scored),
        }
        if "bad" in batch:
            bad = tf.reduce_sum(batch["bad"])
            read = tf.math.count_nonzero(batch["weight"][:, 0], dtype=bad.dtype)
            totals["bad_examples"] = (bad, bad + read)
        if "variety_logits" in outputs:
            totals["variety_step_accuracy"] = top_k(
                outputs["variety_logits"],
                batch["variety_label"],
                batch["weight"],
                k=1,
            )
        if "recognised" in outputs:
            totals |= self._metrics_of_answers(outputs, batch)
        return totals

    def _metrics_of_answers(self, outputs: Outputs, batch: Batch) -> Totals:
        answers, label = outputs["recognised"], batch["label"]
        variety, best = batch["variety_id"], answers[:, 0]
        exists = tf.reduce_any(batch["weight"] > 0, axis=1)
        number = len(self.varieties)
        counts = tf.cast(exists, tf.float32)
        heard = outputs["variety_probs"]
        totals: Totals = {
            **error_rates(best, label, exists, self.words),
            **rates_of_varieties(best, label, variety, number, exists, self.words),
            "variety_accuracy": top_k(heard, variety, counts, k=1),
        }
        if answers.shape[1] > 1:
            valid = answers[:, :, 0] != PAD
            totals |= oracle_rate(answers, valid, label, exists, self.words)
        # The last one for none.
        taken_for = tf.pad(heard, [[0, 0], [0, 1]], constant_values=-1.0)
        if self._data.variety_symbol != "none":
            symbols = [self.graphemes.symbol(each) for each in range(number)]
            taken_for = varieties_said(best, tf.constant(symbols))
            totals["symbol_accuracy"] = top_k(taken_for, variety, counts, k=1)
        return {**totals, "varieties": confusion_matrix(taken_for, variety, counts)}

    def report(self, totals: Totals) -> dict[str, float]:
        """The means; ``wer/<variety>`` of each, ``macro_wer``, their plain mean; and
        ``word_accuracy``, what ``wer`` leaves of 1."""
        results = means(totals)
        if WER_OF_VARIETY in totals:
            results |= report_of_varieties(totals, self.varieties)
        if "wer" in results:
            results["word_accuracy"] = 1 - results["wer"]
        return results

    def figures(self, outputs: Outputs, batch: Batch, totals: Totals) -> dict[str, Any]:
        """Some utterances with what was recognised; their sound; what each unit of the
        right text attended to; which variety is taken for which."""
        heard = outputs["recognised"][:, 0]
        drawn = pictures.texts(self.graphemes, batch, heard)
        step = frames_per_encoding(self._model_config)
        seen = outputs["attention"]
        drawn["attention"] = pictures.attention(self.graphemes, batch, seen, step)
        if "varieties" in totals:
            counts = np.asarray(totals["varieties"][0])
            classes = [*self.varieties, "none"]
            drawn["varieties"] = figures.confusion_matrix(counts, classes)
        return drawn

    def samples(self, batch: Batch) -> dict[str, Any]:
        """Some utterances of a training batch as the model hears them."""
        return {"sound": pictures.sound(self.graphemes, batch, batch["label"])}

    def written(self, split: str) -> list[tuple[str, str]]:
        """Names and transcripts, as they are counted, of a split's utterances."""
        names = [each.name for each in self._source.utterances(split)]
        return [*zip(names, self._source.references(split), strict=True)]

    def show(self, tokens: Sequence[int]) -> str:
        """Tokens as text."""
        return self.graphemes.decode(tokens)

    def diagnostics(self, model: keras.Model, batch: Batch) -> dict[str, float]:
        """How much of its attention a unit gives to one place, in the mean.

        It rises from next to nothing when the model finds where units are said.
        """
        shares = np.asarray(model(self.inputs(batch), training=False)["attention"])
        there = np.asarray(batch["weight"]) > 0
        return {"attention_peak": float(shares.max(axis=-1)[there].mean())}

    def predict(self, model: keras.Model, source: str) -> Transcripts:
        """The best transcripts of a recording, of any rate and kind.

        Raises:
          DataError: it cannot be read, is silent, or too short or too long.
        """
        features, lengths = self.front_end.open(source)
        heard = self._searcher(model)(features, lengths)
        step = frames_per_encoding(self._model_config)
        return read_transcripts(self.graphemes, heard, step)

    def _make_searcher(self, model: Any) -> Callable[..., Any]:
        """A compiled function of a recording; it finds as many as the beam is wide."""
        search = self.config.search
        search = search.model_copy(update={"n_best": search.beam_width})
        return tf.function(
            lambda features, lengths: self.listener.untold(
                model, {"features": features, "lengths": lengths}, search
            ),
            autograph=False,
            input_signature=[
                tf.TensorSpec([1, None, self._source.feature_dim], tf.float32),
                tf.TensorSpec([1], tf.int32),
            ],
        )
