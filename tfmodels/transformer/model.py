"""The Transformer's graph: embedding, causal blocks, normalisation, logits."""

from typing import Any

import keras

from tfmodels.deep import deep_graph
from tfmodels.layers.attention import CausalAttention
from tfmodels.layers.dropout import Dropout
from tfmodels.quantization.adapting import adapt
from tfmodels.transformer.config import TransformerConfig
from tfmodels.transformer.layers import LearnedPositions
from tfmodels.transformer.layers import Logits
from tfmodels.transformer.layers import RMSNormalization
from tfmodels.transformer.layers import RotaryPositions
from tfmodels.transformer.layers import SinusoidalPositions
from tfmodels.transformer.layers import gelu_tanh

# Layers in a row of a block: at most seven of each half.
_BLOCK_DEPTH = 14


def transformer(config: TransformerConfig) -> keras.Model:
    """Builds a decoder-only Transformer (GPipe, arXiv 1811.06965, section 5).

    The graph is flat, each layer a node of it, and one tensor float [B, T, d] alone
    leads from each block to the next: a pipeline may be cut there. Layers of block n
    are called ``block<n>_...``.

    Args:
      config: its sizes; T is ``max_length``, K is ``vocabulary_size``.

    Returns:
      A functional model of ``tokens`` int32 [B, T] with ``logits`` float32 [B, T, K];
      those of position t depend on tokens up to t.
    """
    tokens = keras.Input((config.max_length,), dtype="int32", name="tokens")
    embedding = keras.layers.ReversibleEmbedding(
        config.vocabulary_size,
        config.model_dim,
        # Such vectors have length 1, and as a tied output they give logits of size 1.
        embeddings_initializer=keras.initializers.RandomNormal(
            stddev=config.model_dim**-0.5
        ),
        reverse_dtype="float32",
        name="embedding",
    )
    positions: dict[str, type[keras.layers.Layer]] = {
        "learned": LearnedPositions,
        "sinusoidal": SinusoidalPositions,
    }
    x = embedding(tokens)
    if config.positions in positions:
        x = positions[config.positions](name="positions")(x)
    x = Dropout(config.dropout_rate, name="dropout")(x)
    for number in range(1, config.num_layers + 1):
        x = _block(x, config, f"block{number}")
    x = _norm(config, "norm")(x)
    if config.tie_embeddings:
        scores = embedding(x, reverse=True)
    else:
        dense = keras.layers.Dense(
            config.vocabulary_size,
            use_bias=config.biases,
            dtype="float32",
            name="output",
        )
        scores = dense(x)
    logits = Logits(config.logits_clip, dtype="float32", name="logits")(scores)
    with deep_graph(_BLOCK_DEPTH * config.num_layers):
        model = keras.Model(tokens, {"logits": logits}, name=config.kind)
    if config.adapters is not None:
        adapt(model, config.adapters)
    return model


def _block(x: Any, config: TransformerConfig, name: str) -> Any:
    """``y = x + attention(norm(x))``, then ``y + feed_forward(norm(y))``."""
    for part, branch in (("attention", _attention), ("feed_forward", _feed_forward)):
        path = f"{name}_{part}"
        change = branch(_norm(config, f"{path}_norm")(x), config, path)
        change = Dropout(config.dropout_rate, name=f"{path}_dropout")(change)
        x = keras.layers.Add(name=f"{path}_add")([x, change])
    return x


def _norm(config: TransformerConfig, name: str) -> keras.layers.Layer:
    kinds = {
        "layer": keras.layers.LayerNormalization,
        "rms": RMSNormalization,
    }
    return kinds[config.normalization](epsilon=config.normalization_epsilon, name=name)


def _attention(x: Any, config: TransformerConfig, name: str) -> Any:
    width = config.key_value_heads * config.head_dim
    query, key, value = (
        keras.layers.Dense(units, use_bias=config.biases, name=f"{name}_{role}")(x)
        for role, units in (
            ("query", config.model_dim),
            ("key", width),
            ("value", width),
        )
    )
    if config.positions == "rotary":
        query = RotaryPositions(config.head_dim, name=f"{name}_query_turned")(query)
        key = RotaryPositions(config.head_dim, name=f"{name}_key_turned")(key)
    heads = CausalAttention(
        config.num_heads, config.num_key_value_heads, name=f"{name}_heads"
    )
    return keras.layers.Dense(
        config.model_dim, use_bias=config.biases, name=f"{name}_output"
    )(heads([query, key, value]))


def _feed_forward(x: Any, config: TransformerConfig, name: str) -> Any:
    # Glorot's initialisation, its deviation divided by the depth.
    depth = config.num_layers if config.depth_scaled_initialization else 1
    scaled = keras.initializers.VarianceScaling(depth**-2, "fan_avg", "uniform")

    def hidden(role: str) -> Any:
        return keras.layers.Dense(
            config.feed_forward_dim, use_bias=config.biases, name=f"{name}_{role}"
        )(x)

    function = gelu_tanh if config.activation == "gelu_tanh" else config.activation
    y = keras.layers.Activation(function, name=f"{name}_{config.activation}")(
        hidden("hidden")
    )
    if config.gated_feed_forward:
        y = keras.layers.Multiply(name=f"{name}_gated")([y, hidden("gate")])
    return keras.layers.Dense(
        config.model_dim,
        use_bias=config.biases,
        kernel_initializer=scaled,
        name=f"{name}_output",
    )(y)
