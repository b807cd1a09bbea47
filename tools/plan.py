"""`tfmodels plan`: what a pipeline will take, before anything is built."""

import json
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Annotated

import typer

from tfmodels.errors import ConfigError
from tools.config import Config
from tools.config import Overrides
from tools.console import print_to_terminal

if TYPE_CHECKING:
    from rich.table import Table

    from trainers.experiment import Experiment
    from trainers.strategies.config import PipelineConfig
    from trainers.strategies.pipeline.plan import Plan
    from trainers.strategies.pipeline.simulation import Timeline

_WIDTH = 80
# A million operations are shown as long as a microsecond.
_MICROSECONDS = {"operations": 1e-6, "seconds": 1e6}


def plan_command(
    config: Config,
    overrides: Overrides = None,
    output: Annotated[
        Path | None,
        typer.Option(help="Folder for partition.json, plan.json and the timeline."),
    ] = None,
    measure: Annotated[
        int | None,
        typer.Option(min=1, help="Also train so many steps, and show the last one."),
    ] = None,
) -> None:
    """Show a pipeline's stages, memory, waiting and timeline; build nothing."""
    from trainers.configuration import load_experiment
    from trainers.strategies.pipeline.timeline import text

    experiment = load_experiment(config, overrides or [])
    strategy = _strategy(experiment)
    # Before the plan: it may start TensorFlow, which then takes no other devices.
    measured = _measured(experiment, strategy, measure) if measure else None
    plan = plan_of(experiment, strategy)
    print_to_terminal(_stages(plan))
    print_to_terminal(_devices(plan))
    print_to_terminal(text(plan.timeline, _WIDTH))
    print_to_terminal(_sums(plan))
    if measured:
        print_to_terminal(text(measured, _WIDTH))
        print_to_terminal(_sums_measured(measured))
    if output is not None:
        _write(plan, output)
        if measured:
            _write_timeline(measured, "seconds", output, "measured")
        print_to_terminal(
            f"Written to {output}. Train with these stages:"
            f" --set strategy.partition.file={output / 'partition.json'}"
        )


def plan_of(experiment: "Experiment", strategy: "PipelineConfig") -> "Plan":
    """The plan of an experiment's first training stage."""
    from trainers.optimizers.factory import num_slots
    from trainers.strategies.pipeline.placement import without_values
    from trainers.strategies.pipeline.plan import make_plan
    from trainers.tasks.models import build_model

    stage = experiment.training_stages()[0]
    averages = int(experiment.run.average.kind != "none")
    return make_plan(
        without_values(lambda: build_model(experiment.model, experiment.run.precision)),
        strategy,
        stage.data.batch_size,
        num_slots(stage.optimizer) + averages,
    )


def _strategy(experiment: "Experiment") -> "PipelineConfig":
    from trainers.strategies.config import PipelineConfig

    if not isinstance(experiment.strategy, PipelineConfig):
        raise ConfigError(
            "strategy.kind: only a pipeline is planned. Expected pipeline, such as"
            f" --set strategy={{kind: pipeline, stages: 2}}. Received"
            f" {experiment.strategy.kind}."
        )
    return experiment.strategy


def _measured(
    experiment: "Experiment", strategy: "PipelineConfig", num_steps: int
) -> "Timeline":
    """The last of a few steps of training, of which nothing is kept."""
    from trainers.stages import plan_stages
    from trainers.strategies.pipeline.strategy import Pipeline

    with closing(Pipeline(strategy, experiment.run)) as pipeline:
        stages = plan_stages(experiment)
        trainable = pipeline.prepare(pipeline.build(stages), stages[0], 0)
        trainable.run(num_steps)
        return trainable.timeline


def _stages(plan: "Plan") -> "Table":
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, show_footer=True)
    footers = {
        "parameters": f"{plan.parameters:,}",
        "sends": _size(sum(s.sends for s in plan.stages)),
    }
    for name in ("stage", "device", "items"):
        table.add_column(name, no_wrap=True)
    table.add_column("up to", overflow="ellipsis", no_wrap=True)
    for name in ("parameters", "cost", "kept", "sends"):
        footer = footers.get(name, "")
        table.add_column(name, footer, justify="right", no_wrap=True)
    for number, stage in enumerate(plan.stages):
        table.add_row(
            str(number),
            str(stage.device),
            f"{stage.begin}-{stage.end - 1}",
            stage.last,
            f"{stage.parameters:,}",
            f"{stage.share:.1%}",
            _size(stage.residuals),
            _size(stage.sends),
        )
    return table


def _devices(plan: "Plan") -> "Table":
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    names = ("device", "micro-batches held", "variables", "results held", "memory")
    table = Table(*names, box=SIMPLE_HEAD)
    for number, device in enumerate(plan.devices):
        table.add_row(
            str(number),
            str(device.peak_live),
            _size(device.variables),
            _size(device.activations),
            _size(device.memory),
        )
    return table


def _sums(plan: "Plan") -> str:
    span, alone = float(plan.makespan), float(plan.one_device)
    times = (
        f"{1e3 * span:.1f} ms; one device {1e3 * alone:.1f} ms"
        if plan.unit == "seconds"
        else f"{span:.4g} operations; one device {alone:.4g}"
    )
    return (
        f"{plan.schedule.num_micro_batches} micro-batches of {plan.rows}: {times}\n"
        f"speed-up of at most {plan.speed_up:.2f} on {len(plan.devices)} devices, which"
        f" wait {plan.bubble:.1%} of the time\n"
        f"{_size(plan.traffic)} cross the cuts in a step; all devices hold at most"
        f" {_size(plan.results)} of results at a time"
    )


def _sums_measured(timeline: "Timeline") -> str:
    return (
        f"measured: {1e3 * float(timeline.makespan):.1f} ms; devices wait"
        f" {timeline.bubble:.1%} of the time"
    )


def _write(plan: "Plan", folder: Path) -> None:
    from trainers.files import write_atomically

    plan.partitioning.write(folder / "partition.json")
    text = json.dumps(plan.plain(), indent=2)
    write_atomically(folder / "plan.json", text + "\n")
    _write_timeline(plan.timeline, plan.unit, folder, "timeline")


def _write_timeline(timeline: "Timeline", unit: str, folder: Path, name: str) -> None:
    """Writes a picture and a file for trace viewers."""
    from trainers.files import write_atomically
    from trainers.files import writing
    from trainers.strategies.pipeline.timeline import chrome_trace
    from trainers.strategies.pipeline.timeline import figure
    from trainers.summaries.figures import save

    trace = chrome_trace(timeline, _MICROSECONDS[unit])
    write_atomically(folder / f"{name}.json", json.dumps(trace, indent=2) + "\n")
    picture = folder / f"{name}.png"
    with writing(picture):
        save(figure(timeline, unit), picture)


def _size(num_bytes: int) -> str:
    number = float(num_bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < 1024:
            return f"{number:.4g} {unit}"
        number /= 1024
    return f"{number:.4g} TiB"
