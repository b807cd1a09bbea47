"""The Transformer one token after another, for searches: it remembers what it saw."""

from typing import Any

import keras
import tensorflow as tf

from tfmodels.decoding.step import LOG_ZERO
from tfmodels.decoding.step import StepOutput
from tfmodels.transformer.config import TransformerConfig

State = dict[str, tf.Tensor]
"""``place`` int32 [n], tokens seen; ``keys`` and ``values`` float32 [n, L, T, d], those
of the last T tokens, of each block."""


class SteppingTransformer:
    """A language model (see `tfmodels.decoding.varieties.LanguageModel`).

    Its weights are constants, as they are now: graphs that it is in, exported ones too,
    need no variable of it, and no gradient reaches it. More than ``max_length`` tokens
    may come: each of them is at the last position, and every block sees the last
    ``max_length``.

    Args:
      model: what `tfmodels.transformer.model.transformer` made.
      config: of what.
    """

    def __init__(self, model: keras.Model, config: TransformerConfig) -> None:
        self._config = config
        self._layers = {layer.name: layer for layer in model.layers}
        self._weights = {
            name: [tf.constant(variable.numpy()) for variable in layer.variables]
            for name, layer in self._layers.items()
        }
        shape = [1, config.max_length, config.model_dim]
        self._positions = self._call("positions", tf.zeros(shape))[0]
        self._scale = 1.0
        if config.positions == "sinusoidal":
            self._scale = config.model_dim**0.5

    def initial_state(self, num_rows: int | tf.Tensor) -> State:
        """Nothing seen; see `State`."""
        config = self._config
        shape = [num_rows, config.num_layers, config.max_length, config.model_dim]
        zeros = tf.zeros(shape)
        return {"place": tf.zeros([num_rows], tf.int32), "keys": zeros, "values": zeros}

    def step(self, tokens: tf.Tensor, state: State) -> StepOutput:
        """What follows the tokens int32 [n].

        Args:
          tokens: one more for each row.
          state: see `State`.
        """
        length, place = self._config.max_length, state["place"]
        here = tf.range(length) == (place % length)[:, None]
        seen = tf.range(length) <= place[:, None]
        x = self._call("embedding", tokens) * self._scale
        x += tf.gather(self._positions, tf.minimum(place, length - 1))
        keys: list[tf.Tensor] = []
        values: list[tf.Tensor] = []
        for number in range(self._config.num_layers):
            block = f"block{number + 1}"
            inner = self._call(f"{block}_attention_norm", x)
            query, key, value = (
                tf.cast(self._call(f"{block}_attention_{role}", inner), tf.float32)
                for role in ("query", "key", "value")
            )
            for kept, new, name in ((keys, key, "keys"), (values, value, "values")):
                before = state[name][:, number]
                kept.append(tf.where(here[:, :, None], new[:, None], before))
            context = self._attend(query, keys[-1], values[-1], seen)
            x += self._call(f"{block}_attention_output", context)
            path = f"{block}_feed_forward"
            inner = self._call(f"{path}_norm", x)
            inner = self._call(f"{path}_hidden", inner)
            inner = self._call(f"{path}_{self._config.activation}", inner)
            x += self._call(f"{path}_output", inner)
        logits = self._call("logits", self._scores(self._call("norm", x)))
        after = {
            "place": place + 1,
            "keys": tf.stack(keys, axis=1),
            "values": tf.stack(values, axis=1),
        }
        nowhere = tf.zeros([tf.shape(tokens)[0], 0])
        return StepOutput(tf.nn.log_softmax(logits), after, nowhere)

    def _attend(
        self, query: tf.Tensor, keys: tf.Tensor, values: tf.Tensor, seen: tf.Tensor
    ) -> tf.Tensor:
        """`CausalAttention` of one position, float32 [n, d].

        Args:
          query: float32 [n, d].
          keys: float32 [n, T, d].
          values: float32 [n, T, d].
          seen: bool [n, T].
        """
        heads, width = self._config.num_heads, self._config.model_dim
        parts = [-1, self._config.max_length, heads, width // heads]
        queries = tf.reshape(query, [-1, heads, width // heads])
        scores = tf.einsum("nhd,nthd->nht", queries, tf.reshape(keys, parts))
        scores *= (width // heads) ** -0.5
        shares = tf.nn.softmax(tf.where(seen[:, None], scores, LOG_ZERO))
        context = tf.einsum("nht,nthd->nhd", shares, tf.reshape(values, parts))
        return tf.reshape(context, [-1, width])

    def _scores(self, x: tf.Tensor) -> tf.Tensor:
        if self._config.tie_embeddings:
            return self._call("embedding", x, reverse=True)
        return self._call("output", x)

    def _call(self, name: str, inputs: tf.Tensor, **options: Any) -> tf.Tensor:
        """What a layer makes of inputs [n, d] or [n], with the weights as they were."""
        made, _ = self._layers[name].stateless_call(
            self._weights[name], [], inputs, **options
        )
        return made
