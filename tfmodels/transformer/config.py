"""Configuration of the Transformer: every hyperparameter and where it comes from."""

from typing import Literal
from typing import Self

import pydantic

from tfmodels.config import Config
from tfmodels.quantization.policy import AdapterConfig


class TransformerConfig(Config):
    """A causal Transformer with pre-normalised blocks.

    The defaults are the smallest Transformer-L of GPipe (arXiv 1811.06965, table 1).
    Llama (arXiv 2302.13971): ``normalization: rms``, ``positions: rotary``,
    ``activation: silu``, ``gated_feed_forward: true``, ``biases: false``. GPT-2:
    ``positions: learned``, ``activation: gelu_tanh``, tied embeddings. Both have
    ``normalization_epsilon: 1.0e-5``.
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
    num_key_value_heads: pydantic.PositiveInt | None = None
    """Heads of keys and values, each for as many queries (arXiv 2305.13245); as many as
    of queries when absent."""
    feed_forward_dim: pydantic.PositiveInt = 8192
    """Hidden units of the feed-forward network."""
    activation: Literal["relu", "gelu", "gelu_tanh", "silu"] = "relu"
    """Nonlinearity of the feed-forward network; `gelu_tanh` is the approximation of
    arXiv 1606.08415, section 2."""
    gated_feed_forward: bool = False
    """Multiply the hidden units by a second linear map (arXiv 2002.05202)."""
    normalization: Literal["layer", "rms"] = "layer"
    """`layer` takes the mean away and adds an offset, `rms` does neither (arXiv
    1910.07467)."""
    normalization_epsilon: float = pydantic.Field(default=1e-6, gt=0)
    """Added to the mean square. Keras' default, 1e-3, is not small against the variance
    of narrow models."""
    biases: bool = True
    """Whether dense layers, the output too, have biases."""
    dropout_rate: float = pydantic.Field(default=0.1, ge=0, lt=1)
    """Share dropped of the embeddings and of each residual branch (arXiv 1706.03762,
    section 5.4)."""
    positions: Literal["learned", "rotary", "sinusoidal"] = "sinusoidal"
    """A trained vector per position; queries and keys turned in each plane of two
    channels (arXiv 2104.09864); or the waves of arXiv 1706.03762, section 3.5."""
    tie_embeddings: bool = False
    """Score tokens with the matrix that embeds them, without a bias, in place of a
    dense layer (arXiv 1608.05859)."""
    logits_clip: float | None = pydantic.Field(default=None, gt=0)
    """Largest magnitude of a logit; deep models are unstable without (GPipe, section
    5). No bound when absent."""
    depth_scaled_initialization: bool = False
    """Divide the initial kernels that end the feed-forward networks by the number of
    layers, for deep models (GPipe, section 5)."""

    adapters: AdapterConfig | None = None
    """Packed weights that do not learn, and adapters that do; `tfmodels convert
    adapters` makes a run of them. All weights learn when absent."""

    @pydantic.model_validator(mode="after")
    def _heads_share_the_width(self) -> Self:
        if self.model_dim % self.num_heads:
            raise ValueError(
                "heads share the width equally. Expected model_dim to be a multiple of"
                f" num_heads: {self.num_heads}. Received model_dim: {self.model_dim}."
            )
        if self.num_heads % self.key_value_heads:
            raise ValueError(
                "heads of keys serve as many queries each. Expected num_heads to be a"
                f" multiple of num_key_value_heads: {self.key_value_heads}. Received"
                f" num_heads: {self.num_heads}."
            )
        if self.positions == "rotary" and self.head_dim % 2:
            raise ValueError(
                "rotary positions turn pairs of channels. Expected model_dim /"
                f" num_heads to be even. Received model_dim: {self.model_dim},"
                f" num_heads: {self.num_heads}."
            )
        return self

    @property
    def key_value_heads(self) -> int:
        """Heads of keys and values."""
        return self.num_key_value_heads or self.num_heads

    @property
    def head_dim(self) -> int:
        """Channels of a head."""
        return self.model_dim // self.num_heads


def num_parameters(config: TransformerConfig) -> int:
    """Number of weights of a Transformer, without building it.

    For GPipe's widths and sinusoidal positions: ``50,358,272 L + 131,108,096``, which
    are the sizes of arXiv 1811.06965, table 1.
    """
    d, hidden = config.model_dim, config.feed_forward_dim
    keys = config.key_value_heads * config.head_dim
    gates = 2 if config.gated_feed_forward else 1
    attention = 2 * d * d + 2 * d * keys
    feed_forward = (gates + 1) * d * hidden
    if config.biases:
        attention += 2 * d + 2 * keys
        feed_forward += gates * hidden + d
    normalization = 2 * d if config.normalization == "layer" else d
    embedding = config.vocabulary_size * d
    positions = config.max_length * d if config.positions == "learned" else 0
    output = 0
    if not config.tie_embeddings:
        output = embedding + (config.vocabulary_size if config.biases else 0)
    block = attention + feed_forward + 2 * normalization
    return embedding + positions + config.num_layers * block + normalization + output
