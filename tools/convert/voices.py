"""Makes a run that learns more voices of a run of a synthesiser."""

import json
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

import numpy as np

from tfmodels.errors import ConfigError
from tfmodels.errors import DataError

if TYPE_CHECKING:
    from trainers.runs import Run

_ONLY_VOICES = "^(?!.*speaker_table$)"
"""Everything else is frozen; rows of voices that nobody hears stay as they are."""
_AXES = {
    "tacotron/speaker_table": 0,
    "classifier/dense2_kernel": 1,
    "classifier/dense2_bias": 0,
}
"""Of speakers in arrays that have one."""


def convert_voices(
    workdir: Path,
    output: Path,
    steps: str,
    alone: bool = False,
    overrides: Sequence[str] = (),
) -> tuple[str, ...]:
    """Writes a run of step 0 that knows all old voices; new ones begin as their mean.

    Args:
      workdir: run of `speech_synthesis`.
      output: a folder without a run.
      steps: how long it is to train.
      alone: that it learns the new rows of the table of speakers, all else as it is
        (enrolment, from recordings of the new voices alone); else that it learns all.
      overrides: changes to its configuration, ``data.manifests`` among them.

    Returns:
      Names of the new voices.

    Raises:
      ConfigError: the run is of another task or has no table of speakers.
      DataError: the data have no new voice; or others too, which enrolment cannot hear.
    """
    from tools.convert.runs import new_folder
    from tools.convert.runs import write_run
    from trainers.data.synthesis.manifests import read_manifests
    from trainers.files import write_atomically
    from trainers.runs import RunFolder
    from trainers.runs import load_run

    folder, source = new_folder(output), RunFolder(workdir)
    experiment = source.experiment(overrides)
    model: Any = experiment.model
    if experiment.task.kind != "speech_synthesis" or not model.num_speakers:
        raise ConfigError(
            f"{workdir} has no voices. Expected a run of task.kind: speech_synthesis"
            f" with model.num_speakers. Received task.kind: {experiment.task.kind}."
        )
    run = load_run(workdir)
    task: Any = run.task
    known = task.voices.speakers
    heard = {str(each.speaker) for each in read_manifests(experiment.data)["train"]}
    added = tuple(sorted(heard - set(known)))
    if not added or (alone and heard & set(known)):
        raise DataError(
            f"the data are not of new voices{' alone' if alone else ''}. Expected"
            f" recordings of others than {', '.join(known)}. Received those of"
            f" {', '.join(sorted(heard))}; change data.manifests or data.train."
        )
    table = output / "symbols.json"
    plain = json.dumps(task.voices.symbols.plain(), ensure_ascii=False, indent=1)
    write_atomically(table, f"{plain}\n")
    length = int(steps) if steps.isdigit() else steps
    stage: dict[str, Any] = {"name": "voices", "steps": length}
    if alone:
        stage["freeze"] = [_ONLY_VOICES]
    values = {
        "data.speakers": [*known, *added],
        "data.languages": list(task.voices.languages),
        "data.inventory": str(table),
        "model.num_speakers": len(known) + len(added),
        "model.frozen_norm": alone,
        "run.steps": None,
        "stages": [stage],
    }
    changes = [f"{key}={json.dumps(value)}" for key, value in values.items()]
    grown = source.experiment([*overrides, *changes])
    write_run(folder, grown, lambda: _grown(run, len(added)))
    return added


def _grown(run: "Run", count: int) -> Mapping[str, np.ndarray]:
    """The run's arrays with more speakers: each begins as the mean of all others."""
    arrays = {}
    for weight in run.model.weights:
        array = weight.numpy()
        axis = _AXES.get(weight.path)
        if axis is not None:
            mean = array.mean(axis=axis, keepdims=True)
            array = np.concatenate([array, *[mean] * count], axis=axis)
        if not weight.path.endswith("training_step"):
            arrays[weight.path] = array
    return arrays
