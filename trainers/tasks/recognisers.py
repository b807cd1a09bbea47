"""The recogniser that judges synthetic speech: a run of its own."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tfmodels.audio.log_mel import FRAMES_PER_SECOND
from tfmodels.errors import ConfigError
from tfmodels.errors import DataError
from trainers.runs import load_run
from trainers.tasks.spoken import Spoken

Understand = Callable[[Spoken], str]
"""From sound to what was said, as a recogniser hears it."""


def open_recogniser(folder: str, seconds: float) -> Understand:
    """Opens the run of a recogniser.

    Args:
      folder: of the run.
      seconds: the longest sound that it will have to listen to.

    Raises:
      ConfigError: it is of another task, or learns from nothing as long.
      DataError: the folder holds no run, or no intact checkpoint.
    """
    try:
        run = load_run(folder)
    except DataError as error:
        raise DataError(f"task.recogniser: {error}") from None
    task: Any = run.task
    if run.experiment.task.kind != "speech_recognition":
        raise ConfigError(
            f"task.recogniser: {folder} recognises no speech. Expected a run of"
            " task.kind: speech_recognition. Received task.kind:"
            f" {run.experiment.task.kind}."
        )
    longest = task.front_end.longest / FRAMES_PER_SECOND
    if longest < seconds:
        raise ConfigError(
            f"task.recogniser: {folder} hears no sound as long as it has to. Expected"
            f" its data.buckets to have up to {seconds * FRAMES_PER_SECOND:.0f} frames,"
            f" for {seconds:.2f} s, or less of task.max_frames. Received"
            f" {task.front_end.longest}."
        )

    def understand(spoken: Spoken) -> str:
        with TemporaryDirectory() as temporary:
            path = Path(temporary) / "said.wav"
            spoken.write(path)
            try:
                heard = task.predict(run.model, str(path))
            except DataError:  # silent, or shorter than a frame
                return ""
        return heard[0].text if heard else ""

    return understand
