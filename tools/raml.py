"""``tfmodels raml``: what a temperature does to targets, and to what is learned."""

import json
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Annotated
from typing import Any

import typer

from tfmodels.errors import ConfigError
from tfmodels.reward_augmentation.payoff import Payoff
from tfmodels.reward_augmentation.payoff import check
from tfmodels.reward_augmentation.payoff import edit_pmf
from tfmodels.reward_augmentation.payoff import mean_edits
from tfmodels.reward_augmentation.payoff import tau_for
from tfmodels.reward_augmentation.payoff import warnings_for
from tools.config import Config
from tools.config import Overrides
from tools.console import print_to_terminal

if TYPE_CHECKING:
    from trainers.objectives.reward_augmented.config import RewardAugmentedConfig

app = typer.Typer(
    no_args_is_help=True,
    help="Look at reward-augmented targets, and compare temperatures.",
)

_RARE = 5e-4

Tokens = Annotated[int, typer.Option(min=2, help="Ordinary tokens that there are.")]
Hamming = Annotated[
    bool, typer.Option("--hamming", help="Replacements alone, not insertions too.")
]
Literal = Annotated[
    bool, typer.Option("--literal", help="Without the author's factor 1 + ln choices.")
]
MostEdits = Annotated[
    str, typer.Option("--e-max", help="Most edits of m tokens: 2m, author or a number.")
]


@app.command()
def distribution(
    length: Annotated[int, typer.Option(min=1, help="Ordinary tokens of a target, m.")],
    tokens: Tokens,
    tau: Annotated[
        list[float] | None, typer.Option(help="Temperature; may be given repeatedly.")
    ] = None,
    edited: Annotated[
        float | None,
        typer.Option(help="Find the temperature that edits this share in the mean."),
    ] = None,
    hamming: Hamming = False,
    literal: Literal = False,
    e_max: MostEdits = "2m",
) -> None:
    """Print the probabilities of numbers of edits, or the temperature for a share."""
    payoff = _payoff(tokens, hamming, literal, e_max)
    temperatures = list(tau or [])
    if edited is not None:
        temperatures.append(tau_for(payoff, length, edited))
    if not temperatures:
        raise ConfigError(
            "no temperature to look at. Expected --tau, or --edited with the share of"
            " tokens to be edited. Received neither."
        )
    for value in temperatures:
        _print(payoff._replace(tau=value), length)


def _payoff(tokens: int, hamming: bool, literal: bool, e_max: str) -> Payoff:
    if e_max not in ("2m", "author") and not e_max.isdecimal():
        raise ConfigError(
            f"--e-max: no such rule. Expected 2m, author or a number. Received {e_max}."
        )
    most: Any = int(e_max) if e_max.isdecimal() else e_max
    return Payoff(
        "hamming" if hamming else "edit",
        tokens,
        1.0,
        "literal" if literal else "author",
        most,
    )


def _print(payoff: Payoff, length: int) -> None:
    from rich.table import Table

    check(payoff)
    pmf = edit_pmf(payoff, length)
    mean = mean_edits(payoff, length)
    print_to_terminal(
        f"tau {payoff.tau:.6g}: {mean:.4g} edits in the mean, {mean / length:.2%} of"
        f" {length} tokens; {pmf[0]:.2%} of the targets stay as they are"
    )
    table = Table("edits", "probability")
    for edits, probability in enumerate(pmf):
        if probability >= _RARE:
            table.add_row(str(edits), f"{probability:.6f}")
    print_to_terminal(table)
    for warning in warnings_for(payoff, length):
        print_to_terminal(f"warning: {warning}")


