"""Who speaks, or which language it is: a linear judge of mel spectra."""

from collections.abc import Sequence

import numpy as np

from tfmodels.metrics.cepstral_distortion import cepstra


def voice_print(log_mel: np.ndarray) -> np.ndarray:
    """Mean and deviation over time of each cepstral coefficient, float64 [2 count].

    Args:
      log_mel: floating-point [T, M], natural logarithms of magnitudes.
    """
    found = cepstra(log_mel)
    return np.concatenate([found.mean(axis=0), found.std(axis=0)])


class LinearDiscriminant:
    """Fisher's linear discriminant of several classes, of one covariance.

    It is to be fitted to reference recordings only, never to what a model says, and
    tried on others of them before it judges a model.
    """

    def __init__(
        self, examples: np.ndarray, labels: Sequence[int] | np.ndarray
    ) -> None:
        """Fits it.

        Args:
          examples: floating-point [n, D].
          labels: int [n], from 0; each class is there.
        """
        labels = np.asarray(labels)
        classes = int(labels.max()) + 1
        means = np.stack([examples[labels == c].mean(axis=0) for c in range(classes)])
        centred = examples - means[labels]
        covariance = centred.T @ centred / len(examples)
        shares = np.bincount(labels, minlength=classes) / len(labels)
        self._weights = np.linalg.pinv(covariance, hermitian=True) @ means.T
        self._bias = np.log(shares) - 0.5 * np.sum(means * self._weights.T, axis=1)

    def scores(self, examples: np.ndarray) -> np.ndarray:
        """Logarithms of the classes' probabilities but for a sum, float64 [n, C]."""
        found: np.ndarray = examples @ self._weights + self._bias
        return found

    def predict(self, examples: np.ndarray) -> np.ndarray:
        """The likeliest class of each example, int64 [n]."""
        return self.scores(examples).argmax(axis=1)
