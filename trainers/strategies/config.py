"""Configuration of strategies that have no folder of their own."""

from typing import Annotated
from typing import Literal
from typing import Self

import pydantic

from tfmodels.config import Config
from trainers.patterns import Pattern


class LayersConfig(Config):
    """Layers of one replica on devices of their own, which work at the same time."""

    devices: int = pydantic.Field(ge=2)
    """Among which layers are shared out, from the bottom on."""
    chunks: int = pydantic.Field(default=4, ge=1)
    """Parts of a sequence: a layer begins with one when that below has finished it."""
    softmax_shards: int = pydantic.Field(default=1, ge=1)
    """Parts of the softmax's vocabulary, each scored on a device of its own: scores of
    all tokens never come together in training."""


class DataParallelConfig(Config):
    """Every replica holds the whole model and computes a share of each batch."""

    kind: Literal["data_parallel"] = "data_parallel"
    devices: Literal["auto", "cpu", "gpu", "tpu"] = "auto"
    """auto: all GPUs of this machine if there are any, else its CPU."""
    replicas: int | None = pydantic.Field(default=None, ge=1)
    """Replicas on this machine; all of its devices when absent. More than one on `cpu`
    splits the CPU into that many virtual devices. Not for `multi_worker`."""
    multi_worker: bool = False
    """Run with the processes that the variable TF_CONFIG names."""
    tpu: str = ""
    """Name or address of the TPU, for ``devices: tpu``."""
    synchronize_batch_norm: bool | None = None
    """Batch statistics over all replicas. When absent: if there are several replicas
    and each has fewer than 32 examples."""
    layers: LayersConfig | None = None
    """For one replica of a model that can be spread: all on one device when absent."""

    @pydantic.model_validator(mode="after")
    def _layers_of_one_replica(self) -> Self:
        several = self.multi_worker or self.devices == "tpu" or (self.replicas or 1) > 1
        if self.layers is not None and several:
            raise ValueError(
                "layers: those of one replica on this machine are shared out. Expected"
                " no multi_worker, no TPU and replicas: 1 beside them. Received"
                f" multi_worker: {self.multi_worker}, devices: {self.devices} and"
                f" replicas: {self.replicas}."
            )
        return self

    @pydantic.model_validator(mode="after")
    def _no_choice_of_devices_in_a_cluster(self) -> Self:
        if self.multi_worker and self.replicas is not None:
            raise ValueError(
                "replicas cannot be chosen with multi_worker: every process uses all of"
                " its devices. Expected only one of the two keys. Received replicas:"
                f" {self.replicas}."
            )
        return self


class PartitionConfig(Config):
    """How the layers of a model are shared out among the stages of a pipeline."""

    file: str | None = None
    """JSON file with the cuts, as ``tfmodels plan --output`` writes it; the other keys
    then mean nothing."""
    costs: Literal["flops", "time", "memory"] = "flops"
    """What is balanced: floating-point operations, known from the shapes; seconds,
    measured on this machine; or bytes of parameters and kept results."""
    objective: Literal["max", "variance"] = "max"
    """Least cost of the slowest stage, or least variance as in arXiv 1811.06965."""
    byte_cost: float = pydantic.Field(default=0.0, ge=0)
    """Cost of a byte that passes from stage to stage, in the units of `costs`; a stage
    is at least as slow as what it sends."""
    memory_cap: pydantic.PositiveInt | None = None
    """Most bytes on a device; no bound when absent."""


class PipelineConfig(Config):
    """Stages of the model on devices in a row, through which micro-batches pass."""

    kind: Literal["pipeline"] = "pipeline"
    devices: Literal["auto", "cpu", "gpu", "tpu"] = "auto"
    """auto: GPUs of this machine if there are enough, else its CPU."""
    stages: int = pydantic.Field(default=2, ge=1)
    """Devices in a row; a stage on each of them, or `chunks` of them."""
    microbatches: int = pydantic.Field(default=4, ge=1)
    """Parts of a batch that are in the pipeline at the same time; equal, or differing
    by one example."""
    schedule: Literal["gpipe", "1f1b", "interleaved_1f1b", "zb_h1"] = "1f1b"
    """Order of forward and backward tasks; all give the same gradients."""
    chunks: int = pydantic.Field(default=1, ge=1)
    """Stages on each device, for `interleaved_1f1b`."""
    rematerialize: Literal["never", "except_last", "always"] = "never"
    """Which forward tasks are done again before their gradient, in place of keeping
    all that they computed; `except_last` leaves out those whose gradient follows at
    once."""
    keep: tuple[Pattern, ...] = ()
    """Regular expressions of items, by their whole names, that are not done again:
    what they computed is kept all the same."""
    inline: bool = False
    """Trace every task's operations in place of a call of one function: steps of long
    tasks are faster and need less memory, the first step takes longer, and so do steps
    of very short tasks. `zb_h1` always does."""
    replicas: int = pydantic.Field(default=1, ge=1)
    """Copies of the whole pipeline, each with a share of every micro-batch."""
    remote: bool = False
    """Run the stages on the worker processes that the variable TF_CONFIG names."""
    tpu: str = ""
    """Name or address of the TPU, for ``devices: tpu``."""
    partition: PartitionConfig = PartitionConfig()
    """Which layers make a stage."""

    @property
    def traced_inline(self) -> bool:
        """`inline`, or `zb_h1`: gradients of the weights alone can be taken out of a
        graph, not of a function."""
        return self.inline or self.schedule == "zb_h1"

    @pydantic.model_validator(mode="after")
    def _nothing_to_keep(self) -> Self:
        if self.keep and self.rematerialize == "never":
            raise ValueError(
                "keep: all results are kept already. Expected rematerialize: always or"
                f" except_last beside it. Received keep: {list(self.keep)} and"
                " rematerialize: never."
            )
        return self


