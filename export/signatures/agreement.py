"""Whether two forms of a model give the same answers."""

import numpy as np

from export.interfaces import Arrays


def same_best(reference: Arrays, outputs: Arrays) -> np.ndarray:
    """Whether the most probable class is the same, bool [...].

    Args:
      reference: ``logits`` float32 [..., K] of one form.
      outputs: those of the other.
    """
    first, second = (np.argmax(o["logits"], axis=-1) for o in (reference, outputs))
    return np.asarray(first == second)
