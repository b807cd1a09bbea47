"""What is exported for speech synthesis: texts as numbers in; spectra and sound out."""

import json
from collections.abc import Iterator
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from export.interfaces import Arrays
from export.interfaces import Endpoint
from export.interfaces import Program
from export.speaking import DeviceSynthesizer
from export.speaking import Step
from export.speaking import said
from export.synthesis import ENCODE
from export.synthesis import POSTNET
from export.synthesis import STEP
from export.synthesis import SYNTHESIZE
from export.synthesis import Synthesis
from tfmodels.audio.streaming_griffin_lim import StreamingGriffinLim
from tfmodels.errors import ConfigError
from trainers.experiment import Experiment
from trainers.interfaces import Batch
from trainers.stages import open_task
from trainers.tasks.speaking import AT_ONCE
from trainers.tasks.speaking import Speaker
from trainers.tasks.speaking import seeds
from trainers.tasks.speaking import silence
from trainers.tasks.spoken import Spoken
from trainers.tasks.spoken import joined
from trainers.tasks.vocoders import Vocoder
from trainers.tasks.vocoders import open_vocoder
from trainers.tasks.voices import Script
from trainers.tasks.voices import Voices

_VOICES = "voices.json"
_SOURCE = ("symbols", "tones", "symbol_lengths", "speaker", "language")


