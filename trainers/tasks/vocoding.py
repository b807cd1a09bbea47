"""Vocoding: mel spectra in, samples of sound out, learned from short windows."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfmodels.layers.seeded import uniforms
from tfmodels.metrics.classification import top_k
from tfmodels.wavernn.model import as_bytes
from tfmodels.wavernn.vocoder import WaveRNNVocoder
from tfmodels.wavernn.vocoder import around
from trainers.data.stream import Stream
from trainers.data.synthesis.source import open_synthesis
from trainers.experiment import RunConfig
from trainers.interfaces import Batch
from trainers.interfaces import Outputs
from trainers.interfaces import Shard
from trainers.interfaces import Totals
from trainers.tasks.config import VocodingConfig
from trainers.tasks.models import build_model
from trainers.tasks.models import check_model
from trainers.tasks.spoken import Spoken
from trainers.tasks.teacher import taught_spectra
from trainers.totals import means

_WHERE = 4


class Vocoding:
    """Windows of utterances: what a model sees of their spectra, and their samples.

    A batch has ``mel`` float32 [b, W + 2 c, M]; ``coarse`` and ``fine`` int32 [b, L +
    1], bytes of the samples and of the one before; ``label`` and ``fine_label`` int32
    [b, L] the same without it; ``weight`` float32 [b, L], 0 behind an utterance's end;
    ``index`` int64 [b], ``seed`` int64 [b, 2] and ``epoch`` int64 [b].
    """

    def __init__(
        self, config: VocodingConfig, model: Any, data: Any, run: RunConfig
    ) -> None:
        """Opens the data.

        Raises:
          ConfigError: model and data do not fit together.
          DataError: a file is missing or damaged.
        """
        self.config = config
        self._model_config, self._data, self._run = model, data, run
        self._source = source = open_synthesis(data)
        self.preset = source.front_end.preset
        check_model(
            model, data, {"mel_bins": source.feature_dim, "hop": self.preset.hop}
        )
        self.splits: tuple[str, ...] = (
            "train",
            *(name for name in data.held_out_splits() if name != "reference"),
        )
        self.batch_size: int = data.batch_size
        self.steps_per_epoch: int = self._stream("train").steps_per_epoch
        self._spectra = functools.cache(self._read_spectra)
        self._sound = functools.cache(self._make_sound)

    def _stream(self, split: str) -> Stream:
        used = int(np.count_nonzero(self._source.split(split).bucket >= 0))
        training, data = split == "train", self._data
        return Stream(used, data.batch_size, data.last_batch, training, self._run.seed)

    def build_model(self) -> keras.Model:
        """The configured model, which normalises by what training frames are like."""
        model = build_model(self._model_config, self._run.precision)
        mean, deviation = self._source.statistics()
        model.mel_mean.assign(mean)
        model.mel_std.assign(deviation)
        return model

    @tf.autograph.experimental.do_not_convert
    def dataset(
        self, split: str, shard: Shard = Shard(), start: int = 0
    ) -> tf.data.Dataset:
        """Batches of windows; see the class. Held-out ones are from the middle."""
        training = split == "train"
        chosen, stream = self._source.split(split), self._stream(split)
        records = (
            stream.endless(shard, start) if training else stream.single_pass(shard)
        )
        features, read_spectra = chosen.features(), self._spectra(split)
        used = np.flatnonzero(chosen.bucket >= 0)
        numbers = tf.constant(used, tf.int64)
        longest = tf.constant(int(chosen.lengths[used].max()), tf.int32)
        hop, count = self.preset.hop, self.config.frames
        size, context = hop * count, self._model_config.context

        def read(record: dict[str, tf.Tensor]) -> Batch:
            index, seed = tf.gather(numbers, record["index"]), record["seed"]
            mel, lengths = read_spectra(index, seed, longest)
            free = tf.cast(tf.maximum(lengths - count, 0), tf.float32)
            where = 0.5
            if training:
                # Another window in each epoch.
                own = seed + tf.stack([record["epoch"], record["epoch"]], -1)
                where = uniforms(own, _WHERE, 1)[:, 0]
            first = tf.cast(where * (free + 1 if training else free), tf.int32)
            sound = chosen.corpus.audio(index, seed, hop * longest)
            place = hop * first[:, None] + tf.range(-1, size)[None]
            known = hop * lengths[:, None]
            there = (place >= 0) & (place < known)
            most = tf.maximum(tf.shape(sound)[1] - 1, 0)
            samples = tf.gather(sound, tf.clip_by_value(place, 0, most), batch_dims=1)
            coarse, fine = as_bytes(tf.where(there, samples, 0.0))
            rows = record["index"].shape[0]
            coarse, fine = (
                tf.ensure_shape(x, [rows, size + 1]) for x in (coarse, fine)
            )
            seen = around(mel, lengths, first, count, context)
            frames = count + 2 * context
            valid = tf.cast(record["valid"], tf.float32)[:, None]
            return {
                "mel": tf.ensure_shape(seen, [rows, frames, features.width]),
                "coarse": coarse,
                "fine": fine,
                "label": coarse[:, 1:],
                "fine_label": fine[:, 1:],
                "weight": valid * tf.cast(there[:, 1:], tf.float32),
                **{name: record[name] for name in ("epoch", "seed")},
                "index": index,
            }

        return records.map(read, tf.data.AUTOTUNE, deterministic=True).prefetch(
            tf.data.AUTOTUNE
        )

    def _read_spectra(self, split: str) -> Callable[..., Any]:
        """From numbers of utterances, their seeds and most frames to spectra."""
        if self.config.teacher is None:
            read: Callable[..., Any] = self._source.split(split).features().read
            return read
        return taught_spectra(self.config.teacher, self._source, split)

    def inputs(self, batch: Batch) -> dict[str, tf.Tensor]:
        """The spectrum, and the samples that are known."""
        return {name: batch[name] for name in ("mel", "coarse", "fine")}

    def outputs(
        self, model: Callable[..., Outputs], batch: Batch, training: bool
    ) -> Outputs:
        """Scores of both bytes of each sample."""
        return model(self.inputs(batch), training=training)

    def metrics(self, outputs: Outputs, batch: Batch) -> Totals:
        """How often the likeliest byte is the right one."""
        names = {"coarse": ("logits", "label"), "fine": ("fine_logits", "fine_label")}
        return {
            f"{name}_accuracy": top_k(
                outputs[scores], batch[labels], batch["weight"], k=1
            )
            for name, (scores, labels) in names.items()
        }

    def report(self, totals: Totals) -> dict[str, float]:
        """The means."""
        return means(totals)

    def figures(self, outputs: Outputs, batch: Batch, totals: Totals) -> dict[str, Any]:
        """None."""
        return {}

    def samples(self, batch: Batch) -> dict[str, Any]:
        """None."""
        return {}

    def diagnostics(self, model: keras.Model, batch: Batch) -> dict[str, float]:
        """How sure the model is of high bytes, nats in the mean."""
        logits = model(self.inputs(batch), training=False)["logits"]
        probs = tf.nn.softmax(logits)
        entropy = -tf.reduce_sum(tf.math.xlogy(probs, probs), -1)
        return {"coarse_entropy": float(tf.reduce_mean(entropy))}

    def predict(self, model: keras.Model, source: str) -> Spoken:
        """A recording again, from its spectrum.

        Raises:
          DataError: it cannot be read.
        """
        front_end = self._source.front_end
        samples = front_end.read(Path(source))
        mel = front_end.log_mel(samples[None])
        frames = tf.constant([front_end.log_mel.num_frames(len(samples))])
        sound = self._sound(model)(mel, frames).numpy()[0]
        return Spoken(sound[: len(samples)], self.preset.sample_rate, "its length")

    def _make_sound(self, model: keras.Model) -> Callable[..., tf.Tensor]:
        vocoder = WaveRNNVocoder(model, self.preset, self._run.seed)
        compiled: Callable[..., tf.Tensor] = tf.function(
            vocoder, autograph=False, reduce_retracing=True
        )
        return compiled
