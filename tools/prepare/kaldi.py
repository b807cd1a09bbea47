"""Prepares Kaldi's data folders: features, alignments and lattices as records."""

from pathlib import Path
from typing import TYPE_CHECKING

from tfmodels.errors import ConfigError
from tfmodels.errors import DataError
from tools.console import print_to_terminal

if TYPE_CHECKING:
    from trainers.data.kaldi.preparation import Problem

_SHOWN = 50


def prepare_kaldi(
    source: Path | None,
    output: Path,
    mel_bins: int,
    groups: int,
    leaves: int | None,
    chain: bool,
    leave_out: bool,
) -> dict[str, str]:
    """Writes the records of a source folder's utterances.

    Returns:
      The section `data` of an experiment that reads them, without `batch_size`.

    Raises:
      ConfigError: an option is missing or contradicts the source.
      DataError: a table is damaged; or utterances cannot be used, and were not to be
        left out. The others are written all the same.
    """
    if source is None or (chain and leaves is None):
        raise ConfigError(
            "an option is missing. Expected --source, and --leaves where there is"
            f" --chain. Received --source: {source}, --leaves: {leaves}."
        )
    from rich.progress import Progress

    from trainers.data.kaldi.preparation import prepare
    from trainers.data.kaldi.source import open_source
    from trainers.data.kaldi.tree import grow_tree

    opened = open_source(source, mel_bins)
    with Progress() as bars:
        tree = None
        if leaves is not None:
            total = len(opened.utterances["train"])
            grown = bars.add_task("tree", total=total)
            tree = grow_tree(opened, leaves, chain, lambda _: bars.advance(grown))
        tasks = {
            split: bars.add_task(split, total=len(utterances))
            for split, utterances in opened.utterances.items()
        }
        problems = prepare(
            opened, output, groups, tree, lambda split: bars.advance(tasks[split])
        )
    _report(problems)
    if problems and not leave_out:
        raise DataError(
            f"{len(problems)} utterances of {source} cannot be used. Expected none;"
            " received the ones above. Mend them, or leave them out with --leave-out."
        )
    return {"kind": "utterance_records", "path": str(output)}


def _report(problems: list["Problem"]) -> None:
    for problem in problems[:_SHOWN]:
        print_to_terminal(f"{problem.split}: {problem.utterance}: {problem.reason}")
    if len(problems) > _SHOWN:
        print_to_terminal(f"and {len(problems) - _SHOWN} more")
