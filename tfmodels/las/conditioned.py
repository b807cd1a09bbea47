"""A layer of LSTM that is told the variety, in any of the ways there are."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from tfmodels.errors import ConfigError
from tfmodels.las.config import AnyConditioning
from tfmodels.las.config import RankOneConditioning
from tfmodels.las.config import WeightConditioning
from tfmodels.las.weighting import RankOne
from tfmodels.las.weighting import Weighting
from tfmodels.las.weighting import factorised
from tfmodels.las.weighting import mixed
from tfmodels.las.weighting import shifted_gates
from tfmodels.layers.lstm import LSTM
from tfmodels.layers.lstm import product
from tfmodels.layers.lstm import value

Step = Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]
"""From an input, [b, D], and the state to the output, [b, H], and the new state."""
States = list[tuple[tf.Tensor, tf.Tensor]]
"""A state in parts: outputs and cells, [b, H], of each recurrence."""
Advance = Callable[[tf.Tensor, States], tuple[tf.Tensor, States]]
"""A `Step` whose state is in parts."""


class ConditionedLSTM(keras.layers.Layer):
    """An LSTM, or several side by side, whose gates or weights the identifier changes.

    Its state is floating-point [b, n, 2, H]: outputs and cells of each of its n
    recurrences, of which `layer` has one for each cluster and all else one.

    Args:
      units: H.
      conditioning: how it is told the variety; not at all if None. Adapters are beside
        a layer, not in it.
      identifier_dim: width p of the identifier: clusters, where there are some.
      **kwargs: see `keras.layers.Layer`.
    """

    def __init__(
        self,
        units: int,
        conditioning: AnyConditioning | None,
        identifier_dim: int,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.kind = conditioning.kind if conditioning else None
        self.recurrences = identifier_dim if self.kind == "layer" else 1
        self._conditioning = conditioning
        self._identifier_dim = identifier_dim

    def build(self, input_shape: Any) -> None:
        """Makes the weights."""
        told, width = self._conditioning, 4 * self.units
        # None where there are only clusters.
        self.base: Any = None
        self.clusters: list[LSTM] = []
        spread = None
        if self.kind in ("weight", "layer"):
            if isinstance(told, WeightConditioning) and told.base:
                spread = told.cluster_std
            self.clusters = [
                self._lstm(f"cluster{number + 1}", input_shape, spread)
                for number in range(self._identifier_dim)
            ]
        if not self.clusters or spread is not None:
            self.base = self._lstm("base", input_shape)
        if self.kind == "mean":
            self.means = self.add_weight(
                shape=(self._identifier_dim, width), name="means"
            )
        if isinstance(told, RankOneConditioning):
            for name, shape in {
                "bases_of_inputs": (input_shape[-1], told.rank),
                "bases_of_outputs": (self.units, told.rank),
                "scales": (self._identifier_dim, told.rank),
            }.items():
                setattr(self, name, self.add_weight(shape=shape, name=name))
            self.bases_of_gates = self.add_weight(
                shape=(told.rank, width), initializer="zeros", name="bases_of_gates"
            )
        self.built = True

    def _lstm(self, name: str, shape: Any, spread: float | None = None) -> LSTM:
        """One set of weights: as any layer's, or small and around 0."""
        if spread is None:
            layer = LSTM(self.units, name=name)
        else:
            kernel, recurrent = (
                keras.initializers.RandomNormal(0, spread) for _ in "ab"
            )
            layer = LSTM(self.units, "standard", 1, kernel, recurrent, 0.0, name=name)
        layer.build(shape)
        return layer

    def weightings(self, identifier: tf.Tensor | None) -> list[Weighting]:
        """The weights of each recurrence for a batch.

        Args:
          identifier: floating-point [b, p]; for `mean` also [T, b, p], of each input.
        """
        if identifier is None or self.kind in (None, "adapter"):
            return [shifted_gates(self.base)]
        identifier = tf.convert_to_tensor(identifier)
        if self.kind == "mean":
            return [shifted_gates(self.base, product(identifier, self.means))]
        if self.kind == "layer":
            return [shifted_gates(cluster) for cluster in self.clusters]
        if len(identifier.shape) > 2:
            raise ConfigError(
                "weights cannot change within an utterance. Expected one vector of"
                " varieties for each, or conditioning.kind: mean, layer or adapter."
                f" Received one for each frame, conditioning.kind: {self.kind}."
            )
        if self.kind == "weight":
            if self.base is None:
                return [mixed(self.clusters, identifier)]
            always = tf.ones_like(identifier[:, :1])
            shares = tf.concat([always, identifier], -1)
            return [mixed([self.base, *self.clusters], shares)]
        bases = RankOne(
            value(self.bases_of_inputs),
            value(self.bases_of_outputs),
            value(self.bases_of_gates),
            product(identifier, self.scales),
        )
        return [factorised(self.base, bases)]

    def sequence(
        self,
        x: tf.Tensor,
        mask: tf.Tensor,
        identifier: tf.Tensor | None,
        first: tf.Tensor | None = None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Runs over a sequence.

        Args:
          x: floating-point [T, b, D].
          mask: floating-point [T, b, 1], 0 on padding, which changes no state.
          identifier: floating-point [b, p], or [T, b, p] for `mean` and `layer`; None
            where nothing is conditioned.
          first: the state before; zeros if None.

        Returns:
          The output, floating-point [T, b, H], and the state after the sequence.
        """
        if first is None:
            first = self.zero_state(x[0])
        outputs, states = [], []
        for place, weighting in enumerate(self.weightings(identifier)):
            before = first[:, place, 0], first[:, place, 1]
            made, after = weighting.sequence(x, mask, before)
            outputs.append(made)
            states.append(tf.stack(after, 1))
        return self._together(outputs, identifier), tf.stack(states, 1)

    def stepper(self, identifier: tf.Tensor | None) -> Step:
        """One step at a time; see `Step`. Weights are read here, not in the steps."""
        advance = self.advancer(identifier)

        def step(x: tf.Tensor, state: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            output, after = advance(x, parted(state))
            return output, whole(after)

        return step

    def advancer(self, identifier: tf.Tensor | None) -> Advance:
        """`stepper` for a state in parts, such as integers have scales of their own."""
        weightings = self.weightings(identifier)

        def advance(x: tf.Tensor, before: States) -> tuple[tf.Tensor, States]:
            pairs = zip(weightings, before, strict=True)
            after = [weighting.step(x, state) for weighting, state in pairs]
            return self._together([h for h, _ in after], identifier), after

        return advance

    def zero_state(self, like: tf.Tensor) -> tf.Tensor:
        """The state before any input, for the rows of [b, ...]."""
        sizes = (self.recurrences, 2, self.units)
        return tf.zeros([tf.shape(like)[0], *sizes], like.dtype)

    def _together(
        self, outputs: list[tf.Tensor], identifier: tf.Tensor | None
    ) -> tf.Tensor:
        if self.kind != "layer":
            return outputs[0]
        parts = tf.split(identifier, self.recurrences, axis=-1)
        return tf.add_n([s * h for s, h in zip(parts, outputs, strict=True)])


def parted(state: tf.Tensor) -> States:
    """The parts of a state, [b, n, 2, H]."""
    return [(state[:, n, 0], state[:, n, 1]) for n in range(state.shape[1])]


def whole(states: States) -> tf.Tensor:
    """The state, [b, n, 2, H], of its parts."""
    return tf.stack([tf.stack(pair, 1) for pair in states], 1)
