"""The Transformer's graph: embedding, causal blocks, normalisation, logits."""

from typing import Any

import keras

from tfmodels.deep import deep_graph
from tfmodels.layers.attention import CausalAttention
from tfmodels.transformer.config import TransformerConfig
from tfmodels.transformer.layers import LearnedPositions
from tfmodels.transformer.layers import Logits
from tfmodels.transformer.layers import SinusoidalPositions

# Keras' default, 1e-3, is not small against the variance of narrow models.
_EPSILON = 1e-6
# Layers in a row of a block: six of attention, six of the feed-forward network.
_BLOCK_DEPTH = 12


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
    x = positions[config.positions](name="positions")(embedding(tokens))
    x = keras.layers.Dropout(config.dropout_rate, name="dropout")(x)
    for number in range(1, config.num_layers + 1):
        x = _block(x, config, f"block{number}")
    x = keras.layers.LayerNormalization(epsilon=_EPSILON, name="norm")(x)
    if config.tie_embeddings:
        scores = embedding(x, reverse=True)
    else:
        dense = keras.layers.Dense(
            config.vocabulary_size, dtype="float32", name="output"
        )
        scores = dense(x)
    logits = Logits(config.logits_clip, dtype="float32", name="logits")(scores)
    with deep_graph(_BLOCK_DEPTH * config.num_layers):
        return keras.Model(tokens, {"logits": logits}, name=config.kind)


def _block(x: Any, config: TransformerConfig, name: str) -> Any:
    """``y = x + attention(norm(x))``, then ``y + feed_forward(norm(y))``."""
    for part, branch in (("attention", _attention), ("feed_forward", _feed_forward)):
        path = f"{name}_{part}"
        inner = keras.layers.LayerNormalization(epsilon=_EPSILON, name=f"{path}_norm")
        change = branch(inner(x), config, path)
        change = keras.layers.Dropout(config.dropout_rate, name=f"{path}_dropout")(
            change
        )
        x = keras.layers.Add(name=f"{path}_add")([x, change])
    return x


def _attention(x: Any, config: TransformerConfig, name: str) -> Any:
    projections = [
        keras.layers.Dense(config.model_dim, name=f"{name}_{role}")(x)
        for role in ("query", "key", "value")
    ]
    context = CausalAttention(config.num_heads, name=f"{name}_heads")(projections)
    return keras.layers.Dense(config.model_dim, name=f"{name}_output")(context)


def _feed_forward(x: Any, config: TransformerConfig, name: str) -> Any:
    # Glorot's initialisation, its deviation divided by the depth.
    depth = config.num_layers if config.depth_scaled_initialization else 1
    scaled = keras.initializers.VarianceScaling(depth**-2, "fan_avg", "uniform")
    x = keras.layers.Dense(config.feed_forward_dim, name=f"{name}_hidden")(x)
    x = keras.layers.Activation(config.activation, name=f"{name}_{config.activation}")(
        x
    )
    return keras.layers.Dense(
        config.model_dim, kernel_initializer=scaled, name=f"{name}_output"
    )(x)
