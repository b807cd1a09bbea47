"""Prior probabilities of pdfs, by which posteriors become likelihoods."""

from collections.abc import Iterable

import numpy as np

from tfmodels.errors import DataError


def count_pdfs(alignments: Iterable[np.ndarray], num_pdfs: int) -> np.ndarray:
    """How many frames each pdf has.

    Args:
      alignments: int32 [T] of each utterance, pdf of each frame.
      num_pdfs: number of outputs of the acoustic model, P.

    Returns:
      int64 [P].

    Raises:
      DataError: an alignment holds another pdf.
    """
    counts = np.zeros(num_pdfs, np.int64)
    for alignment in alignments:
        alignment = np.asarray(alignment)
        if np.any((alignment < 0) | (alignment >= num_pdfs)):
            raise DataError(
                "An alignment does not belong to the model. Expected pdfs in"
                f" [0, {num_pdfs}); received up to {alignment.max()}."
            )
        counts += np.bincount(alignment, minlength=num_pdfs)
    return counts


def log_priors(counts: np.ndarray) -> np.ndarray:
    """Log of the relative frequencies of pdfs, each count being one more.

    The one keeps the prior of a pdf that was never seen finite.

    Args:
      counts: int64 [P], frames of each pdf.

    Returns:
      float32 [P], natural logarithms.
    """
    raised = np.asarray(counts, np.float64) + 1
    return np.log(raised / raised.sum()).astype(np.float32)
