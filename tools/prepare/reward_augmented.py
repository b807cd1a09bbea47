"""Writes drawn targets of a translation experiment as text, to train on elsewhere."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from typing import TextIO

from tfmodels.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np

    from trainers.data.parallel.sources import ParallelSource
    from trainers.experiment import Experiment
    from trainers.objectives.reward_augmented.config import RewardAugmentedConfig

_COLUMNS = ("sample_weight", "edits", "reward", "log_prob")


def materialize(
    experiment: "Experiment",
    objective: "RewardAugmentedConfig",
    output: Path,
    epochs: int,
) -> dict[str, Any]:
    """Writes what training would see in its first epochs, and the held-out splits.

    For each split ``<split>.source`` and ``<split>.target``, a sentence in each line.
    Beside drawn targets ``train.about.tsv`` with their weights, which no data kind
    reads back; ``vocabulary.json``; and ``manifest.json``.

    Args:
      experiment: of translation.
      objective: its objective.
      output: folder, in which earlier files are replaced.
      epochs: how often each pair is drawn for.

    Returns:
      The section `data` of an experiment that reads them.

    Raises:
      ConfigError: the data are not translations into a single language.
      DataError: data cannot be read, or the folder cannot be written.
    """
    from trainers.data.parallel.config import ParallelData
    from trainers.data.parallel.sources import open_parallel
    from trainers.data.parallel.vocabularies import write_vocabulary
    from trainers.files import write_atomically
    from trainers.files import writing

    data = experiment.data
    if not isinstance(data, ParallelData):
        raise ConfigError(
            "only translations are written. Expected data of the kinds parallel_text or"
            f" number_words. Received data.kind: {data.kind}."
        )
    source = open_parallel(data)
    if source.vocabulary.languages:
        raise ConfigError(
            "what is written does not say its language. Expected data.train without"
            f" target_language. Received {list(source.vocabulary.languages)}."
        )
    with writing(output):
        output.mkdir(parents=True, exist_ok=True)
        counts = _write_drawn(experiment, objective, output, epochs, source)
        for split in data.held_out_splits():
            _write_lines(output / f"{split}.source", source.sentences(split))
            _write_lines(output / f"{split}.target", source.references(split))
    vocabulary = output / "vocabulary.json"
    write_vocabulary(vocabulary, source.vocabulary)
    manifest = {
        "objective": objective.plain(),
        "seed": experiment.run.seed,
        "epochs": epochs,
        "vocabulary": source.vocabulary.hash,
        "ordinary_tokens": len(source.vocabulary.ordinary),
        "pairs": counts.total(),
        "edits": {str(edits): counts[edits] for edits in sorted(counts)},
    }
    text = json.dumps(manifest, indent=2, ensure_ascii=False)
    write_atomically(output / "manifest.json", f"{text}\n")
    corpora = {
        split: [
            {side: str(output / f"{split}.{side}") for side in ("source", "target")}
        ]
        for split in ("train", *data.held_out_splits())
    }
    kept = {name: getattr(data, name) for name in ("segmentation", "max_length")}
    return {
        "kind": "parallel_text",
        **corpora,
        "vocabulary": str(vocabulary),
        "vocabulary_size": source.vocabulary.size,
        **kept,
        "batch_size": data.batch_size * objective.samples,
    }


def _write_drawn(
    experiment: "Experiment",
    objective: "RewardAugmentedConfig",
    output: Path,
    epochs: int,
    source: "ParallelSource",
) -> Counter[int]:
    """Writes the drawn pairs in the order of training; how many have how many edits."""
    counts: Counter[int] = Counter()
    with ExitStack() as stack:
        sentences, targets, about = (
            stack.enter_context((output / f"train.{end}").open("w", encoding="utf-8"))
            for end in ("source", "target", "about.tsv")
        )
        header: list[str] = []
        for batch in _batches(experiment, objective, epochs):
            if not header:
                header = [name for name in _COLUMNS if name in batch]
                _write_row(about, header)
            drawn_for = (batch["reference_weight"] > 0) & (batch["epoch"] < epochs)
            for row in drawn_for.nonzero()[0]:
                sentences.write(f"{source.decode(batch['source'][row])}\n")
                targets.write(f"{source.decode(batch['label'][row])}\n")
                _write_row(about, [f"{batch[name][row]:.6g}" for name in header])
                counts[int(batch["edits"][row])] += 1
    return counts


def _batches(
    experiment: "Experiment", settings: "RewardAugmentedConfig", epochs: int
) -> Iterator[dict[str, "np.ndarray"]]:
    """Batches that hold all pairs of the first epochs."""
    from trainers.catalog import implementation
    from trainers.stages import open_task

    data: Any = experiment.data
    whole = data.model_copy(update={"last_batch": "pad"})
    task: Any = open_task(experiment, whole)
    objective = implementation("objective", settings.kind)(settings, task)
    # Pools of steps are sorted together, also where an epoch ends within.
    steps = -(-epochs * task.steps_per_epoch // data.pool) * data.pool
    batches = task.dataset("train").map(objective.change_batch)
    yield from batches.take(steps).as_numpy_iterator()


def _write_row(file: TextIO, cells: list[str]) -> None:
    file.write("\t".join(cells) + "\n")


def _write_lines(path: Path, lines: list[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
