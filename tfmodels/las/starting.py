"""A recogniser that is told the variety, begun from one that is not."""

from typing import Any

import numpy as np

from tfmodels.errors import ConfigError
from tfmodels.las.conditioned import ConditionedLSTM
from tfmodels.las.model import LAS

# What may differ between the two.
_OWN = {
    "conditioning": None,
    "step_head": False,
    "encoder_head": False,
    "num_varieties": 1,
    "dropout_rate": 0.0,
    "scheduled_sampling": None,
}


def start_from(model: LAS, trained: LAS, std: float = 0.01, seed: int = 0) -> None:
    """Copies a trained model without conditioning into one with it.

    Clusters become copies with some noise each: without it they would stay the same
    wherever the identifier is uniform. A W_0 becomes 0, clusters' means noise alone.
    Rank-one bases and adapters are 0 at first, so that the model answers as the trained
    one. What the trained model has not stays as it is.

    Args:
      model: the one to begin, whose weights are changed.
      trained: the one to copy.
      std: standard deviation of the noise.
      seed: of the noise.

    Raises:
      ConfigError: the trained model is conditioned, or of other sizes.
    """
    ours, theirs = (one.config.model_copy(update=_OWN) for one in (model, trained))
    if trained.config.conditioning is not None or ours != theirs:
        raise ConfigError(
            "one model can begin as another of the same sizes that is not told the"
            " variety. Expected model.conditioning: null where it was trained, and"
            f" otherwise {ours.plain()}. Received {trained.config.plain()}."
        )
    random = np.random.default_rng(seed)

    def noise(like: Any) -> np.ndarray:
        return random.normal(0, std, like.shape)

    known = {weight.path: np.asarray(weight) for weight in trained.weights}
    for weight in model.weights:
        copy = known.get(weight.path)
        if copy is not None and copy.shape == tuple(weight.shape):
            weight.assign(copy)
    copied = _layers(trained)
    for name, layer in _layers(model).items():
        if layer.kind == "mean":
            layer.means.assign(noise(layer.means))
        sources = copied[name].base.weights
        for cluster in layer.clusters:
            for weight, source in zip(cluster.weights, sources, strict=True):
                weight.assign(np.asarray(source) + noise(source))
        if layer.clusters and layer.base is not None:
            for weight in layer.base.weights:
                weight.assign(np.zeros(weight.shape))


def _layers(model: LAS) -> dict[str, ConditionedLSTM]:
    """All recurrent layers by name."""
    ways = [way for layer in model.encoder.stack for way in layer.ways]
    return {layer.name: layer for layer in (*ways, *model.decoder.stack)}
