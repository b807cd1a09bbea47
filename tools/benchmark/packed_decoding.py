"""Packed weights against float32: tokens per second of a language model in TFLite."""

import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from tools.benchmark.timing import machine
from tools.benchmark.timing import rates
from tools.quiet import load_tensorflow

if TYPE_CHECKING:
    from export.interfaces import Endpoint
    from export.lite_runtime import LiteProgram

_TOKENS = 16
_SIZES = {
    "num_layers": 2,
    "num_heads": 8,
    "max_length": 128,
    "vocabulary_size": 2048,
    "normalization": "rms",
    "positions": "rotary",
    "activation": "silu",
    "gated_feed_forward": True,
    "biases": False,
    "dropout_rate": 0.0,
    "tie_embeddings": True,
}


def packed_decoding(
    rounds: int = 7, widths: tuple[int, ...] = (512, 1024), num_threads: int = 1
) -> dict[str, Any]:
    """Times single steps of models that remember, of all forms, taking turns.

    The weights are fresh ones: neither size nor time depends on their values. The file
    of TensorFlow's own quantization, `dynamic`, has int8 weights.
    """
    load_tensorflow()
    import keras

    from tfmodels.transformer.config import TransformerConfig
    from tfmodels.transformer.model import transformer

    found = {}
    for width in widths:
        config = TransformerConfig.parse(
            {**_SIZES, "model_dim": width, "feed_forward_dim": 2 * width}
        )
        keras.utils.set_random_seed(0)
        model = transformer(config)
        with tempfile.TemporaryDirectory() as folder:
            found[width] = _compared(model, config, Path(folder), rounds, num_threads)
    return {
        "benchmark": "packed_decoding",
        "model": {**_SIZES, "feed_forward_dim": "twice the width"},
        "threads": num_threads,
        "rounds": rounds,
        "widths": found,
        "machine": machine(),
    }


def _compared(
    model: Any, config: Any, folder: Path, rounds: int, num_threads: int
) -> dict[str, Any]:
    """Sizes of all files, and tokens per second of each."""
    from export.continuing import DECODE
    from export.continuing import cached_endpoints
    from export.lite_runtime import LiteProgram
    from export.optimal_clipping.lite.writing import lite_policy
    from export.optimal_clipping.lite.writing import pack_file
    from export.tflite import convert
    from tfmodels.transformer.caching import CachedTransformer

    def endpoints(leaving: Any) -> "dict[str, Endpoint]":
        every = cached_endpoints(CachedTransformer(leaving, config))
        return {DECODE: every[DECODE]}

    plain = convert(model, endpoints, "float32")
    contents = {
        "float32": plain,
        "dynamic": convert(model, endpoints, "dynamic"),
        "int4_clipped": pack_file(plain, model, lite_policy(4))[0],
        "int8_clipped": pack_file(plain, model, lite_policy(8))[0],
    }
    programs = {}
    for name, content in contents.items():
        path = folder / f"{name}.tflite"
        path.write_bytes(content)
        programs[name] = LiteProgram(path, num_threads)
    per_second = rates(
        {name: partial(_decode, program) for name, program in programs.items()}, rounds
    )
    return {
        "bytes": {name: len(content) for name, content in contents.items()},
        "tokens_per_second": per_second,
        "int4_over_float32": per_second["int4_clipped"] / per_second["float32"],
        "int8_over_float32": per_second["int8_clipped"] / per_second["float32"],
    }


def _decode(program: "LiteProgram") -> float:
    import numpy as np

    from export.continuing import told

    told(program, np.arange(_TOKENS, dtype=np.int32)[None])
    return float(_TOKENS)
