"""How a model learns: tasks, objectives, strategies, data and the one training loop."""

from collections.abc import Sequence
from os import PathLike
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trainers.training import RunResult


def train(
    experiment: str | PathLike[str],
    workdir: str | PathLike[str],
    overrides: Sequence[str] = (),
) -> "RunResult":
    """Trains an experiment in a folder, resuming what the folder already holds.

    Args:
      experiment: path of a YAML file.
      workdir: folder of the run; created when absent.
      overrides: changes such as ``"run.steps=200"``.

    Returns:
      The final figures (``"test/top1": 0.97``) and the last step.

    Raises:
      ConfigError, DataError, Diverged, Preempted: see `tfmodels.errors`.
    """
    from trainers.training import train as implementation

    return implementation(experiment, workdir, overrides)


def evaluate_together(
    workdirs: Sequence[str | PathLike[str]],
    overrides: Sequence[str] = (),
    output: str | PathLike[str] | None = None,
) -> dict[str, float]:
    """Evaluates image classifiers as an ensemble: the mean of their probabilities.

    Args:
      workdirs: folders of runs with the same classes and the same held-out examples;
        sizes of images, models and recipes may differ.
      overrides: changes of all of them, such as ``"task.crops=144"``.
      output: folder for ``metrics.json`` and pictures: the confusion matrix, and the
        examples with the largest losses.

    Returns:
      The figures by ``split/name``; those of a single run alone are its own.

    Raises:
      ConfigError, DataError: a run is no classifier's, or they do not go together.
    """
    from trainers.ensembles import evaluate_together as implementation

    return implementation(workdirs, overrides, output)


def evaluate(
    workdir: str | PathLike[str], overrides: Sequence[str] = ()
) -> dict[str, float]:
    """Evaluates the newest checkpoint of a run on every split but ``train``.

    Args:
      workdir: folder of the run.
      overrides: changes such as ``"strategy.remote=false"``: a run can be evaluated on
        other devices than those that trained it.

    Returns:
      The figures by ``split/name``, also written to ``workdir/metrics.json``.
    """
    from trainers.training import evaluate as implementation

    return implementation(workdir, overrides)
