"""The explicit table of presets: what can leave, who writes it, how close it must stay.

Names only, so that the command line can list them without importing TensorFlow.
"""

import functools
import importlib
from collections.abc import Callable
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING
from typing import Any
from typing import NamedTuple

from tfmodels.config import similar
from tfmodels.errors import ConfigError

if TYPE_CHECKING:
    from export.interfaces import Job


class Preset(NamedTuple):
    """One way for a model to leave."""

    summary: str
    """One line for people."""
    bound: float
    """Largest error of an output against Keras, as a share of the output's range."""
    writer: str | None = None
    """``module:function`` that writes the device's file; see `find_writer`."""
    options: Mapping[str, Any] = MappingProxyType({})
    """Further arguments of the writer."""
    replicas: bool = False
    """Whether the writer works on all replicas of the run's strategy."""
    fuses: bool = False
    """Whether the writer follows ``export.fuse_1x1``."""
    learned_ranges: bool = False
    """Whether it takes models that have learned 8-bit ranges in training."""

    def check(self, name: str, fuse_1x1: bool, learned_ranges: bool) -> None:
        """Makes sure that the writer does what a run asks for.

        Args:
          name: of the preset, for messages.
          fuse_1x1: ``export.fuse_1x1``.
          learned_ranges: whether the run has learned 8-bit ranges.

        Raises:
          ConfigError: it does not.
        """
        for wanted, ability, why, otherwise in (
            (fuse_1x1, "fuses", "export.fuse_1x1: true", ", or the key to be false"),
            (learned_ranges, "learned_ranges", "the run has learned 8-bit ranges", ""),
        ):
            if wanted and not getattr(self, ability):
                able = [key for key, each in PRESETS.items() if getattr(each, ability)]
                raise ConfigError(
                    f"{why}, of which this preset makes nothing. Expected --preset to"
                    f" be one of {', '.join(able)}{otherwise}. Received {name!r}."
                )


def _tflite(numbers: str, summary: str, bound: float) -> Preset:
    writer, options = "export.tflite:write_tflite", {"numbers": numbers}
    return Preset(
        summary, bound, writer, options, fuses=True, learned_ranges=numbers == "int8"
    )


def _stages(numbers: str, summary: str, bound: float) -> Preset:
    writer, options = "export.stages:write_stages", {"numbers": numbers}
    return Preset(summary, bound, writer, options, fuses=True)


def _clipped(bits: int, bound: float, packed: bool = True) -> Preset:
    kind = "packed weights" if packed else "weights in floating point"
    summary = f"SavedModel of {kind}, clipped for {bits} bits, tables and head for 8"
    writer = "export.optimal_clipping.writing:write_clipped"
    return Preset(summary, bound, writer, {"bits": bits, "packed": packed}, True)


def _lite(bits: int, form: str, bound: float) -> Preset:
    how = "int8 activations" if form == "dynamic" else "float32 arithmetic"
    summary = f"packed weights: {bits} bits, tables and head 8, clipped; {how}"
    writer = "export.optimal_clipping.lite.writing:write_lite_clipped"
    return Preset(summary, bound, writer, {"bits": bits, "form": form})


# Measured on the trained tiny networks: 7e-7, 1e-3, 3e-2 and, with integer activations,
# up to 9e-2, where a test example exceeds the range of the calibration and saturates;
# 9e-3 with the integer engine; 9e-2 and 1e-2 with packed weights of 4 and 8 bits.
PRESETS: dict[str, Preset] = {
    "saved_model": Preset(
        "TensorFlow SavedModel, no file for a device", 1e-5, learned_ranges=True
    ),
    "tflite_float32": _tflite("float32", "float32 throughout", 1e-5),
    "tflite_float16": _tflite("float16", "float16 weights, half the size", 5e-3),
    "tflite_dynamic": _tflite("dynamic", "int8 weights, float32 in and out", 5e-2),
    "tflite_int8": _tflite("int8", "integer only, calibrated, int8 in and out", 0.15),
    "tflite_int16x8": _tflite("int16x8", "int16 activations, int8 weights", 0.15),
    "tflite_stages_float32": _stages("float32", "float32, in a chain of files", 1e-5),
    "tflite_stages_int8": _stages("int8", "integer only, in a chain of files", 0.15),
    "saved_model_int4_clipped": _clipped(4, 0.25),
    "saved_model_int8_clipped": _clipped(8, 0.05),
    "saved_model_float_clipped": _clipped(4, 0.25, packed=False),
    "tflite_int4_clipped": _lite(4, "dynamic", 0.25),
    "tflite_int8_clipped": _lite(8, "dynamic", 0.05),
    "tflite_int4_clipped_float": _lite(4, "weight_only", 0.25),
    "integer": Preset(
        "translation in int8 weights and int16 states, for NumPy; bit for bit",
        0.05,
        "export.integer.writing:write_integer",
    ),
}


def find_preset(name: str) -> Preset:
    """The preset of this name.

    Raises:
      ConfigError: there is none.
    """
    if name not in PRESETS:
        raise ConfigError(
            f"there is no preset {name!r}.{similar(name, PRESETS)} Expected --preset to"
            f" be one of {', '.join(PRESETS)}. Received {name!r}."
        )
    return PRESETS[name]


def find_writer(preset: Preset) -> "Callable[[Job], dict[str, str]]":
    """Imports what writes a preset's file for a device.

    Returns:
      A function that writes into the artefact and returns the program it made: its kind
      and its path inside the artefact. Nothing, when the SavedModel is all there is.
    """
    if preset.writer is None:
        return lambda job: {}
    module, name = preset.writer.split(":")
    function = getattr(importlib.import_module(module), name)
    return functools.partial(function, **preset.options)
