"""Speech synthesis: texts in, mel spectra in any voice and language out."""

import functools
import logging
from collections.abc import Callable
from typing import Any
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from tfmodels.errors import ConfigError
from tfmodels.metrics.classification import top_k
from trainers.data.synthesis.dataset import synthesis_dataset
from trainers.data.synthesis.source import open_synthesis
from trainers.experiment import RunConfig
from trainers.interfaces import Batch
from trainers.interfaces import Outputs
from trainers.interfaces import Shard
from trainers.interfaces import Totals
from trainers.sound import Sounds
from trainers.tasks import synthesis_pictures as pictures
from trainers.tasks.adversary import clipped_by_adversary
from trainers.tasks.config import SpeechSynthesisConfig
from trainers.tasks.models import build_model
from trainers.tasks.models import check_model
from trainers.tasks.speaking import Speaker
from trainers.tasks.speaking import sayer
from trainers.tasks.spoken import Spoken
from trainers.tasks.spoken import joined
from trainers.tasks.synthesis_judge import SynthesisJudge
from trainers.tasks.vocoders import open_vocoder
from trainers.tasks.voices import Voices
from trainers.totals import means

_SOURCE = ("symbols", "tones", "symbol_lengths", "speaker", "language")

# Share of recordings about which a judge must be right.
_TRUSTED = 0.95
_LOG = logging.getLogger(__name__)


class FramesPer(NamedTuple):
    """How many frames of the training split there are, in the mean, to one of these."""

    step: float
    """A step of the decoder."""
    symbol: float
    utterance: float


