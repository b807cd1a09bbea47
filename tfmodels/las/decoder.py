"""The decoder: its first layer drives attention, those above see what it found."""

from typing import Any
from typing import NamedTuple

import keras
import tensorflow as tf

from tfmodels.las.adapter import adapter_after
from tfmodels.las.adapter import applier
from tfmodels.las.attention import Attention
from tfmodels.las.attention import Memory
from tfmodels.las.conditioned import ConditionedLSTM
from tfmodels.las.conditioned import States
from tfmodels.las.conditioned import parted
from tfmodels.las.conditioned import whole
from tfmodels.las.config import LASConfig
from tfmodels.las.encoder import Drop
from tfmodels.las.frames import sizes
from tfmodels.layers.arrays import new_arrays
from tfmodels.layers.arrays import stack
from tfmodels.layers.arrays import write

State = dict[str, tf.Tensor]
"""``lstm`` floating-point [n, N, 2, H], the states of all layers (see
`ConditionedLSTM`) one after the other; ``context`` [n, C], which the first layer is
fed; with `kind: location` also ``shares`` [n, M, S]."""


class Decoded(NamedTuple):
    """What a decoder made of tokens; without T in a single step."""

    x: tf.Tensor
    """floating-point [T, b, H + C], the last layer's output and the context."""
    attention: tf.Tensor
    """floating-point [T, b, S], mean of the heads' shares."""


class Decoder(keras.layers.Layer):
    """``s1_u = LSTM1([E y_{u-1}; c_{u-1}])``, ``c_u`` attention of ``s1_u``, ``s2_u =
    LSTM2([s1_u; c_u])`` and so on (US12254865B2, claim 1; Lingvo).

    Args:
      config: the model's.
      **kwargs: see `keras.layers.Layer`.
    """

    def __init__(self, config: LASConfig, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        decoder, context = config.decoder, config.context_dim
        hidden = decoder.hidden_dim
        self.attention = Attention(
            config.attention, hidden, config.encoding_dim, context, name="attention"
        )
        self._sees_shares = config.attention.kind == "location"
        self.stack: list[ConditionedLSTM] = []
        self.adapters = []
        for number in range(1, decoder.num_layers + 1):
            name = f"decoder{number}"
            layer = ConditionedLSTM(
                hidden, config.told(name), config.identifier_dim, name=name
            )
            below = decoder.embedding_dim if number == 1 else hidden
            layer.build((None, below + context))
            self.stack.append(layer)
            self.adapters.append(adapter_after(config, name, hidden))
        self.built = True

    def initial_state(self, memory: Memory) -> State:
        """The state before the first token, of zeros; see `State`."""
        mask = memory["mask"]
        lstms = [layer.zero_state(mask) for layer in self.stack]
        context = tf.zeros([tf.shape(mask)[0], self.attention.context_dim], mask.dtype)
        state = {"lstm": tf.concat(lstms, 1), "context": context}
        if self._sees_shares:
            state["shares"] = self.attention.first_shares(mask)
        return state

    def run(
        self,
        x: tf.Tensor,
        steps: tf.Tensor,
        memory: Memory,
        identifier: tf.Tensor | None,
        drop: Drop,
    ) -> Decoded:
        """Runs over whole targets. What comes after a target changes nothing in it.

        Args:
          x: floating-point [T, b, E], embeddings of the tokens before.
          steps: int32 [], those of the longest target; behind them nobody looks.
          memory: of the encodings.
          identifier: floating-point [b, p], or None.
          drop: dropout, drawn outside of loops.
        """
        lowest, contexts, shares = self._lowest(x, steps, memory, identifier)
        mask, x = tf.ones_like(x[:, :, :1]), drop(lowest)
        for layer, adapter in list(zip(self.stack, self.adapters, strict=True))[1:]:
            seen = tf.concat([x, contexts], -1)
            x, _ = layer.sequence(seen, mask, identifier)
            x = drop(applier(adapter, identifier)(x))
        return Decoded(tf.concat([x, contexts], -1), shares)

    def _lowest(
        self,
        x: tf.Tensor,
        steps: tf.Tensor,
        memory: Memory,
        identifier: tf.Tensor | None,
    ) -> list[tf.Tensor]:
        """The first layer's outputs, contexts and mean shares, [T, b, ...], 0 behind
        the last step."""
        layer, adapt = self.stack[0], applier(self.adapters[0], identifier)
        step = layer.stepper(identifier)
        attend = self.attention.attender(memory)
        first = self.initial_state(memory)
        shares = self.attention.first_shares(memory["mask"])
        lstm = first["lstm"][:, : layer.recurrences]

        def body(t: Any, lstm: Any, context: Any, shares: Any, *kept: Any) -> Any:
            h, lstm = step(tf.concat([x[t], context], -1), lstm)
            h = adapt(h)
            context, shares = attend(h, shares)
            made = (h, context, tf.reduce_mean(shares, 1))
            return t + 1, lstm, context, shares, *write(kept, t, made)

        widths = (layer.units, self.attention.context_dim, shares.shape[-1])
        (most,) = sizes(x, 1)
        _, _, _, _, *kept = tf.while_loop(
            lambda t, *_: t < steps,
            body,
            (0, lstm, first["context"], shares, *new_arrays(x, widths)),
            maximum_iterations=most,
        )
        return stack(kept, widths)

    def step(
        self,
        x: tf.Tensor,
        state: State,
        memory: Memory,
        identifier: tf.Tensor | None,
    ) -> tuple[Decoded, State]:
        """One token of each of n hypotheses, and the state after it.

        Args:
          x: floating-point [n, E], embeddings of the last tokens.
          state: before them.
          memory: a row for each hypothesis.
          identifier: floating-point [n, p], or None.
        """
        before, lowest = parted(state["lstm"]), self.stack[0].recurrences
        x, low = self.advance(
            slice(1), x, state["context"], before[:lowest], identifier
        )
        attend = self.attention.attender(memory)
        context, shares = attend(x, state.get("shares"))
        x, high = self.advance(slice(1, None), x, context, before[lowest:], identifier)
        after = {"lstm": whole(low + high), "context": context}
        if self._sees_shares:
            after["shares"] = shares
        attention = tf.reduce_mean(shares, 1)
        return Decoded(tf.concat([x, context], -1), attention), after

    def advance(
        self,
        layers: slice,
        x: tf.Tensor,
        context: tf.Tensor,
        states: States,
        identifier: tf.Tensor | None,
    ) -> tuple[tf.Tensor, States]:
        """One token's way through some neighbouring layers.

        Args:
          layers: which of them.
          x: floating-point [n, E] or [n, H], what the lowest of them reads.
          context: floating-point [n, C], which all of them see.
          states: of their recurrences, one layer after the other.
          identifier: floating-point [n, p], or None.

        Returns:
          The output of the last, [n, H], and the states after it.
        """
        left, after = iter(states), []
        for layer, adapter in list(zip(self.stack, self.adapters, strict=True))[layers]:
            before = [next(left) for _ in range(layer.recurrences)]
            seen = tf.concat([x, context], -1)
            x, made = layer.advancer(identifier)(seen, before)
            x = applier(adapter, identifier)(x)
            after += made
        return x, after
