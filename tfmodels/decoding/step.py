"""What a search asks of a model: one step of many sequences, and ids that all share."""

from collections.abc import Callable
from typing import Any
from typing import NamedTuple

import tensorflow as tf

PAD, START, END = 0, 1, 2
"""Ids of what fills a row up, of what is before the first token, and of the last."""

LOG_ZERO = -1e9
"""Log of a probability of 0, with which sums can still be made."""


class StepOutput(NamedTuple):
    """What a model says of the next token of n sequences."""

    log_probs: tf.Tensor
    """float32 [n, V], natural logs; V is known when the graph is made."""
    state: Any
    """Nest of tensors [n, ...], for the next step."""
    attention: tf.Tensor
    """float32 [n, S], weights of this step's attention, 0 on padding; [n, 0] where a
    model has none."""


Step = Callable[[tf.Tensor, Any], StepOutput]
"""Takes the tokens before, int32 [n], and the state. The n rows are those of each
example beside one another; what the model knows of examples stands in the closure, each
row of it `repeated` as often."""


def repeated(tree: Any, times: int) -> Any:
    """Tensors of a nest, [b, ...], with each row `times` times: [b * times, ...]."""
    return tf.nest.map_structure(lambda x: tf.repeat(x, times, axis=0), tree)


def alive(log_probs: tf.Tensor) -> tf.Tensor:
    """Whether logs are those of more than nothing, bool of the same shape."""
    return log_probs > LOG_ZERO / 2
