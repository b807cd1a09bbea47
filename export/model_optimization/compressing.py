"""A run's model, made smaller by tensorflow-model-optimization and carried back."""

import json
import tempfile
import zlib
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any
from typing import NamedTuple

import numpy as np

from export.flatbuffer import check_builtin
from export.flatbuffer import check_integer
from export.lite_runtime import LiteProgram
from export.model_optimization.config import LibraryCompression
from export.model_optimization.description import Arrays
from export.model_optimization.description import describe
from export.model_optimization.description import integer_form
from export.model_optimization.description import scaled
from export.model_optimization.description import weights_of
from export.model_optimization.process import check_installed
from export.model_optimization.process import work
from tfmodels.errors import CheckFailed
from tfmodels.errors import ConfigError
from trainers.compression.config import QuantizationConfig
from trainers.experiment import Experiment
from trainers.interfaces import Task
from trainers.objectives.config import CrossEntropyConfig
from trainers.runs import Run
from trainers.runs import RunFolder
from trainers.runs import load_run
from trainers.totals import sum_totals

_LARGEST_DIFFERENCE = 1e-5


class Compressed(NamedTuple):
    """A smaller model."""

    weights: Arrays
    """Of the Keras 3 model, by the paths of its variables."""
    figures: dict[str, float]
    """``sparsity``, share of weights of kernels that are 0; ``most_values``, most
    different values in a kernel; ``zipped_bytes`` of the weights without training heads
    and ``zipped_bytes_before``. Of ``quantize`` also ``tflite_bytes``,
    ``tflite/<split>/<figure>`` of the held-out splits and ``tflite_agreement``, share
    of a batch's answers that are those of the model that imitates 8 bits."""
    program: bytes | None
    """Of ``quantize``, an integer-only TFLite file, with the function
    ``classify(image: int8 [1, H, W, C] normalised) -> logits: int8 [1, K]``."""


