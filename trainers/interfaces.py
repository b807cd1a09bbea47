"""The four interfaces that hold all systems: task, objective, strategy, trainable.

A batch is a dict of tensors with the example axis first. ``batch["weight"]`` (float32)
is 0 for rows that only pad a batch or stand for an example that could not be read, so
that every sum below is exact whatever the batch size, the replicas or the damage.
"""

from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Any
from typing import NamedTuple
from typing import Protocol

from trainers.compression.config import AnyCompression
from trainers.optimizers.config import AnyOptimizer

if TYPE_CHECKING:
    import keras
    import tensorflow as tf


Batch = dict[str, Any]
"""Named tensors with the example axis first."""
Outputs = dict[str, Any]
"""Named tensors a model computed from a batch."""
Ratio = tuple[Any, Any]
"""(numerator, denominator), both sums over examples, so that ratios of parts add up."""
Totals = dict[str, Ratio]
"""Ratios by name; all figures of training and evaluation have this form."""


_CHANGED_AT_ONCE = 2


class Loss(NamedTuple):
    """Loss of one replica's batch, not yet divided.

    The division by the weight of *all* replicas and micro-batches happens once, in the
    strategy; that makes uneven batches and padding exact.
    """

    total: Any
    """float32 [], sum over examples (tokens, frames) of weight times loss."""
    weight: Any
    """float32 [], sum of the weights."""
    terms: Totals
    """Named parts for the logs, as ratios of float32 []."""


@dataclass(frozen=True)
class Shard:
    """The share of the global batch that one input pipeline delivers."""

    index: int = 0
    """Number of this input pipeline (worker process)."""
    count: int = 1
    """How many input pipelines there are."""
    replicas: int = 1
    """Replicas over all pipelines; each batch delivered serves one replica."""
    own: bool = False
    """Whole batches, of examples that no other of the `count` pipelines ever delivers,
    in place of a share of the global batch; steps then count the pipeline's own
    batches. For replicas that do not wait for one another."""


class Task(Protocol):
    """What one replica computes for a kind of data."""

    batch_size: int
    """Examples in the global batch of one optimizer step."""
    steps_per_epoch: int
    """Optimizer steps in one pass over the training split."""
    splits: tuple[str, ...]
    """Names of the splits that the data has: ``train`` and some of the others."""

    def build_model(self) -> "keras.Model":
        """Makes the model with fresh weights; outputs are a dict of named tensors."""

    def dataset(
        self, split: str, shard: Shard = Shard(), start: int = 0
    ) -> "tf.data.Dataset":
        """Batches of one replica each, all of one static shape.

        `train` never ends and begins with the batch of step `start`, a pure function of
        the seed and the step; every other split is one pass, its end padded.
        """

    def inputs(self, batch: Batch) -> Any:
        """The model's inputs: a tensor, or a dict of tensors by name."""

    def outputs(
        self, model: Callable[..., Outputs], batch: Batch, training: bool
    ) -> Outputs:
        """Runs the model on one batch; pure in the model's outputs for a pipeline."""

    def metrics(self, outputs: Outputs, batch: Batch) -> Totals:
        """Additive figures of one batch; their totals over a split go to `report`."""

    def report(self, totals: Totals) -> dict[str, float]:
        """Named results from summed metrics; most are numerator / denominator."""

    def figures(self, outputs: Outputs, batch: Batch, totals: Totals) -> dict[str, Any]:
        """What an evaluation shows, by name: matplotlib figures, `Sounds`, Markdown."""

    def samples(self, batch: Batch) -> dict[str, Any]:
        """Pictures of a training batch as the model sees it: matplotlib figures."""

    def diagnostics(self, model: "keras.Model", batch: Batch) -> dict[str, float]:
        """Signs of the model's health on a training batch, by name.

        The model runs as in training, but nothing changes: no variable, no random
        state. ``dead_channels`` has a meaning to all: the share of channels that no
        longer react to any input; too large a share stops the run.
        """

    def predict(self, model: "keras.Model", source: str) -> Any:
        """The answer a user wants for one input a user has."""


