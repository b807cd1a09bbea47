"""Exported endpoints run by TensorFlow: as Keras model, or as SavedModel."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from export.interfaces import Endpoint
from export.interfaces import Shapes
from export.manifest import EndpointEntry
from export.manifest import ProgramEntry
from export.manifest import TensorEntry
from export.saved_model import check_operations
from tfmodels.errors import DataError


class KerasProgram:
    """Endpoints run as they were written, without being saved: the reference."""

    def __init__(self, endpoints: Mapping[str, Endpoint]) -> None:
        self.endpoints = tuple(endpoints)
        self._functions = {
            name: (_traced(endpoint), [spec.name for spec in endpoint.inputs])
            for name, endpoint in endpoints.items()
        }
        self._shapes = {
            name: {spec.name: tuple(spec.shape.as_list()) for spec in endpoint.inputs}
            for name, endpoint in endpoints.items()
        }

    def inputs(self, endpoint: str) -> Shapes:
        """Shapes of what one endpoint takes."""
        return self._shapes[endpoint]

    def __call__(
        self, endpoint: str, inputs: Mapping[str, Any]
    ) -> dict[str, np.ndarray]:
        """Runs one endpoint on named arrays."""
        function, names = self._functions[endpoint]
        outputs = function(*(tf.convert_to_tensor(inputs[name]) for name in names))
        return {name: tensor.numpy() for name, tensor in outputs.items()}


def _traced(endpoint: Endpoint) -> Any:
    """Its function; traced once where any size will do, such as a sound's length."""
    sizes = [size for spec in endpoint.inputs for size in spec.shape]
    signature = list(endpoint.inputs) if None in sizes else None
    return tf.function(endpoint.function, input_signature=signature)


class SavedModelProgram:
    """The signatures of a SavedModel folder."""

    def __init__(self, path: Path) -> None:
        """Loads the folder.

        Raises:
          DataError: TensorFlow cannot read it, or should not run it.
        """
        check_operations(path)
        try:
            self._module = tf.saved_model.load(str(path))
        except (OSError, tf.errors.OpError) as error:
            raise DataError(f"{path} is not a readable SavedModel: {error}") from None
        self.endpoints = tuple(self._module.signatures)

    def inputs(self, endpoint: str) -> Shapes:
        """Shapes of what one endpoint takes."""
        specs = self._module.signatures[endpoint].structured_input_signature[1]
        return {name: tuple(spec.shape.as_list()) for name, spec in specs.items()}

    def describe(self, path: str) -> ProgramEntry:
        """Its part of the manifest."""
        endpoints = {
            name: EndpointEntry(
                inputs=_tensor_entries(function.structured_input_signature[1]),
                outputs=_tensor_entries(function.structured_outputs),
            )
            for name, function in self._module.signatures.items()
        }
        return ProgramEntry(path=path, endpoints=endpoints)

    def __call__(
        self, endpoint: str, inputs: Mapping[str, Any]
    ) -> dict[str, np.ndarray]:
        """Runs one signature on named arrays."""
        function = self._module.signatures[endpoint]
        tensors = {name: tf.convert_to_tensor(array) for name, array in inputs.items()}
        return {name: tensor.numpy() for name, tensor in function(**tensors).items()}


def _tensor_entries(specs: Mapping[str, tf.TensorSpec]) -> dict[str, TensorEntry]:
    return {
        name: TensorEntry(shape=tuple(spec.shape.as_list()), dtype=spec.dtype.name)
        for name, spec in sorted(specs.items())
    }
