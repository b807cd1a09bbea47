"""Goes on with a text by the endpoints of a device, which remember what they saw."""

from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from export.interfaces import Endpoint
from export.interfaces import Program
from tfmodels.transformer.caching import CachedTransformer

PREFILL, DECODE = "prefill", "decode"
"""The endpoints: a prompt, and a token after it."""


def cached_endpoints(cached: CachedTransformer) -> dict[str, Endpoint]:
    """What a language model with memory is to a device.

    - ``prefill(tokens: int32 [1, P], places: int32 [P], keys, values)`` returns
      ``keys`` and ``values``; P is half of the model's length T. Filling at the end
      does no harm: what comes after a place is not looked at, and is written again.
    - ``decode(tokens: int32 [1, 1], places: int32 [1], keys, values)`` returns
      ``logits`` float32 [1, K] besides.

    Keys and values are float32 [L, T, heads, channels] each, zeros at first.
    """

    def prefill(
        tokens: tf.Tensor, places: tf.Tensor, keys: tf.Tensor, values: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        found = cached.step(tokens, places, keys, values)
        return {name: found[name] for name in ("keys", "values")}

    def decode(
        tokens: tf.Tensor, places: tf.Tensor, keys: tf.Tensor, values: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        found = cached.step(tokens, places, keys, values)
        return {**found, "logits": found["logits"][:, 0]}

    def endpoint(function: object, count: int) -> Endpoint:
        specs = (
            tf.TensorSpec([1, count], tf.int32, "tokens"),
            tf.TensorSpec([count], tf.int32, "places"),
            tf.TensorSpec(cached.shape, tf.float32, "keys"),
            tf.TensorSpec(cached.shape, tf.float32, "values"),
        )
        return Endpoint(function, specs)  # type: ignore[arg-type]

    return {
        PREFILL: endpoint(prefill, max(1, cached.shape[1] // 2)),
        DECODE: endpoint(decode, 1),
    }


def continued(program: Program, tokens: list[int], num_new: int) -> Iterator[int]:
    """Tokens that go on with others, each the most probable one.

    Args:
      program: has the endpoints of `cached_endpoints`.
      tokens: at least one; with the new ones no more than T + 1.
      num_new: how many more.
    """
    shapes = {
        name: [int(size or 1) for size in shape]  # All of them are fixed.
        for name, shape in program.inputs(PREFILL).items()
    }
    count = shapes["tokens"][1]
    memory = {name: np.zeros(shapes[name], np.float32) for name in ("keys", "values")}
    for start in range(0, len(tokens) - 1, count):
        part = tokens[start : start + count]
        # Of filling beyond the model's length, all goes to its last place, which is
        # written again before it is looked at.
        last = shapes["keys"][1] - 1
        places = np.minimum(np.arange(start, start + count), last).astype(np.int32)
        filled = np.array([part + [0] * (count - len(part))], np.int32)
        memory = program(PREFILL, {"tokens": filled, "places": places, **memory})
    token, place = tokens[-1], len(tokens) - 1
    for _ in range(num_new):
        given = {
            "tokens": np.array([[token]], np.int32),
            "places": np.array([place], np.int32),
        }
        found = program(DECODE, {**given, **memory})
        memory = {name: found[name] for name in memory}
        token, place = int(np.argmax(found["logits"][0])), place + 1
        yield token
