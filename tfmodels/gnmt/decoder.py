"""The decoder: attention that the lowest layer drives, and a stack above both."""

from typing import Any
from typing import NamedTuple

import keras
import tensorflow as tf

from tfmodels.gnmt.attention import AdditiveAttention
from tfmodels.gnmt.attention import Memory
from tfmodels.gnmt.attention import attend
from tfmodels.gnmt.bottom import First
from tfmodels.gnmt.bottom import bottom_sequence
from tfmodels.gnmt.config import GNMTConfig
from tfmodels.gnmt.config import Wiring
from tfmodels.gnmt.initial import kernel_initializer
from tfmodels.gnmt.initial import lstm
from tfmodels.gnmt.stack import Pass
from tfmodels.layers.lstm import product
from tfmodels.layers.lstm import value

State = dict[str, tf.Tensor]
"""``lstm`` floating-point [n, L, 2, H], outputs and cells of the decoder's layers;
``context`` [n, H] if the lowest layer is fed it, and its ``attention`` [n, S] if the
wiring shows it to the layers above."""


class Attended(NamedTuple):
    """What attention has found."""

    context: tf.Tensor
    """floating-point [n, H], mean of encodings."""
    shares: tf.Tensor
    """floating-point [n, S], what each had of it."""


class Lowest(NamedTuple):
    """What the decoder's lowest layer hands on."""

    output: tf.Tensor
    """floating-point [T, b, H]."""
    contexts: tf.Tensor
    """floating-point [T, b, H], those that the layers above see."""
    shares: tf.Tensor
    """floating-point [T, b, S], attention that made them."""
    state: State
    """After the sequence, of this layer alone."""


