"""The Transformer one token after another, for searches: it remembers what it saw."""

from typing import Any

import keras
import tensorflow as tf

from tfmodels.decoding.step import LOG_ZERO
from tfmodels.decoding.step import StepOutput
from tfmodels.transformer.blocks import embedded
from tfmodels.transformer.blocks import grouped_attention
from tfmodels.transformer.blocks import run_blocks
from tfmodels.transformer.config import TransformerConfig

State = dict[str, tf.Tensor]
"""``place`` int32 [n], tokens seen; ``keys`` and ``values`` float32 [n, L, T, G h],
those of the last T tokens, of each block, of G heads."""


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
        self._positions: tf.Tensor | None = None
        if config.positions != "rotary":
            shape = [1, config.max_length, config.model_dim]
            self._positions = self._call("positions", tf.zeros(shape))[0]

    def initial_state(self, num_rows: int | tf.Tensor) -> State:
        """Nothing seen; see `State`."""
        config = self._config
        width = config.key_value_heads * config.head_dim
        shape = [num_rows, config.num_layers, config.max_length, width]
        zeros = tf.zeros(shape)
        return {"place": tf.zeros([num_rows], tf.int32), "keys": zeros, "values": zeros}

    def step(self, tokens: tf.Tensor, state: State) -> StepOutput:
        """What follows the tokens int32 [n].

        Args:
          tokens: one more for each row.
          state: see `State`.
        """
        config, place = self._config, state["place"]
        length = config.max_length
        here = tf.range(length) == (place % length)[:, None]
        hidden = tf.where(tf.range(length) <= place[:, None], 0.0, LOG_ZERO)[:, None]
        kept: dict[str, list[tf.Tensor]] = {"keys": [], "values": []}

        def attend(number: int, query: Any, key: Any, value: Any) -> tf.Tensor:
            for name, new in (("keys", key), ("values", value)):
                before = state[name][:, number]
                kept[name].append(tf.where(here[:, :, None], new[:, None], before))
            seen = kept["keys"][-1], kept["values"][-1]
            return grouped_attention(config, query[:, None], *seen, hidden)[:, 0]

        def turn(name: str, x: tf.Tensor) -> tf.Tensor:
            return self._call(name, x[None], places=place)[0]

        positions = None
        if self._positions is not None:
            positions = tf.gather(self._positions, tf.minimum(place, length - 1))
        x = embedded(config, self._call, tokens, positions)
        logits = run_blocks(config, self._call, x, turn, attend)
        stacked = {name: tf.stack(each, axis=1) for name, each in kept.items()}
        after = {"place": place + 1, **stacked}
        nowhere = tf.zeros([tf.shape(tokens)[0], 0])
        return StepOutput(tf.nn.log_softmax(logits), after, nowhere)

    def _call(self, name: str, inputs: tf.Tensor, **options: Any) -> tf.Tensor:
        """What a layer makes of inputs [n, d] or [n], with the weights as they were."""
        made, _ = self._layers[name].stateless_call(
            self._weights[name], [], inputs, **options
        )
        return made
