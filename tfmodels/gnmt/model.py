"""The Keras model of GNMT: translation all at once, or step by step."""

from collections.abc import Callable
from collections.abc import Sequence
from functools import partial
from typing import Any
from typing import Self

import keras
import tensorflow as tf
from keras import ops

from tfmodels.decoding.step import StepOutput
from tfmodels.errors import ConfigError
from tfmodels.gnmt.config import GNMTConfig
from tfmodels.gnmt.decoder import Decoder
from tfmodels.gnmt.decoder import State
from tfmodels.gnmt.encoder import Encoder
from tfmodels.gnmt.initial import embedding_initializer
from tfmodels.gnmt.initial import kernel_initializer
from tfmodels.gnmt.partitioned_softmax import sharded_logits
from tfmodels.gnmt.stack import Pass
from tfmodels.gnmt.stack import batch_major
from tfmodels.gnmt.wavefront import shared_out
from tfmodels.gnmt.wavefront import wavefront
from tfmodels.layers.dropout import Dropout
from tfmodels.layers.lstm import clip
from tfmodels.layers.lstm import product
from tfmodels.layers.lstm import value
from tfmodels.layers.matrices import Matrix
from tfmodels.layers.placing import Place


def gnmt(config: GNMTConfig) -> "GNMT":
    """Builds the translation model (US11113480B2; Wu et al., arXiv 1609.08144)."""
    return GNMT(config, name=config.kind)


