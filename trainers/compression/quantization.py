"""A stage that learns with 8-bit weights and activations, and the model made for it."""

from collections.abc import Iterable
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import keras

from tfmodels.compression.integers import imitate_integers
from tfmodels.compression.integers import learning_ranges
from tfmodels.compression.integers import ranges_of
from tfmodels.compression.integers import switch_of
from trainers.compression.config import AnyCompression
from trainers.compression.config import QuantizationConfig
from trainers.compression.interfaces import Compression
from trainers.compression.interfaces import Learn
from trainers.compression.interfaces import Trained
from trainers.compression.kernels import all_kernels
from trainers.compression.kernels import set_zeros
from trainers.compression.kernels import zeros


class QuantizationAware(Compression):
    """Learns weights and ranges of a model that imitates integers."""

    def __init__(self, config: QuantizationConfig, trained: Trained) -> None:
        """The model has been made by `make_room`, and is switched by `enter`."""
        super().__init__()
        self._model = trained.placed.model
        self._kernels = all_kernels(trained) if config.preserve_sparsity else []

    def computing(self) -> AbstractContextManager[None]:
        """Ranges follow what is computed."""
        return learning_ranges(self._model)

    def update(self, step: Any, gradients: Sequence[Any], learn: Learn) -> None:
        """See `Compression.update`; weights that are 0 stay 0."""
        masks = [zeros(kernel) for kernel in self._kernels]
        learn(gradients)
        for kernel, mask in zip(self._kernels, masks, strict=True):
            set_zeros(kernel, mask)


def make_room(
    model: keras.Model, compressions: Iterable[AnyCompression | None]
) -> None:
    """Gives a new model the variables that the stages of its run will need.

    Args:
      model: changed where it is; it computes what it did until `enter`.
      compressions: of the run's stages.

    Raises:
      ConfigError: layers have no form in integers.
    """
    for each in compressions:
        if isinstance(each, QuantizationConfig):
            imitate_integers(model, each.range_momentum)
            return


def enter(model: keras.Model, compression: AnyCompression | None) -> None:
    """Has a model compute as a stage wants; call it before functions are traced."""
    switch = switch_of(model)
    if switch is not None:
        switch.active = isinstance(compression, QuantizationConfig)


def averaged(model: keras.Model) -> list[keras.Variable]:
    """The variables of which a run keeps averages: ranges are averages already."""
    ends = {id(v) for each in ranges_of(model) for v in each.variables}
    return [variable for variable in model.variables if id(variable) not in ends]
