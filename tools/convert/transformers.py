"""Names and orders of the weights of transformers' Llama and GPT-2.

`LlamaForCausalLM` and `GPT2LMHeadModel`, with or without what is around the decoder.
"""

from collections.abc import Callable
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from typing import NamedTuple

import numpy as np

from tfmodels.errors import DataError
from tfmodels.transformer.config import TransformerConfig
from tools.convert.architectures import GPT2
from tools.convert.architectures import LLAMA
from tools.convert.architectures import paths
from tools.convert.weights import Weights

Arrays = dict[str, np.ndarray]
"""Ours, float32, by their names in checkpoints."""


class Family(NamedTuple):
    """Models of one architecture."""

    mark: str
    """End of the name of a tensor that only they have."""
    settings: dict[str, Any]
    """What the configuration of such a model says."""
    read: Callable[[Weights, str, TransformerConfig], Arrays]
    """Takes what the names begin with."""
    outputs: int
    """Axis of a linear map's outputs."""


def _read_llama(weights: Weights, start: str, config: TransformerConfig) -> Arrays:
    d, hidden = config.model_dim, config.feed_forward_dim
    narrow = config.key_value_heads * config.head_dim
    table = config.vocabulary_size, d
    made = {
        "embedding/embeddings": weights.take(f"{start}embed_tokens.weight", *table),
        "norm/scale": weights.take(f"{start}norm.weight", d),
    }
    if not config.tie_embeddings:
        made["output/kernel"] = weights.take("lm_head.weight", *table).T
    elif weights.has("lm_head.weight"):
        weights.take_equal("lm_head.weight", made["embedding/embeddings"])
    for number in range(config.num_layers):
        attention, feed = paths(number)
        place = f"{start}layers.{number}"
        for name, ours in (
            ("input_layernorm", attention),
            ("post_attention_layernorm", feed),
        ):
            made[f"{ours}_norm/scale"] = weights.take(f"{place}.{name}.weight", d)
        for name, ours, rows, columns in (
            ("self_attn.q_proj", f"{attention}_query", d, d),
            ("self_attn.k_proj", f"{attention}_key", narrow, d),
            ("self_attn.v_proj", f"{attention}_value", narrow, d),
            ("self_attn.o_proj", f"{attention}_output", d, d),
            ("mlp.up_proj", f"{feed}_gate", hidden, d),
            ("mlp.gate_proj", f"{feed}_hidden", hidden, d),
            ("mlp.down_proj", f"{feed}_output", d, hidden),
        ):
            matrix = weights.take(f"{place}.{name}.weight", rows, columns)
            if name.endswith(("q_proj", "k_proj")):
                matrix = in_pairs(matrix, config.head_dim)
            made[f"{ours}/kernel"] = matrix.T
        if weights.has(f"{place}.self_attn.rotary_emb.inv_freq"):
            half = config.head_dim // 2
            weights.take(f"{place}.self_attn.rotary_emb.inv_freq", half)
    return made


def in_pairs(matrix: np.ndarray, head_dim: int) -> np.ndarray:
    """Rows of a head that are turned together, next to one another.

    Transformers turns the channel i with i + h / 2 (``rotate_half``); we, as the
    original does, 2i with 2i + 1.

    Args:
      matrix: float32 [heads * h, d].
      head_dim: h.
    """
    halves = matrix.reshape(-1, 2, head_dim // 2, matrix.shape[-1])
    return halves.swapaxes(1, 2).reshape(matrix.shape)


def _read_gpt2(weights: Weights, start: str, config: TransformerConfig) -> Arrays:
    d, hidden = config.model_dim, config.feed_forward_dim
    length = config.max_length
    embedding = weights.take(f"{start}wte.weight", config.vocabulary_size, d)
    if weights.has("lm_head.weight"):
        weights.take_equal("lm_head.weight", embedding)
    made = {
        "embedding/embeddings": embedding,
        "positions/positions": weights.take(f"{start}wpe.weight", length, d),
        **_normalization(weights, f"{start}ln_f", "norm", d),
    }
    for number in range(config.num_layers):
        attention, feed = paths(number)
        place = f"{start}h.{number}"
        made |= _normalization(weights, f"{place}.ln_1", f"{attention}_norm", d)
        made |= _normalization(weights, f"{place}.ln_2", f"{feed}_norm", d)
        kernel = weights.take(f"{place}.attn.c_attn.weight", d, 3 * d)
        bias = weights.take(f"{place}.attn.c_attn.bias", 3 * d)
        for part, role in enumerate(("query", "key", "value")):
            own = slice(part * d, (part + 1) * d)
            made[f"{attention}_{role}/kernel"] = kernel[:, own]
            made[f"{attention}_{role}/bias"] = bias[own]
        # Kept as [in, out], as ours are.
        for name, ours, rows, columns in (
            ("attn.c_proj", f"{attention}_output", d, d),
            ("mlp.c_fc", f"{feed}_hidden", d, hidden),
            ("mlp.c_proj", f"{feed}_output", hidden, d),
        ):
            made[f"{ours}/kernel"] = weights.take(
                f"{place}.{name}.weight", rows, columns
            )
            made[f"{ours}/bias"] = weights.take(f"{place}.{name}.bias", columns)
        if weights.has(f"{place}.attn.bias"):  # which positions are seen
            weights.take(f"{place}.attn.bias", 1, 1, length, length)
    return made


def _normalization(weights: Weights, theirs: str, ours: str, d: int) -> Arrays:
    return {
        f"{ours}/gamma": weights.take(f"{theirs}.weight", d),
        f"{ours}/beta": weights.take(f"{theirs}.bias", d),
    }


FAMILIES = (
    Family("embed_tokens.weight", LLAMA, _read_llama, 0),
    Family("wte.weight", GPT2, _read_gpt2, 1),
)
"""Those that can be read."""


def family_of(names: Iterable[str], path: Path) -> tuple[Family, str]:
    """The family of some tensors, and what their names begin with.

    Raises:
      DataError: there is none.
    """
    known = sorted(names)
    for family in FAMILIES:
        for name in known:
            if name.endswith(family.mark):
                return family, name.removesuffix(family.mark)
    raise DataError(
        f"{path}: weights of an unknown architecture. Expected tensors with the names"
        f" of Llama ({FAMILIES[0].mark}) or GPT-2 ({FAMILIES[1].mark}). Received"
        f" {', '.join(known[:3]) or 'no tensor'}; convert another file."
    )
