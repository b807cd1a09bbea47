"""Writes a model as a chain of TFLite files, none too large for the format."""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import keras
import tensorflow as tf

from export.interfaces import Arrays
from export.interfaces import Endpoint
from export.interfaces import Job
from export.tflite import Numbers
from export.tflite import calibration_inputs
from export.tflite import convert
from export.tflite import wants_fusing
from tfmodels.errors import ConfigError
from trainers.experiment import Experiment
from trainers.strategies.config import PipelineConfig
from trainers.strategies.pipeline.balance import balance
from trainers.strategies.pipeline.sequence import LayerSequence
from trainers.strategies.pipeline.sequence import Part

_FOLDER = "stages"


@dataclass(frozen=True)
class Chain:
    """A model in parts that run one after the other, with names for what passes."""

    endpoint: str
    """Name of the function that every part has."""
    names: dict[int, str]
    """Names of the inputs and outputs of the whole, by tensor number."""
    inputs: tuple[int, ...]
    """Numbers of the inputs of the whole."""
    parts: tuple[Part, ...]

    def name(self, number: int) -> str:
        """The name of a tensor in all files that read or write it."""
        return self.names.get(number, f"tensor_{number}")

    def endpoints(self, part: Part) -> Callable[[keras.Model], dict[str, Endpoint]]:
        """Makes the endpoint of a part from its model, or from that model rewritten."""

        def make(model: keras.Model) -> dict[str, Endpoint]:
            def run(*values: tf.Tensor) -> dict[str, tf.Tensor]:
                made = model(list(values), training=False)
                return {self.name(number): made[str(number)] for number in part.writes}

            specs = tuple(
                tf.TensorSpec([1, *tensor.shape[1:]], tensor.dtype, self.name(number))
                for number, tensor in zip(part.reads, model.inputs, strict=True)
            )
            return {self.endpoint: Endpoint(run, specs)}

        return make

    def samples(self, inputs: Sequence[Arrays]) -> Iterator[list[tuple[str, Arrays]]]:
        """Yields what each part reads, by name, for each of the inputs of the whole."""
        known = [dict(arrays) for arrays in inputs]
        for part in self.parts:
            names = [self.name(number) for number in part.reads]
            reads = [{name: arrays[name] for name in names} for arrays in known]
            yield [(self.endpoint, arrays) for arrays in reads]
            run = tf.function(self.endpoints(part)(part.model)[self.endpoint].function)
            for arrays, values in zip(known, reads, strict=True):
                made = run(*(tf.constant(values[name]) for name in names))
                arrays.update({name: value.numpy() for name, value in made.items()})


def write_stages(job: Job, numbers: Numbers) -> dict[str, str]:
    """Writes ``stages/``; the writer of all presets of that name.

    Every part is a TFLite file of its own. Tensors that pass between them have one name
    in all files.

    Returns:
      The program made: its kind and its path inside the artefact.

    Raises:
      ConfigError: the model has fewer places to cut than parts are wanted, or no
        parallel convolutions that it is to fuse.
      CheckFailed: a part cannot take this form.
      DataError: there is nothing to calibrate with.
    """
    fused, chain = wants_fusing(job), cut(job)
    folder = job.folder / _FOLDER
    folder.mkdir()
    samples = None
    inputs = calibration_inputs(job, numbers)
    if inputs is not None:
        samples = chain.samples([arrays for _, arrays in inputs])
    for number, part in enumerate(chain.parts):
        # Layers of the whole model have been called twice, and would not be folded.
        model = keras.models.clone_model(part.model)
        model.set_weights(part.model.get_weights())
        seen = next(samples) if samples else None
        content = convert(model, chain.endpoints(part), numbers, seen, fused)
        (folder / f"stage_{number:04}.tflite").write_bytes(content)
    return {"tflite_stages": _FOLDER}


def cut(job: Job) -> Chain:
    """Cuts the model that leaves into parts of about as many weights each.

    Raises:
      ConfigError: the model has fewer places to cut than parts are wanted, or it is
        not the model itself that leaves.
    """
    # The device's endpoint is the model itself, under names for its tensors.
    [(name, endpoint)] = job.signatures.device(job.model).items()
    shapes = [spec.shape.as_list() for spec in endpoint.inputs]
    if shapes != [[1, *tensor.shape[1:]] for tensor in job.model.inputs]:
        raise ConfigError(
            "the model leaves as another than the one that was trained, and cannot be"
            " cut. Expected --preset to be one without stages, as tflite_int8. Received"
            f" a model of task.kind: {job.run.experiment.task.kind}."
        )
    sequence = LayerSequence(job.model)
    names = [spec.name for spec in endpoint.inputs]
    return Chain(
        name,
        {
            **dict(zip(sequence.inputs, names, strict=True)),
            **{number: output for output, number in sequence.outputs.items()},
        },
        sequence.inputs,
        tuple(sequence.cut(_sizes(sequence, job.run.experiment))),
    )


def _sizes(sequence: LayerSequence, experiment: Experiment) -> tuple[int, ...]:
    """Items in each part."""
    count = experiment.export.stages
    strategy = experiment.strategy
    if count is None and isinstance(strategy, PipelineConfig):
        count = strategy.stages * strategy.chunks
    count = 2 if count is None else count
    if count > len(sequence.items):
        raise ConfigError(
            "export.stages: the model cannot be cut into so many files. Expected at"
            f" most {len(sequence.items)}; received {count}."
        )
    return balance([_num_weights(item.nodes) for item in sequence.items], count)


def _num_weights(nodes: Sequence[Any]) -> int:
    variables = {
        id(variable): variable
        for node in nodes
        for variable in getattr(node.operation, "weights", ())
    }
    return sum(prod(variable.shape) for variable in variables.values())
