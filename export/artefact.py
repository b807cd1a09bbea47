"""Writes the folder that leaves: the model in its forms, its contract, its labels."""

import shutil
import tempfile
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path

import keras
import tensorflow as tf

from export.interfaces import Job
from export.loading import open_program
from export.manifest import Manifest
from export.manifest import fingerprint
from export.manifest import versions
from export.manifest import write_manifest
from export.presets import find_preset
from export.presets import find_writer
from export.saved_model import write_saved_model
from export.signatures import signatures_class
from tfmodels.compression.integers import IntegerModel
from tfmodels.compression.integers import ranges_of
from tfmodels.config import Config
from tfmodels.errors import ConfigError
from tfmodels.errors import DataError
from trainers.configuration import dump
from trainers.runs import RunFolder
from trainers.runs import load_run
from trainers.strategies.data_parallel.devices import local_replicas
from trainers.tasks.models import build_model

MODEL = "model.keras"
SAVED_MODEL = "saved_model"


def write_artefact(
    workdir: str | PathLike[str],
    preset: str,
    output: str | PathLike[str],
    overrides: Sequence[str] = (),
) -> Path:
    """See `export.export`; the folder appears only once it is complete."""
    found = find_preset(preset)
    write, output = find_writer(found), Path(output)
    _refuse_occupied(output)
    distribution = None
    if found.replicas:  # before TensorFlow's first operation
        settings = RunFolder(Path(workdir)).experiment(overrides)
        distribution = local_replicas(settings.strategy)
    run = load_run(workdir, overrides)
    learned = bool(ranges_of(run.model))
    found.check(preset, run.experiment.export.fuse_1x1, learned)
    cls = signatures_class(run.experiment.task.kind)
    files = cls.files_of(run.task)
    signatures = cls(run.experiment, files)
    model = signatures.deployed(in_float32(run.model, run.experiment.model))
    progress = output.parent / f".{output.name}.progress"
    with _complete_or_absent(output) as folder:
        job = Job(run, model, signatures, folder, progress, distribution)
        _write_common(job, files)
        programs = {"saved_model": SAVED_MODEL, **write(job)}
        write_manifest(folder, _manifest(job, preset, programs))
    shutil.rmtree(progress, ignore_errors=True)
    return output


def in_float32(model: keras.Model, config: Config) -> keras.Model:
    """The model itself, or one of the same weights if it computes in other numbers.

    Args:
      model: what was trained, in any precision.
      config: what it was built from.
    """
    if all(layer.compute_dtype == "float32" for layer in model.layers):
        return model
    copy = build_model(config, "float32")
    copy.set_weights(model.get_weights())
    return copy


def _write_common(job: Job, files: dict[str, str]) -> None:
    """Writes what every artefact has, whatever the preset."""
    for name, text in files.items():
        (job.folder / name).write_text(text, encoding="utf-8")
    config = job.folder / "config.yaml"
    config.write_text(dump(job.run.experiment), encoding="utf-8")
    learned = bool(ranges_of(job.model))
    (IntegerModel(job.model) if learned else job.model).save(job.folder / MODEL)
    write_saved_model(
        job.model,
        job.signatures.serving(job.model),
        job.folder / SAVED_MODEL,
        files=[job.folder / name for name in files],
    )


def _manifest(job: Job, preset: str, programs: dict[str, str]) -> Manifest:
    return Manifest(
        preset=preset,
        versions=versions(),
        step=job.run.step,
        metrics=job.run.metrics,
        preprocessing=job.signatures.preprocessing(),
        programs={
            kind: open_program(kind, job.folder / path).describe(path)
            for kind, path in programs.items()
        },
        device=list(programs)[-1],
        experiment=job.run.experiment.plain(),
        files=fingerprint(job.folder),
    )


def _refuse_occupied(output: Path) -> None:
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise ConfigError(
            f"{output} is already there. Expected --output to be a new or empty folder."
            f" Received {output}; remove it or choose another."
        )


@contextmanager
def _complete_or_absent(output: Path) -> Iterator[Path]:
    """A folder to write in, which becomes `output` when nothing went wrong."""
    partial = None
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        # Beside the output, so that the final rename stays on one file system.
        partial = tempfile.mkdtemp(prefix=f".{output.name}.", dir=output.parent)
        yield Path(partial)
        Path(partial).chmod(0o755)
        Path(partial).replace(output)
    except (OSError, tf.errors.OpError) as error:
        raise DataError(
            f"The artefact could not be written to {output}. Expected a writable folder"
            f" with free space for --output. Received: {str(error).splitlines()[0]}"
        ) from None
    finally:
        if partial is not None:
            shutil.rmtree(partial, ignore_errors=True)
