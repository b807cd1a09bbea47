"""The decoder: two LSTMs over attention, over whole targets or step by step."""

from collections.abc import Callable
from typing import Any
from typing import NamedTuple

import keras
import tensorflow as tf

from tfmodels.layers.lstm import LSTM
from tfmodels.layers.lstm import product
from tfmodels.layers.lstm import value
from tfmodels.layers.seeded import kept
from tfmodels.layers.seeded import uniforms
from tfmodels.layers.unrolled import Part
from tfmodels.layers.unrolled import unrolled
from tfmodels.tacotron.attention import Memory
from tfmodels.tacotron.config import DecoderConfig
from tfmodels.tacotron.config import TacotronConfig
from tfmodels.tacotron.mixture import attention_of
from tfmodels.tacotron.stepping import State
from tfmodels.tacotron.stepping import fed
from tfmodels.tacotron.stepping import stepping

_PRENET = 1
_ZONEOUT = 3
_PRENET_LAYERS = 2


class Decoded(NamedTuple):
    """What a decoder made, before the post-net."""

    frames: tf.Tensor
    """floating-point [b, S r, M], normalised."""
    stop: tf.Tensor
    """float32 [b, S], logits."""
    alignment: tf.Tensor
    """float32 [b, S, N]."""


def prenet_noise(
    config: DecoderConfig, seed: tf.Tensor, steps: Any, start: Any = 0
) -> tf.Tensor:
    """See `Decoder.noise`; float32, and without a model."""
    width = _PRENET_LAYERS * config.prenet_dim
    drawn = kept(seed, _PRENET, (steps, width), config.prenet_rate, start)
    return tf.reshape(drawn, [-1, steps, _PRENET_LAYERS, config.prenet_dim])