@app.command()
def inspect(
    config: Config,
    overrides: Overrides = None,
    examples: Annotated[int, typer.Option(min=1, help="How many to show.")] = 4,
) -> None:
    """Print targets of the first training batch beside what is drawn for them."""
    import numpy as np

    from trainers.catalog import implementation
    from trainers.configuration import load_experiment
    from trainers.stages import open_task

    experiment = load_experiment(config, overrides or [])
    settings = _sequence_objective(experiment.training_stages()[0].objective)
    task: Any = open_task(experiment, experiment.data)
    objective = implementation("objective", settings.kind)(settings, task)
    batch = next(iter(task.dataset("train")))
    changed = {
        name: value.numpy() for name, value in objective.change_batch(batch).items()
    }
    for row in range(min(examples, len(batch["label"]))):
        label, counts = np.asarray(batch["label"])[row], batch["weight"][row] > 0
        print_to_terminal(f"reference        {task.show(label[np.asarray(counts)])}")
        for number in range(settings.samples):
            sample = row * settings.samples + number
            shown = task.show(changed["label"][sample][changed["weight"][sample] > 0])
            print_to_terminal(
                f"{int(changed['edits'][sample]):2} edits,"
                f" {changed['sample_weight'][sample]:.3f}  {shown}"
            )


def _sequence_objective(objective: Any) -> "RewardAugmentedConfig":
    from trainers.objectives.reward_augmented.config import RewardAugmentedConfig

    if isinstance(objective, RewardAugmentedConfig) and objective.reward != "table":
        return objective
    raise ConfigError(
        "objective: no sequences are drawn in the first stage. Expected kind:"
        " reward_augmented with another reward than table. Received"
        f" {objective.plain()}."
    )


@app.command()
def materialize(
    config: Config,
    output: Annotated[Path, typer.Option(help="Folder to write into.")],
    overrides: Overrides = None,
    epochs: Annotated[
        int, typer.Option(min=1, help="How often targets of each pair are drawn.")
    ] = 1,
) -> None:
    """Write drawn targets of translations as text; print the `data` that reads them."""
    from tools.prepare.reward_augmented import materialize as write
    from trainers.configuration import load_experiment

    experiment = load_experiment(config, overrides or [])
    settings = _sequence_objective(experiment.training_stages()[0].objective)
    section = write(experiment, settings, output, epochs)
    print_to_terminal("data:")
    for key, value in section.items():
        print_to_terminal(f"  {key}: {json.dumps(value)}")


@app.command()
def sweep(
    config: Config,
    workdir: Annotated[Path, typer.Option(help="Folder of the runs; resumed.")],
    tau: Annotated[
        list[float], typer.Option(help="Temperature; may be given repeatedly.")
    ],
    seeds: Annotated[
        list[int] | None, typer.Option("--seed", help="run.seed; repeatedly. [0]")
    ] = None,
    metrics: Annotated[
        list[str] | None,
        typer.Option("--metric", help="Figure of the table, such as test/bleu."),
    ] = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="Train with objective.ml_mix=1 too.")
    ] = False,
    overrides: Overrides = None,
) -> None:
    """Train at every temperature with every seed; write sweep.json, print means."""
    from tools.sweep import run_sweep
    from tools.sweep import sweep_table

    changes = {f"tau {value:g}": [f"objective.tau={value!r}"] for value in tau}
    if plain:
        changes = {"plain": ["objective.ml_mix=1"], **changes}
    results = run_sweep(config, workdir, changes, seeds or [0], overrides or [])
    print_to_terminal(sweep_table(results, metrics or []))
    print_to_terminal(f"Written to {workdir / 'sweep.json'}.")


@app.command()
def sampler(
    output: Annotated[Path, typer.Option(help="Folder of the SavedModel.")],
    tokens: Tokens,
    first: Annotated[int, typer.Option(min=0, help="Number of the first of them.")],
    max_length: Annotated[
        int, typer.Option(min=1, help="Most tokens of a reference.")
    ] = 200,
    hamming: Hamming = False,
    literal: Literal = False,
    e_max: MostEdits = "2m",
) -> None:
    """Export the sampler alone, as a SavedModel for other input pipelines."""
    import tensorflow as tf

    from tfmodels.reward_augmentation.sampler import Sampler
    from tfmodels.reward_augmentation.serving import signature
    from trainers.files import writing

    payoff = _payoff(tokens, hamming, literal, e_max)
    made = Sampler(payoff, first, max_length)
    with writing(output):
        tf.saved_model.save(made, str(output), signatures=signature(made))
    print_to_terminal(f"Written to {output}.")
