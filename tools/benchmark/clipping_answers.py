"""Perplexity of a published model after each method of quantization."""

import tempfile
from pathlib import Path
from typing import Any

from tfmodels.errors import ConfigError
from tools.benchmark.timing import machine
from tools.quiet import load_tensorflow

_CONFIG = "optimal_clipping/stories260k"
_SIZES: tuple[tuple[int, int | None], ...] = (
    (4, None),
    (4, 32),
    (3, None),
    (3, 32),
    (2, 32),
)


def clipping_answers(
    weights: str = "data/stories260k/stories260K.bin",
    methods: tuple[str, ...] = (),
    sizes: tuple[tuple[int, int | None], ...] = _SIZES,
) -> dict[str, Any]:
    """Rounds the linear weights of stories260K by every method, as `tfmodels clipping`.

    Perplexity is that of its five stories; methods that look at inputs see four texts
    that the model itself makes up.

    Args:
      weights: the published file.
      methods: keys of `export.optimal_clipping.methods.COMPARED`; all when empty.
      sizes: bits, and inputs that share a range, None for all.

    Raises:
      ConfigError: the file is not there.
    """
    if not Path(weights).exists():
        raise ConfigError(
            "the published weights are not there. Expected data/stories260k, the files"
            f" of llama2.c's stories260K. Received no {weights}."
        )
    load_tensorflow()
    from export.optimal_clipping.methods import compare_methods
    from tools.convert.language_models import convert_transformer
    from trainers.configuration import load_experiment

    own = "export.calibration_source=model", "export.calibration_examples=4"
    found: dict[str, dict[str, dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        convert_transformer(Path(weights), load_experiment(_CONFIG), run)
        table = compare_methods(run, methods, sizes, own)
    for cell in table.cells:
        size = f"{cell.bits} bits, groups of {cell.group_size or 'a row'}"
        found.setdefault(size, {})[cell.method] = {
            "perplexity": cell.figures["perplexity"],
            "decibels": cell.sqnr,
        }
    return {
        "benchmark": "clipping_answers",
        "tokens": table.weight,
        "perplexity in floating point": table.floating["perplexity"],
        "methods": found,
        "machine": machine(),
    }
