"""The Keras model of Tacotron: whole targets at once, steps, and free running."""

from typing import Any
from typing import Self

import keras
import tensorflow as tf

from tfmodels.layers.gradient_reversal import reverse_gradient
from tfmodels.layers.lstm import product
from tfmodels.layers.lstm import value
from tfmodels.layers.seeded import normals
from tfmodels.tacotron.attention import Memory
from tfmodels.tacotron.config import ClassifierConfig
from tfmodels.tacotron.config import TacotronConfig
from tfmodels.tacotron.convolutions import there
from tfmodels.tacotron.decoder import Decoded
from tfmodels.tacotron.decoder import Decoder
from tfmodels.tacotron.encoders import ResidualEncoder
from tfmodels.tacotron.encoders import TextEncoder
from tfmodels.tacotron.free_running import free_run
from tfmodels.tacotron.languages import among_told
from tfmodels.tacotron.postnet import PostNet
from tfmodels.tacotron.stepping import State

_RESIDUAL = 2


def tacotron(config: TacotronConfig) -> "Tacotron":
    """Builds the synthesiser (US11580952B2; arXiv 1907.04448; arXiv 1712.05884)."""
    return Tacotron(config, name=config.kind)


class SpeakerClassifier(keras.layers.Layer):
    """Scores of speakers from an encoding: one hidden layer with ReLU.

    Args:
      config: its sizes.
      width: of an encoding.
      num_speakers: S.
      **kwargs: see `keras.layers.Layer`.
    """

    def __init__(
        self, config: ClassifierConfig, width: int, num_speakers: int, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.kernels, self.biases = [], []
        sizes = ((width, config.hidden_dim), (config.hidden_dim, num_speakers))
        for number, shape in enumerate(sizes, 1):
            kernel = self.add_weight(shape=shape, name=f"dense{number}_kernel")
            self.kernels.append(kernel)
            bias = self.add_weight(
                shape=shape[1:], initializer="zeros", name=f"dense{number}_bias"
            )
            self.biases.append(bias)
        self.built = True

    def run(self, encodings: tf.Tensor) -> tf.Tensor:
        """Logits, float32 [..., S]."""
        hidden = product(encodings, self.kernels[0]) + value(self.biases[0])
        logits = product(tf.nn.relu(hidden), self.kernels[1]) + value(self.biases[1])
        return tf.cast(logits, tf.float32)


@keras.saving.register_keras_serializable("tfmodels")
class Tacotron(keras.Model):
    """Says a text in one of several voices and languages.

    Called with what `encode` takes, ``mel`` float32 [b, T, M], log energies, 0 on
    padding, ``frames`` int32 [b], and ``seed`` int64 [b, 2], it gives, in normalised
    units and float32: ``target``, ``mel`` and ``mel_post`` [b, T, M]; ``stop`` logits
    [b, T / r]; ``alignment`` [b, T / r, N]. With a classifier ``speaker_logits`` [b, N,
    S] and ``unit`` [b, N] (see `reverse_gradient`); with a residual encoder
    ``residual_mean`` and ``residual_log_variance`` [b, Z]. ``training_step`` float32
    [b] is the step. T is a multiple of r.

    Energies are normalised by ``mel_mean`` and ``mel_std``, float32 [M], which do not
    learn; they are 0 and 1 until they are set. All that is random follows from seeds.

    Args:
      config: its sizes.
      **kwargs: see `keras.Model`.
    """

    def __init__(self, config: TacotronConfig, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._config = config
        for name, start in {"mel_mean": "zeros", "mel_std": "ones"}.items():
            weight = self.add_weight(
                shape=(config.mel_bins,),
                initializer=start,
                trainable=False,
                autocast=False,
                name=name,
            )
            setattr(self, name, weight)
        self.training_step = self.add_weight(
            shape=(),
            initializer="zeros",
            dtype="int64",
            trainable=False,
            name="training_step",
        )
        self.encoder = TextEncoder(config, name="encoder")
        self.tables = {}
        sizes = {
            "speaker": (config.num_speakers, config.speaker_dim),
            "language": (config.num_languages, config.language_dim),
        }
        for name, (number, width) in sizes.items():
            if number:
                self.tables[name] = self.add_weight(
                    shape=(number, width),
                    initializer=keras.initializers.RandomNormal(0, config.table_std),
                    name=f"{name}_table",
                )
        self.decoder = Decoder(config, name="decoder")
        self.post = PostNet(config, name="postnet")
        self.residual_encoder = self.classifier = None
        if config.residual:
            self.residual_encoder = ResidualEncoder(
                config.residual, config.mel_bins, name="residual_encoder"
            )
        if config.classifier and config.num_speakers:
            self.classifier = SpeakerClassifier(
                config.classifier,
                config.encoder.dim,
                config.num_speakers,
                name="classifier",
            )
        self.built = True

    @property
    def config(self) -> TacotronConfig:
        """What the model was built from."""
        return self._config

    def at_step(self, step: int) -> None:
        """Says how many steps of the run have been made."""
        self.training_step.assign(step)

    def call(self, inputs: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """Returns what is made of whole targets; see the class."""
        config, seed = self._config, inputs["seed"]
        mask = there(inputs["frames"], inputs["mel"].shape[1])
        target = self.normalised(inputs["mel"]) * mask
        mel = tf.cast(target, self.compute_dtype)
        encodings, text = self.encoder.run(inputs, training)
        residual, outputs = self._residual(mel, mask, seed, training)
        memory = self._memory(encodings, text, inputs, residual)
        r = config.frames_per_step
        before = tf.pad(mel[:, r - 1 :: r][:, :-1], [[0, 0], [1, 0], [0, 0]])
        steps = -(-tf.cast(inputs["frames"], tf.int32) // r)
        decoded = self.decoder.run(before, memory, steps, seed, training)
        drop = seed if training else None
        post = self.post.run(decoded.frames, mask, drop, training)
        outputs |= {
            "target": target,
            "mel": decoded.frames,
            "mel_post": post,
            "stop": decoded.stop,
            "alignment": decoded.alignment,
        }
        if self.classifier is not None and config.classifier is not None:
            adversary = config.classifier
            seen, outputs["unit"] = reverse_gradient(
                encodings, adversary.scale, adversary.limit, adversary.clip
            )
            outputs["speaker_logits"] = self.classifier.run(seen)
        step = tf.cast(value(self.training_step), tf.float32)
        outputs["training_step"] = tf.fill(tf.shape(steps), step)
        return {name: tf.cast(each, tf.float32) for name, each in outputs.items()}

    def normalised(self, mel: tf.Tensor) -> tf.Tensor:
        """Log energies, floating-point [..., M], in normalised units, float32."""
        return (tf.cast(mel, tf.float32) - value(self.mel_mean)) / value(self.mel_std)

    def energies(self, mel: tf.Tensor) -> tf.Tensor:
        """The inverse of `normalised`."""
        return tf.cast(mel, tf.float32) * value(self.mel_std) + value(self.mel_mean)

    def _residual(
        self, mel: tf.Tensor, mask: tf.Tensor, seed: tf.Tensor, training: bool
    ) -> tuple[tf.Tensor | None, dict[str, tf.Tensor]]:
        """z, drawn once for each utterance in training and else its mean."""
        if self.residual_encoder is None:
            return None, {}
        mean, log_variance = self.residual_encoder.run(mel, mask)
        outputs = {"residual_mean": mean, "residual_log_variance": log_variance}
        if not training:
            return mean, outputs
        drawn = tf.cast(normals(seed, _RESIDUAL, mean.shape[-1]), mean.dtype)
        return mean + tf.exp(log_variance / 2) * drawn, outputs

    def encode(self, source: dict[str, Any]) -> Memory:
        """The text as the decoder needs it.

        Args:
          source: ``symbols`` and, where the model has them, ``tones`` int32 [b, N];
            ``symbol_lengths`` int32 [b]; ``speaker`` float32 [b, S] and ``language``
            float32 [b, L], shares of all of them; optionally ``residual`` float32 [b,
            Z], the prior's mean, zeros, if absent, and ``token_languages`` float32 [b,
            N, L], in place of ``language`` one for each symbol.
        """
        encodings, text = self.encoder.run(source)
        return self._memory(encodings, text, source, source.get("residual"))

    def _memory(
        self,
        encodings: tf.Tensor,
        text: tf.Tensor,
        source: dict[str, Any],
        residual: tf.Tensor | None,
    ) -> Memory:
        dtype, config = encodings.dtype, self._config
        rows = tf.shape(encodings)[0]
        told = [tf.zeros([rows, 0], dtype)]
        switches = None
        for name, table in self.tables.items():
            if name == "language" and "token_languages" in source:
                each = tf.cast(source["token_languages"], dtype)
                languages = product(each, value(table))
                told.append(languages[:, 0])
                switches = (languages - languages[:, :1]) * tf.cast(text, dtype)
            else:
                told.append(tf.matmul(tf.cast(source[name], dtype), value(table)))
        if config.residual:
            if residual is None:
                residual = tf.zeros([rows, config.residual.dim])
            told.append(tf.cast(residual, dtype))
        condition = tf.concat(told, -1)
        values = encodings
        if config.conditioning == "memory":
            spread = condition[:, None] * tf.cast(text, dtype)
            if switches is not None:
                spread, switches = spread + among_told(config, switches), None
            values = tf.concat([values, spread], -1)
        keys = self.decoder.attention.keys(values)
        memory = {"values": values, "keys": keys, "mask": text[..., 0]}
        memory["condition"] = condition
        return memory if switches is None else {**memory, "switches": switches}

    def initial_state(self, memory: Memory) -> State:
        """The state before the first frame; see `tfmodels.tacotron.decoder.State`."""
        return self.decoder.initial_state(memory)

    def step(
        self, frame: tf.Tensor, state: State, memory: Memory, noise: tf.Tensor
    ) -> tuple[Decoded, State]:
        """The next frames of each text; see `Decoder.step`."""
        return self.decoder.step(frame, state, memory, noise)

    def postnet(self, mel: tf.Tensor, mask: tf.Tensor | None = None) -> tf.Tensor:
        """Mends frames, floating-point [b, T, M]; `mask` is float32 [b, T, 1]."""
        if mask is None:
            mask = tf.ones_like(mel[..., :1], tf.float32)
        return self.post.run(mel, mask)

    def free_run(
        self, source: dict[str, Any], seed: tf.Tensor, max_steps: int | tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """Synthesis in the graph; see `tfmodels.tacotron.free_running`.

        Args:
          source: see `encode`.
          seed: int64 [b, 2].
          max_steps: most steps of the decoder.

        Returns:
          ``mel`` and ``mel_post`` [b, T, M], normalised; ``energies`` float32, the
          latter in the units of the data; ``lengths`` int32 [b], frames; ``alignment``
          float32 [b, T / r, N]; ``stop_reason`` int32 [b].
        """
        memory = self.encode(source)
        r = self._config.frames_per_step
        lengths = tf.cast(source["symbol_lengths"], tf.int32)
        made = free_run(self.decoder, memory, lengths, seed, max_steps, r)
        mask = there(made.lengths, max_steps * r)
        post = self.post.run(made.mel, mask)
        return {
            "mel": made.mel,
            "mel_post": post,
            "energies": self.energies(post) * mask,
            "lengths": made.lengths,
            "alignment": made.alignment,
            "stop_reason": made.reason,
        }

    def get_config(self) -> dict[str, Any]:
        """The model's configuration as plain data."""
        return {"config": self._config.plain()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Rebuilds the model from what `get_config` returned."""
        values = TacotronConfig.parse(config["config"])
        return cls(values, name=values.kind)