def compress(
    workdir: str | PathLike[str],
    settings: LibraryCompression,
    show: Callable[[str], None] = print,
    overrides: Sequence[str] = (),
    time_limit: float | None = None,
) -> Compressed:
    """Makes the model of a run's newest checkpoint smaller, in a process of its own.

    It learns with Adam from the run's own training batches, those that would have come
    next, with the losses of the run's objective. Nothing is written.

    Args:
      workdir: folder of a run of an image classifier.
      settings: the method.
      show: gets a line an epoch.
      overrides: changes to the run's configuration.
      time_limit: seconds that the process may take; any when absent.

    Raises:
      ConfigError: the model, the task or the objective cannot be taken.
      DataError: tensorflow-model-optimization is not installed, or there is no run, or
        its data cannot be read.
      ProcessLost: the process failed.
      CheckFailed: a model does not compute there what it computes here, or the TFLite
        file is not integer-only.
    """
    check(RunFolder(Path(workdir)).experiment(overrides))
    run = load_run(workdir, [*overrides, "run.precision=float32"])
    model: Any = run.model
    description, weights = describe(model), weights_of(model)
    factors: Mapping[str, float] = {}
    if settings.method == "quantize":
        factors = integer_form(model, description)
    batch = next(iter(run.task.dataset("train", start=run.step)))
    probe = np.asarray(run.task.inputs(batch))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        job = {
            "description": description,
            "settings": settings.plain(),
            "batch_shape": probe.shape,
            "steps_per_epoch": run.task.steps_per_epoch,
            **_losses(run.experiment, description["outputs"]),
        }
        (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
        np.save(folder / "probe.npy", probe)
        _save(folder / "weights.npz", scaled(weights, factors))
        work(folder, _batches(run, settings), show, time_limit)
        made = scaled(_load(folder / "result.npz"), factors, back=True)
        outputs = _load(folder / "outputs.npz")
        path = folder / "model.tflite"
        program = path.read_bytes() if path.exists() else None
        figures = {} if program is None else _lite_figures(path, run, probe, outputs)
    before = _zipped(_deployed(model))
    _compare(model, probe, outputs, "before")
    _assign(model, made)
    _compare(model, probe, outputs, "after")
    kernels = [each for name, each in made.items() if name.endswith("/kernel")]
    zeros = sum(int(np.sum(kernel == 0)) for kernel in kernels)
    figures |= {
        "sparsity": zeros / sum(kernel.size for kernel in kernels),
        "most_values": max(len(np.unique(kernel)) for kernel in kernels),
        "zipped_bytes_before": before,
        "zipped_bytes": _zipped(_deployed(model)),
    }
    return Compressed(made, figures, program)


def check(experiment: Experiment) -> None:
    """Finds out whether runs of an experiment can be taken, but for their layers.

    Raises:
      ConfigError: it learns something else than classes of images.
      DataError: tensorflow-model-optimization is not installed.
    """
    check_installed()
    last = experiment.training_stages()[-1]
    wanted = {"task": "image_classification", "objective": "cross_entropy"}
    found = {"task": experiment.task.kind, "objective": last.objective.kind}
    for key, kind in wanted.items():
        if found[key] != kind:
            raise ConfigError(
                f"{key}.kind: tensorflow-model-optimization cannot go on with this run."
                f" Expected {kind}. Received {found[key]}."
            )
    stages = experiment.training_stages()
    if any(isinstance(stage.compression, QuantizationConfig) for stage in stages):
        raise ConfigError(
            "stages[].compression: the run has learned 8 bits already. Expected a run"
            " in floating point. Received a stage with compression.kind:"
            " quantization_aware."
        )


def _losses(experiment: Experiment, outputs: Mapping[str, str]) -> dict[str, Any]:
    """The losses of a run's last stage, for the worker."""
    objective = experiment.training_stages()[-1].objective
    if not isinstance(objective, CrossEntropyConfig):
        raise TypeError(f"{objective.kind} has been refused")
    _, *heads = outputs
    factors = objective.auxiliary_weights
    model: Any = experiment.model
    return {
        "num_classes": model.num_classes,
        "label_smoothing": objective.label_smoothing,
        "loss_weights": [1.0, *(factors.get(name, 0.0) for name in heads)],
    }


def _batches(run: Run, settings: LibraryCompression) -> Iterator[list[np.ndarray]]:
    """The training batches of all epochs, as the worker reads them."""
    count = settings.epochs * run.task.steps_per_epoch
    for batch in run.task.dataset("train", start=run.step).take(count):
        yield [
            np.asarray(run.task.inputs(batch), np.float32),
            np.asarray(batch["label"], np.int32),
            np.asarray(batch["weight"], np.float32),
        ]


def _save(path: Path, arrays: Any) -> None:
    np.savez(path, **arrays)


def _load(path: Path) -> Arrays:
    with np.load(path) as arrays:
        return dict(arrays)


def _assign(model: Any, arrays: Arrays) -> None:
    """Gives a model the weights that came back."""
    for variable in model.weights:
        variable.assign(arrays[variable.path])


def _compare(model: Any, probe: np.ndarray, outputs: Arrays, when: str) -> None:
    """Makes sure that a model computes here what it computed there.

    Raises:
      CheckFailed: it does not.
    """
    for name, values in model(probe, training=False).items():
        theirs, ours = outputs[f"{when}/{name}"], np.asarray(values)
        error = np.max(np.abs(theirs - ours)) / max(np.ptp(ours), 1e-30)
        if not error <= _LARGEST_DIFFERENCE:
            raise CheckFailed(
                f"The model is not the same in tf-keras. Expected {name} {when}"
                f" training to differ by at most {_LARGEST_DIFFERENCE} of its range."
                f" Received {error:.2g}."
            )


def _lite_figures(
    path: Path, run: Run, probe: np.ndarray, outputs: Arrays
) -> dict[str, float]:
    """What a TFLite file is worth on the held-out splits.

    Raises:
      CheckFailed: it is not integer-only.
    """
    content = path.read_bytes()
    check_builtin(content)
    check_integer(content)
    program = LiteProgram(path)
    imitated = np.argmax(outputs["imitation/logits"], axis=-1)
    answers = np.argmax(program("classify", {"image": probe})["logits"], axis=-1)
    agreement = float(np.mean(imitated == answers))
    figures = {"tflite_bytes": len(content), "tflite_agreement": agreement}
    for split in (split for split in run.task.splits if split != "train"):
        found = _evaluate(run.task, program, split)
        figures |= {f"tflite/{split}/{key}": value for key, value in found.items()}
    return figures


def _evaluate(task: Task, program: LiteProgram, split: str) -> dict[str, float]:
    def classify(images: Any, training: bool) -> dict[str, Any]:
        return program("classify", {"image": np.asarray(images)})

    def metrics(batch: Any) -> Any:
        return task.metrics(task.outputs(classify, batch, training=False), batch)

    return task.report(sum_totals(metrics, task.dataset(split)))


def _deployed(model: Any) -> list[np.ndarray]:
    return [variable.numpy() for variable in model.deploy().weights]


def _zipped(arrays: Sequence[np.ndarray]) -> int:
    """Bytes of weights after compression (DEFLATE, level 9)."""
    return len(zlib.compress(b"".join(each.tobytes() for each in arrays), 9))
