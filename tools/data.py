"""``tfmodels data``: look through an experiment's data, or write a data set."""

import functools
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Annotated
from typing import Any

import typer

from tfmodels.errors import ConfigError
from tfmodels.errors import DataError
from tools.config import Config
from tools.config import Overrides
from tools.console import print_to_terminal
from tools.prepare.data_sets import DataSet
from tools.prepare.images import Layout
from tools.prepare.recorded_voices import CORPORA

if TYPE_CHECKING:
    from trainers.data.images.check import SourceReport
    from trainers.data.parallel.config import ParallelData
    from trainers.data.speech.config import SpeechData
    from trainers.data.synthesis.config import SynthesisData
    from trainers.experiment import Experiment

app = typer.Typer(no_args_is_help=True, help="Prepare and check data sets.")

_SHOWN = 50


_IMAGES = (DataSet.MNIST, DataSet.CIFAR10, DataSet.CIFAR100)
_RECORDED_VOICES = set(map(DataSet, CORPORA))


@app.command()
def check(
    config: Config,
    overrides: Overrides = None,
) -> None:
    """Reads every example of every split; exit code 3 if any cannot be used."""
    from trainers.configuration import load_experiment
    from trainers.data.config import ImageData
    from trainers.data.config import UtteranceData
    from trainers.data.parallel.config import ParallelData
    from trainers.data.speech.config import SpeechData
    from trainers.data.synthesis.config import SynthesisData

    experiment = load_experiment(config, overrides or ())
    if isinstance(experiment.data, ImageData):
        num_bad = _check_images(experiment)
    elif isinstance(experiment.data, UtteranceData):
        num_bad = _check_speech(experiment)
    elif isinstance(experiment.data, ParallelData):
        num_bad = _check_translations(experiment.data)
    elif isinstance(experiment.data, SpeechData | SynthesisData):
        num_bad = _check_recordings(experiment.data)
    else:
        raise ConfigError(
            "only images, utterances and translations are checked one by one; 'tfmodels"
            " train --dry-run' opens any data. Expected data of such. Received"
            f" data.kind: {experiment.data.kind}."
        )
    if num_bad:
        raise typer.Exit(DataError.exit_code)


@app.command()
def prepare(
    name: Annotated[DataSet, typer.Argument(help="Data set.")],
    output: Annotated[Path, typer.Option(help="Folder to write into.")],
    layout: Annotated[
        Layout, typer.Option("--format", help="images: how the files lie on disk.")
    ] = Layout.FOLDER,
    source: Annotated[
        Path | None,
        typer.Option(help="The folder that the data set is in."),
    ] = None,
    mel_bins: Annotated[
        int, typer.Option(min=1, help="kaldi: mel bands of the features.")
    ] = 40,
    groups: Annotated[
        int, typer.Option(min=1, help="kaldi: groups of speakers; most replicas.")
    ] = 16,
    leaves: Annotated[
        int | None,
        typer.Option(min=1, help="kaldi: grow a decision tree with so many states."),
    ] = None,
    chain: Annotated[
        bool, typer.Option(help="kaldi: a tree of task.topology: chain.")
    ] = False,
    leave_out: Annotated[
        bool, typer.Option(help="kaldi: go on without utterances with problems.")
    ] = False,
    accents: Annotated[
        Path | None,
        typer.Option(help="common_voice: CSV with the columns accent and dialect."),
    ] = None,
    utterances: Annotated[
        int, typer.Option(min=5, help="espeak: utterances of each dialect.")
    ] = 200,
    trim_silence: Annotated[
        float | None,
        typer.Option(
            min=1, help="speech: leave out ends so many dB below the loudest, as 30."
        ),
    ] = None,
    fade: Annotated[
        float | None,
        typer.Option(
            min=0.1, help="speech: copies whose ends are faded for so many ms, as 10."
        ),
    ] = None,
) -> None:
    """Writes a data set as files and prints the section `data` that reads them."""
    if name is DataSet.KALDI:
        from tools.prepare.kaldi import prepare_kaldi

        section = prepare_kaldi(
            source, output, mel_bins, groups, leaves, chain, leave_out
        )
        batch_size = 16
    elif name is DataSet.TONES:
        from tools.prepare.tones import prepare_tones

        section, batch_size = prepare_tones(output), 32
    elif name is DataSet.ESPEAK_VOICES:
        from tools.prepare.voices import prepare_voices

        section, batch_size = prepare_voices(output), 16
    elif name in _RECORDED_VOICES:
        from tools.prepare.recorded_voices import prepare_recorded_voices

        section = prepare_recorded_voices(name.value, source, output)
        batch_size = 16
    elif name in _IMAGES:
        from tools.prepare.images import prepare_images

        section = prepare_images(name.value, source, output, layout)
        batch_size = 64
    elif name is not DataSet.DIGITS:
        from tools.prepare.editing import Ends
        from tools.prepare.speech import prepare_speech

        ends = Ends(trim_silence, fade)
        section = prepare_speech(name.value, source, output, accents, utterances, ends)
        batch_size = 16
    else:
        from tools.prepare.images import prepare_digits

        section, batch_size = prepare_digits(output, layout), 64
    print_to_terminal("data:")
    for key, value in section.items():
        print_to_terminal(f"  {key}: {value}")
    print_to_terminal(f"  batch_size: {batch_size}")


