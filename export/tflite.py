"""Converts endpoints of a Keras model to one TFLite file, in five numeric formats."""

import re
import tempfile
import warnings
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import keras
import tensorflow as tf
from tensorflow.lite.python.convert import ConverterError

from export.calibration import representative_inputs
from export.flatbuffer import check_builtin
from export.flatbuffer import check_integer
from export.folding import fold
from export.fusing import check_fusible
from export.fusing import fuse
from export.integer_forms import INTEGER_FORMS
from export.interfaces import Arrays
from export.interfaces import Endpoint
from export.interfaces import Job
from export.runtime import KerasProgram
from export.saved_model import write_saved_model
from tfmodels.compression.integers import ranges_of
from tfmodels.errors import CheckFailed
from tfmodels.errors import ConfigError

Numbers = Literal["float32", "float16", "dynamic", "int8", "int16x8"]
"""Numeric formats. float16: weights only, arithmetic in float32. dynamic: int8 weights,
activations quantized as they come. int8: integers throughout, inputs and outputs too.
int16x8: int16 activations, int8 weights, float32 inputs and outputs."""

_FILE = "model.tflite"
_FOLDER = "tflite"
_CALIBRATED = ("int8", "int16x8")
# Offsets in the file, and in what the converter reads, are signed and of 32 bits.
_LARGEST = 2**31 - 2**20
_UNSUPPORTED = re.compile(r"'(tf\.\w+)' op is neither")


def write_tflite(job: Job, numbers: Numbers) -> dict[str, str]:
    """Writes ``model.tflite`` into an artefact; the writer of all tflite presets.

    Where ranges are calibrated and some endpoints are to stay in floating point, it
    writes ``tflite/`` instead, a file for each endpoint; those are then `dynamic`.

    Of a model that has learned its ranges in training, none are calibrated.

    Returns:
      The program made: its kind and its path inside the artefact.

    Raises:
      ConfigError: parallel convolutions are to be fused, and there are none.
      CheckFailed: the model cannot take this form.
      DataError: there is nothing to calibrate with.
    """
    fused = wants_fusing(job)
    samples = calibration_inputs(job, numbers)
    floating = job.signatures.floating
    if samples is None or not floating:
        content = convert(job.model, job.signatures.device, numbers, samples, fused)
        (job.folder / _FILE).write_bytes(content)
        return {"tflite": _FILE}
    (job.folder / _FOLDER).mkdir()
    for name in job.signatures.device(job.model):

        def single(model: keras.Model, name: str = name) -> dict[str, Endpoint]:
            return {name: job.signatures.device(model)[name]}

        own = [sample for sample in samples if sample[0] == name]
        content = (
            convert(job.model, single, "dynamic", None, fused)
            if name in floating
            else convert(job.model, single, numbers, own, fused)
        )
        (job.folder / _FOLDER / f"{name}.tflite").write_bytes(content)
    return {"tflite_files": _FOLDER}


def wants_fusing(job: Job) -> bool:
    """Whether parallel 1x1 convolutions are to be computed as one.

    Raises:
      ConfigError: they are, and the model has none, or has learned ranges for each.
    """
    wanted = job.run.experiment.export.fuse_1x1
    if wanted and ranges_of(job.model):
        raise ConfigError(
            "export.fuse_1x1: the run has learned a range for each convolution."
            " Expected false for such a run. Received true."
        )
    if wanted:
        check_fusible(job.model)
    return wanted


def calibration_inputs(job: Job, numbers: Numbers) -> list[tuple[str, Arrays]] | None:
    """Real inputs of the device's endpoints, where a format needs them.

    Raises:
      DataError: not one training example can be read.
    """
    if numbers not in _CALIBRATED or ranges_of(job.model):
        return None
    count = job.run.experiment.export.calibration_examples
    program = KerasProgram(job.signatures.device(job.model))
    return representative_inputs(job.signatures, program, count)


def convert(
    model: keras.Model,
    endpoints: Callable[[keras.Model], Mapping[str, Endpoint]],
    numbers: Numbers,
    samples: Iterable[tuple[str, Arrays]] | None = None,
    fused: bool = False,
) -> bytes:
    """Converts a model, folded first, with one TFLite signature per endpoint.

    A model that imitates integers folds as it computes, and has its ranges with it.

    Args:
      model: a functional Keras model in float32.
      endpoints: makes the endpoints of the folded model, all of static shapes.
      numbers: the numeric format.
      samples: for int8 and int16x8, real inputs: each an endpoint and its named arrays.
      fused: compute parallel 1x1 convolutions as one.

    Returns:
      The bytes of a .tflite file with built-in operators only; integer-only for int8.

    Raises:
      CheckFailed: an operator has no TFLite form, or stays in floating point in int8;
        or the weights are more than a file can hold.
    """
    _check_size(model)
    folded = model
    if not ranges_of(model):
        folded = fold(model, INTEGER_FORMS if numbers in _CALIBRATED else {})
    if fused:
        folded = fuse(folded)
    functions = endpoints(folded)
    with tempfile.TemporaryDirectory() as folder:
        write_saved_model(folded, functions, Path(folder))
        converter = tf.lite.TFLiteConverter.from_saved_model(
            folder, signature_keys=list(functions)
        )
        _configure(converter, numbers, samples is not None)
        if samples is not None:
            converter.representative_dataset = lambda: iter(samples)
        content = _convert(converter)
    check_builtin(content)
    if numbers == "int8":
        check_integer(content)
    return content


def _check_size(model: keras.Model) -> None:
    num_bytes = 4 * model.count_params()
    if num_bytes > _LARGEST:
        raise CheckFailed(
            "The weights are too many for one TFLite file. Expected at most"
            f" {_LARGEST:,} bytes in float32. Received {num_bytes:,}. Choose a preset"
            " tflite_stages_..., and set export.stages high enough."
        )


def _configure(
    converter: tf.lite.TFLiteConverter, numbers: Numbers, calibrated: bool
) -> None:
    if numbers != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if numbers == "float16":
        converter.target_spec.supported_types = [tf.float16]
    elif numbers == "int8":
        if calibrated:  # it would ask for examples
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.int8
        converter.inference_output_type = tf.int8
    elif numbers == "int16x8":
        ops = tf.lite.OpsSet
        converter.target_spec.supported_ops = [
            ops.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
        ]


def _convert(converter: tf.lite.TFLiteConverter) -> bytes:
    try:
        with warnings.catch_warnings():
            # The converter calibrates with the interpreter that it itself deprecates.
            warnings.filterwarnings("ignore", message=".*tf.lite.Interpreter")
            content: bytes = converter.convert()
            return content
    except ConverterError as error:
        found = sorted(set(_UNSUPPORTED.findall(str(error))))
        raise CheckFailed(
            "The model cannot be converted to TFLite. Expected: operations that TFLite"
            f" has. Received: {', '.join(found) or error}."
        ) from None
