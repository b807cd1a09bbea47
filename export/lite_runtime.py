"""Exported endpoints run by LiteRT: a TFLite file, several, or several in a row."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from export.flatbuffer import count_operators
from export.interfaces import Shapes
from export.manifest import EndpointEntry
from export.manifest import ProgramEntry
from export.manifest import Quantization
from export.manifest import TensorEntry
from export.quantization import dequantize
from export.quantization import quantize
from tfmodels.errors import DataError


class LiteProgram:
    """The signatures of a TFLite file, run by LiteRT.

    Integer inputs are quantized on the way in and outputs dequantized on the way out,
    so that callers see real values whatever the preset. The batch axis may be longer
    than the one converted.
    """

    def __init__(self, path: Path, num_threads: int = 2) -> None:
        """Prepares an interpreter.

        Args:
          path: a .tflite file.
          num_threads: CPU threads an endpoint may use.

        Raises:
          DataError: LiteRT cannot read the file.
        """
        self._content = path.read_bytes()
        try:
            self._interpreter = Interpreter(
                model_content=self._content, num_threads=num_threads
            )
        except ValueError as error:
            raise DataError(f"{path} is not a TFLite model: {error}") from None
        self.endpoints = tuple(self._interpreter.get_signature_list())
        self._runners = {
            name: self._interpreter.get_signature_runner(name)
            for name in self.endpoints
        }

    def inputs(self, endpoint: str) -> Shapes:
        """Shapes of what one endpoint takes."""
        details = self._runners[endpoint].get_input_details()
        return {name: tuple(detail["shape"]) for name, detail in details.items()}

    def describe(self, path: str) -> ProgramEntry:
        """Its part of the manifest."""
        endpoints = {
            name: EndpointEntry(
                inputs=_lite_entries(runner.get_input_details()),
                outputs=_lite_entries(runner.get_output_details()),
            )
            for name, runner in self._runners.items()
        }
        operators = count_operators(self._content)
        return ProgramEntry(path=path, endpoints=endpoints, operators=operators)

    def __call__(
        self, endpoint: str, inputs: Mapping[str, Any]
    ) -> dict[str, np.ndarray]:
        """Runs one signature on named arrays of real values."""
        runner = self._runners[endpoint]
        details = runner.get_input_details()
        values = {
            name: quantize(np.asarray(array), details[name])
            for name, array in inputs.items()
        }
        results = runner(**values)
        details = runner.get_output_details()
        return {
            name: dequantize(array, details[name]) for name, array in results.items()
        }


class LitePrograms:
    """TFLite files in a folder, each with endpoints of its own."""

    def __init__(self, path: Path) -> None:
        """Prepares the interpreters.

        Args:
          path: a folder of .tflite files.

        Raises:
          DataError: there are none, or LiteRT cannot read one.
        """
        self._files = _lite_files(path)
        self._programs = {
            endpoint: program
            for program in self._files.values()
            for endpoint in program.endpoints
        }
        self.endpoints = tuple(self._programs)

    def inputs(self, endpoint: str) -> Shapes:
        """Shapes of what one endpoint takes."""
        return self._programs[endpoint].inputs(endpoint)

    def describe(self, path: str) -> ProgramEntry:
        """Its part of the manifest, with an entry for each file."""
        parts = [
            program.describe(f"{path}/{name}") for name, program in self._files.items()
        ]
        endpoints = {
            name: entry for part in parts for name, entry in part.endpoints.items()
        }
        return _joined(path, endpoints, parts)

    def __call__(
        self, endpoint: str, inputs: Mapping[str, Any]
    ) -> dict[str, np.ndarray]:
        """Runs one signature on named arrays of real values."""
        return self._programs[endpoint](endpoint, inputs)


class StagedLiteProgram:
    """TFLite files in a row, each of which reads what the caller or others made.

    Between two files real values pass. Where the quantizations of a tensor in both are
    equal, that is the same as to pass the integers on.
    """

    def __init__(self, path: Path) -> None:
        """Prepares the interpreters.

        Args:
          path: a folder of .tflite files, in the order of their names.

        Raises:
          DataError: there are none, or LiteRT cannot read one.
        """
        self._stages = _lite_files(path)
        self.endpoints = next(iter(self._stages.values())).endpoints

    def inputs(self, endpoint: str) -> Shapes:
        """Shapes of what one endpoint takes from outside."""
        entries = self.describe("").endpoints[endpoint].inputs
        return {name: entry.shape for name, entry in entries.items()}

    def describe(self, path: str) -> ProgramEntry:
        """Its part of the manifest, with an entry for each file."""
        parts = [
            stage.describe(f"{path}/{name}") for name, stage in self._stages.items()
        ]
        endpoints = {
            name: _ends([part.endpoints[name] for part in parts])
            for name in self.endpoints
        }
        return _joined(path, endpoints, parts)

    def __call__(
        self, endpoint: str, inputs: Mapping[str, Any]
    ) -> dict[str, np.ndarray]:
        """Runs one signature of all files on named arrays of real values."""
        values = dict(inputs)
        read = set()
        for stage in self._stages.values():
            names = set(stage.inputs(endpoint))
            read |= names
            values |= stage(endpoint, {name: values[name] for name in names})
        return {name: values[name] for name in values if name not in read}


def _lite_files(folder: Path) -> dict[str, LiteProgram]:
    files = {file.name: LiteProgram(file) for file in sorted(folder.glob("*.tflite"))}
    if not files:
        raise DataError(f"{folder} holds no program. Expected .tflite files in it.")
    return files


def _joined(
    path: str, endpoints: dict[str, EndpointEntry], parts: list[ProgramEntry]
) -> ProgramEntry:
    """What several files are together."""
    operators: Counter[str] = Counter()
    for part in parts:
        operators.update(part.operators)
    return ProgramEntry(
        path=path,
        endpoints=endpoints,
        operators=dict(sorted(operators.items())),
        parts=tuple(parts),
    )


def _ends(stages: list[EndpointEntry]) -> EndpointEntry:
    """What goes into a chain from outside, and what of it no stage reads."""
    inputs = {name: entry for stage in stages for name, entry in stage.inputs.items()}
    outputs = {name: entry for stage in stages for name, entry in stage.outputs.items()}
    return EndpointEntry(
        inputs={name: inputs[name] for name in inputs if name not in outputs},
        outputs={name: outputs[name] for name in outputs if name not in inputs},
    )


def _lite_entries(details: Mapping[str, Any]) -> dict[str, TensorEntry]:
    entries = {}
    for name, detail in sorted(details.items()):
        scale, zero_point = detail["quantization"]
        entries[name] = TensorEntry(
            shape=tuple(int(size) for size in detail["shape"]),
            dtype=np.dtype(detail["dtype"]).name,
            quantization=Quantization(scale=scale, zero_point=zero_point)
            if scale
            else None,
        )
    return entries
