"""A step of the decoder: two LSTMs, and attention between them."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tfmodels.layers.lstm import LSTM
from tfmodels.layers.lstm import gated
from tfmodels.layers.lstm import value
from tfmodels.layers.unrolled import Affine
from tfmodels.layers.unrolled import Part
from tfmodels.layers.unrolled import Times
from tfmodels.tacotron.attention import Memory
from tfmodels.tacotron.config import DecoderConfig
from tfmodels.tacotron.config import TacotronConfig
from tfmodels.tacotron.languages import language_shifts
from tfmodels.tacotron.recurrent import zoned

State = dict[str, tf.Tensor]
"""``h1``, ``c1``, ``h2``, ``c2`` floating-point [b, H]; ``context`` floating-point [b,
C]; ``alignment`` float32 [b, N]; ``cumulative`` what attention remembers of all steps:
its sum, float32 [b, N], or of a mixture its means, float32 [b, K]."""


def fed(lstm: LSTM, width: int, memory: Memory) -> tf.Tensor:
    """What biases and the last numbers of the condition, so many, add to an LSTM's
    sums, floating-point [b, 4 H], or of one row where there are none."""
    kernel = value(lstm.kernel)
    if not width:  # oneDNN ends the process over a product of nothing
        return lstm.add_biases(tf.zeros([1, kernel.shape[1]], kernel.dtype))
    told = memory["condition"]
    told = told[:, told.shape[-1] - width :]
    return lstm.add_biases(tf.matmul(told, kernel[kernel.shape[0] - width :]))


def stepping(
    config: TacotronConfig, lstms: Sequence[LSTM], attention: Part, memory: Memory
) -> Part:
    """A function of the first LSTM's sums of what is known, floating-point [b, 4 H],
    masks and a `State`, to the next state.

    Masks are floating-point [4, b, H], 1 where an old state stays or an output is
    dropped; None outside of training.

    Args:
      config: the model's.
      lstms: the two.
      attention: what the first one's outputs ask.
      memory: see `Memory`.
    """
    shifts = language_shifts(config, lstms, memory)
    values, decoder = memory["values"], config.decoder
    maps: dict[str, Affine] = {"context": (values,)}
    names = ("low", "high")
    for name, lstm, width in zip(names, lstms, config.fed_dims, strict=True):
        known = lstm.kernel.shape[0] - config.memory_dim - width
        kernel = value(lstm.kernel)
        # The second one sees the first one's output, which is new at each step.
        seen = kernel[known if name == "low" else 0 : known + config.memory_dim]
        maps[name] = (tf.concat([seen, value(lstm.recurrent_kernel)], 0),)
    maps["high"] += (fed(lstms[1], config.fed_dims[1], memory),)

    def step(times: Times, learned: Any, sums: Any, masks: Any, state: State) -> State:
        low_shift, high_shift = shifts.function(times, learned, state["alignment"])
        seen = tf.concat([state["context"], state["h1"]], -1)
        sums = sums + times("low", seen) + low_shift
        h, c, _ = gated(sums, state["c1"], None, "standard")
        old = state["h1"], state["c1"]
        h1, c1 = _regularised(
            decoder, (h, c), old, None if masks is None else masks[:2]
        )
        alignment, cumulative = attention.function(
            times, learned, h1, state["alignment"], state["cumulative"]
        )
        context = times("context", tf.cast(alignment, values.dtype))
        sums = times("high", tf.concat([h1, context, state["h2"]], -1)) + high_shift
        h, c, _ = gated(sums, state["c2"], None, "standard")
        old = state["h2"], state["c2"]
        h2, c2 = _regularised(
            decoder, (h, c), old, None if masks is None else masks[2:]
        )
        return {
            "h1": h1,
            "c1": c1,
            "h2": h2,
            "c2": c2,
            "context": context,
            "alignment": alignment,
            "cumulative": cumulative,
        }

    maps = {**maps, **attention.maps, **shifts.maps}
    return Part(step, maps, {**attention.learned, **shifts.learned})


def _regularised(decoder: DecoderConfig, new: Any, old: Any, masks: Any) -> Any:
    """Outputs and cells, of masks [2, b, H] or None."""
    if decoder.regulariser == "zoneout":
        keep = [decoder.rate] * 2 if masks is None else [masks[0], masks[1]]
        return [zoned(*each) for each in zip(new, old, keep, strict=True)]
    if masks is None:
        return new
    return new[0] * (1 - masks[0]) / (1 - decoder.rate), new[1]
