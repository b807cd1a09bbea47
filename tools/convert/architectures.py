"""What configurations say of Llama's and GPT-2's models, compared with a file's."""

from pathlib import Path
from typing import Any

from tfmodels.errors import ConfigError
from tfmodels.transformer.config import TransformerConfig

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


def check_model(
    config: TransformerConfig, settings: dict[str, Any], path: Path
) -> None:
    """Compares the model with what a file says of itself."""
    wrong = [
        f"model.{key}: {_text(value)} expected, {_text(getattr(config, key))} received"
        for key, value in settings.items()
        if getattr(config, key) != value
    ]
    if wrong:
        raise ConfigError(
            f"{path} holds another model. Change these keys of the configuration:"
            f" {'; '.join(wrong)}."
        )


def _text(value: Any) -> str:
    return {None: "null", True: "true", False: "false"}.get(value, str(value))


def paths(number: int) -> tuple[str, str]:
    """What the names of the layers of a block begin with; blocks count from 0."""
    return f"block{number + 1}_attention", f"block{number + 1}_feed_forward"
