"""Loops over time whose products get the gradients of their kernels after the loop.

TensorFlow's own gradient of a loop adds one of each kernel's size to a sum at every
step. Here the loop backward only passes gradients on to earlier states and keeps those
of what products made; of all steps together a kernel's gradient is one product.
"""

from collections.abc import Callable
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

import tensorflow as tf

from tfmodels.layers.arrays import new_arrays
from tfmodels.layers.arrays import shifted
from tfmodels.layers.arrays import stack
from tfmodels.layers.feedback import outer

Affine = tuple[tf.Tensor, ...]
"""A kernel, floating-point [M, N], or [b, M, N] where each row has its own; then, if
something is added to the product, that: [1, N] or [b, N]."""
Times = Callable[[str, tf.Tensor], tf.Tensor]
"""From the name of an `Affine` and floating-point [b, M] to [b, N]."""
States = dict[str, tf.Tensor]
"""Each floating-point [b, ...], of one width in all steps."""


_Arrays = dict[str, tf.TensorArray]


class Part(NamedTuple):
    """A function that steps of a loop call, and the tensors that it knows.

    Gradients pass to these tensors, and not to others that the function captures.
    """

    function: Callable[..., Any]
    """Takes `Times`, `learned` and the arguments of a step. It applies each of `maps`
    exactly once."""
    maps: dict[str, Affine]
    """What it multiplies with."""
    learned: dict[str, tf.Tensor]
    """What else it knows; should be small, as gradients are added up step by step."""

    def __call__(self, *arguments: Any) -> Any:
        """What the function makes of the arguments of a step."""
        return self.function(
            lambda name, x: affine(x, *self.maps[name]), self.learned, *arguments
        )


def affine(x: tf.Tensor, kernel: tf.Tensor, added: Any = None) -> tf.Tensor:
    """What an `Affine` makes of floating-point [b, M]: [b, N]."""
    made = _product(x, kernel)
    return made if added is None else made + added


def unrolled(
    part: Part,
    inputs: tf.Tensor,
    given: Any,
    first: States,
    count: Any,
    shown: Sequence[str],
) -> list[tf.Tensor]:
    """Runs a function of a step's input and of states over a sequence.

    Args:
      part: its function takes an input, what is given, and states, and makes states.
      inputs: floating-point [T, b, D].
      given: nested, tensors [T, ...] to which no gradient passes, or None.
      first: states before the first step.
      count: int32 [], steps that are made.
      shown: names of the states that are wanted.

    Returns:
      These states after each step, [T, b, ...], 0 behind the last that is made.
    """
    most = inputs.shape[0]
    tree = (inputs, first, part.maps, part.learned)

    def at(t: Any) -> Any:
        return tf.nest.map_structure(
            lambda each: None if each is None else each[t], given
        )

    @tf.custom_gradient
    def run(*leaves: tf.Tensor) -> Any:
        inputs, first, maps, learned = tf.nest.pack_sequence_as(tree, leaves)
        kernels = {name: tensors[0] for name, tensors in maps.items()}

        def forward(t: Any, state: States, kept: _Arrays, seen: Any, made: Any) -> Any:
            x, y = {}, {}

            def times(name: str, new: tf.Tensor) -> tf.Tensor:
                x[name], y[name] = new, affine(new, *maps[name])
                return y[name]

            state = part.function(times, learned, inputs[t], at(t), state)
            kept, seen = _written(kept, t, state), _written(seen, t, x)
            return t + 1, state, kept, seen, _written(made, t, y)

        start = [_arrays(inputs, values, -1) for values in (first, kernels)]
        start.insert(1, _arrays(inputs, kernels, -2))
        _, _, *ended = tf.while_loop(
            lambda t, *_: t < count,
            forward,
            (0, first, *start),
            maximum_iterations=most,
        )
        states, seen, made = map(_stacked, ended)

        def gradient(*d_shown: tf.Tensor) -> Any:
            before = {name: shifted(states[name], first[name]) for name in first}
            d_after = dict(zip(shown, d_shown, strict=True))
            back = {name: _transposed(kernel) for name, kernel in kernels.items()}

            def backward(
                t: Any, d_state: States, d_learned: Any, d_inputs: Any, d_made: Any
            ) -> Any:
                wanted = {
                    name: each + d_after[name][t] if name in d_after else each
                    for name, each in d_state.items()
                }
                state = {name: each[t] for name, each in before.items()}
                y = {name: each[t] for name, each in made.items()}
                sources = (inputs[t], state, y, learned)
                with tf.GradientTape(watch_accessed_variables=False) as tape:
                    tape.watch(sources)
                    after = part.function(
                        lambda name, x: _again(x, y[name], back[name]),
                        learned,
                        sources[0],
                        at(t),
                        state,
                    )
                d_input, d_state, d_y, more = tape.gradient(
                    [after[name] for name in wanted],
                    sources,
                    list(wanted.values()),
                    tf.UnconnectedGradients.ZERO,
                )
                d_learned = {name: d + more[name] for name, d in d_learned.items()}
                d_inputs = _written(d_inputs, t, {"": d_input})
                return t - 1, d_state, d_learned, d_inputs, _written(d_made, t, d_y)

            zeros = tf.nest.map_structure(tf.zeros_like, (first, learned))
            arrays = (
                _arrays(inputs, {"": inputs}, -1),
                _arrays(inputs, kernels, -1),
            )
            _, d_first, d_learned, *ended = tf.while_loop(
                lambda t, *_: t >= 0,
                backward,
                (count - 1, *zeros, *arrays),
                maximum_iterations=most,
            )
            d_inputs, d_made = map(_stacked, ended)
            d_maps = {
                name: _gradients(seen[name], d_made[name], tensors)
                for name, tensors in maps.items()
            }
            return tf.nest.flatten((d_inputs[""], d_first, d_maps, d_learned))

        return [states[name] for name in shown], gradient

    return run(*tf.nest.flatten(tree))


