"""Acoustic modelling: scores of tied states in every frame, judged by words."""

import functools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfmodels.acoustic.windows import Windows
from tfmodels.acoustic.windows import windows
from tfmodels.lattices.oracle import oracle_errors
from tfmodels.lattices.pruning import lattice_mask
from tfmodels.lattices.viterbi import best_path
from tfmodels.metrics.classification import top_k
from tfmodels.metrics.edit_distance import edit_errors
from trainers.data.stream import steps_per_epoch
from trainers.data.utterances.dataset import utterance_dataset
from trainers.data.utterances.sources import FrontEnd
from trainers.data.utterances.sources import UtteranceSource
from trainers.data.utterances.sources import open_utterances
from trainers.experiment import RunConfig
from trainers.interfaces import Batch
from trainers.interfaces import Outputs
from trainers.interfaces import Shard
from trainers.interfaces import Totals
from trainers.summaries import figures
from trainers.tasks.config import AcousticModelingConfig
from trainers.tasks.hybrid import count_prior
from trainers.tasks.hybrid import make_hybrid
from trainers.tasks.models import build_model
from trainers.tasks.models import check_model
from trainers.totals import means

_MAX_SHOWN = 16
_ERRORS = ("substitutions", "insertions", "deletions")


class AcousticModeling:
    """Frames of speech in, scores of the states of a hidden Markov model out.

    Batches are those of `trainers.data.utterances.dataset.utterance_dataset`, with
    ``num_scored`` int32 [b], the frames that the model scores of each utterance, T' of
    its T; ``weight`` float32 [b, T'], 1 in these frames; and, where alignments are
    known, ``label`` int32 [b, T'], the pdf of each, 0 after the end.
    """

    def __init__(
        self, config: AcousticModelingConfig, model: Any, data: Any, run: RunConfig
    ) -> None:
        """Opens the data, makes the decoding graph, counts the prior.

        Raises:
          ConfigError: model, data and states do not fit together.
          DataError: a file is missing or damaged.
        """
        self.config = config
        self._model_config = model
        self._data = data
        self._run = run
        self._sources: dict[str, UtteranceSource] = {}
        self._scorer = functools.cache(_scorer)
        source = self._source("train")
        self.hybrid = make_hybrid(config, source)
        """States, lexicon and decoding graph."""
        self.stored: tuple[str, ...] = source.stored
        """What batches have of lattices."""
        num_pdfs = self.hybrid.tying.num_pdfs
        sizes = {"num_pdfs": num_pdfs, "feature_dim": source.feature_dim}
        check_model(model, data, sizes)
        self.log_prior = count_prior(source, num_pdfs)
        """float32 [P], natural log of each output's share of the training frames."""
        self.splits: tuple[str, ...] = ("train", *data.held_out_splits())
        self.batch_size: int = data.batch_size
        self.steps_per_epoch: int = steps_per_epoch(
            source.size, data.batch_size, data.last_batch
        )
        # Without XLA the recursion over frames takes ten times as long.
        self._decode = tf.function(self._decoded, autograph=False, jit_compile=True)
        self._errors = tf.function(self._word_errors, autograph=False, jit_compile=True)
        self._oracle = tf.function(self._lattice, autograph=False, jit_compile=True)

    def _source(self, split: str) -> UtteranceSource:
        if split not in self._sources:
            self._sources[split] = open_utterances(self._data, split)
        return self._sources[split]

    @property
    def front_end(self) -> FrontEnd:
        """What makes frames of what a user names."""
        return self._source("test").front_end

    def build_model(self) -> keras.Model:
        """The configured model under the configured precision."""
        return build_model(self._model_config, self._run.precision)

    @tf.autograph.experimental.do_not_convert
    def dataset(
        self, split: str, shard: Shard = Shard(), start: int = 0
    ) -> tf.data.Dataset:
        """Batches of utterances; see the class."""
        batches = utterance_dataset(
            self._source(split), self._data, split, self._run.seed, shard, start
        )
        return batches.map(self._with_labels)

    def single_pass(self, split: str) -> tf.data.Dataset:
        """Every utterance of a split once, in order; of training too."""
        batches = utterance_dataset(self._source(split), self._data, "once")
        return batches.map(self._with_labels)

    def name(self, split: str, index: int) -> str:
        """What people call an utterance."""
        return self._source(split).name(index)

    def _with_labels(self, batch: Batch) -> Batch:
        aligned = self._source("train").is_aligned
        return with_labels(batch, self._model_config.frame_subsampling, aligned)

    def outputs(
        self, model: Callable[..., Outputs], batch: Batch, training: bool
    ) -> Outputs:
        """``logits`` float32 [b, T', P], and those of a head for cross entropy."""
        return model(self.inputs(batch), training=training)

    def inputs(self, batch: Batch) -> dict[str, tf.Tensor]:
        """The model's inputs: ``features`` [b, T, D] and ``lengths`` int32 [b]."""
        return {"features": batch["features"], "lengths": batch["lengths"]}

    def windows(self, model: keras.Model) -> Windows | None:
        """The model in windows of its frames, if it needs no whole utterances."""
        return windows(model, self._model_config.frame_subsampling)

    def metrics(self, outputs: Outputs, batch: Batch) -> Totals:
        """Right frames; and word errors, [scales, 3], which training leaves out."""
        logits, words = outputs["logits"], batch["words"]
        totals: Totals = {}
        if "label" in batch:
            hits = top_k(logits, batch["label"], batch["weight"], k=1)
            totals["frame_accuracy"] = hits
        errors = self._errors(logits, batch["num_scored"], words)
        exists = tf.cast(batch["weight"][:, 0] > 0, tf.float32)
        spoken = tf.math.count_nonzero(words, axis=1, dtype=tf.float32)
        errors = tf.reduce_sum(exists[:, None] * errors, axis=1)
        spoken = tf.reduce_sum(exists * spoken)
        totals["word_errors"] = errors, spoken
        if self.config.lattice_beam is not None:
            fewest, kept = self._oracle(logits, batch["num_scored"], words)
            # Of rank 1, so that they are left out of training too.
            totals["oracle_errors"] = tf.reduce_sum(exists * fewest)[None], spoken
            frames = tf.reduce_sum(batch["weight"])
            totals["decoded_arcs"] = tf.reduce_sum(exists * kept)[None], frames
        return totals

    def _word_errors(
        self, logits: tf.Tensor, num_scored: tf.Tensor, words: tf.Tensor
    ) -> tf.Tensor:
        """Errors of each kind, float32 [scales, b, 3]; all scales at once."""
        scales = (self.config.acoustic_scale, *self.config.other_scales)
        scores = tf.concat([self._scores(logits, scale) for scale in scales], axis=0)
        num_scored, words = (
            tf.concat([value] * len(scales), axis=0) for value in (num_scored, words)
        )
        errors = tf.stack(edit_errors(self._words(scores, num_scored), words), axis=-1)
        shape = [len(scales), -1, len(_ERRORS)]
        return tf.reshape(tf.cast(errors, tf.float32), shape)

    def _lattice(
        self, logits: tf.Tensor, num_scored: tf.Tensor, words: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Fewest errors of a path, and arcs, of each lattice, float32 [b] both."""
        scores = self._scores(logits, self.config.acoustic_scale)
        beam = self.config.lattice_beam or 0.0
        mask = lattice_mask(scores, num_scored, self.hybrid.graph, beam)
        fewest = oracle_errors(self.hybrid.graph, mask, num_scored, words)
        kept = tf.math.count_nonzero(mask, axis=(1, 2), dtype=tf.float32)
        return tf.cast(fewest, tf.float32), kept

    def _decoded(self, logits: tf.Tensor, num_scored: tf.Tensor) -> tf.Tensor:
        """The words of the best path at the scale of decoding; see `_words`."""
        return self._words(self._scores(logits, self.config.acoustic_scale), num_scored)

    def _scores(self, logits: tf.Tensor, scale: float) -> tf.Tensor:
        """Scaled log likelihoods, up to a constant of each frame, [b, T', P]."""
        prior = self.config.prior_scale * self.log_prior
        return scale * (tf.cast(logits, tf.float32) - prior)

    def _words(self, scores: tf.Tensor, num_scored: tf.Tensor) -> tf.Tensor:
        """A word in the frame where it begins, 0 in all others, int32 [b, T']."""
        return tf.maximum(best_path(scores, num_scored, self.hybrid.graph).word, 0)

    def report(self, totals: Totals) -> dict[str, float]:
        """The means; ``wer``, which its three kinds of errors make up, what it leaves
        of 1, ``wer_at_`` each other scale, and what lattices could do."""
        results = means(totals)
        table, spoken = totals["word_errors"]
        if not spoken:
            return results
        rates = np.asarray(table) / np.asarray(spoken)
        results["wer"] = float(rates[0].sum())
        results["word_accuracy"] = 1 - results["wer"]
        results |= dict(zip(_ERRORS, rates[0].tolist(), strict=True))
        for scale, row in zip(self.config.other_scales, rates[1:], strict=True):
            results[f"wer_at_{scale:g}"] = float(row.sum())
        for name, total in (
            ("oracle_wer", "oracle_errors"),
            ("decoded_density", "decoded_arcs"),
        ):
            if total in totals:
                kept, over = totals[total]
                results[name] = float(np.asarray(kept)[0] / over)
        return results

    def figures(self, outputs: Outputs, batch: Batch, totals: Totals) -> dict[str, Any]:
        """Some utterances with what was understood."""
        words = self._decode(outputs["logits"], batch["num_scored"])
        return {"predictions": self._drawn(batch, words.numpy())}

    def samples(self, batch: Batch) -> dict[str, Any]:
        """The words of some utterances of a training batch."""
        return {"utterances": self._drawn(batch, np.asarray(batch["words"]))}

    def _drawn(self, batch: Batch, words: np.ndarray) -> Any:
        shown = np.flatnonzero(np.asarray(batch["weight"])[:, 0])[:_MAX_SHOWN]
        index, lengths = np.asarray(batch["index"]), np.asarray(batch["lengths"])
        said = np.asarray(batch["words"])
        return figures.labelled_sequences(
            [f"utterance {index[row]}, {lengths[row]} frames" for row in shown],
            [self.hybrid.show(said[row]) for row in shown],
            [self.hybrid.show(words[row]) for row in shown],
        )

    def diagnostics(self, model: keras.Model, batch: Batch) -> dict[str, float]:
        """None: too small a figure would say nothing of layers that look at time."""
        return {}

    def predict(self, model: keras.Model, source: str) -> str:
        """The words of a recording, or of a made-up utterance by its number.

        Raises:
          DataError: there is no such utterance, or the data cannot read it.
        """
        features, lengths = self.front_end.open(source)
        logits = self._scorer(model)(features, lengths)
        step = self._model_config.frame_subsampling
        words = self._decode(logits, -(-lengths // step))
        return self.hybrid.show(words[0].numpy())


def with_labels(batch: Batch, step: int, aligned: bool) -> Batch:
    """Utterances with weights and labels of the frames that a model scores.

    Args:
      batch: what `UtteranceSource.read` made, with ``weight`` float32 [b].
      step: input frames for each scored one.
      aligned: whether alignments are known.

    Returns:
      A batch as `AcousticModeling` describes it.
    """
    batch = dict(batch)
    alignment = batch.pop("alignment")[:, ::step]
    num_scored = -(-batch["lengths"] // step)
    active = tf.sequence_mask(num_scored, alignment.shape[1], tf.float32)
    if aligned:
        batch["label"] = tf.maximum(alignment, 0)
    weight = active * batch["weight"][:, None]
    return {**batch, "num_scored": num_scored, "weight": weight}


def _scorer(model: keras.Model) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """A compiled function of features and lengths that returns logits."""
    return tf.function(
        lambda features, lengths: model(
            {"features": features, "lengths": lengths}, training=False
        )["logits"],
        autograph=False,
        reduce_retracing=True,
    )
