"""Keras models by name: `models` lists them, `build` makes one."""

from typing import TYPE_CHECKING
from typing import Any

from tfmodels import catalog

if TYPE_CHECKING:
    import keras

__all__ = ["build", "models"]


def models() -> tuple[str, ...]:
    """The names that `build` accepts."""
    return tuple(catalog.MODELS)


def build(name: str, **config: Any) -> "keras.Model":
    """Makes a model with fresh weights.

    Example::

        model = tfmodels.build("inception_v4", num_classes=1000)

    Args:
      name: a name from `models`.
      **config: fields of that model's configuration; the others keep their defaults.

    Raises:
      ConfigError: there is no such model, or a field is unknown or has a wrong value.
    """
    entry = catalog.find(name)
    return entry.build(entry.config.parse(config))
