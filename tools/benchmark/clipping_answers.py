"""Perplexity of a published model after each method of quantization."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from tfmodels.errors import ConfigError
from tools.benchmark.timing import machine
from tools.quiet import load_tensorflow

if TYPE_CHECKING:
    from trainers.runs import Run

_CONFIG = "optimal_clipping/stories260k"
_SIZES: tuple[tuple[int, int | None], ...] = (
    (4, None),
    (4, 32),
    (3, None),
    (3, 32),
    (2, 32),
)

Found = dict[str, dict[str, dict[str, float]]]


def clipping_answers(
    weights: str = "data/stories260k/stories260K.bin",
    methods: tuple[str, ...] = (),
    sizes: tuple[tuple[int, int | None], ...] = _SIZES,
) -> dict[str, Any]:
    """Rounds the linear weights of stories260K by every method, as `tfmodels clipping`.

    Perplexity is that of its five stories; methods that look at inputs see four texts
    that the model itself makes up. Peers, made again from their authors' programs,
    round the same matrices.

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
    from trainers.runs import load_run

    own = "export.calibration_source=model", "export.calibration_examples=4"
    found: Found = {}
    peers: Found = {}
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        convert_transformer(Path(weights), load_experiment(_CONFIG), run)
        table = compare_methods(run, methods, sizes, own)
        loaded = load_run(run)
        for bits, group_size in sizes:
            peers[_size(bits, group_size)] = peer_answers(loaded, bits, group_size)
    for cell in table.cells:
        found.setdefault(_size(cell.bits, cell.group_size), {})[cell.method] = {
            "perplexity": cell.figures["perplexity"],
            "decibels": cell.sqnr,
        }
    return {
        "benchmark": "clipping_answers",
        "tokens": table.weight,
        "perplexity in floating point": table.floating["perplexity"],
        "methods": found,
        "peers": peers,
        "machine": machine(),
    }


def _size(bits: int, group_size: Any) -> str:
    return f"{bits} bits, groups of {group_size or 'a row'}"


def peer_answers(
    run: "Run", bits: int, group_size: int | None
) -> dict[str, dict[str, float]]:
    """Perplexity, and signal to noise in decibels, of a language model by peers' grids.

    Args:
      run: its linear weights are rounded, tables and the head are not.
      bits: of a code.
      group_size: inputs that share a grid, None for all of an output.
    """
    import numpy as np

    from export.optimal_clipping.answers import Comparison
    from tfmodels.quantization.groups import join
    from tfmodels.quantization.groups import split
    from tfmodels.quantization.policy import HEADS
    from tfmodels.quantization.policy import ClippingRule
    from tfmodels.quantization.policy import Policy
    from tfmodels.quantization.rows import rows_of
    from tfmodels.quantization.rows import set_rows
    from tfmodels.quantization.targets import targets
    from tools.benchmark.quantizer_peers import gptq_grid
    from tools.benchmark.quantizer_peers import hqq
    from tools.benchmark.quantizer_peers import minmax_grid
    from trainers.tasks.models import build_model

    after = build_model(run.experiment.model, "float32")
    comparison = Comparison(run.task, run.model, after, 2**31)
    keep = ClippingRule(layers=HEADS, keep=True), ClippingRule(kind="table", keep=True)
    found = {}
    for make in (minmax_grid, gptq_grid, hqq):
        after.set_weights(run.model.get_weights())
        power = noise = 0.0
        for target in targets(after, Policy((*keep, ClippingRule()))):
            rows = rows_of(target.layer, target.name)
            parts = split(rows.astype(np.float64), group_size)
            made = join([make(part, bits) for part in parts], len(rows))
            set_rows(target.layer, made.astype(np.float32), target.name)
            power += float(np.square(rows, dtype=np.float64).sum())
            noise += float(np.square(made - rows).sum())
        answers = comparison()
        if answers is None:
            raise ConfigError(
                "there is nothing to compare answers on. Expected data.test. Received"
                " none."
            )
        found[make.__name__] = {
            "perplexity": answers.after["perplexity"],
            "decibels": float(10 * np.log10(power / noise)),
        }
    return found