class ParameterServerConfig(Config):
    """Replicas that fetch parameters from servers, work, and push, none waiting."""

    kind: Literal["parameter_server"] = "parameter_server"
    runtime: Literal["simulated", "coordinator", "rpc"] = "simulated"
    """simulated: replicas take turns on a virtual clock, in this process and with the
    same bits every time. coordinator: they are the processes that TF_CONFIG names,
    which this one directs. rpc: they have data of their own, and ask this process for
    steps; they may come and go."""
    devices: Literal["auto", "cpu", "gpu"] = "auto"
    """What a replica computes on; auto: a GPU where it has one."""
    replicas: int | None = pydantic.Field(default=None, ge=1)
    """Replicas; 2, or as many as TF_CONFIG names workers, when absent."""
    servers: int | None = pydantic.Field(default=None, ge=1)
    """Shards of the parameters; 1, or as many as TF_CONFIG names, when absent."""
    local_steps: int = pydantic.Field(default=1, ge=1)
    """Batches of a replica between fetching and pushing, after each of which it changes
    its own parameters; it pushes their difference over the learning rate."""
    pushes_per_fetch: int = pydantic.Field(default=1, ge=1)
    """Pushes of a replica before it fetches again: between them it goes on with what
    its own gradients have made of the parameters."""
    frame_pool: int | None = pydantic.Field(default=None, ge=1)
    """Frames of a mini-batch, drawn in random order from the utterances of all
    `local_steps` batches: what the objective asks of each frame is computed before,
    then each mini-batch makes a local step. Whole batches when absent."""
    staleness: Literal["none", "inverse"] = "none"
    """inverse: the learning rate of a push is divided by 1 + its staleness, the pushes
    of others since its parameters were fetched."""
    max_staleness: int | None = pydantic.Field(default=None, ge=0)
    """Largest staleness: a replica that could cause more waits. No bound when absent;
    no push is ever dropped."""
    warmup_steps: int = pydantic.Field(default=0, ge=0)
    """Steps at the start of a stage that replicas take one at a time."""
    service: Literal["constant", "exponential", "proportional"] = "constant"
    """Virtual time of a step, for `simulated`: 1; random with the mean 1; or the weight
    of its batch (examples, tokens, frames)."""
    synchronous: bool = False
    """All replicas start together and push the mean of their gradients, weighted, as
    one step; for `simulated`."""
    max_restarts: int = pydantic.Field(default=5, ge=0)
    """How often steps that are lost with a server are tried again, for `coordinator`
    and `rpc`."""

    @pydantic.model_validator(mode="after")
    def _only_in_simulation(self) -> Self:
        simulated = {"service": "constant", "synchronous": False}
        for key, default in simulated.items():
            value = getattr(self, key)
            if self.runtime != "simulated" and value != default:
                raise ValueError(
                    f"{key} is decided by the processes themselves. Expected it only"
                    f" with runtime: simulated. Received {key}: {value} with runtime:"
                    f" {self.runtime}."
                )
        return self

    @pydantic.model_validator(mode="after")
    def _fetches_before_every_push(self) -> Self:
        if self.pushes_per_fetch > 1 and (
            self.max_staleness is not None or self.synchronous
        ):
            raise ValueError(
                "pushes_per_fetch: max_staleness and synchronous are for replicas that"
                " fetch before every push. Expected pushes_per_fetch: 1 beside them."
                f" Received pushes_per_fetch: {self.pushes_per_fetch}, max_staleness:"
                f" {self.max_staleness} and synchronous: {self.synchronous}."
            )
        return self


AnyStrategy = Annotated[
    DataParallelConfig | PipelineConfig | ParameterServerConfig,
    pydantic.Field(discriminator="kind"),
]
