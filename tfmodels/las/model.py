"""The Keras model of LAS: transcription all at once, step by step, or as one speaks."""

from functools import partial
from typing import Any
from typing import Self

import keras
import tensorflow as tf

from tfmodels.decoding.step import END
from tfmodels.decoding.step import PAD
from tfmodels.decoding.step import StepOutput
from tfmodels.las.attention import Memory
from tfmodels.las.config import LASConfig
from tfmodels.las.decoder import Decoded
from tfmodels.las.decoder import Decoder
from tfmodels.las.decoder import State
from tfmodels.las.encoder import Drop
from tfmodels.las.encoder import Encoder
from tfmodels.las.encoder import State as EncoderState
from tfmodels.las.frames import Frames
from tfmodels.las.identifier import Identifier
from tfmodels.las.scheduled import share_at
from tfmodels.las.scheduled import with_own_units
from tfmodels.las.streaming import check_chunk
from tfmodels.layers.dropout import Dropout
from tfmodels.layers.lstm import product
from tfmodels.layers.lstm import value
from tfmodels.layers.matrices import Matrix


def las(config: LASConfig) -> "LAS":
    """Builds the recogniser (US12254865B2; Li et al. 2018; Chan et al. 2016)."""
    return LAS(config, name=config.kind)


@keras.saving.register_keras_serializable("tfmodels")
class LAS(keras.Model):
    """Transcribes speech of several varieties, and says which variety it is.

    Called with what `encode` takes and ``target`` int32 [b, U], which begins with the
    token before the first, it gives ``logits`` float32 [b, U, V] of what comes next,
    ``attention`` float32 [b, U, S], the mean over heads, and where there are these
    heads, ``variety_logits`` float32 [b, U, K] and ``encoder_variety_logits`` float32
    [b, K]. Nothing depends on padding.

    Features are normalised by ``feature_mean`` and ``feature_std``, float32 [D], which
    do not learn; they are 0 and 1 until they are set. With scheduled sampling, training
    takes ``seed`` int64 [b, 2] as well, and needs to know its step.

    Args:
      config: its sizes.
      **kwargs: see `keras.Model`.
    """

    matrices = {"embedding": Matrix((0,), table=True), "softmax": Matrix()}

    def __init__(self, config: LASConfig, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._config = config
        for name, start in {"feature_mean": "zeros", "feature_std": "ones"}.items():
            weight = self.add_weight(
                shape=(config.feature_dim,),
                initializer=start,
                trainable=False,
                autocast=False,
                name=name,
            )
            setattr(self, name, weight)
        decoder = config.decoder
        self.embedding = self.add_weight(
            shape=(config.vocabulary_size, decoder.embedding_dim),
            initializer=keras.initializers.RandomNormal(0, decoder.embedding_std),
            name="embedding",
        )
        self.identifier = Identifier(config, name="identifier")
        self.encoder = Encoder(config, name="encoder")
        self.decoder = Decoder(config, name="decoder")
        seen = decoder.hidden_dim + config.context_dim
        self.softmax, self.bias = self._head("softmax", seen, config.vocabulary_size)
        self.step_head = self.encoder_head = None
        if config.step_head:
            self.step_head = self._head("step_head", seen, config.num_varieties)
        if config.encoder_head:
            self.encoder_head = self._head(
                "encoder_head", config.encoding_dim, config.num_varieties
            )
        self.dropout: Any = Dropout(config.dropout_rate, name="dropout")
        self.training_step: Any = None
        if config.scheduled_sampling:
            self.training_step = self.add_weight(
                shape=(),
                dtype="int64",
                initializer="zeros",
                trainable=False,
                name="training_step",
            )
        self.built = True

    def _head(self, name: str, width: int, classes: int) -> tuple[Any, Any]:
        return (
            self.add_weight(shape=(width, classes), name=name),
            self.add_weight(shape=(classes,), initializer="zeros", name=f"{name}_bias"),
        )

    @property
    def config(self) -> LASConfig:
        """What the model was built from."""
        return self._config

    def call(self, inputs: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """Returns the scores of whole targets; see the class."""
        drop, target = self._drop(training), inputs["target"]
        memory = self._encode(inputs, training, drop)
        schedule = self._config.scheduled_sampling
        if training and schedule:
            share = share_at(schedule, value(self.training_step))
            size = self._config.vocabulary_size
            target = with_own_units(self, memory, target, inputs["seed"], share, size)
        return self._decode(memory, target, drop)

    def at_step(self, step: int) -> None:
        """Says how many steps of training have been made, for scheduled sampling."""
        if self.training_step is not None:
            self.training_step.assign(step)

    def _drop(self, training: bool) -> Drop:
        if not training or not self._config.dropout_rate:
            return tf.identity
        return partial(self.dropout, training=True)

    def encode(self, source: dict[str, Any]) -> Memory:
        """The speech as the decoder needs it.

        Args:
          source: ``features`` float32 [b, T, D], log-mel frames; ``lengths`` int32 [b],
            of which so many are there; ``variety`` float32 [b, K], shares of all
            varieties, or [b, T, K], of each frame.

        Returns:
          ``keys`` and ``values`` (see `tfmodels.las.attention`), ``mask`` float32 [b,
          S], ``variety`` float32 [b, K], for the decoder, and with an encoder's head
          ``encoder_variety_logits`` float32 [b, K].
        """
        return self._encode(source, False, tf.identity)

    def _encode(self, source: dict[str, Any], training: bool, drop: Drop) -> Memory:
        frames, _ = self._listen(source, training, drop, None)
        memory = self._memory(frames, source)
        if self.encoder_head is not None:
            total = tf.reduce_sum(frames.x * frames.mask, 0)
            mean = total / tf.maximum(tf.reduce_sum(frames.mask, 0), 1)
            memory["encoder_variety_logits"] = _scores(mean, self.encoder_head)
        return memory

    def _listen(
        self, source: dict[str, Any], training: bool, drop: Drop, state: Any
    ) -> tuple[Frames, EncoderState]:
        """Frames of encodings, and what the encoder remembers after them."""
        mean, std = value(self.feature_mean), value(self.feature_std)
        features = tf.cast(source["features"], mean.dtype)
        normal = _there(source)[..., None] * (features - mean) / std
        # Of the precision of the layer that runs.
        variety = tf.cast(source["variety"], value(self.embedding).dtype)
        normal = tf.cast(normal, variety.dtype)
        lengths = tf.convert_to_tensor(source["lengths"])
        return self.encoder.run(
            normal, lengths, variety, self.identifier, training, drop, state
        )

    def _memory(self, frames: Frames, source: dict[str, Any]) -> Memory:
        encodings = tf.transpose(frames.x, (1, 0, 2))
        mask = tf.transpose(frames.mask[:, :, 0])
        variety = tf.cast(source["variety"], mask.dtype)
        if len(variety.shape) > 2:
            there = tf.cast(_there(source), mask.dtype)[..., None]
            total = tf.maximum(tf.reduce_sum(there, 1), 1)
            variety = tf.reduce_sum(variety * there, 1) / total
        memory = self.decoder.attention.memory(encodings, mask)
        return {**memory, "variety": variety}

    def first_chunk_state(self, source: dict[str, Any]) -> EncoderState:
        """What `encode_chunk` remembers before the first chunk of speech."""
        return self.encoder.initial_state(tf.convert_to_tensor(source["features"]))

    def encode_chunk(
        self, source: dict[str, Any], state: EncoderState
    ) -> tuple[Memory, EncoderState]:
        """`encode` of the next part of an utterance, as one speaks.

        Chunks put together by `tfmodels.las.streaming.joined` are what `encode` makes
        of the whole.

        Args:
          source: see `encode`; T frames are whole groups of those that become one
            encoding. Where ``lengths`` are less, the utterance has ended.
          state: after the part before; see `tfmodels.las.encoder.State`.

        Returns:
          The memory of this part, and the state after it.

        Raises:
          ConfigError: the encoder needs what is not spoken yet, or the chunk is not of
            whole groups of frames.
        """
        check_chunk(self._config, source["features"].shape[1])
        frames, state = self._listen(source, False, tf.identity, state)
        return self._memory(frames, source), state

    def _decode(self, memory: Memory, target: Any, drop: Drop) -> dict[str, Any]:
        tokens = tf.transpose(tf.convert_to_tensor(target))
        x = drop(tf.gather(value(self.embedding), tokens))
        identifier = self.identifier.of(memory["variety"])
        last = tf.reduce_any(tokens != PAD, axis=1)
        steps = tf.reduce_max(tf.where(last, 1 + tf.range(tf.size(last)), 0))
        decoded = self.decoder.run(x, steps, memory, identifier, drop)
        decoded = Decoded(*(tf.transpose(part, (1, 0, 2)) for part in decoded))
        outputs = self._outputs(decoded)
        if "encoder_variety_logits" in memory:
            outputs["encoder_variety_logits"] = memory["encoder_variety_logits"]
        return outputs

    def _outputs(self, decoded: Decoded) -> dict[str, tf.Tensor]:
        attention = tf.cast(decoded.attention, tf.float32)
        return {**self.scores(decoded.x), "attention": attention}

    def scores(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """``logits`` [..., V], and of a step's head ``variety_logits`` [..., K].

        Args:
          x: floating-point [..., H + C], see `Decoded`.
        """
        outputs = {"logits": _scores(x, (self.softmax, self.bias))}
        if self.step_head is not None:
            outputs["variety_logits"] = _scores(x, self.step_head)
        return outputs

    def decode_targets(self, memory: Memory, target: Any) -> dict[str, tf.Tensor]:
        """`call` for targets whose speech is encoded already, as when it answers.

        Args:
          memory: of `encode`, a row for each target.
          target: int32 [n, U].
        """
        return self._decode(memory, target, tf.identity)

    def initial_state(self, memory: Memory) -> State:
        """The state before the first token: that of `Decoder`, and with a step's head
        ``variety_log_probs`` float32 [n, K], sums over the steps up to the end."""
        state = self.decoder.initial_state(memory)
        if self.step_head is not None:
            shape = [tf.shape(memory["mask"])[0], self._config.num_varieties]
            state["variety_log_probs"] = tf.zeros(shape)
        return state

    def step(self, tokens: tf.Tensor, state: State, memory: Memory) -> StepOutput:
        """Scores what follows each of n hypotheses; see `tfmodels.decoding.step`.

        Args:
          tokens: int32 [n], the last ones.
          state: before them.
          memory: of `encode`, a row for each hypothesis.
        """
        x = tf.gather(value(self.embedding), tokens)
        identifier = self.identifier.of(memory["variety"])
        decoded, after = self.decoder.step(x, state, memory, identifier)
        outputs = self._outputs(decoded)
        if self.step_head is not None:
            log_probs = tf.nn.log_softmax(outputs["variety_logits"])
            going_on = tf.logical_and(tokens != END, tokens != PAD)[:, None]
            after["variety_log_probs"] = state["variety_log_probs"] + tf.where(
                going_on, log_probs, 0.0
            )
        log_probs = tf.nn.log_softmax(outputs["logits"])
        return StepOutput(log_probs, after, outputs["attention"])

    def get_config(self) -> dict[str, Any]:
        """The model's configuration as plain data."""
        return {"config": self._config.plain()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Rebuilds the model from what `get_config` returned."""
        values = LASConfig.parse(config["config"])
        return cls(values, name=values.kind)


def _there(source: dict[str, Any]) -> tf.Tensor:
    """float32 [b, T], 0 on padding."""
    features = tf.convert_to_tensor(source["features"])
    longest = features.shape[1] or tf.shape(features)[1]
    return tf.sequence_mask(source["lengths"], longest, tf.float32)


def _scores(x: tf.Tensor, head: tuple[Any, Any]) -> tf.Tensor:
    """Scores of classes, of at least float32, from [..., H]."""
    kernel, bias = head
    scores = product(x, kernel) + value(bias)
    return scores if scores.dtype == tf.float64 else tf.cast(scores, tf.float32)
