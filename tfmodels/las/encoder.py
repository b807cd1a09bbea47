"""The encoder: layers of LSTM that listen one way or both, to ever fewer frames."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from tfmodels.audio.frames import Splice
from tfmodels.las.adapter import adapter_after
from tfmodels.las.adapter import applier
from tfmodels.las.conditioned import ConditionedLSTM
from tfmodels.las.config import LASConfig
from tfmodels.las.convolutions import Convolutions
from tfmodels.las.frames import Frames
from tfmodels.las.frames import Past
from tfmodels.las.frames import paired
from tfmodels.las.frames import stacked
from tfmodels.las.identifier import Identifier

State = dict[str, tf.Tensor]
"""What an encoder that reads forward remembers: ``frames`` floating-point [b, left, D]
and ``started`` [b], see `tfmodels.las.frames.Past`; ``lstm`` [b, n, 2, H], the states
of all layers (see `ConditionedLSTM`) one after the other."""
Drop = Callable[[tf.Tensor], tf.Tensor]
"""Dropout, or nothing."""


class EncoderLayer(keras.layers.Layer):
    """One layer, of one or two directions, with what comes after it.

    Args:
      config: the model's.
      number: of the layer, from 1.
      width: of its inputs.
      **kwargs: see `keras.layers.Layer`.
    """

    def __init__(
        self, config: LASConfig, number: int, width: int, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        encoder = config.encoder
        self.pairs = number in encoder.pair_after
        self.ways = []
        for way in ("forward", "backward")[: 1 + encoder.bidirectional]:
            layer = ConditionedLSTM(
                encoder.hidden_dim,
                config.told(self.name),
                config.identifier_dim,
                name=f"{self.name}_{way}",
            )
            layer.build((None, width))
            self.ways.append(layer)
        self.width = len(self.ways) * encoder.hidden_dim
        self.adapter = adapter_after(config, self.name, self.width)
        self.projection = None
        if encoder.projection_dim and number < encoder.num_layers:
            self.projection = keras.layers.Dense(
                encoder.projection_dim, use_bias=False, name=f"{self.name}_projection"
            )
            self.projection.build((None, self.width))
            self.width = encoder.projection_dim
            self.norm = keras.layers.BatchNormalization(
                momentum=encoder.batch_norm_momentum, name=f"{self.name}_norm"
            )
            self.norm.build((None, None, self.width))
        self.width *= 1 + self.pairs
        self.built = True

    def run(
        self,
        frames: Frames,
        identifier: tf.Tensor | None,
        first: tf.Tensor | None,
        training: bool,
    ) -> tuple[Frames, tf.Tensor]:
        """Frames of the layer's outputs, not paired yet, and the state after them.

        Args:
          frames: of the layer below, 0 on padding.
          identifier: floating-point [b, p] or [T, b, p], or None.
          first: the state before, of the forward direction; zeros if None.
          training: whether statistics of the batch normalise.
        """
        x, last = self.ways[0].sequence(frames.x, frames.mask, identifier, first)
        if len(self.ways) > 1:
            x = tf.concat([x, self._read_backwards(frames, identifier)], -1)
        x = applier(self.adapter, identifier)(x)
        if self.projection is not None:
            there = frames.mask[:, :, 0] > 0
            x = self.norm(self.projection(x), training=training, mask=there)
            x = tf.nn.relu(x)
        return frames.with_x(x), last

    def _read_backwards(
        self, frames: Frames, identifier: tf.Tensor | None
    ) -> tf.Tensor:
        # Padding comes first then, and leaves the state at zero.
        x, mask = (tf.reverse(part, [0]) for part in frames[:2])
        if identifier is not None and len(identifier.shape) > 2:
            identifier = tf.reverse(identifier, [0])
        x, _ = self.ways[1].sequence(x, mask, identifier)
        return tf.reverse(x, [0])


class Encoder(keras.layers.Layer):
    """Features in, encodings out (US12254865B2, claim 1; Chan et al., arXiv 1508.01211,
    section 3.1).

    Args:
      config: the model's.
      **kwargs: see `keras.layers.Layer`.
    """

    def __init__(self, config: LASConfig, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._config = config
        self.splice = Splice(range(-config.left, 1), config.stride, name="stack")
        width, self.convolutions = config.feature_dim * (config.left + 1), None
        if config.encoder.convolutions:
            self.convolutions = Convolutions(config, name="convolutions")
            width = self.convolutions.width
        self.stack: list[EncoderLayer] = []
        for number in range(1, config.encoder.num_layers + 1):
            self.stack.append(
                EncoderLayer(config, number, width, name=f"encoder{number}")
            )
            width = self.stack[-1].width
        self.built = True

    def initial_state(self, features: tf.Tensor) -> State:
        """What is remembered before an utterance; see `State`.

        Args:
          features: floating-point [b, ..., D], of which only the rows are looked at.
        """
        rows, config = tf.shape(features)[0], self._config
        lstms = [layer.ways[0].zero_state(features) for layer in self.stack]
        return {
            "frames": tf.zeros([rows, config.left, config.feature_dim], features.dtype),
            "started": tf.zeros([rows], features.dtype),
            "lstm": tf.concat(lstms, 1),
        }

    def run(
        self,
        features: tf.Tensor,
        lengths: tf.Tensor,
        variety: tf.Tensor,
        identify: Identifier,
        training: bool,
        drop: Drop,
        state: State | None = None,
    ) -> tuple[Frames, State]:
        """Encodings, [S, b, H], in frames, and what is remembered after them.

        Args:
          features: floating-point [b, T, D], 0 on padding.
          lengths: int32 [b].
          variety: floating-point [b, K], or [b, T, K], of each frame.
          identify: makes the identifier of it.
          training: whether statistics of the batch normalise.
          drop: dropout.
          state: after the part of the utterance before these frames.
        """
        if state is None:
            state = self.initial_state(features)
        started = state["started"]
        past = Past(state["frames"], started)
        frames, past = stacked(features, lengths, variety, self.splice, past)
        if self.convolutions is not None:
            frames = self.convolutions.run(frames, training)
        sizes = [layer.ways[0].recurrences for layer in self.stack]
        firsts, lasts = tf.split(state["lstm"], sizes, axis=1), []
        for layer, first in zip(self.stack, firsts, strict=True):
            identifier = identify.of(frames.variety)
            frames, last = layer.run(frames, identifier, first, training)
            lasts.append(last)
            frames = frames._replace(x=drop(frames.x))
            if layer.pairs:
                frames = paired(frames, started)
        return frames, {**past._asdict(), "lstm": tf.concat(lasts, 1)}
