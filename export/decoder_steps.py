"""Endpoints of a recogniser's decoder: a step in three parts, attention between."""

from typing import Any

import tensorflow as tf

from export.interfaces import Endpoint
from export.stepping import ATTEND
from export.stepping import LOWEST
from export.stepping import UPPER
from tfmodels.las.conditioned import States
from tfmodels.las.conditioned import parted
from tfmodels.layers.lstm import value

Named = dict[str, tf.Tensor]
"""Tensors by name."""

_SHARES = "state_shares"


class DecoderSteps:
    """Makes them; see `export.signatures.speech_recognition`.

    Outputs of recurrences and their cells are tensors of their own: integers need
    another scale for each.

    Args:
      model: the recogniser.
      batch: recordings; any number if None.
      rows: hypotheses; any number if None.
    """

    def __init__(self, model: Any, batch: int | None, rows: int | None) -> None:
        self._model, self._config = model, model.config
        self._batch, self._rows = batch, rows
        self._stack = model.decoder.stack
        self._lowest = self._stack[0].recurrences
        self._upper = sum(layer.recurrences for layer in self._stack[1:])
        # An input that nothing reads has no range.
        told = [
            self._config.told(f"decoder{n + 1}") is not None
            for n in range(len(self._stack))
        ]
        self._told = {LOWEST: told[0], UPPER: any(told[1:])}

    def first(self, memory: Any) -> Named:
        """The state before the first unit."""
        state = self._model.decoder.initial_state(memory)
        lstm, lowest = state["lstm"], self._lowest
        named = {
            "state_context": state["context"],
            **_named("lowest", parted(lstm[:, :lowest])),
        }
        if self._upper:
            named |= _named("upper", parted(lstm[:, lowest:]))
        return {**named, _SHARES: state["shares"]} if "shares" in state else named

    def endpoints(self) -> dict[str, Endpoint]:
        """All three, by name."""
        return {
            LOWEST: self._lowest_step(),
            ATTEND: self._attend(),
            UPPER: self._upper_step(),
        }

    def _lowest_step(self) -> Endpoint:
        model = self._model

        def lowest_step(
            tokens: tf.Tensor, context: tf.Tensor, *rest: tf.Tensor
        ) -> Named:
            x = tf.gather(value(model.embedding), tokens)
            x, after = self._advance(slice(1), x, context, rest)
            return {"query": x, **_named("lowest", after)}

        tokens = tf.TensorSpec([self._rows], tf.int32, "tokens")
        states = self._states("lowest", self._lowest)
        return Endpoint(
            lowest_step, (tokens, self._context, *states, *self._variety(LOWEST))
        )

    def _attend(self) -> Endpoint:
        attention, config = self._model.decoder.attention, self._config.attention
        names, placed = ("keys", "values", "mask"), config.kind == "location"

        def attend(query: tf.Tensor, *rest: tf.Tensor) -> Named:
            memory = dict(zip(names, rest[:3], strict=True))
            before = rest[3] if placed else None
            context, shares = attention.attender(memory)(query, before)
            made = {"state_context": context, "attention": tf.reduce_mean(shares, 1)}
            return {**made, _SHARES: shares} if placed else made

        heads, batch, keys = config.heads, self._batch, config.width
        width = self._config.context_dim // heads
        specs = [
            self._spec("query", self._stack[0].units),
            tf.TensorSpec([batch, heads, None, keys], name="memory_keys"),
            tf.TensorSpec([batch, heads, None, width], name="memory_values"),
            tf.TensorSpec([batch, None], name="memory_mask"),
        ]
        if placed:
            specs.append(tf.TensorSpec([self._rows, heads, None], name=_SHARES))
        return Endpoint(attend, tuple(specs))

    def _upper_step(self) -> Endpoint:
        def upper_step(query: tf.Tensor, context: tf.Tensor, *rest: tf.Tensor) -> Named:
            after: States = []
            x = query
            if self._upper:
                x, after = self._advance(slice(1, None), x, context, rest)
            made = self._model.scores(tf.concat([x, context], -1))
            return {**made, **(_named("upper", after) if after else {})}

        query = self._spec("query", self._stack[0].units)
        states = self._states("upper", self._upper) if self._upper else ()
        return Endpoint(
            upper_step, (query, self._context, *states, *self._variety(UPPER))
        )

    def _advance(
        self, layers: slice, x: tf.Tensor, context: tf.Tensor, rest: Any
    ) -> tuple[tf.Tensor, States]:
        """Some layers, from states and, where they are told it, the variety."""
        outputs, cells, *told = rest
        identifier = self._model.identifier.of(told[0]) if told else None
        number = outputs.shape[1] // self._stack[0].units
        pairs = zip(*(tf.split(y, number, 1) for y in (outputs, cells)), strict=True)
        advanced: tuple[tf.Tensor, States] = self._model.decoder.advance(
            layers, x, context, list(pairs), identifier
        )
        return advanced

    def _spec(self, name: str, *sizes: int) -> tf.TensorSpec:
        return tf.TensorSpec([self._rows, *sizes], tf.float32, name)

    @property
    def _context(self) -> tf.TensorSpec:
        return self._spec("state_context", self._config.context_dim)

    def _states(self, which: str, number: int) -> tuple[tf.TensorSpec, ...]:
        units = self._stack[0].units
        names = (f"state_{which}_outputs", f"state_{which}_cells")
        return tuple(self._spec(name, number * units) for name in names)

    def _variety(self, endpoint: str) -> tuple[tf.TensorSpec, ...]:
        if not self._told[endpoint]:
            return ()
        shape = [self._batch, self._config.num_varieties]
        return (tf.TensorSpec(shape, tf.float32, "memory_variety"),)


def _named(which: str, states: States) -> Named:
    """Outputs of recurrences side by side, [n, R H], and cells."""
    outputs, cells = (tf.concat(part, 1) for part in zip(*states, strict=True))
    return {f"state_{which}_outputs": outputs, f"state_{which}_cells": cells}
