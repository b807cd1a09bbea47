"""Predictions that are given in part, or whole: what a search may choose from then."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tfmodels.decoding.config import BeamSearchConfig
from tfmodels.decoding.constraints import constrained
from tfmodels.decoding.constraints import counted
from tfmodels.decoding.constraints import prefixed
from tfmodels.decoding.scores import max_lengths
from tfmodels.decoding.step import END
from tfmodels.decoding.step import Step
from tfmodels.decoding.translation import Around
from tfmodels.errors import DataError


def beginning_with(ids: Sequence[int], vocabulary_size: int) -> Around:
    """Lets answers to one source begin with given tokens alone.

    Args:
      ids: the tokens; with the end among them there is one answer.
      vocabulary_size: V.
    """

    def around(step: Step, state: Any, rows: int) -> tuple[Step, Any]:
        given = tf.tile(tf.constant([ids], tf.int32), [rows, 1])
        return constrained(step, prefixed(given, vocabulary_size)), counted(state)

    return around


def check_room(
    ids: Sequence[int], source: Sequence[int], config: BeamSearchConfig
) -> None:
    """Checks that an answer may be as long as what is given of it.

    Args:
      ids: given tokens; the end follows, if it is not among them.
      source: tokens of the question.
      config: of the search.

    Raises:
      DataError: it may not.
    """
    limit = int(max_lengths(len(source), config))
    length = len(ids) + (END not in ids)
    if length > limit:
        raise DataError(
            "a translation that is given is longer than any may be. Expected at most"
            f" {limit} pieces for this sentence. Received {length}; shorten"
            " task.prefix or task.target, or raise task.search.max_length_extra."
        )
