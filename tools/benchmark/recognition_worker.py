"""A program that trains a recogniser whose answers have a number of units.

Its arguments are that number and changes to ``multidialect_asr/fsdd``; see
`training_worker`.
"""

import sys
from typing import Any

from tools.benchmark.training_worker import serve


def end_after(model: Any, units: int) -> None:
    """Has a recogniser end all its answers at the same place, whatever its weights.

    Args:
      model: of LAS.
      units: of each answer, the end included.
    """
    import tensorflow as tf

    from tfmodels.decoding.step import END

    first, step = model.initial_state, model.step
    vocabulary_size = model.config.vocabulary_size

    def initial_state(memory: Any) -> Any:
        rows = tf.shape(memory["mask"])[:1]
        return {**first(memory), "said": tf.zeros(rows, tf.int32)}

    def counted(tokens: tf.Tensor, state: Any, memory: Any) -> Any:
        output = step(tokens, state, memory)
        said = state["said"] + 1
        is_end = tf.range(vocabulary_size) == END
        fits = is_end == (said == units)[:, None]
        return output._replace(
            log_probs=tf.where(fits, output.log_probs, -1e4),
            state={**output.state, "said": said},
        )

    model.initial_state, model.step = initial_state, counted


if __name__ == "__main__":
    number = int(sys.argv[1])
    serve("multidialect_asr/fsdd", sys.argv[2:], lambda model: end_after(model, number))
