"""Configuration of the Transformer: every hyperparameter and where it comes from."""

from typing import Literal
from typing import Self

import pydantic

from tfmodels.config import Config


class TransformerConfig(Config):
    """A causal Transformer with pre-normalised blocks.

    The defaults are the smallest Transformer-L of GPipe (arXiv 1811.06965, table 1).
    """

    kind: Literal["transformer"] = "transformer"
    vocabulary_size: pydantic.PositiveInt = 32_000
    """Tokens that the model tells apart."""
    max_length: pydantic.PositiveInt = 1024
    """Tokens in every input; shorter texts are filled up at their end, which no earlier
    position sees."""
    num_layers: pydantic.PositiveInt = 3
    """Blocks of attention and feed-forward network: the L of Transformer-L."""
    model_dim: pydantic.PositiveInt = 2048
    """Numbers that stand for a token between two blocks."""
    num_heads: pydantic.PositiveInt = 32
    feed_forward_dim: pydantic.PositiveInt = 8192
    """Hidden units of the feed-forward network."""
    activation: Literal["relu", "gelu", "silu"] = "relu"
    """Nonlinearity of the feed-forward network."""
    dropout_rate: float = pydantic.Field(default=0.1, ge=0, lt=1)
    """Share dropped of the embeddings and of each residual branch (arXiv 1706.03762,
    section 5.4)."""
    positions: Literal["learned", "sinusoidal"] = "sinusoidal"
    """A trained vector per position, or the waves of arXiv 1706.03762, section 3.5."""
    tie_embeddings: bool = False
    """Score tokens with the matrix that embeds them, without a bias, in place of a
    dense layer (arXiv 1608.05859)."""
    logits_clip: float | None = pydantic.Field(default=None, gt=0)
    """Largest magnitude of a logit; deep models are unstable without (GPipe, section
    5). No bound when absent."""
    depth_scaled_initialization: bool = False
    """Divide the initial kernels that end the feed-forward networks by the number of
    layers, for deep models (GPipe, section 5)."""

    @pydantic.model_validator(mode="after")
    def _heads_share_the_width(self) -> Self:
        if self.model_dim % self.num_heads:
            raise ValueError(
                "heads share the width equally. Expected model_dim to be a multiple of"
                f" num_heads: {self.num_heads}. Received model_dim: {self.model_dim}."
            )
        return self


def num_parameters(config: TransformerConfig) -> int:
    """Number of weights of a Transformer, without building it.

    For GPipe's widths and sinusoidal positions: ``50,358,272 L + 131,108,096``, which
    are the sizes of arXiv 1811.06965, table 1.
    """
    d, hidden = config.model_dim, config.feed_forward_dim
    attention = 4 * (d * d + d)
    feed_forward = d * hidden + hidden + hidden * d + d
    normalization = 2 * d
    embedding = config.vocabulary_size * d
    positions = config.max_length * d if config.positions == "learned" else 0
    output = 0 if config.tie_embeddings else embedding + config.vocabulary_size
    block = attention + feed_forward + 2 * normalization
    return embedding + positions + config.num_layers * block + normalization + output
