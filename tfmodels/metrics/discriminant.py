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


def language_print(log_mel: np.ndarray) -> np.ndarray:
    """How cepstral coefficients and their changes vary together, float64 [P].

    Means and deviations are a voice's; which sounds there are and which follow which is
    a language's: covariances of a frame with itself, with those 3 and 8 frames later,
    and of differences over two frames.

    Args:
      log_mel: floating-point [T, M], natural logarithms of magnitudes.
    """
    found = cepstra(log_mel)
    centred = found - found.mean(axis=0)
    change = found[2:] - found[:-2]
    upper = np.triu_indices(found.shape[1])
    parts = [found.mean(axis=0), found.std(axis=0)]
    parts += [_products(each, each)[upper] for each in (centred, change)]
    for lag in (3, 8):
        parts.append(_products(centred[lag:], centred[:-lag]).ravel())
    return np.concatenate(parts)


def _products(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Mean of the outer products of frames; of no frames, zeros."""
    return left.T @ right / max(len(left), 1)


class RidgeClassifier:
    """Least squares of classes on many numbers, of which few are needed.

    Numbers are scaled to deviations of 1; the penalty is 0.1 of an example's square.
    It is to be fitted to reference recordings only, as `LinearDiscriminant`.
    """

    def __init__(
        self, examples: np.ndarray, labels: Sequence[int] | np.ndarray
    ) -> None:
        """Fits it.

        Args:
          examples: floating-point [n, D].
          labels: int [n], from 0.
        """
        labels = np.asarray(labels)
        wanted = np.eye(int(labels.max()) + 1)[labels]
        self._mean, self._scale = examples.mean(axis=0), examples.std(axis=0) + 1e-9
        scaled = (examples - self._mean) / self._scale
        self._bias = wanted.mean(axis=0)
        square = scaled.T @ scaled + 0.1 * len(scaled) * np.eye(scaled.shape[1])
        self._weights = np.linalg.solve(square, scaled.T @ (wanted - self._bias))

    def predict(self, examples: np.ndarray) -> np.ndarray:
        """The likeliest class of each example, int64 [n]."""
        scaled = (examples - self._mean) / self._scale
        found: np.ndarray = scaled @ self._weights + self._bias
        return found.argmax(axis=1)


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
