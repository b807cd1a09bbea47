"""GNMT with a layer on each device, which work on different times at once.

Wu et al., arXiv 1609.08144, section 3.3 and figure 1: layer l may begin a part of the
sequence as soon as layer l - 1 has finished that part. A whole-sequence layer is one
operation, so the sequence is cut into chunks. With L layers and C chunks of equal time
the best speed-up is ``L C / (L + C - 1)``.
"""

import itertools
from collections.abc import Callable
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING
from typing import Any

import tensorflow as tf

from tfmodels.gnmt.stack import Pass
from tfmodels.gnmt.stack import batch_major
from tfmodels.layers.placing import Place
from tfmodels.layers.placing import computed_at

if TYPE_CHECKING:
    from tfmodels.gnmt.model import GNMT

Places = Callable[[int], Place]
"""The context, such as ``tf.device``, in which a layer, from 0, is to run. Layer l of
the encoder and layer l of the decoder have the same one."""
Layer = Callable[[Any, int, Any], tuple[Any, Any]]
"""From a chunk of the layer below, the chunk's number and the state before it, to the
layer's chunk and the state after it."""


def shared_out(places: Sequence[Place], num_layers: int) -> Places:
    """Layers from the bottom at the first of some places, and so on to the last."""
    return lambda number: places[number * len(places) // num_layers]


def wavefront(
    model: "GNMT",
    inputs: dict[str, Any],
    num_chunks: int,
    place: Places,
    training: bool = False,
) -> tuple[tf.Tensor, tf.Tensor]:
    """`GNMT.hidden`, computed layer by layer and chunk by chunk.

    The results and gradients are those of the model, except for dropout, which is drawn
    for each chunk.

    Args:
      model: the model.
      inputs: its inputs.
      num_chunks: parts of source and target.
      place: where a layer runs.
      training: see `GNMT.call`.

    Returns:
      The last layer's output, [b, T, H], and attention, float32 [b, T, S].
    """
    shared = model.new_pass(training)
    source, target = (
        _lengthened(inputs[name], num_chunks) for name in ("source", "target")
    )
    memory = _encode(model, source, num_chunks, place, shared)
    with place(0)():
        state = model.initial_state(memory)
        table = model.target_embedding
        x, mask = model.embedded(table, target, shared)
        masks = _cut(mask, num_chunks)

    def lowest(x: Any, chunk: int, known: Any) -> Any:
        state, memory = known
        made = model.decoder.lowest(x, masks[chunk], state, memory, shared)
        return (made.output, made.contexts, made.shares), (made.state, memory)

    def above(number: int) -> Layer:
        layer = model.decoder.stack[number]

        def run(below: Any, chunk: int, first: Any) -> Any:
            x, contexts, shares = below
            x, last = shared.layer(
                layer, x, masks[chunk], first, contexts, residual=number > 1
            )
            return (x, contexts, shares), last

        return run

    numbers = range(1, len(model.decoder.stack))
    # The memory is handed on from chunk to chunk, so that its gradient is.
    firsts = [(state, memory), *(state["lstm"][:, number] for number in numbers)]
    layers = [lowest, *map(above, numbers)]
    made, _ = _sweep(layers, _cut(x, num_chunks), firsts, place)
    x, _, shares = (tf.concat(parts, 0) for parts in zip(*made, strict=True))
    length, width = (tf.shape(inputs[name])[1] for name in ("target", "source"))
    shares = tf.cast(shares[:length, :, :width], tf.float32)
    return batch_major(x[:length]), batch_major(shares)


def _encode(
    model: "GNMT", source: Any, num_chunks: int, place: Places, shared: Pass
) -> dict[str, tf.Tensor]:
    with place(0)():
        x, mask = model.embedded(model.source_embedding, source, shared)
        # This layer begins at the end, so that the others wait for it.
        back, last = model.encoder.read_backwards(x, mask, shared)
        masks = _cut(mask, num_chunks)
        chunks = list(zip(_cut(x, num_chunks), _cut(back, num_chunks), strict=True))

    def lowest(below: Any, chunk: int, first: Any) -> Any:
        x, back = below
        layer = model.encoder.forward_layer
        x, state = shared.layer(layer, x, masks[chunk], first, residual=False)
        return tf.concat([x, back], -1), state

    def above(number: int) -> Layer:
        layer = model.encoder.stack[number]
        return lambda x, chunk, first: shared.layer(
            layer, x, masks[chunk], first, residual=number > 0
        )

    layers = [lowest, *map(above, range(len(model.encoder.stack)))]
    made, lasts = _sweep(layers, chunks, [None] * len(layers), place)
    with place(len(layers) - 1)():
        return model.memory(tf.concat(made, 0), [last, *lasts[1:]], mask)


def _sweep(
    layers: Sequence[Layer], chunks: Sequence[Any], firsts: Sequence[Any], place: Places
) -> tuple[list[Any], list[Any]]:
    """All layers on all chunks, in an order that never waits for what comes later.

    Returns:
      The last layer's chunks, and each layer's state after the last chunk.
    """
    values, states = list(chunks), list(firsts)
    for wave in range(len(layers) + len(values) - 1):
        # From above to below: a layer takes its chunk before the one below goes on.
        for number in reversed(range(len(layers))):
            chunk = wave - number
            if 0 <= chunk < len(values):
                values[chunk], states[number] = computed_at(
                    place(number),
                    partial(_taken, layers[number], chunk),
                    values[chunk],
                    states[number],
                )
    return values, states


def _taken(layer: Layer, chunk: int, below: Any, state: Any) -> Any:
    return layer(below, chunk, state)


def _lengthened(tokens: Any, length: int) -> tf.Tensor:
    """Tokens [b, T], with padding if there are fewer than `length` of each."""
    missing = tf.maximum(length - tf.shape(tokens)[1], 0)
    return tf.pad(tokens, [[0, 0], [0, missing]])


def _cut(x: tf.Tensor, num_chunks: int) -> list[tf.Tensor]:
    """Parts of [T, ...] whose lengths differ by at most one."""
    length = tf.shape(x)[0]
    ends = [length * number // num_chunks for number in range(num_chunks + 1)]
    return [x[begin:end] for begin, end in itertools.pairwise(ends)]