class SpeechSynthesis:
    """Symbols, a speaker and a language in, normalised mel spectra out.

    Batches are those of `trainers.data.synthesis.dataset.synthesis_dataset`, all of a
    split of one static shape, that of its largest bucket; buckets decide which lengths
    are together, and the decoder ends with the longest of a batch.
    """

    def __init__(
        self, config: SpeechSynthesisConfig, model: Any, data: Any, run: RunConfig
    ) -> None:
        """Opens the data, and makes their table of symbols if there is none yet.

        Raises:
          ConfigError: model and data do not fit together.
          DataError: a file is missing or damaged.
        """
        self.config = config
        self._model_config, self._data, self._run = model, data, run
        self._source = source = open_synthesis(data)
        self.voices = Voices.of(source)
        """What a model can say, and as whom."""
        sizes = {
            "num_symbols": source.symbols.size,
            "num_speakers": len(source.speakers),
            "num_languages": len(source.languages),
            "mel_bins": source.feature_dim,
        }
        # A model without a table is told nothing, whatever the data have.
        told = {name: n for name, n in sizes.items() if getattr(model, name)}
        check_model(model, data, told)
        self._r: int = model.frames_per_step
        for bucket in data.buckets:
            if bucket.frames % self._r:
                raise ConfigError(
                    "a bucket's frames are not those of whole steps. Expected each"
                    " data.buckets[].frames to be a multiple of model.frames_per_step:"
                    f" {self._r}. Received {bucket.frames}."
                )
        held_out = data.held_out_splits()
        self.splits: tuple[str, ...] = (
            "train",
            *(name for name in held_out if name != "reference"),
        )
        self._judge = SynthesisJudge(source, ("train", *held_out), self._r, config)
        self.batch_size: int = data.batch_size
        self.steps_per_epoch: int = source.steps_per_epoch
        training = source.split("train")
        used = training.bucket >= 0
        frames = training.lengths[used]
        self.frames_per = FramesPer(
            frames.sum() / (-(-frames // self._r)).sum(),
            frames.sum() / training.symbols.lengths[used].sum(),
            frames.mean(),
        )
        """What an objective scales terms with."""
        self._speaker = functools.cache(self._make_speaker)
        self._vocoder = open_vocoder(config.vocoder, self.voices.preset, run.seed)

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
        """Batches of utterances; see the class. With ``split`` int64 [b], its number
        among the training split and the held-out ones."""
        batches = synthesis_dataset(
            self._source, self._data, split, self._run.seed, shard, start
        )
        frames, symbols = map(int, self._source.split(split).shapes[-1])
        frames = -(-frames // self._r) * self._r
        number = ("train", *self._data.held_out_splits()).index(split)
        wanted = {
            "symbols": symbols,
            "tones": symbols,
            "mel": frames,
            "token": frames,
        }

        def filled(batch: Batch) -> Batch:
            batch = dict(batch)
            for name in wanted.keys() & batch.keys():
                each = batch[name]
                empty = -1 if name == "token" else 0
                more = wanted[name] - tf.shape(each)[1]
                padding = [[0, 0], [0, more], *[[0, 0]] * (each.shape.rank - 2)]
                each = tf.pad(each, padding, constant_values=empty)
                shape = [each.shape[0], wanted[name], *each.shape[2:]]
                batch[name] = tf.ensure_shape(each, shape)
            return {
                **batch,
                "split": tf.fill(tf.shape(batch["index"]), np.int64(number)),
            }

        return batches.map(filled, tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)

    def inputs(self, batch: Batch) -> dict[str, tf.Tensor]:
        """The model's inputs: those of `source`, ``mel``, ``frames`` and ``seed``."""
        targets = {name: batch[name] for name in ("mel", "frames", "seed")}
        return {**self.source(batch), **targets}

    def source(self, batch: Batch) -> dict[str, tf.Tensor]:
        """What the model's `encode` takes."""
        return {name: batch[name] for name in _SOURCE}

    def outputs(
        self, model: Callable[..., Outputs], batch: Batch, training: bool
    ) -> Outputs:
        """What the model gives of whole targets. An evaluation adds ``said``, what it
        says without them, with residuals of 0; see `Tacotron.free_run`."""
        outputs = dict(model(self.inputs(batch), training=training))
        if not training:
            synthesiser: Any = model
            steps = -(-self.config.max_frames // self._r)
            outputs["said"] = synthesiser.free_run(
                self.source(batch), batch["seed"], steps
            )
        return outputs

    def metrics(self, outputs: Outputs, batch: Batch) -> Totals:
        """How often the adversary finds the speaker; of free running, see
        `SynthesisJudge`."""
        totals: Totals = {}
        if "speaker_logits" in outputs:
            logits = outputs["speaker_logits"]
            there = tf.sequence_mask(
                batch["symbol_lengths"], logits.shape[1], tf.float32
            )
            speaker = tf.argmax(batch["speaker"], -1, tf.int32)[:, None]
            totals["adversary_accuracy"] = top_k(
                logits,
                tf.broadcast_to(speaker, tf.shape(there)),
                there * batch["weight"][:, None],
                k=1,
            )
        if "said" in outputs:
            taught = outputs["alignment"]
            totals |= self._judge.totals(outputs["said"], taught, batch)
        return totals

    def report(self, totals: Totals) -> dict[str, float]:
        """The means; a judge that does not know recordings is named in the log."""
        figures = means(totals)
        for name in ("speaker_id", "language_id"):
            share = figures.get(f"{name}_recorded", 1.0)
            if share < _TRUSTED:
                _LOG.warning(
                    "%s: the judge is right about %.1f %% of recordings, not %.0f; its"
                    " figures say little, for which data.reference is too small",
                    *(name, 100 * share, 100 * _TRUSTED),
                )
        return figures

    def figures(self, outputs: Outputs, batch: Batch, totals: Totals) -> dict[str, Any]:
        """Some utterances as they were recorded and as the model says them, their
        spectra and, of the same vocoder, sound; what each step attended to."""
        names, preset = self._source.symbols.names, self._source.front_end.preset
        said = outputs["said"]
        rate = preset.sample_rate / preset.hop
        return {
            "mel": pictures.pairs(batch, said, rate),
            "alignment": pictures.alignment(names, batch, said, self._r / rate),
            "recorded": self._heard(batch, batch["mel"], batch["frames"]),
            "said": self._heard(batch, said["energies"], said["lengths"]),
        }

    def _heard(self, batch: Batch, mel: Any, lengths: Any) -> Sounds:
        """Sound of the utterances that are drawn."""
        rows = pictures.shown(batch)
        frames = np.asarray(lengths)[rows]
        spectra = tf.constant(np.asarray(mel)[rows, : frames.max()])
        sound = self._vocoder(spectra, tf.constant(frames, tf.int32))
        return Sounds(np.asarray(sound), self.voices.preset.sample_rate)

    def samples(self, batch: Batch) -> dict[str, Any]:
        """Some utterances of a training batch."""
        preset = self._source.front_end.preset
        return {"mel": pictures.recorded(batch, preset.sample_rate / preset.hop)}

    def diagnostics(self, model: keras.Model, batch: Batch) -> dict[str, float]:
        """How much of its attention a step gives to one symbol, in the mean; numbers of
        the residual that say something; and the share of the numbers of the adversary's
        gradient that its clip changes."""
        outputs = model(self.inputs(batch), training=False)
        peak = np.asarray(outputs["alignment"]).max(axis=-1)
        steps = -(-np.asarray(batch["frames"]) // self._r)
        there = np.arange(peak.shape[1]) < steps[:, None]
        there &= np.asarray(batch["weight"])[:, None] > 0
        signs = {"attention_peak": float(peak[there].mean())}
        if "residual_mean" in outputs:
            spread = np.asarray(outputs["residual_mean"]).var(axis=0)
            # What Burda et al., arXiv 1509.00519, take an active unit to be.
            signs["active_units"] = float(np.sum(spread > 0.01))
        if "speaker_logits" in outputs:
            signs["adversary_clipped"] = float(clipped_by_adversary(model, batch))
        return signs

    def predict(self, model: keras.Model, source: str) -> Spoken:
        """Says a text of any length in the configured voice, language and accent.

        Raises:
          ConfigError: the voice or the accent is not one of the data.
          DataError: there is nothing to say, or eSpeak NG is needed and not there.
        """
        script = self.voices.script(source, self.config)
        return joined(self._speaker(model)(script))

    def _make_speaker(self, model: Any) -> Speaker:
        say = sayer(model, self._vocoder)
        rows = ("symbols", "tones")
        numbers = {name: tf.TensorSpec([None, None], tf.int32) for name in rows}
        shares = {name: tf.TensorSpec([None, None]) for name in ("speaker", "language")}
        lengths = tf.TensorSpec([None], tf.int32)
        seed = tf.TensorSpec([None, 2], tf.int64)
        spec = {**numbers, **shares, "symbol_lengths": lengths, "seed": seed}
        each_symbol = tf.TensorSpec([None, None, len(self.voices.languages)])
        switching = {**spec, "token_languages": each_symbol}
        plain, mixed = (
            tf.function(say, autograph=False, input_signature=[each])
            for each in (spec, switching)
        )

        def compiled(source: dict[str, Any]) -> dict[str, Any]:
            return (mixed if "token_languages" in source else plain)(source)

        return Speaker(compiled, self.voices, self._run.seed)
