"""``tfmodels recognition``: runs of recognisers, utterance by utterance."""

import json
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Annotated
from typing import Any

import numpy as np
import typer

from tfmodels.errors import ConfigError
from tools.config import Overrides
from tools.console import metrics_table
from tools.console import print_to_terminal

if TYPE_CHECKING:
    from trainers.recognised import Recognised

app = typer.Typer(
    no_args_is_help=True,
    help="Compare recognisers, write their answers, weigh a second pass.",
)

_WEIGHTS = tuple(np.round(np.arange(0, 1.01, 0.1), 2).tolist())
_REWARDS = tuple(np.round(np.arange(-1, 1.01, 0.25), 2).tolist())

Split = Annotated[str, typer.Option(help="Which utterances.")]


@app.command()
def compare(
    runs: Annotated[list[Path], typer.Argument(help="Folders of runs, one a seed.")],
    control: Annotated[
        list[Path],
        typer.Option(help="The run each is compared with, in the same order."),
    ],
    step: Annotated[
        int | None, typer.Option(help="Of the runs' checkpoints; the newest.")
    ] = None,
    control_step: Annotated[
        int | None, typer.Option(help="Of the controls' checkpoints; the newest.")
    ] = None,
    split: Split = "test",
    resamples: Annotated[
        int, typer.Option(min=1, help="Of the paired bootstrap over utterances.")
    ] = 1000,
    output: Annotated[Path | None, typer.Option(help="JSON file to write.")] = None,
    overrides: Overrides = None,
) -> None:
    """Count wrong words of runs and of controls, and how likely the gain is luck.

    A run may be its own control at an earlier step: that shows what the steps between
    have changed.
    """
    if len(runs) != len(control):
        raise ConfigError(
            "every run needs its control. Expected as many --control as runs. Received"
            f" {len(runs)} runs and {len(control)} controls."
        )
    from tfmodels.metrics.bootstrap import chance_of_no_gain

    found = [*_of_runs(runs, step, split, overrides)]
    others = [*_of_runs(control, control_step, split, overrides)]
    for folder, one, other in zip(runs, found, others, strict=True):
        if not np.array_equal(one.utterance, other.utterance):
            raise ConfigError(
                f"{folder} and its control are of different utterances. Expected the"
                f" same section data. Received {len(one.utterance)} utterances and"
                f" {len(other.utterance)}."
            )
    errors = np.concatenate([one.errors[:, 0] for one in found])
    controls = np.concatenate([other.errors[:, 0] for other in others])
    words = sum(int(one.words.sum()) for one in found)
    figures = {
        "utterances": len(errors),
        "words": words,
        "wer": float(errors.sum() / words),
        "control's wer": float(controls.sum() / words),
        "fewer errors, relative": float(1 - errors.sum() / max(1, controls.sum())),
        "p": chance_of_no_gain(errors, controls, resamples),
    }
    if output is not None:
        output.write_text(json.dumps(figures, indent=1) + "\n")
    print_to_terminal(metrics_table(figures, f"{len(runs)} against as many"))


@app.command()
def second_pass(
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
    split: Split = "validation",
    overrides: Overrides = None,
) -> None:
    """Find `task.rescoring`: the weights with the fewest wrong words on a split."""
    from tfmodels.decoding.rescoring import best_second_pass
    from trainers.recognised import recognised
    from trainers.runs import load_run

    opened = load_run(run, overrides or ())
    found = recognised(opened, split, n_best=None)
    has_models = bool(found.language_log_probs.any())
    best, wrong = best_second_pass(
        found.log_probs,
        found.language_log_probs,
        found.num_words,
        found.errors,
        _WEIGHTS if has_models else (0.0,),
        _REWARDS,
    )
    words = found.words.sum()
    figures = {
        "wer of the search": float(found.errors[:, 0].sum() / words),
        "wer of the second pass": float(wrong / words),
        "wer of the best of each list": float(found.errors.min(axis=1).sum() / words),
        "language_weight": best.language_weight,
        "word_reward": best.word_reward,
    }
    print_to_terminal(metrics_table(figures, f"{split} of {run}"))


@app.command()
def nbest(
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
    output: Annotated[Path, typer.Option(help="File of JSON lines to write.")],
    count: Annotated[
        int | None, typer.Option(min=1, help="Answers; as many as the beam is wide.")
    ] = None,
    split: Split = "test",
    overrides: Overrides = None,
) -> None:
    """Write what a run recognises of a split: a line of JSON for each utterance.

    Each has utt, ref and nbest, a list with the best first, of text, tokens, logp,
    posterior, the share of its probability in that of the list, and errors, in words.
    """
    from trainers.recognised import recognised
    from trainers.runs import load_run

    opened = load_run(run, overrides or ())
    found = recognised(opened, split, count)
    task: Any = opened.task
    written = task.written(split)
    with output.open("w", encoding="utf-8") as file:
        for row, place in enumerate(found.utterance):
            name, reference = written[place]
            answers = _answers(found, row, task.show)
            line = {"utt": name, "ref": reference, "nbest": answers}
            file.write(f"{json.dumps(line, ensure_ascii=False)}\n")
    print_to_terminal(f"{len(found.utterance):,} lists in {output}")


def _answers(
    found: "Recognised", row: int, show: Callable[..., str]
) -> list[dict[str, Any]]:
    """What there is in the list of an utterance."""
    tokens = [[int(unit) for unit in each if unit] for each in found.units[row]]
    there = [number for number, each in enumerate(tokens) if each]
    logs = found.log_probs[row, there].astype(float)
    shares = np.exp(logs - np.logaddexp.reduce(logs))
    return [
        {
            "text": show(tokens[number]),
            "tokens": tokens[number],
            "logp": float(log_prob),
            "posterior": float(share),
            "errors": int(found.errors[row, number]),
        }
        for number, log_prob, share in zip(there, logs, shares, strict=True)
    ]


def _of_runs(
    folders: list[Path], step: int | None, split: str, overrides: list[str] | None
) -> Iterator["Recognised"]:
    from trainers.recognised import recognised
    from trainers.runs import load_run

    for folder in folders:
        yield recognised(load_run(folder, overrides or (), step), split)
