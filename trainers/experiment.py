"""The typed tree that a YAML file fills: one experiment, with all that makes it up."""

from typing import Literal
from typing import NamedTuple
from typing import Self

import pydantic

from tfmodels.catalog import MODELS
from tfmodels.config import Config
from trainers.compression.config import AnyCompression
from trainers.compression.config import QuantizationConfig
from trainers.durations import Duration
from trainers.durations import Interval
from trainers.exports import ExportConfig
from trainers.kinds import DATA_OF_TASK
from trainers.kinds import MODEL_OF_TASK
from trainers.kinds import TASK_OF_OBJECTIVE
from trainers.kinds import AnyData
from trainers.kinds import AnyModel
from trainers.kinds import AnyObjective
from trainers.kinds import AnyTask
from trainers.optimizers.config import AnyAverage
from trainers.optimizers.config import AnyOptimizer
from trainers.optimizers.config import NoAverage
from trainers.patterns import Pattern
from trainers.strategies.config import AnyStrategy
from trainers.strategies.config import DataParallelConfig


class ProfileConfig(Config):
    """A window of steps that TensorFlow's profiler records for TensorBoard."""

    start: int = pydantic.Field(default=20, ge=1)
    """Recording starts after this step; the earlier ones compile and warm up."""
    steps: int = pydantic.Field(default=10, ge=1)
    """Number of steps recorded."""


class RunConfig(Config):
    """How long to train, in which numbers, and what to do at which intervals."""

    steps: Duration | None = None
    """Length of training; absent when `stages` say it."""
    seed: int = pydantic.Field(default=0, ge=0, lt=2**31)
    """Origin of every random number: weights, data order, augmentation, dropout."""
    deterministic: bool = False
    """Refuse operations whose results differ from run to run, and take slower ones, as
    accelerators need for equal bits; holds for the whole process."""
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "float32"
    """Numbers that layers compute with; variables are float32 in all three."""
    loss_scale: float = pydantic.Field(default=2.0**15, gt=0)
    """Start value of the dynamic loss scale that `mixed_float16` uses."""
    xla: bool = False
    """Compile the forward and backward pass of a replica with XLA, and the beam search
    of translations."""
    accumulation: int = pydantic.Field(default=1, ge=1)
    """Micro-batches whose gradients are summed for one optimizer step."""
    average: AnyAverage = NoAverage()
    """Average of the weights over time, used to evaluate and to export."""
    steps_per_loop: int = pydantic.Field(default=10, ge=1)
    """Most steps run in one compiled loop; progress is shown, and requests to stop are
    heard, after each."""
    log_every: int = pydantic.Field(default=50, ge=1)
    """Steps between two lines of `metrics.jsonl` and points in TensorBoard."""
    evaluate_every: Interval | None = None
    """Between two evaluations on the validation split; only at the end when absent."""
    checkpoint_every: Interval = "1 epoch"
    """Between two checkpoints; there is always one at the end."""
    keep_checkpoints: int = pydantic.Field(default=3, ge=1)
    """Newest checkpoints that are not deleted; older ones serve when one is damaged."""
    images_every: Interval | None = None
    """Between two sets of input images in TensorBoard; never when absent."""
    histograms_every: Interval | None = None
    """Between two sets of weight histograms in TensorBoard; never when absent."""
    diagnostics_every: Interval | None = None
    """Between two looks at the model's health on a training batch, such as the share of
    dead channels; never when absent."""
    max_dead_channels: float = pydantic.Field(default=0.99, gt=0, le=1)
    """Stop when a larger share of the channels that feed the output is zero on a batch;
    1 never stops. Looked at every `diagnostics_every`."""
    profile: ProfileConfig | None = None
    """Which steps to profile; none when absent."""
    loss_bound: float | None = pydantic.Field(default=None, gt=0)
    """Stop when the training loss exceeds this; no bound when absent."""
    max_skipped_updates: int = pydantic.Field(default=0, ge=0)
    """Updates in a row that may be left out because a gradient is not finite, before
    training stops. Under `mixed_float16` at least 15: so the loss scale is found."""

    @property
    def skippable_updates(self) -> int:
        """Updates in a row that may be left out, to find the loss scale included."""
        # From a loss scale of 2 ** 15 to 1 are 15 halvings.
        search = 15 if self.precision == "mixed_float16" else 0
        return max(self.max_skipped_updates, search)


class StageConfig(Config):
    """A part of training; sections it lacks are those of the experiment."""

    name: str = pydantic.Field(pattern=r"^[a-z][a-z0-9_]*$")
    """Name in logs and checkpoints."""
    steps: Duration
    """Length of the stage; schedules of its optimizer count from its start."""
    objective: AnyObjective | None = None
    """Replaces the whole section `objective`."""
    optimizer: AnyOptimizer | None = None
    """Replaces the whole section `optimizer`; its state starts afresh."""
    data: AnyData | None = None
    """Replaces the whole section `data`."""
    freeze: tuple[Pattern, ...] = ()
    """Regular expressions; variables whose path holds a match are not trained. Moving
    statistics of batch normalisation go on."""
    compression: AnyCompression | None = None
    """What makes the model smaller while the stage trains it; nothing when absent."""


