"""What a stage does to a model besides teaching it, and how it comes to do that."""

from collections.abc import Callable
from collections.abc import Sequence
from contextlib import AbstractContextManager
from contextlib import nullcontext
from typing import Any
from typing import NamedTuple

import keras

from trainers.catalog import implementation
from trainers.interfaces import Placed
from trainers.interfaces import Stage

Learn = Callable[[Sequence[Any]], None]
"""Updates weights and their averages by gradients, one for each trained variable."""


class Trained(NamedTuple):
    """What a stage trains."""

    placed: Placed
    variables: list[keras.Variable]
    """Those that the stage does not freeze."""
    stage: Stage


class Compression:
    """What happens to weights at each step of a stage; here, nothing.

    Its methods run in the compiled step, `update` from outside of the replicas.
    """

    def __init__(self) -> None:
        self.state: dict[str, Any] = {}
        """Variables of its own by the name that a checkpoint has for them."""

    def computing(self) -> AbstractContextManager[None]:
        """Context in which replicas compute the loss that is learned from."""
        return nullcontext()

    def update(self, step: Any, gradients: Sequence[Any], learn: Learn) -> None:
        """Makes one update.

        Args:
          step: int [], updates of the stage before this one.
          gradients: one for each trained variable, the same in every replica.
          learn: makes the update that the gradients ask for.
        """
        learn(gradients)

    def figures(self) -> dict[str, float]:
        """Figures of the weights as they are, by name in the logs."""
        return {}


def open_compression(trained: Trained) -> Compression:
    """Makes what a stage's configuration asks for.

    Call it in the scope of the strategy that made the variables.

    Raises:
      ConfigError: it does not suit the model or the stage.
    """
    config = trained.stage.compression
    if config is None:
        return Compression()
    make = implementation("compression", config.kind)
    made: Compression = make(config, trained)
    return made
