"""Reads models of llama2.c: ``export.py``, version 0, such as ``stories15M.bin``."""

import math
from pathlib import Path

import numpy as np

from tfmodels.errors import DataError
from tfmodels.transformer.config import TransformerConfig
from tools.convert.architectures import LLAMA
from tools.convert.architectures import check_model
from tools.convert.architectures import paths
from tools.convert.weights import Weights

_HEADER = 28


def read_llama2c(path: Path, config: TransformerConfig) -> dict[str, np.ndarray]:
    """Our arrays, float32, by their names in checkpoints.

    Args:
      path: of the file: seven int32, then float32 matrices as [out, in].
      config: a model of the same sizes.

    Raises:
      ConfigError: it is of other sizes.
      DataError: the file is no such file, cut off, or holds what is no number.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"{path}: the weights cannot be read. Expected a file of llama2.c."
            f" Received {error.strerror}; correct the path."
        ) from None
    header = np.frombuffer(content[:_HEADER].ljust(_HEADER, b"\0"), "<i4").tolist()
    d, hidden, layers, heads, groups, vocabulary, length = header
    tied, vocabulary = vocabulary > 0, abs(vocabulary)
    sizes = [d, hidden, layers, heads, groups, vocabulary, length]
    if min(sizes) < 1 or d % heads or heads % groups or (d // heads) % 2:
        raise DataError(
            f"{path}: not a model of llama2.c. Expected a header of seven sizes that"
            f" fit together, version 0. Received {header}; convert another file."
        )
    narrow = d // heads * groups
    shapes = {
        "embedding": (vocabulary, d),
        "attention_norm": (layers, d),
        "query": (layers, d, d),
        "key": (layers, narrow, d),
        "value": (layers, narrow, d),
        "attention_output": (layers, d, d),
        "feed_forward_norm": (layers, d),
        "hidden": (layers, hidden, d),
        "feed_forward_output": (layers, d, hidden),
        "gate": (layers, hidden, d),
        "norm": (d,),
        # Angles of positions, which follow from the sizes.
        "angles": (2, length, d // heads // 2),
        **({} if tied else {"output": (vocabulary, d)}),
    }
    expected = _HEADER + 4 * sum(math.prod(shape) for shape in shapes.values())
    if len(content) != expected:
        raise DataError(
            f"{path}: cut off, or its header lies. Expected {expected} bytes, as the"
            f" sizes {header} say. Received {len(content)}; copy the file again."
        )
    described = {
        "model_dim": d,
        "feed_forward_dim": hidden,
        "num_layers": layers,
        "num_heads": heads,
        "key_value_heads": groups,
        "vocabulary_size": vocabulary,
        "max_length": length,
        "tie_embeddings": tied,
    }
    check_model(config, {**LLAMA, **described}, path)
    arrays, place = {}, _HEADER
    for name, shape in shapes.items():
        count = math.prod(shape)
        part = np.frombuffer(content, "<f4", count, place).reshape(shape)
        arrays[name], place = part, place + 4 * count
    weights = Weights(arrays, str(path))
    weights.take("angles", *shapes["angles"])
    of = {name: weights.take(name, *shapes[name]) for name in shapes}
    weights.finish()
    made = {"embedding/embeddings": of["embedding"], "norm/scale": of["norm"]}
    if not tied:
        made["output/kernel"] = of["output"].T
    for number in range(layers):
        attention, feed = paths(number)
        made[f"{attention}_norm/scale"] = of["attention_norm"][number]
        made[f"{feed}_norm/scale"] = of["feed_forward_norm"][number]
        for role in ("query", "key", "value"):
            made[f"{attention}_{role}/kernel"] = of[role][number].T
        made[f"{attention}_output/kernel"] = of["attention_output"][number].T
        for role in ("hidden", "gate"):
            made[f"{feed}_{role}/kernel"] = of[role][number].T
        made[f"{feed}_output/kernel"] = of["feed_forward_output"][number].T
    return made
