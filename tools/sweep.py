"""Trains an experiment with several settings and seeds, and compares the figures."""

import json
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from tfmodels.errors import ConfigError

if TYPE_CHECKING:
    from rich.table import Table

Results = dict[str, dict[str, dict[str, float]]]
"""Figures of a run by setting, seed and name."""


def run_sweep(
    config: str,
    workdir: Path,
    settings: Mapping[str, Sequence[str]],
    seeds: Sequence[int],
    overrides: Sequence[str],
) -> Results:
    """Trains seed after seed, each run in its folder; writes ``sweep.json``.

    The file is written after each run. A run that has begun is resumed, and one that is
    over is only evaluated.

    Args:
      config: the experiment.
      workdir: folder of all runs.
      settings: overrides of each setting, by its name.
      seeds: `run.seed` of its runs.
      overrides: those of all runs.
    """
    import trainers
    from trainers.files import write_atomically

    results: Results = {}
    for seed in seeds:
        for name, changes in settings.items():
            folder = workdir / f"{name.replace(' ', '_')}_seed_{seed}"
            changed = [*overrides, *changes, f"run.seed={seed}"]
            metrics = trainers.train(config, folder, changed).metrics
            results.setdefault(name, {})[str(seed)] = metrics
            text = json.dumps(results, indent=2)
            write_atomically(workdir / "sweep.json", f"{text}\n")
    return results


def sweep_table(results: Results, metrics: Sequence[str]) -> "Table":
    """Means over seeds, and the smallest and largest values.

    Args:
      results: of `run_sweep`.
      metrics: names of the figures; all of the last split when there are none.

    Raises:
      ConfigError: there is no such figure.
    """
    from rich.table import Table

    runs = [run for by_seed in results.values() for run in by_seed.values()]
    unknown = sorted(set(metrics) - runs[0].keys())
    if unknown:
        raise ConfigError(
            f"--metric: no such figure. Expected one of {', '.join(sorted(runs[0]))}."
            f" Received {', '.join(unknown)}."
        )
    names = list(metrics) or sorted(runs[0])
    table = Table("setting", *names)
    for setting, by_seed in results.items():
        cells = []
        for name in names:
            values = [run[name] for run in by_seed.values()]
            cells.append(f"{fmean(values):.4g} ({min(values):.4g}..{max(values):.4g})")
        table.add_row(setting, *cells)
    return table