@keras.saving.register_keras_serializable("tfmodels")
class GNMT(keras.Model):
    """Translates tokens of a source into tokens of a target.

    Called with ``source`` int32 [b, S] and ``target`` int32 [b, T], which begins with
    the token before the first, it gives ``logits`` float32 [b, T, V] of what comes
    next, and ``attention`` float32 [b, T, S]. Token 0 is padding, at the end of either;
    its outputs mean nothing, and nothing depends on it.

    In training, the bound of accumulators is that of ``training_step``, which `at_step`
    sets; otherwise it is the end value of the configuration.

    Args:
      config: its sizes and wiring.
      **kwargs: see `keras.Model`.
    """

    matrices = {
        "source_embedding": Matrix((0,), table=True),
        "target_embedding": Matrix((0,), table=True),
        "softmax": Matrix((0,)),
    }

    def __init__(self, config: GNMTConfig, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._config = config
        embedding = embedding_initializer(config)
        table = (config.vocabulary_size, config.embedding_dim)
        self.source_embedding = self.add_weight(
            shape=table, initializer=embedding, name="source_embedding"
        )
        self.target_embedding = self.source_embedding
        if not config.share_embedding:
            self.target_embedding = self.add_weight(
                shape=table, initializer=embedding.clone(), name="target_embedding"
            )
        self.encoder = Encoder(config, name="encoder")
        self.decoder = Decoder(config, name="decoder")
        self.softmax = self.target_embedding
        if not config.tie_softmax:
            self.softmax = self.add_weight(
                shape=(config.vocabulary_size, config.hidden_dim),
                initializer=kernel_initializer(config),
                name="softmax",
            )
        self.softmax_bias = None
        if config.softmax_bias:
            self.softmax_bias = self.add_weight(
                shape=(config.vocabulary_size,), initializer="zeros", name="bias"
            )
        self.training_step = self.add_weight(
            shape=(),
            dtype="int64",
            initializer="zeros",
            trainable=False,
            name="training_step",
        )
        self.dropout: Any = Dropout(config.dropout_rate, name="dropout")
        self._spread: Callable[..., tuple[tf.Tensor, tf.Tensor]] | None = None
        self._shards: tuple[Place, ...] = ()
        self.built = True

    @property
    def config(self) -> GNMTConfig:
        """What the model was built from."""
        return self._config

    def at_step(self, step: int) -> None:
        """Says how many steps training has made: the bound of accumulators moves."""
        self.training_step.assign(step)

    def spread(
        self, places: Sequence[Place], num_chunks: int, num_shards: int = 1
    ) -> None:
        """Has training run each layer at one of some places; see `wavefront`.

        Weights stay where they are, and are copied to the places in every step.

        Args:
          places: of layers, from the bottom on.
          num_chunks: parts of a sequence that layers take over from one another.
          num_shards: parts of the vocabulary, each scored at one of the first places;
            ``logits`` are then a tuple of them, of as many tokens each or one more.

        Raises:
          ConfigError: there are fewer tokens or places than shards.
        """
        most = min(len(places), self._config.vocabulary_size)
        if num_shards > most:
            raise ConfigError(
                "strategy.layers.softmax_shards: each has a device and tokens of its"
                f" own. Expected at most {most}, of {len(places)} devices and"
                f" {self._config.vocabulary_size} tokens. Received {num_shards}."
            )
        layers = max(self._config.encoder_layers, self._config.decoder_layers)
        place = shared_out(places, layers)
        self._spread = partial(
            wavefront, self, num_chunks=num_chunks, place=place, training=True
        )
        self._shards = tuple(places[:num_shards]) if num_shards > 1 else ()

    def new_pass(self, training: bool) -> Pass:
        """What a pass through the model shares: the bound, and dropout."""
        clip, limit = self._config.clip, None
        if clip is not None:
            limit = clip.end
            if training:
                done = value(self.training_step) - clip.start_step
                share = tf.cast(done / (clip.end_step - clip.start_step), tf.float32)
                share = tf.clip_by_value(share, 0.0, 1.0)
                # Exact at both ends.
                limit = share * clip.end + (1.0 - share) * clip.start
        drop = partial(self.dropout, training=True) if training else tf.identity
        return Pass(limit, drop)

    def call(self, inputs: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """Returns ``logits`` and ``attention`` of whole targets."""
        if not training or self._spread is None:
            x, attention = self.hidden(inputs, self.new_pass(training))
            return {"logits": self.logits(x), "attention": attention}
        x, attention = self._spread(inputs)
        if not self._shards:
            return {"logits": self.logits(x), "attention": attention}
        logits = sharded_logits(x, *self._scorer(), self._scores, self._shards)
        return {"logits": logits, "attention": attention}

    def clipped_shares(self, inputs: dict[str, Any]) -> dict[str, tf.Tensor]:
        """Share of each accumulator's values that stand at the limit of training.

        Returns:
          float32 [] by ``<layer>/cells`` and ``<layer>/residual``; dropout is left out.
        """
        shared = self.new_pass(training=True)
        shared.drop = tf.identity
        self.hidden(inputs, shared)
        return shared.clipped_shares()

    def hidden(
        self, inputs: dict[str, Any], shared: Pass
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """The last layer's output, [b, T, H], and attention, float32 [b, T, S]."""
        memory = self._encode(inputs["source"], shared)
        return self._hidden_of(memory, inputs["target"], shared)

    def _hidden_of(
        self, memory: dict[str, tf.Tensor], target: Any, shared: Pass
    ) -> tuple[tf.Tensor, tf.Tensor]:
        x, mask = self.embedded(self.target_embedding, target, shared)
        x, shares = self.decoder.run(x, mask, memory, shared)
        return batch_major(x), batch_major(tf.cast(shares, tf.float32))

    def decode_targets(
        self, memory: dict[str, tf.Tensor], target: Any
    ) -> dict[str, tf.Tensor]:
        """`call` for targets whose sources are encoded already, as when it answers.

        Args:
          memory: of `encode`, a row for each target.
          target: int32 [n, T].
        """
        x, attention = self._hidden_of(memory, target, self.new_pass(training=False))
        return {"logits": self.logits(x), "attention": attention}

    def logits(self, x: tf.Tensor) -> tf.Tensor:
        """Scores of the last layer's output [..., H], float32 [..., V]."""
        return self._scores(x, *self._scorer())

    def _scorer(self) -> tuple[tf.Tensor, tf.Tensor | None]:
        bias = self.softmax_bias
        return value(self.softmax), None if bias is None else value(bias)

    def _scores(
        self, x: tf.Tensor, table: tf.Tensor, bias: tf.Tensor | None
    ) -> tf.Tensor:
        scores = product(x, tf.transpose(table))
        if bias is not None:
            scores += bias
        scores = ops.cast(scores, _at_least_float32(scores))
        return clip(scores, self._config.logits_clip)

    def embedded(
        self, table: Any, tokens: Any, shared: Pass
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Embeddings of int32 [b, T], [T, b, E], and their mask, [T, b, 1]."""
        tokens = tf.transpose(tf.convert_to_tensor(tokens))
        x = self._embed(table, tokens, shared)
        return x, tf.cast(tokens > 0, x.dtype)[:, :, None]

    def _embed(self, table: Any, tokens: tf.Tensor, shared: Pass) -> tf.Tensor:
        vectors = tf.gather(value(table), tokens)
        return shared.drop(shared.clip(vectors))

    def encode(self, source: Any) -> dict[str, tf.Tensor]:
        """The source as the decoder needs it.

        Args:
          source: int32 [b, S], padded with 0 at its end.

        Returns:
          ``encodings`` floating-point [b, S, H], ``keys`` floating-point [b, S, A],
          ``mask`` floating-point [b, S]; with `init_state: encoder_final` also
          ``final`` floating-point [b, L, 2, H], the decoder's first state.
        """
        return self._encode(source, self.new_pass(training=False))

    def _encode(self, source: Any, shared: Pass) -> dict[str, tf.Tensor]:
        x, mask = self.embedded(self.source_embedding, source, shared)
        return self.memory(*self.encoder.run(x, mask, shared), mask)

    def memory(self, x: tf.Tensor, finals: Any, mask: tf.Tensor) -> Any:
        """What `encode` returns, from what `Encoder.run` did and the mask."""
        attention, there = self.decoder.attention, tf.transpose(mask[:, :, 0])
        encoded = attention.memory(batch_major(x), there)._asdict()
        if self._config.init_state == "encoder_final":
            encoded["final"] = tf.stack(finals, axis=1)
        return encoded

    def initial_state(self, memory: dict[str, tf.Tensor]) -> State:
        """The decoder's state before the first token, from what `encode` returned."""
        return self.decoder.initial_state(memory)

    def step(
        self, tokens: tf.Tensor, state: State, memory: dict[str, tf.Tensor]
    ) -> StepOutput:
        """Scores what follows each of n hypotheses; see `tfmodels.decoding.step`.

        Args:
          tokens: int32 [n], the last ones.
          state: before them.
          memory: of `encode`, a row for each hypothesis.
        """
        shared = self.new_pass(training=False)
        x = self._embed(self.target_embedding, tokens, shared)
        x, state, shares = self.decoder.step(x, state, memory, shared)
        log_probs = tf.nn.log_softmax(self.logits(x))
        return StepOutput(log_probs, state, tf.cast(shares, tf.float32))

    def get_config(self) -> dict[str, Any]:
        """The model's configuration as plain data."""
        return {"config": self._config.plain()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Rebuilds the model from what `get_config` returned."""
        values = GNMTConfig.parse(config["config"])
        return cls(values, name=values.kind)


def _at_least_float32(scores: tf.Tensor) -> tf.DType:
    return tf.float64 if scores.dtype == tf.float64 else tf.float32