def _check_images(experiment: "Experiment") -> int:
    """Decodes every image, prints a table, and returns how many are unreadable."""
    from rich.progress import Progress

    from trainers.data.images.check import check_source
    from trainers.data.images.sources import open_source

    data: Any = experiment.data
    model: Any = experiment.model
    reports = {}
    with Progress() as progress:
        for split in ("train", *data.held_out_splits()):
            source = open_source(data, split)
            bar = progress.add_task(split, total=source.size)
            reports[split] = check_source(
                source,
                model.input_shape[-1],
                functools.partial(progress.advance, bar),
            )
    _print_counts(reports)
    bad = {
        split: [f"{each.name}: {each.reason}" for each in report.unreadable]
        for split, report in reports.items()
    }
    return sum(_print_bad(split, lines) for split, lines in bad.items())


def _check_speech(experiment: "Experiment") -> int:
    """Looks at every utterance, prints a table, and returns how many are unusable."""
    from rich.progress import Progress
    from rich.table import Table

    from trainers.stages import open_task
    from trainers.tasks.utterance_check import UtteranceCheck

    task: Any = open_task(experiment, experiment.data)
    table = Table("split", "utterances", "frames", "words", "unusable")
    bad = {}
    check = UtteranceCheck(task)
    with Progress() as progress:
        for split in task.splits:
            bar = progress.add_task(split, total=None)
            report = check(split, functools.partial(progress.advance, bar))
            *counts, unusable = report
            table.add_row(split, *(str(count) for count in (*counts, len(unusable))))
            bad[split] = [f"{each.name}: {each.reason}" for each in unusable]
    print_to_terminal(table)
    return sum(_print_bad(split, lines) for split, lines in bad.items())


def _check_translations(data: "ParallelData") -> int:
    """Reads every pair, prints a table, and returns how many lines are unusable."""
    from rich.progress import Progress
    from rich.table import Table

    from trainers.data.parallel.check import check_parallel

    with Progress() as progress:
        bars = {
            split: progress.add_task(split, total=None)
            for split in ("train", *data.held_out_splits())
        }
        reports = check_parallel(
            data, lambda split, number: progress.advance(bars[split], number)
        )
    table = Table("split", "pairs", "side", "mean", "median", "95 %", "longest")
    for split, report in reports.items():
        for side in ("source", "target"):
            mean, *rest = getattr(report, side)
            counts = (f"{report.pairs:,}", side, f"{mean:.1f}", *map(str, rest))
            table.add_row(split, *counts)
    print_to_terminal(table)
    for split, report in reports.items():
        print_to_terminal(
            f"{split}: {report.empty:,} pairs with an empty side, {report.long:,} of"
            f" more than {data.max_length} pieces, {report.spelled:.2%} of pieces are"
            " bytes of characters outside the alphabet"
        )
    return sum(_print_bad(split, each.problems) for split, each in reports.items())


def _check_recordings(data: "SpeechData | SynthesisData") -> int:
    """Reads every recording, prints a table, and returns how many are unusable."""
    from rich.progress import Progress
    from rich.table import Table

    from trainers.data.speech.check import check_speech
    from trainers.data.synthesis.check import check_synthesis
    from trainers.data.synthesis.config import SynthesisData

    look: Any = check_synthesis if isinstance(data, SynthesisData) else check_speech
    with Progress() as progress:
        bars = {
            split: progress.add_task(split, total=None)
            for split in ("train", *data.held_out_splits())
        }
        reports = look(
            data, lambda split, number: progress.advance(bars[split], number)
        )
    table = Table("split", "variety", "utterances")
    for split, report in reports.items():
        for variety, count in sorted(report.varieties.items()):
            table.add_row(split, variety, f"{count:,}")
    print_to_terminal(table)
    for split, report in reports.items():
        print_to_terminal(
            f"{split}: {report.seconds / 3600:.2f} hours; {report.other_rate:,} are"
            f" resampled, {report.other_channels:,} of several channels,"
            f" {report.clipped:,} clipped, {report.long:,} longer than any bucket;"
            f" {report.also_in_training:,} speakers are in training too"
        )
    return sum(_print_bad(split, each.problems) for split, each in reports.items())


def _print_counts(reports: dict[str, "SourceReport"]) -> None:
    from rich.table import Table

    table = Table(title="Readable examples")
    table.add_column("class")
    for split in reports:
        table.add_column(split, justify="right")
    columns = [report.counts for report in reports.values()]
    for label in columns[0]:
        table.add_row(label, *(str(counts[label]) for counts in columns))
    table.add_section()
    table.add_row("all", *(str(sum(counts.values())) for counts in columns))
    print_to_terminal(table)


def _print_bad(split: str, lines: list[str]) -> int:
    for line in lines[:_SHOWN]:
        print_to_terminal(f"{split}: {line}")
    if len(lines) > _SHOWN:
        print_to_terminal(f"{split}: and {len(lines) - _SHOWN} more")
    return len(lines)
