"""What the room asks of a kind of task, and of whatever runs an exported model."""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from typing import NamedTuple
from typing import Protocol

from export.manifest import ProgramEntry
from trainers.experiment import Experiment
from trainers.interfaces import Batch
from trainers.interfaces import Task

if TYPE_CHECKING:
    import keras
    import numpy as np
    import tensorflow as tf

    from trainers.runs import Run

Arrays = dict[str, Any]
"""Named numpy arrays."""

Shapes = dict[str, tuple[int | None, ...]]
"""Sizes of named tensors' axes; None where any size will do."""


class Endpoint(NamedTuple):
    """A function that leaves the program, with the tensors it takes."""

    function: "Callable[..., dict[str, tf.Tensor]]"
    """Takes one positional tensor per input; returns named tensors."""
    inputs: "tuple[tf.TensorSpec, ...]"
    """Name, shape and dtype of each input, in order."""
    resources: tuple[Any, ...] = ()
    """What it holds besides the model's weights, such as tables; a `tf.Module` each."""


class Program(Protocol):
    """Exported endpoints that can be run, whatever runs them."""

    endpoints: tuple[str, ...]
    """The names it answers to."""

    def inputs(self, endpoint: str) -> Shapes:
        """Shapes of what one endpoint takes."""

    def __call__(self, endpoint: str, inputs: Mapping[str, Any]) -> Arrays:
        """Runs one endpoint on named arrays; quantized tensors show real values."""


class SavedProgram(Program, Protocol):
    """A program read back from an artefact."""

    def describe(self, path: str) -> ProgramEntry:
        """Its part of the manifest; `path` is its place in the artefact."""


class Signatures(Protocol):
    """What is exported for one kind of task: the only part that knows the domain."""

    accuracy: str
    """The figure of `Task.report` that quantization must not lower too much."""
    file_names: tuple[str, ...]
    """Names of the text files that `files_of` makes, of some runs at least."""

    floating: tuple[str, ...]
    """Endpoints for the device whose arithmetic stays in floating point, where ranges
    would be calibrated: calibration ends in a crash in loops over time, for one."""
    repeated: tuple[str, ...]
    """Endpoints for the device that answer what others can, one step at a time; a file
    that is to be small does without."""

    def __init__(self, experiment: Experiment, files: Mapping[str, str]) -> None:
        """Takes the run's configuration and the text files that `files_of` made."""

    @staticmethod
    def files_of(task: Task) -> dict[str, str]:
        """Text files the artefact carries, by name, such as ``labels.txt``."""

    def deployed(self, model: "keras.Model") -> "keras.Model":
        """The part of a trained model that leaves."""

    def serving(self, model: "keras.Model") -> dict[str, Endpoint]:
        """Endpoints of the SavedModel, for raw inputs; the first is the default."""

    def device(self, model: "keras.Model") -> dict[str, Endpoint]:
        """Endpoints of the TFLite file: static shapes, built-in operators only.

        A single one whose inputs have the shapes of the model's, in their order, is
        the model; its outputs then have the names of the model's.
        """

    def preprocessing(self) -> dict[str, Any]:
        """How a caller of a `device` endpoint makes its input from what a user has."""

    def calibration(self, program: Program, count: int) -> Iterator[tuple[str, Arrays]]:
        """Real inputs of the `device` endpoints, each with its endpoint.

        Args:
          program: runs these endpoints, for inputs that the model itself has made.
          count: training examples to make them of.
        """

    def examples(self, split: str, limit: int) -> Iterator[Batch]:
        """Real raw inputs with their targets: a split, or `limit` spread over it."""

    def outputs(self, program: Program, batch: Batch) -> Arrays:
        """Runs a batch of `examples` through a program, by the endpoints it has."""

    def agreement(self, reference: Arrays, outputs: Arrays) -> "np.ndarray":
        """Whether two programs answer alike, bool, of the shape of the weights; or the
        share of an answer that is alike."""

    def predict(self, program: Program, source: str) -> Any:
        """The answer a user wants for one input a user has.

        Raises:
          DataError: the input is missing or unreadable.
        """


class Job(NamedTuple):
    """What the writer of a preset works on."""

    run: "Run"
    """The trained run."""
    model: "keras.Model"
    """Its model as it leaves: without training heads, in float32."""
    signatures: Signatures
    """What the run's kind of task exports."""
    folder: Path
    """The artefact in the making."""
    progress: Path | None = None
    """A folder beside it that outlives a kill, for long work; made by who needs it."""
    distribution: "tf.distribute.Strategy | None" = None
    """Replicas of the run's strategy on this machine, for a preset that wants them."""
