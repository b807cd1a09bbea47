"""The Transformer with a cache of keys and values: prompts, then single tokens."""

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from tfmodels.transformer.blocks import Call
from tfmodels.transformer.blocks import embedded
from tfmodels.transformer.blocks import grouped_attention
from tfmodels.transformer.blocks import run_blocks
from tfmodels.transformer.config import TransformerConfig

# exp(-1e9 - x) is 0 in float32, and sums with it stay finite.
_NEVER = -1e9


class CachedTransformer:
    """One sequence, some tokens at a time; what they need of those before is passed on.

    Args:
      model: what `tfmodels.transformer.model.transformer` made.
      config: of what.
      calls: what to do instead of some of its layers, by name.
    """

    def __init__(
        self,
        model: keras.Model,
        config: TransformerConfig,
        calls: Mapping[str, Call] | None = None,
    ) -> None:
        self._config = config
        self._layers: dict[str, Any] = {layer.name: layer for layer in model.layers}
        self._layers |= calls or {}
        length, heads = config.max_length, config.key_value_heads
        self.shape = (config.num_layers, length, heads, config.head_dim)
        """Of keys, and of values: L blocks, T positions, heads, channels."""

    def step(
        self, tokens: tf.Tensor, places: tf.Tensor, keys: tf.Tensor, values: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """What follows each of some tokens, and the cache with them in it.

        Positions that the cache holds of later tokens than these are not looked at, so
        that a sequence may be filled up with anything and go on from within.

        Args:
          tokens: int32 [1, P], a fixed P.
          places: int32 [P], their positions, below T.
          keys: float32, of `shape`.
          values: float32, of `shape`.

        Returns:
          ``logits`` float32 [1, P, K], ``keys`` and ``values``.
        """
        config = self._config
        _, length, heads, width = self.shape
        count = tokens.shape[1]
        past = tf.range(length) <= places[:, None]
        hidden = tf.where(past, tf.constant(0.0), tf.constant(_NEVER))[None]
        before = {"keys": tf.unstack(keys), "values": tf.unstack(values)}
        after: dict[str, list[tf.Tensor]] = {"keys": [], "values": []}

        def attend(number: int, query: Any, key: Any, value: Any) -> tf.Tensor:
            for name, new in (("keys", key), ("values", value)):
                rows = tf.reshape(new, [count, heads, width])
                kept = before[name][number]
                after[name].append(
                    tf.tensor_scatter_nd_update(kept, places[:, None], rows)
                )
            seen_keys, seen_values = (
                tf.reshape(after[name][-1], [1, length, heads * width])
                for name in ("keys", "values")
            )
            return grouped_attention(
                config, query[None], seen_keys, seen_values, hidden
            )[0]

        def turn(name: str, x: tf.Tensor) -> tf.Tensor:
            return self._layers[name](x[None], places=places)[0]

        positions = None
        if config.positions != "rotary":
            table = self._call("positions", tf.zeros([1, length, config.model_dim]))
            positions = tf.gather(table[0], places)
        x = embedded(config, self._call, tf.reshape(tokens, [count]), positions)
        logits = run_blocks(config, self._call, x, turn, attend)
        stacked = {name: tf.stack(each) for name, each in after.items()}
        return {"logits": logits[None], **stacked}

    def _call(self, name: str, inputs: tf.Tensor, **options: Any) -> tf.Tensor:
        return self._layers[name](inputs, **options)