class Decoder(keras.layers.Layer):
    """Frames from encodings (arXiv 1712.05884; the layout of NVIDIA's Tacotron 2).

    Args:
      config: the model's.
      **kwargs: see `keras.layers.Layer`.
    """

    def __init__(self, config: TacotronConfig, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._config = config
        self.mel_bins = config.mel_bins
        """Width of a frame."""
        decoder, context = config.decoder, config.memory_dim
        hidden, prenet = decoder.hidden_dim, decoder.prenet_dim
        self.prenet_kernels = [
            self.add_weight(shape=(width, prenet), name=f"prenet{number}_kernel")
            for number, width in enumerate((config.mel_bins, prenet), 1)
        ]
        self.lstms = []
        widths = zip((prenet, hidden), config.fed_dims, strict=True)
        for number, (width, fed_dim) in enumerate(widths, 1):
            lstm = LSTM(
                hidden, num_biases=config.num_biases, name=f"decoder_lstm{number}"
            )
            lstm.build((None, width + context + fed_dim))
            self.lstms.append(lstm)
        self.attention = attention_of(config)
        made = config.mel_bins * config.frames_per_step
        self.frame_kernel = self.add_weight(
            shape=(hidden + context, made), name="frame_kernel"
        )
        self.frame_bias = self.add_weight(
            shape=(made,), initializer="zeros", name="frame_bias"
        )
        self.stop_kernel = self.add_weight(
            shape=(hidden + context, 1), name="stop_kernel"
        )
        self.stop_bias = self.add_weight(
            shape=(1,), initializer="zeros", name="stop_bias"
        )
        self.built = True

    def initial_state(self, memory: Memory) -> State:
        """Zeros; see `State`."""
        values = memory["values"]
        rows, hidden = tf.shape(values)[0], self._config.decoder.hidden_dim
        zeros = tf.zeros([rows, hidden], values.dtype)
        state = dict.fromkeys(("h1", "c1", "h2", "c2"), zeros)
        state["context"] = tf.zeros_like(values[:, 0])
        state["alignment"] = tf.zeros_like(memory["mask"])
        return {**state, "cumulative": self.attention.start(memory)}

    def noise(self, seed: tf.Tensor, steps: Any, start: Any = 0) -> tf.Tensor:
        """Dropout of the prenet, never off, floating-point [b, steps, 2, P].

        Args:
          seed: int64 [b, 2].
          steps: how many.
          start: number of the first step.
        """
        drawn = prenet_noise(self._config.decoder, seed, steps, start)
        return tf.cast(drawn, self.compute_dtype)

    def _prenet(self, frames: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
        """[..., M] and noise [..., 2, P] to [..., P]."""
        for number, kernel in enumerate(self.prenet_kernels):
            frames = tf.nn.relu(product(frames, kernel)) * noise[..., number, :]
        return frames

    def run(
        self,
        before: tf.Tensor,
        memory: Memory,
        steps: tf.Tensor,
        seed: Any,
        training: bool,
    ) -> Decoded:
        """Runs over whole targets; the prenet and what frames are made of, at once.

        Args:
          before: floating-point [b, S, M], the frame before each step.
          memory: see `Memory`.
          steps: int32 [b], of each row; the loop ends with the longest one's.
          seed: int64 [b, 2].
          training: whether states are zoned out or dropped.
        """
        most = before.shape[1]
        x = self._prenet(before, self.noise(seed, most))
        kernel = value(self.lstms[0].kernel)[: x.shape[-1]]
        sums = tf.transpose(product(x, kernel), (1, 0, 2))
        made = unrolled(
            self._stepping(memory),
            sums + fed(self.lstms[0], self._config.fed_dims[0], memory),
            self._keep(seed, most) if training else None,
            self.initial_state(memory),
            tf.minimum(tf.reduce_max(steps), most),
            ("h2", "context", "alignment"),
        )
        h2, context, alignment = (
            tf.ensure_shape(tf.transpose(each, (1, 0, 2)), [None, most, None])
            for each in made
        )
        frames, stop = self._shown(tf.concat([h2, context], -1))
        frames = tf.reshape(
            frames, [-1, most * self._config.frames_per_step, self._config.mel_bins]
        )
        return Decoded(frames, stop, alignment)

    def step(
        self, frame: tf.Tensor, state: State, memory: Memory, noise: tf.Tensor
    ) -> tuple[Decoded, State]:
        """One step of synthesis: S is 1 in what it makes.

        Args:
          frame: floating-point [b, M], the last one; zeros at first.
          state: see `State`.
          memory: see `Memory`.
          noise: floating-point [b, 2, P], see `noise`.
        """
        return self.stepper(memory)(frame, state, noise)

    def stepper(self, memory: Memory) -> Callable[[Any, State, Any], Any]:
        """A function of all but the memory that does what `step` does, for loops: what
        depends on the memory alone is computed here, once."""
        kernel = value(self.lstms[0].kernel)[: self._config.decoder.prenet_dim]
        low, following = (
            fed(self.lstms[0], self._config.fed_dims[0], memory),
            self._stepping(memory),
        )
        shape = [-1, self._config.frames_per_step, self._config.mel_bins]

        def step(frame: Any, state: State, noise: Any) -> tuple[Decoded, State]:
            sums = tf.matmul(self._prenet(frame, noise), kernel) + low
            after = following(sums, None, state)
            seen = tf.concat([after["h2"], after["context"]], -1)
            frames, stop = self._shown(seen)
            frames = tf.reshape(frames, shape)
            return Decoded(frames, stop[:, None], after["alignment"][:, None]), after

        return step

    def _stepping(self, memory: Memory) -> Part:
        attention = self.attention.attender(memory)
        return stepping(self._config, self.lstms, attention, memory)

    def _keep(self, seed: tf.Tensor, steps: int) -> tf.Tensor:
        """1 where an old state stays, or an output is dropped, [S, 4, b, H]."""
        decoder = self._config.decoder
        drawn = uniforms(seed, _ZONEOUT, steps * 4 * decoder.hidden_dim)
        keep = tf.cast(drawn < decoder.rate, self.compute_dtype)
        keep = tf.reshape(keep, [-1, steps, 4, decoder.hidden_dim])
        return tf.transpose(keep, (1, 2, 0, 3))

    def _shown(self, seen: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Frames of steps, side by side, and stop logits, from [..., H + C]."""
        frames = product(seen, self.frame_kernel) + value(self.frame_bias)
        stop = product(seen, self.stop_kernel) + value(self.stop_bias)
        return frames, tf.cast(stop[..., 0], tf.float32)