class SpeechSynthesisSignatures:
    """For the device an encoder, a step of the decoder and the post-net.

    A host chains them and keeps the state; its loop is `export.speaking`. Sound of the
    spectra is made outside of the file, as eSpeak NG's phonemes are.
    """

    accuracy = "ended"
    file_names: tuple[str, ...] = (_VOICES,)
    floating: tuple[str, ...] = (ENCODE, STEP, POSTNET)
    repeated: tuple[str, ...] = ()
    adjustable: tuple[str, ...] = ("task.speaker", "task.language", "task.accent")
    """Keys that a user of an artefact may still set: what leaves does not depend on
    them."""

    def __init__(self, experiment: Experiment, files: Mapping[str, str]) -> None:
        """Takes the run's configuration and the inventories."""
        self._experiment = experiment
        self._task: Any = experiment.task
        model: Any = experiment.model
        self._config = model
        self._r: int = model.frames_per_step
        self._seed = experiment.run.seed
        self._voices = Voices.from_plain(json.loads(files[_VOICES]))

    @cached_property
    def _vocoder(self) -> Vocoder:
        """A SavedModel holds it; for others it is opened where it is needed."""
        return open_vocoder(self._task.vocoder, self._voices.preset, self._seed)

    @staticmethod
    def files_of(task: Any) -> dict[str, str]:
        """Symbols, speakers, languages and the numbers of the spectra, as JSON."""
        plain = task.voices.plain()
        return {_VOICES: json.dumps(plain, ensure_ascii=False, indent=1)}

    def deployed(self, model: keras.Model) -> keras.Model:
        """The model itself."""
        return model

    def serving(self, model: keras.Model) -> dict[str, Endpoint]:
        """Those of `device` for B texts, and before them:

        - ``synthesize(symbols, tones, symbol_lengths, speaker, language, residual,
          seed)``, the seed int64 [B, 2], which returns ``audio`` float32 [B, L],
          ``audio_len`` int32 [B], ``energies`` float32 [B, T, M], ``lengths`` int32
          [B], frames, ``alignment`` float32 [B, S, N] and ``stop_reason`` int32 [B], a
          number of `tfmodels.tacotron.free_running.STOP_REASONS`.
        - ``synthesize_mel``, the same without sound.
        - ``synthesize_text(text: string [B], speaker, language, residual, seed)``, of
          models that read characters or bytes. Only it needs the operations of
          tensorflow-text.
        """
        made = Synthesis(model, None)
        return {
            **made.whole(self._vocoder, self._voices.symbols),
            **made.parts(),
        }

    def device(self, model: keras.Model) -> dict[str, Endpoint]:
        """One text of any length, step by step; all spectra are log energies.

        - ``encode(symbols: int32 [1, N], tones: int32 [1, N], symbol_lengths: int32
          [1], speaker: float32 [1, S], language: float32 [1, L], residual: float32 [1,
          Z])`` returns ``memory_...``, the first ``state_...`` and the first ``frame``
          float32 [1, M]. A model without a residual does not take one.
        - ``decode_step(frame, noise: float32 [1, 2, P], state_..., memory_...)``
          returns ``frames`` float32 [1, r, M], the last of which is the next ``frame``,
          ``stop`` float32 [1], above 0 at the end, ``alignment`` float32 [1, N], and
          the next ``state_...``. Noise is 0 or ``1 / (1 - rate)``, dropout that is
          never off.
        - ``postnet(frames: float32 [1, T, M])`` returns ``energies`` of that shape; of
          chunks with enough frames on both sides, those of the whole.
        """
        return Synthesis(model, 1).parts()

    def preprocessing(self) -> dict[str, Any]:
        """What numbers of a text mean, and how the parts are chained."""
        decoder, postnet = self._config.decoder, self._config.postnet
        return {
            "voices": _VOICES,
            "frames_per_step": self._r,
            "noise": f"0 with a probability of {decoder.prenet_rate}, else"
            f" {1 / (1 - decoder.prenet_rate)}; new ones for each step",
            "stop": "after the step whose stop is above 0",
            "postnet_reach": postnet.convolutions * (postnet.kernel // 2),
            "energies": "natural logarithms of mel magnitudes, of the preset in"
            f" {_VOICES}",
        }

    def calibration(self, program: Program, count: int) -> Iterator[tuple[str, Arrays]]:
        """Refuses: whole numbers throughout drift in a state of hundreds of steps.

        Raises:
          ConfigError: always.
        """
        raise ConfigError(
            "a synthesiser's state would drift in integers. Expected --preset"
            " tflite_dynamic, whose weights are integers, tflite_float16,"
            " tflite_float32 or saved_model. Received one that calibrates ranges."
        )

    def examples(self, split: str, limit: int) -> Iterator[Batch]:
        """Utterances one by one, without padding: all, or some spread over a split."""
        data: Any = self._experiment.training_stages()[-1].data
        alone = data.model_copy(update={"batch_size": 1, "last_batch": "pad"})
        task: Any = open_task(self._experiment, alone)
        batches = task.dataset(split)
        count = int(batches.reduce(0, lambda n, _: n + 1))
        wanted = np.linspace(0, count, min(limit, count), endpoint=False).astype(int)
        chosen = set(wanted.tolist())
        for number, batch in enumerate(batches.as_numpy_iterator()):
            if number not in chosen:
                continue
            length, frames = int(batch["symbol_lengths"][0]), int(batch["frames"][0])
            steps = -(-frames // self._r)
            yield {
                **batch,
                **{name: batch[name][:, :length] for name in ("symbols", "tones")},
                **{n: batch[n][:, : steps * self._r] for n in ("mel", "token")},
            }

    def outputs(self, program: Program, batch: Batch) -> Arrays:
        """Spectra of a text that hears its recording, and what is said without it."""
        speaker = DeviceSynthesizer(program, self._config)
        source = {name: batch[name] for name in _SOURCE}
        seed = batch["seed"]
        heard = batch["mel"][0][self._r - 1 :: self._r]
        taught = [*speaker.steps(source, seed, np.roll(heard, 1, 0))]
        frames = np.concatenate([step.frames for step in taught])
        freely = speaker.steps(source, seed, max_frames=self._task.max_frames)
        return {
            "mel": frames[None],
            "energies": speaker.mended(frames)[None],
            "alignment": np.stack([step.alignment for step in taught])[None],
            "said": said(speaker, freely),
        }

    def agreement(self, reference: Arrays, outputs: Arrays) -> np.ndarray:
        """Share of the steps that attend most to the same symbol, float [1]."""
        first, second = (
            each["alignment"].argmax(axis=-1) for each in (reference, outputs)
        )
        return np.mean(first == second, axis=-1)

    def predict(self, program: Program, source: str) -> Spoken:
        """Says a text of any length.

        Raises:
          ConfigError: there is no such voice or accent.
          DataError: there is nothing to say, or eSpeak NG is needed and not there.
        """
        script = self._script(source)
        return joined(self._speaker(program)(script))

    def _script(self, source: str) -> Script:
        script = self._voices.script(source, self._task)
        if script.languages:
            raise ConfigError(
                "an artefact says a text in one language. Expected one without marks"
                " such as <es>hola</es>, or a run's folder in its place. Received"
                f" {source[:70]!r}."
            )
        return script

    def _speaker(self, program: Program) -> Speaker:
        if SYNTHESIZE in program.endpoints:
            names = program.inputs(SYNTHESIZE)

            def together(source: dict[str, Any]) -> Arrays:
                source = self._with_residual(source)
                return program(SYNTHESIZE, {name: source[name] for name in names})

            return Speaker(together, self._voices, self._seed, AT_ONCE)
        device = DeviceSynthesizer(program, self._config)
        vocoder = tf.function(self._vocoder, autograph=False, reduce_retracing=True)

        def alone(source: dict[str, Any]) -> Arrays:
            made = said(device, device.steps(source, source["seed"]))
            energies, lengths = map(tf.constant, (made["energies"], made["lengths"]))
            audio = vocoder(energies, lengths)
            length = np.array(audio.shape[1:], np.int32)
            return {**made, "audio": audio, "audio_len": length}

        return Speaker(alone, self._voices, self._seed, 1)

    def _with_residual(self, source: dict[str, Any]) -> dict[str, Any]:
        if not self._config.residual:
            return source
        shape = [len(source["symbols"]), self._config.residual.dim]
        return {**source, "residual": np.zeros(shape, np.float32)}

    def stream(self, program: Program, source: str) -> Iterator[Spoken]:
        """Says a text of any length while it is being made.

        Raises:
          ConfigError: see `predict`; or a trained vocoder is to make the sound, which
            needs whole pieces.
          DataError: see `predict`.
        """
        if self._task.vocoder is not None:
            raise ConfigError(
                "a trained vocoder needs whole pieces of a text. Expected task.vocoder:"
                " null, or no --stream. Received task.vocoder:"
                f" {self._task.vocoder}."
            )
        script = self._script(source)
        device = DeviceSynthesizer(program, self._config)
        preset = self._voices.preset
        for number in range(len(script.pieces)):
            sound = StreamingGriffinLim(preset)
            (seed,) = seeds(self._seed, [number])
            steps = device.steps(script.rows(number, number + 1), seed[None])
            seen: list[Step] = []
            unknown = () if number else script.unknown
            for energies in device.chunks(steps, seen.append):
                samples = sound.feed(energies)
                if len(samples):
                    yield Spoken(samples, preset.sample_rate, "going on", unknown)
                    unknown = ()
            behind = np.zeros(silence(script, number, preset.sample_rate), np.float32)
            samples = np.concatenate([sound.finish(), behind])
            yield Spoken(samples, preset.sample_rate, seen[-1].reason, unknown)