class Decoder(keras.layers.Layer):
    """Embeddings of target tokens in, the last layer's outputs out (US11113480B2, claim
    1; Wu et al., arXiv 1609.08144, section 3).

    Args:
      config: its sizes and wiring.
      **kwargs: see `keras.layers.Layer`.
    """

    def __init__(self, config: GNMTConfig, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._config = config
        embedding, hidden = config.embedding_dim, config.hidden_dim
        self.attention = AdditiveAttention(
            config.attention_dim,
            config.normed_attention,
            lambda: kernel_initializer(config),
            name="attention",
        )
        self.attention.build((None, hidden))
        self._fed = config.wiring != "bottom_query"
        self.stack = [
            lstm(config, "decoder1", embedding + (hidden if self._fed else 0)),
            *(
                lstm(config, f"decoder{number}", 2 * hidden)
                for number in range(2, config.decoder_layers + 1)
            ),
        ]
        self.built = True

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
                context, shares = self.attend(query, memory)
            state["context"] = context
            if config.wiring == "paper":
                state["attention"] = shares
        return state

    def lowest(
        self,
        x: tf.Tensor,
        mask: tf.Tensor,
        state: State,
        memory: dict[str, tf.Tensor],
        shared: Pass,
    ) -> Lowest:
        """Runs the decoder's lowest layer, with attention, over a sequence.

        Args:
          x: floating-point [T, b, E], embeddings.
          mask: floating-point [T, b, 1], 0 on padding.
          state: before the sequence; of the layers, only the lowest is looked at.
          memory: of `encode`.
          shared: the pass.
        """
        layer = self.stack[0]
        kernel, width = value(layer.kernel), x.shape[-1]
        first = state["lstm"][:, 0, 0], state["lstm"][:, 0, 1]
        made = bottom_sequence(
            layer.add_biases(product(x, kernel[:width])),
            tf.concat([kernel[width:], value(layer.recurrent_kernel)], 0),
            self.attention.weights_of_queries(),
            _memory(memory),
            mask,
            First(*first, _context(state)),
            shared.limit,
            layer.cell,
        )
        shared.accumulators[f"{layer.name}/cells"] = made.cells, mask
        last = tf.stack([made.outputs[-1], made.last_cells], axis=1)
        after = {"lstm": last[:, None], "context": made.contexts[-1]}
        contexts, shares = made.contexts, made.shares
        if self._config.wiring == "paper":
            after["attention"] = shares[-1]
            contexts = tf.concat([state["context"][None], contexts[:-1]], 0)
            shares = tf.concat([state["attention"][None], shares[:-1]], 0)
        return Lowest(shared.drop(made.outputs), contexts, shares, after)

    def run(
        self,
        x: tf.Tensor,
        mask: tf.Tensor,
        memory: dict[str, tf.Tensor],
        shared: Pass,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """The last layer's output, [T, b, H], and attention, [T, b, S].

        Args:
          x: floating-point [T, b, E], embeddings.
          mask: floating-point [T, b, 1], 0 on padding.
          memory: of `GNMT.encode`.
          shared: the pass.
        """
        state = self.initial_state(memory)
        below = self.lowest(x, mask, state, memory, shared)
        x = below.output
        for place, layer in enumerate(self.stack[1:], 1):
            first = state["lstm"][:, place]
            x, _ = shared.layer(
                layer, x, mask, first, below.contexts, residual=place > 1
            )
        return x, below.shares

    def step(
        self, x: tf.Tensor, state: State, memory: dict[str, tf.Tensor], shared: Pass
    ) -> tuple[tf.Tensor, State, tf.Tensor]:
        """The last layer's output, [n, H], the new state, and attention, [n, S].

        Args:
          x: floating-point [n, E], embeddings of the last tokens.
          state: before them.
          memory: of `GNMT.encode`, a row for each hypothesis.
          shared: the pass.
        """
        lowest = self.lowest_step(x, state, shared)
        attended = self.attend(lowest[:, 0], memory)
        wiring = self._config.wiring
        context, shares = shown(wiring, attended, state)
        x, lstm = self.upper_step(lowest, context, state["lstm"], shared)
        return x, next_state(wiring, lstm, attended), shares

    def lowest_step(self, x: tf.Tensor, state: State, shared: Pass) -> tf.Tensor:
        """The lowest layer's output and cells, [n, 2, H], after embeddings [n, E]."""
        h, c = tf.unstack(state["lstm"][:, 0], axis=1)
        seen = tf.concat([x, state["context"]], -1) if self._fed else x
        return tf.stack(self.stack[0].step(seen, h, c, shared.limit), axis=1)

    def attend(self, query: tf.Tensor, memory: dict[str, tf.Tensor]) -> Attended:
        """Attention of the lowest layer's output, [n, H]."""
        weights = self.attention.weights_of_queries()
        return Attended(*attend(query, weights, _memory(memory)))

    def upper_step(
        self, lowest: tf.Tensor, context: tf.Tensor, lstm: tf.Tensor, shared: Pass
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """The last layer's output, [n, H], and all layers' new state, [n, L, 2, H].

        Args:
          lowest: floating-point [n, 2, H], the lowest layer's new state.
          context: floating-point [n, H], what all layers above see.
          lstm: floating-point [n, L, 2, H], before.
          shared: the pass.
        """
        after, x = [lowest], lowest[:, 0]
        for place, layer in enumerate(self.stack[1:], 1):
            h, c = tf.unstack(lstm[:, place], axis=1)
            h, c = layer.step(tf.concat([x, context], -1), h, c, shared.limit)
            after.append(tf.stack([h, c], 1))
            x = shared.clip(h + x) if place > 1 else h
        return x, tf.stack(after, 1)


def shown(wiring: Wiring, attended: Attended, state: State) -> Attended:
    """What layers above the lowest see in a step: what is new, or was in the state."""
    if wiring == "paper":
        return Attended(state["context"], state["attention"])
    return attended


def next_state(wiring: Wiring, lstm: tf.Tensor, attended: Attended) -> State:
    """The state after a step; see `State`. NumPy arrays will do as well."""
    state = {"lstm": lstm}
    if wiring != "bottom_query":
        state["context"] = attended.context
    if wiring == "paper":
        state["attention"] = attended.shares
    return state


def _memory(memory: dict[str, tf.Tensor]) -> Memory:
    return Memory(*(memory[name] for name in Memory._fields))


def _context(state: State) -> tf.Tensor:
    """The first context; anything of its shape where the lowest layer gets none."""
    return state.get("context", state["lstm"][:, 0, 0])
