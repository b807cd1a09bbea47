"""`tfmodels systems`: the ten systems, their configurations and their last results."""

import itertools
import json
import pathlib
from collections.abc import Iterator
from collections.abc import Sequence
from typing import NamedTuple

from rich.table import Table

from tfmodels.errors import ConfigError
from tools.console import print_to_terminal
from trainers.configuration import load_experiment
from trainers.configuration import shipped_configs
from trainers.experiment import Experiment

_MOST_RUNS = 20


class System(NamedTuple):
    """One published system."""

    name: str
    """The name used everywhere."""
    about: str
    """What it is."""
    figure: str
    """The figure that judges it, as it stands in metrics.json."""
    homes: tuple[str, ...]
    """The folders that hold what is its own."""

    @property
    def configs(self) -> list[pathlib.Path]:
        """Its shipped configuration files; none while the system is only planned."""
        return shipped_configs(self.name)

    def has_part_in(self, experiment: Experiment) -> bool:
        """Whether an experiment's model, objective or strategy is this system's own."""
        homes = tuple(home.replace("/", ".") for home in self.homes)
        parts = (experiment.model, experiment.objective, experiment.strategy)
        return any(type(part).__module__.startswith(homes) for part in parts)


SYSTEMS = (
    System(
        "googlenet",
        "GoogLeNet, the first Inception network, for images",
        "test/top1",
        ("tfmodels/googlenet/",),
    ),
    System(
        "inception_v4",
        "Inception-v4 and Inception-ResNet for images",
        "test/top1",
        ("tfmodels/inception_v4/",),
    ),
    System(
        "gnmt",
        "Google's neural machine translation",
        "test/exact_match",
        ("tfmodels/gnmt/",),
    ),
    System(
        "multidialect_asr",
        "One speech recognizer for many dialects",
        "test/wer",
        ("tfmodels/las/",),
    ),
    System(
        "multilingual_tts",
        "Speech synthesis across languages and voices",
        "test/mcd_seen",
        ("tfmodels/tacotron/", "tfmodels/wavernn/"),
    ),
    System(
        "raml",
        "Reward-augmented maximum likelihood",
        "test/exact_match",
        ("trainers/objectives/reward_augmented/", "tfmodels/reward_augmentation/"),
    ),
    System(
        "mwer",
        "Minimum word error rate training",
        "test/wer",
        ("trainers/objectives/minimum_word_error/",),
    ),
    System(
        "async_sequence",
        "Asynchronous sequence-discriminative acoustic models",
        "test/wer",
        (
            "trainers/objectives/sequence_discriminative/",
            "trainers/strategies/parameter_server/",
            "tfmodels/acoustic/",
            "tfmodels/lattices/",
        ),
    ),
    System(
        "gpipe",
        "Pipeline parallelism over devices",
        "test/sequence_accuracy",
        (
            "trainers/strategies/pipeline/",
            "tfmodels/transformer/",
            "tfmodels/amoebanet/",
        ),
    ),
    System(
        "optimal_clipping",
        "Optimally clipped quantization of language models",
        "test/perplexity",
        ("export/optimal_clipping/",),
    ),
)


def systems_command() -> None:
    """List the ten systems, their configurations and the last results below ./runs."""
    results = last_results(pathlib.Path("runs"), SYSTEMS)
    table = Table.grid(padding=(0, 2))
    for system in SYSTEMS:
        configs = ", ".join(path.stem for path in system.configs)
        lines = [system.about, *system.homes, configs, results.get(system.name, "")]
        table.add_row(system.name, "\n".join(line for line in lines if line))
    print_to_terminal(table)


def last_results(runs: pathlib.Path, systems: Sequence[System]) -> dict[str, str]:
    """The figure of each system's newest finished run, as text.

    Args:
      runs: folder of run folders; it need not exist.
      systems: those to look for. Only the newest runs are opened.
    """
    results: dict[str, str] = {}
    for folder, experiment, metrics in _finished(runs):
        for system in systems:
            if system.name in results or system.figure not in metrics:
                continue
            if system.has_part_in(experiment):
                value = metrics[system.figure]
                results[system.name] = f"{folder}: {system.figure} {value:.4g}"
        if len(results) == len(systems):
            break
    return results


def _finished(
    runs: pathlib.Path,
) -> Iterator[tuple[pathlib.Path, Experiment, dict[str, float]]]:
    """Run folder, experiment and figures of finished runs, newest first."""
    files = sorted(
        [*runs.glob("*/metrics.json"), *runs.glob("*/*/metrics.json")],
        key=lambda file: file.stat().st_mtime,
        reverse=True,
    )
    for file in itertools.islice(files, _MOST_RUNS):
        try:
            experiment = load_experiment(file.parent / "config.yaml")
            metrics = json.loads(file.read_text(encoding="utf-8"))
        except (ConfigError, OSError, ValueError):
            # Another version's run, or one that is being written: not for this table.
            continue
        yield file.parent, experiment, metrics