class Objective(Protocol):
    """What the model is taught; made of its configuration and the stage's task."""

    def change_batch(self, batch: Batch) -> Batch:
        """A training batch as the objective wants it, in graph code of the input.

        An objective that teaches other targets than the right ones overrides this. What
        is random in it must follow from the batch, such as its ``seed``, so that it is
        the same for any number of replicas and after a resume. Rows may become more, by
        a constant factor; those of an example stay together.
        """
        return batch

    def loss(self, outputs: Outputs, batch: Batch) -> Loss:
        """The loss of one replica's batch, a pure function of the model's outputs."""

    def loss_with_model(
        self, task: Task, model: Callable[..., Outputs], batch: Batch, training: bool
    ) -> tuple[Loss, Outputs]:
        """Runs the model and computes the loss; the one entry that strategies call.

        An objective that must search or sample with the model overrides this; such an
        objective cannot be cut into pipeline stages.
        """
        outputs = task.outputs(model, batch, training)
        return self.loss(outputs, batch), outputs

    def figures(self, batch: Batch) -> dict[str, Any]:
        """Pictures of a changed training batch by name: matplotlib figures."""
        return {}

    def warnings(self, totals: Totals) -> list[str]:
        """What a user should know of figures of training, which `totals` are."""
        return []


@dataclass(frozen=True)
class Stage:
    """One resolved entry of a run's plan."""

    name: str
    start: int
    """Step of the run at which the stage begins."""
    steps: int
    """Optimizer steps the stage lasts."""
    task: Task
    objective: Objective
    optimizer: AnyOptimizer
    frozen: tuple[str, ...]
    """Regular expressions of the variable paths that this stage does not train."""
    compression: AnyCompression | None = None
    """What makes the model smaller while the stage trains it."""

    @property
    def end(self) -> int:
        """Step of the run at which the stage is over."""
        return self.start + self.steps

    def batches(self, shard: Shard = Shard(), start: int = 0) -> "tf.data.Dataset":
        """Training batches of one replica each, from step `start` of the stage on.

        Those of `Task.dataset`, as the objective changes them.
        """
        batches = self.task.dataset("train", shard, start)
        if type(self.objective).change_batch is Objective.change_batch:
            return batches
        changed = batches.map(self.objective.change_batch, _CHANGED_AT_ONCE)
        return changed.prefetch(_CHANGED_AT_ONCE)


class Summary(NamedTuple):
    """What happened in a number of steps, already reduced over replicas."""

    steps: int
    """Optimizer steps taken, left-out updates included."""
    totals: Totals
    """``loss``, its terms and the scalar metrics, summed over the steps."""
    skipped: int
    """Updates that were not finite, and left out if the run allows that."""
    learning_rate: float
    """Learning rate of the last step."""
    seconds: float
    """Wall time of the steps."""
    gradient_norm: float
    """Largest global norm of the gradient before clipping."""
    extra: dict[str, float]
    """Figures that only this strategy has, of the last step, by name in the logs."""


class Trainable(Protocol):
    """A model placed by a strategy, taught by one stage's objective and optimizer."""

    state: dict[str, Any]
    """Variables a checkpoint holds; names and shapes do not depend on placement."""

    def run(self, num_steps: int) -> Summary:
        """Trains `num_steps` optimizer steps and returns what happened in them."""

    def figures(self) -> dict[str, Any]:
        """Pictures that only this strategy has, of the last step, by name."""


class Average(Protocol):
    """Averages of a model's weights, kept beside the weights themselves."""

    state: dict[str, Any]
    """Averaged variables by the path of the variable they average."""

    def update(self, step: Any) -> None:
        """Takes in the weights after step `step` of the run, int64 []."""

    def swapped(self) -> Any:
        """Context in which the model holds the averages; its weights return after."""


class Placed(NamedTuple):
    """A model and its weight averages, on the devices where a strategy put them."""

    model: "keras.Model"
    """A plain Keras model, for evaluation and export."""
    average: Average


class Strategy(Protocol):
    """Where a model runs: where variables live, who updates them, what a step is."""

    is_chief: bool
    """Whether this process writes the logs and checkpoints."""

    def build(self, stages: Sequence[Stage]) -> Placed:
        """Builds the model of a run; its stages say how long and with which slots."""

    def prepare(self, placed: Placed, stage: Stage, start: int) -> Trainable:
        """Makes the model trainable by a stage, from step `start` of the run on."""

    def evaluator(self, placed: Placed, stage: Stage) -> Callable[[str], Totals]:
        """A function that sums a stage's metrics and loss over a split."""

    def gather(self, number: int) -> list[int]:
        """The numbers that all processes pass; each of them must call this."""

    def close(self) -> None:
        """Lets go of other processes; nothing it made is used after."""
