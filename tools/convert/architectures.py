"""What configurations say of other programs' models, compared with a file's."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfmodels.config import Config
from tfmodels.errors import ConfigError

LLAMA = {
    "normalization": "rms",
    "normalization_epsilon": 1e-5,
    "positions": "rotary",
    "activation": "silu",
    "gated_feed_forward": True,
    "biases": False,
}
GPT2 = {
    "normalization": "layer",
    "normalization_epsilon": 1e-5,
    "positions": "learned",
    "activation": "gelu_tanh",
    "gated_feed_forward": False,
    "biases": True,
    "num_key_value_heads": None,
    "tie_embeddings": True,
}


def check_model(config: Config, settings: Mapping[str, Any], path: Path) -> None:
    """Compares the model with what a file says of itself.

    Args:
      config: of the model.
      settings: what is expected, by keys such as ``batch_norm.scale``.
      path: of the file.

    Raises:
      ConfigError: they differ.
    """
    wrong = [
        f"model.{key}: {_text(value)} expected, {_text(_at(config, key))} received"
        for key, value in settings.items()
        if _at(config, key) != value
    ]
    if wrong:
        raise ConfigError(
            f"{path} holds another model. Change these keys of the configuration:"
            f" {'; '.join(wrong)}."
        )


def _at(config: Any, key: str) -> Any:
    """The value at a key; None below what is absent."""
    for name in key.split("."):
        config = getattr(config, name, None)
    return config


def _text(value: Any) -> str:
    return {None: "null", True: "true", False: "false"}.get(value, str(value))


def paths(number: int) -> tuple[str, str]:
    """What the names of the layers of a block begin with; blocks count from 0."""
    return f"block{number + 1}_attention", f"block{number + 1}_feed_forward"
