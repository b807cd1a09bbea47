"""Synthesis in the graph: the decoder hears itself until each row has stopped."""

from typing import Any
from typing import NamedTuple

import tensorflow as tf

from tfmodels.tacotron.attention import Memory
from tfmodels.tacotron.decoder import Decoder

STOP_REASONS = ("none", "stop", "end_of_text", "too_long")
"""What numbers of reasons mean: the stop logit; the attention stayed on the last
symbol; the most frames were made. `none` is only of rows without text."""
PATIENCE = 12
"""Frames of attention to the last symbol after which a text is over."""
_FRAMES_PER_SYMBOL = 20
_MORE_FRAMES = 100


def most_frames(num_symbols: Any) -> Any:
    """Frames after which a text of so many symbols is cut off, of the same type."""
    return _FRAMES_PER_SYMBOL * num_symbols + _MORE_FRAMES


class Synthesis(NamedTuple):
    """What was made of a batch of texts."""

    mel: tf.Tensor
    """floating-point [b, S r, M], normalised, before the post-net; 0 after the end."""
    lengths: tf.Tensor
    """int32 [b], frames."""
    alignment: tf.Tensor
    """float32 [b, S, N]."""
    reason: tf.Tensor
    """int32 [b], see `STOP_REASONS`."""


def free_run(
    decoder: Decoder,
    memory: Memory,
    symbol_lengths: tf.Tensor,
    seed: tf.Tensor,
    max_steps: int | tf.Tensor,
    frames_per_step: int,
) -> Synthesis:
    """Runs until every row has stopped; rows that have, stay as they are.

    A row stops after the step whose stop logit is above 0; or when most attention has
    been on its last symbol for 12 frames; or after ``20 N + 100`` frames or `max_steps`
    steps.

    Args:
      decoder: of the model.
      memory: of its encoder.
      symbol_lengths: int32 [b].
      seed: int64 [b, 2], of the prenet's dropout.
      max_steps: most steps of the decoder, int32 [] if it is no constant; as many are
        kept room for.
      frames_per_step: r.
    """
    rows, r = tf.shape(symbol_lengths)[0], frames_per_step
    frames = tf.cast(most_frames(symbol_lengths), tf.int32)
    limit = tf.minimum(-(-frames // r), max_steps)
    patience = -(-PATIENCE // r)
    last_symbol = symbol_lengths - 1
    first = decoder.initial_state(memory)
    names = tuple(first)
    step = decoder.stepper(memory)
    bins, length = decoder.mel_bins, memory["mask"].shape[-1]
    dtype = memory["values"].dtype
    arrays = [
        tf.TensorArray(dtype, max_steps, element_shape=[None, r, bins]),
        tf.TensorArray(tf.float32, max_steps, element_shape=[None, length]),
    ]
    none = tf.zeros([rows], tf.int32)

    def body(
        t: Any, frame: Any, state: Any, stayed: Any, steps: Any, reason: Any, kept: Any
    ) -> Any:
        going = reason == 0
        noise = decoder.noise(seed, 1, t)[:, 0]
        before = dict(zip(names, state, strict=True))
        made, after = step(frame, before, noise)
        alignment = made.alignment[:, 0]
        looked = tf.argmax(alignment, -1, tf.int32) == last_symbol
        stayed = tf.where(looked, stayed + 1, 0)
        why = tf.where(t + 1 >= limit, 3, 0)
        why = tf.where(stayed >= patience, 2, why)
        why = tf.where(made.stop[:, 0] > 0, 1, why)
        live = tf.cast(going, dtype)
        new = made.frames * live[:, None, None]
        kept = [
            kept[0].write(t, new),
            kept[1].write(t, alignment * tf.cast(going, tf.float32)[:, None]),
        ]
        steps += tf.cast(going, tf.int32)
        reason = tf.where(going, why, reason)
        return t + 1, new[:, -1], [after[n] for n in names], stayed, steps, reason, kept

    loop = tf.while_loop(
        lambda t, frame, state, stayed, steps, reason, kept: (
            (t < max_steps) & tf.reduce_any(reason == 0)
        ),
        body,
        (
            0,
            tf.zeros([rows, bins], dtype),
            [first[name] for name in names],
            none,
            none,
            tf.where(symbol_lengths > 0, 0, -1),
            arrays,
        ),
        maximum_iterations=max_steps,
    )
    t, _, _, _, steps, reason, (frames_array, alignments) = loop
    mel = _filled(frames_array, t, max_steps, [rows, r, bins])
    alignment = _filled(alignments, t, max_steps, [rows, tf.shape(memory["mask"])[1]])
    mel = tf.reshape(tf.transpose(mel, (1, 0, 2, 3)), [-1, max_steps * r, bins])
    return Synthesis(
        mel, steps * r, tf.transpose(alignment, (1, 0, 2)), tf.maximum(reason, 0)
    )


def _filled(
    array: tf.TensorArray, count: tf.Tensor, size: int | tf.Tensor, shape: Any
) -> tf.Tensor:
    """All places of an array of which `count` are written, zeros after these."""
    written = array.gather(tf.range(count))
    zeros = tf.zeros([size - count, *shape], written.dtype)
    known = size if isinstance(size, int) else None
    return tf.ensure_shape(tf.concat([written, zeros], 0), [known, *written.shape[1:]])
