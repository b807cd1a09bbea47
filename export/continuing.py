"""Goes on with a text by the endpoints of a device, which remember what they saw."""

from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from export.interfaces import Arrays
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
    memory = _nothing_seen(program)
    count = int(program.inputs(PREFILL)["tokens"][1] or 1)
    for start in range(0, len(tokens) - 1, count):
        part = tokens[start : start + count]
        # Of filling beyond the model's length, all goes to its last place, which is
        # written again before it is looked at.
        last = memory["keys"].shape[1] - 1
        places = np.minimum(np.arange(start, start + count), last).astype(np.int32)
        filled = np.array([part + [0] * (count - len(part))], np.int32)
        memory = program(PREFILL, {"tokens": filled, "places": places, **memory})
    token, place = tokens[-1], len(tokens) - 1
    for _ in range(num_new):
        found = _decoded(program, token, place, memory)
        memory = {name: found[name] for name in memory}
        token, place = int(np.argmax(found["logits"][0])), place + 1
        yield token


def told(program: Program, tokens: np.ndarray) -> np.ndarray:
    """Logits of whole sequences, token after token, float32 [B, T, K].

    Args:
      program: has the endpoints of `cached_endpoints`.
      tokens: int32 [B, T].
    """
    rows = []
    for row in tokens.tolist():
        memory, logits = _nothing_seen(program), []
        for place, token in enumerate(row):
            found = _decoded(program, token, place, memory)
            memory = {name: found[name] for name in memory}
            logits.append(found["logits"][0])
        rows.append(logits)
    return np.array(rows, np.float32)


def _nothing_seen(program: Program) -> Arrays:
    shapes = program.inputs(DECODE)
    return {
        # All sizes are fixed.
        name: np.zeros([int(size or 1) for size in shapes[name]], np.float32)
        for name in ("keys", "values")
    }


def _decoded(program: Program, token: int, place: int, memory: Arrays) -> Arrays:
    tokens, places = np.array([[token]], np.int32), np.array([place], np.int32)
    return program(DECODE, {"tokens": tokens, "places": places, **memory})
