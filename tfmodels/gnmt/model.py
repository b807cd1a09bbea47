"""The Keras model of GNMT: encoder, attention, decoder, all at once or step by step."""

from typing import Any
from typing import Self

import keras
import tensorflow as tf
from keras import ops

from tfmodels.decoding.step import StepOutput
from tfmodels.gnmt.attention import AdditiveAttention
from tfmodels.gnmt.attention import Memory
from tfmodels.gnmt.attention import attend
from tfmodels.gnmt.bottom import First
from tfmodels.gnmt.bottom import bottom_sequence
from tfmodels.gnmt.config import GNMTConfig
from tfmodels.gnmt.config import UniformStart
from tfmodels.gnmt.stack import Pass
from tfmodels.gnmt.stack import backwards
from tfmodels.layers.lstm import LSTM
from tfmodels.layers.lstm import clip
from tfmodels.layers.lstm import product
from tfmodels.layers.lstm import value

State = dict[str, tf.Tensor]
"""``lstm`` floating-point [n, L, 2, H], outputs and cells of the decoder's layers;
``context`` [n, H] if the lowest layer is fed it, and its ``attention`` [n, S] if the
wiring shows it to the layers above."""


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

    In training, accumulators are bounded by ``clip_limit``, which `at_step` moves;
    otherwise by the end value of the configuration.

    Args:
      config: its sizes and wiring.
      **kwargs: see `keras.Model`.
    """

    def __init__(self, config: GNMTConfig, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._config = config
        embedding, hidden = config.embedding_dim, config.hidden_dim
        table = (config.vocabulary_size, embedding)
        self.source_embedding = self._table(table, "source_embedding")
        self.target_embedding = self.source_embedding
        if not config.share_embedding:
            self.target_embedding = self._table(table, "target_embedding")
        self.forward_layer = self._lstm("encoder1_forward", embedding)
        self.backward_layer = self._lstm("encoder1_backward", embedding)
        self.encoder_layers = [
            self._lstm(f"encoder{number}", 2 * hidden if number == 2 else hidden)
            for number in range(2, config.encoder_layers + 1)
        ]
        self.attention = AdditiveAttention(
            config.attention_dim,
            config.normed_attention,
            lambda: _kernel_initializer(config, 1.0),
            name="attention",
        )
        self.attention.build((None, hidden))
        self._fed = config.wiring != "bottom_query"
        self.decoder_layers = [
            self._lstm("decoder1", embedding + (hidden if self._fed else 0)),
            *(
                self._lstm(f"decoder{number}", 2 * hidden)
                for number in range(2, config.decoder_layers + 1)
            ),
        ]
        self.softmax = self.target_embedding
        if not config.tie_softmax:
            self.softmax = self.add_weight(
                shape=(config.vocabulary_size, hidden),
                initializer=_kernel_initializer(config, 1.0),
                name="softmax",
            )
        self.softmax_bias = None
        if config.softmax_bias:
            self.softmax_bias = self.add_weight(
                shape=(config.vocabulary_size,), initializer="zeros", name="bias"
            )
        self.clip_limit = None
        if config.clip is not None:
            self.clip_limit = self.add_weight(
                shape=(),
                initializer=keras.initializers.Constant(config.clip.delta(0)),
                trainable=False,
                name="clip_limit",
            )
        self.dropout = keras.layers.Dropout(config.dropout_rate, name="dropout")
        self.built = True

    def _table(self, shape: tuple[int, int], name: str) -> Any:
        initial = self._config.initial
        if isinstance(initial, UniformStart):
            reach = initial.range
        else:
            reach = 3**0.5 * initial.embedding_std
        uniform = keras.initializers.RandomUniform(-reach, reach)
        return self.add_weight(shape=shape, initializer=uniform, name=name)

    def _lstm(self, name: str, width: int) -> LSTM:
        config = self._config
        scaled = not isinstance(config.initial, UniformStart)
        layer = LSTM(
            config.hidden_dim,
            config.cell,
            config.biases,
            _kernel_initializer(config, config.initial.input_gain if scaled else 1.0),
            "orthogonal" if scaled else _kernel_initializer(config, 1.0),
            name=name,
        )
        layer.build((None, width))
        return layer

    @property
    def config(self) -> GNMTConfig:
        """What the model was built from."""
        return self._config

    def at_step(self, step: int) -> None:
        """Sets what changes in the course of training to its value at a step."""
        if self._config.clip is not None:
            self.clip_limit.assign(self._config.clip.delta(step))

    def new_pass(self, training: bool) -> Pass:
        """What a pass through the model shares: the limit, and dropout."""
        limit = None
        if self._config.clip is not None:
            number = self.clip_limit if training else self._config.clip.end
            limit = ops.cast(number, self.compute_dtype)
        return Pass(limit, lambda x: self.dropout(x, training=training))

    def call(self, inputs: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """Returns ``logits`` and ``attention`` of whole targets."""
        return self.decode(inputs, self.new_pass(training))

    def clipped_shares(self, inputs: dict[str, Any]) -> dict[str, tf.Tensor]:
        """Share of each accumulator's values that stand at the limit of training.

        Returns:
          float32 [] by ``<layer>/cells`` and ``<layer>/residual``; dropout is left out.
        """
        shared = self.new_pass(training=True)
        shared.drop = tf.identity
        self.decode(inputs, shared)
        return shared.clipped_shares()

    def decode(self, inputs: dict[str, Any], shared: Pass) -> dict[str, Any]:
        """`call` within a pass of the caller's."""
        encoded = self._encode(inputs["source"], shared)
        memory = _memory(encoded)
        state = self.initial_state(encoded)
        target = tf.transpose(tf.convert_to_tensor(inputs["target"]))
        x = self._embed(self.target_embedding, target, shared)
        mask = tf.cast(target > 0, x.dtype)[:, :, None]
        bottom, *upper = self.decoder_layers
        kernel = value(bottom.kernel)
        own, recurrent = kernel[: x.shape[-1]], bottom.recurrent_kernel
        made = bottom_sequence(
            bottom.add_biases(product(x, own)),
            tf.concat([kernel[x.shape[-1] :], value(recurrent)], 0),
            self.attention.weights_of_queries(),
            memory,
            mask,
            First(*tf.unstack(state["lstm"][:, 0], axis=1), _context(state)),
            shared.limit,
            bottom.cell,
        )
        shared.accumulators[f"{bottom.name}/cells"] = made.cells, mask
        contexts, shares = made.contexts, made.shares
        if self._config.wiring == "paper":
            contexts = tf.concat([state["context"][None], contexts[:-1]], 0)
            shares = tf.concat([state["attention"][None], shares[:-1]], 0)
        x = shared.drop(made.outputs)
        for place, layer in enumerate(upper, 1):
            first = state["lstm"][:, place]
            x, _ = shared.layer(layer, x, mask, first, contexts, residual=place > 1)
        return {
            "logits": self.logits(tf.transpose(x, (1, 0, 2))),
            "attention": tf.cast(tf.transpose(shares, (1, 0, 2)), tf.float32),
        }

    def logits(self, x: tf.Tensor) -> tf.Tensor:
        """Scores of the last layer's output [..., H], float32 [..., V]."""
        table = value(self.softmax)
        scores = product(x, tf.transpose(table))
        if self.softmax_bias is not None:
            scores += value(self.softmax_bias)
        scores = ops.cast(scores, _at_least_float32(scores))
        return clip(scores, self._config.logits_clip)

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
        source = tf.transpose(tf.convert_to_tensor(source))
        x = self._embed(self.source_embedding, source, shared)
        mask = tf.cast(source > 0, x.dtype)
        lengths = tf.reduce_sum(tf.cast(source > 0, tf.int32), 0)
        steps = mask[:, :, None]
        ahead, _ = shared.layer(self.forward_layer, x, steps, residual=False)
        back, final = shared.layer(
            self.backward_layer, backwards(x, lengths), steps, residual=False
        )
        x = tf.concat([ahead, backwards(back, lengths)], -1)
        finals = [final]
        for place, layer in enumerate(self.encoder_layers):
            x, final = shared.layer(layer, x, steps, residual=place > 0)
            finals.append(final)
        memory = self.attention(tf.transpose(x, (1, 0, 2)), tf.transpose(mask))
        encoded = memory._asdict()
        if self._config.init_state == "encoder_final":
            encoded["final"] = tf.stack(finals, axis=1)
        return encoded

    def initial_state(self, memory: dict[str, tf.Tensor]) -> State:
        """The decoder's state before the first token; see `State`."""
        encodings = memory["encodings"]
        config = self._config
        sizes = (config.decoder_layers, 2, config.hidden_dim)
        zeros = tf.zeros([tf.shape(encodings)[0], *sizes], encodings.dtype)
        state = {"lstm": memory.get("final", zeros)}
        if self._fed:
            query, shares = zeros[:, 0, 0], tf.zeros_like(memory["mask"])
            context = query
            if config.first_context == "attention":
                context, shares = self._attend(query, memory)
            state["context"] = context
            if config.wiring == "paper":
                state["attention"] = shares
        return state

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
        bottom, *upper = self.decoder_layers
        h, c = tf.unstack(state["lstm"][:, 0], axis=1)
        seen = tf.concat([x, state["context"]], -1) if self._fed else x
        h, c = bottom.step(seen, h, c, shared.limit)
        after, x = [tf.stack([h, c], 1)], h
        context, shares = self._attend(h, memory)
        new = {"context": context} if self._fed else {}
        if self._config.wiring == "paper":
            new["attention"] = shares
            context, shares = state["context"], state["attention"]
        for place, layer in enumerate(upper, 1):
            h, c = tf.unstack(state["lstm"][:, place], axis=1)
            h, c = layer.step(tf.concat([x, context], -1), h, c, shared.limit)
            after.append(tf.stack([h, c], 1))
            x = shared.clip(h + x) if place > 1 else h
        new["lstm"] = tf.stack(after, 1)
        log_probs = tf.nn.log_softmax(self.logits(x))
        return StepOutput(log_probs, new, tf.cast(shares, tf.float32))

    def _attend(self, query: tf.Tensor, memory: dict[str, tf.Tensor]) -> Any:
        return attend(query, self.attention.weights_of_queries(), _memory(memory))

    def get_config(self) -> dict[str, Any]:
        """The model's configuration as plain data."""
        return {"config": self._config.plain()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Rebuilds the model from what `get_config` returned."""
        values = GNMTConfig.parse(config["config"])
        return cls(values, name=values.kind)


def _kernel_initializer(config: GNMTConfig, gain: float) -> Any:
    """A new one each time: an initializer always gives the same values."""
    if isinstance(config.initial, UniformStart):
        reach = config.initial.range
        return keras.initializers.RandomUniform(-reach, reach)
    return keras.initializers.VarianceScaling(gain**2, "fan_avg", "uniform")


def _memory(memory: dict[str, tf.Tensor]) -> Memory:
    return Memory(*(memory[name] for name in Memory._fields))


def _context(state: State) -> tf.Tensor:
    """The first context; anything of its shape where the lowest layer gets none."""
    return state.get("context", state["lstm"][:, 0, 0])


def _at_least_float32(scores: tf.Tensor) -> tf.DType:
    return tf.float64 if scores.dtype == tf.float64 else tf.float32