class ResolvedStage(NamedTuple):
    """A stage of training with every section filled in."""

    name: str
    """Name in logs and checkpoints."""
    steps: int | str
    """Length, a `Duration`."""
    objective: AnyObjective
    """What is taught."""
    optimizer: AnyOptimizer
    """Who updates the weights."""
    data: AnyData
    """What is learned from."""
    freeze: tuple[str, ...]
    """Patterns of the paths of variables that are not trained."""
    compression: AnyCompression | None
    """What makes the model smaller."""


class Experiment(Config):
    """Everything that decides what a run computes."""

    description: str = ""
    """What this experiment shows: expected figures, hardware, duration."""
    task: AnyTask
    """What one replica computes for a kind of data."""
    model: AnyModel
    """Which network, and its hyperparameters."""
    data: AnyData
    """Where examples come from and how they become batches."""
    objective: AnyObjective
    """What the model is taught."""
    optimizer: AnyOptimizer
    """Who updates the weights, at which learning rate."""
    strategy: AnyStrategy = DataParallelConfig()
    """Where the model runs."""
    run: RunConfig = RunConfig()
    """How long, in which precision, and what happens at which intervals."""
    export: ExportConfig = ExportConfig()
    """Calibration and bounds of what leaves for a device."""
    stages: tuple[StageConfig, ...] = ()
    """Parts of training in their order; a single one of `run.steps` when absent."""

    def training_stages(self) -> tuple[ResolvedStage, ...]:
        """The stages in their order, each with every section filled in."""
        stages = self.stages
        if self.run.steps is not None:
            stages = (StageConfig(name="train", steps=self.run.steps),)
        return tuple(
            ResolvedStage(
                stage.name,
                stage.steps,
                stage.objective or self.objective,
                stage.optimizer or self.optimizer,
                stage.data or self.data,
                stage.freeze,
                stage.compression,
            )
            for stage in stages
        )

    @pydantic.model_validator(mode="after")
    def _check_stages(self) -> Self:
        names = [stage.name for stage in self.stages]
        if bool(names) == (self.run.steps is not None):
            raise ValueError(
                "the length of training must be given once. Expected either run.steps"
                f" or stages. Received run.steps: {self.run.steps}, stages: {names}."
            )
        if len(set(names)) < len(names):
            raise ValueError(
                "two stages have the same name. Expected every stages[].name only once."
                f" Received {', '.join(names)}."
            )
        return self

    @pydantic.model_validator(mode="after")
    def _check_model(self) -> Self:
        suitable = MODEL_OF_TASK[type(self.task)]
        if not isinstance(self.model, suitable):
            kinds = [n for n, e in MODELS.items() if issubclass(e.config, suitable)]
            raise ValueError(
                f"the model does not suit the task {self.task.kind}. Expected"
                f" model.kind to be one of {', '.join(kinds)}. Received model.kind:"
                f" {self.model.plain()['kind']}."
            )
        return self

    @pydantic.model_validator(mode="after")
    def _check_objectives(self) -> Self:
        for stage in self.training_stages():
            needed = TASK_OF_OBJECTIVE.get(type(stage.objective))
            if needed is not None and not isinstance(self.task, needed):
                raise ValueError(
                    f"the objective {stage.objective.kind} does not suit the task."
                    f" Expected task.kind: {needed.model_fields['kind'].default}."
                    f" Received task.kind: {self.task.kind}."
                )
        return self

    @pydantic.model_validator(mode="after")
    def _check_compression(self) -> Self:
        used = [stage.compression for stage in self.stages if stage.compression]
        if used and not isinstance(self.strategy, DataParallelConfig):
            raise ValueError(
                "the strategy cannot make a model smaller. Expected strategy.kind:"
                " data_parallel where stages have compression. Received strategy.kind:"
                f" {self.strategy.kind}."
            )
        quantized = any(isinstance(each, QuantizationConfig) for each in used)
        if quantized and self.run.precision != "float32":
            raise ValueError(
                "8 bits are learned in float32 only. Expected run.precision: float32"
                " where a stage has compression.kind: quantization_aware. Received"
                f" run.precision: {self.run.precision}."
            )
        return self

    @pydantic.model_validator(mode="after")
    def _check_data(self) -> Self:
        expected = DATA_OF_TASK[type(self.task)]
        names = " or ".join(each.__name__ for each in expected)
        for stage in self.training_stages():
            if not isinstance(stage.data, expected):
                raise ValueError(
                    f"the data do not suit the task {self.task.kind}. Expected data of"
                    f" the type {names}. Received data.kind:"
                    f" {stage.data.kind}."
                )
            if stage.data.batch_size % self.run.accumulation:
                raise ValueError(
                    "a batch cannot be cut into equal micro-batches. Expected"
                    " data.batch_size to be a multiple of run.accumulation:"
                    f" {self.run.accumulation}. Received data.batch_size:"
                    f" {stage.data.batch_size}."
                )
        return self
