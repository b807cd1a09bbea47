"""The beam search of a translator as a function that is traced, or compiled, once."""

from collections.abc import Callable

import tensorflow as tf

from tfmodels.decoding.beam_search import Hypotheses
from tfmodels.decoding.config import BeamSearchConfig
from tfmodels.decoding.translation import Around
from tfmodels.decoding.translation import Translator
from tfmodels.decoding.translation import translate

_BUCKET = 16


def searcher(
    model: Translator,
    config: BeamSearchConfig,
    xla: bool,
    around: Around | None = None,
) -> Callable[[tf.Tensor], Hypotheses]:
    """A function of sources int32 [b, S], padded with 0 at the end.

    XLA compiles a program for every shape. So that there are few, it searches in
    sources that are `widened`, and the sequences it finds have more padding.

    Args:
      model: answers step by step.
      config: the search.
      xla: whether XLA compiles it, the model's steps included.
      around: see `tfmodels.decoding.translation.translate`.
    """
    search = tf.function(
        lambda source: translate(model, source, config, around),
        autograph=False,
        input_signature=[tf.TensorSpec([None, None], tf.int32)],
        jit_compile=xla or None,
    )
    if not xla:
        return search

    def compiled(source: tf.Tensor) -> Hypotheses:
        found = search(widened(source))
        return found._replace(coverage=found.coverage[..., : tf.shape(source)[1]])

    return compiled


def widened(source: tf.Tensor) -> tf.Tensor:
    """Sources int32 [b, S] with padding up to the next multiple of 16 tokens."""
    return tf.pad(source, [[0, 0], [0, -tf.shape(source)[1] % _BUCKET]])