def _product(x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    if len(kernel.shape) == 2:
        return tf.matmul(x, kernel)
    return tf.matmul(x[:, None], kernel)[:, 0]


def _transposed(kernel: tf.Tensor) -> tf.Tensor:
    return tf.linalg.matrix_transpose(kernel)


def _again(x: tf.Tensor, made: tf.Tensor, back: tf.Tensor) -> tf.Tensor:
    """What a product has made already, with its gradient."""

    @tf.custom_gradient
    def run(x: tf.Tensor, made: tf.Tensor) -> Any:
        return tf.identity(made), lambda d: (_product(d, back), d)

    return run(x, made)


def _gradients(x: tf.Tensor, d: tf.Tensor, tensors: Affine) -> Affine:
    """Those of an `Affine`, from what it got, [T, b, M], and gradients, [T, b, N]."""
    kernel, *added = tensors
    if len(kernel.shape) == 2:
        d_kernel = outer(x, d)
    else:
        d_kernel = tf.matmul(tf.transpose(x, (1, 2, 0)), tf.transpose(d, (1, 0, 2)))
    if not added:
        return (d_kernel,)
    total = tf.reduce_sum(d, 0)
    if added[0].shape[0] == 1:
        total = tf.reduce_sum(total, 0, keepdims=True)
    return d_kernel, total


def _arrays(like: tf.Tensor, values: dict[str, tf.Tensor], axis: int) -> _Arrays:
    """One for each value, of its precision, as wide as one of its axes."""
    return {
        name: new_arrays(like, (value.shape[axis],), value.dtype)[0]
        for name, value in values.items()
    }


def _written(arrays: _Arrays, t: Any, values: dict[str, tf.Tensor]) -> _Arrays:
    return {name: array.write(t, values[name]) for name, array in arrays.items()}


def _stacked(arrays: _Arrays) -> dict[str, tf.Tensor]:
    widths = [array.element_shape[-1] for array in arrays.values()]
    return dict(zip(arrays, stack(arrays.values(), widths), strict=True))
