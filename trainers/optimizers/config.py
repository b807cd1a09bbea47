"""Configuration of optimizers, learning-rate schedules and weight averages."""

from typing import Annotated
from typing import Literal

import pydantic

from tfmodels.config import Config
from trainers.durations import Duration


class Schedule(Config):
    """What every learning-rate schedule has: a start value and a linear warm-up."""

    initial: float = pydantic.Field(gt=0)
    """Learning rate at the end of warm-up, before any decay."""
    warmup: Duration = 0
    """Length of a linear rise from 0 to `initial`; decay counts from step 0 even so."""


class ConstantSchedule(Schedule):
    """The same learning rate throughout."""

    kind: Literal["constant"] = "constant"


class ExponentialSchedule(Schedule):
    """``initial * factor ** (step / every)``, with whole exponents if `staircase`."""

    kind: Literal["exponential"] = "exponential"
    factor: float = pydantic.Field(gt=0, le=1)
    """Multiplier applied once per `every`."""
    every: Duration
    """Steps or epochs between two multiplications."""
    staircase: bool = True
    """Multiply at once every `every`, not continuously."""


class PolynomialSchedule(Schedule):
    """``end + (initial - end) * (1 - step / length) ** power``."""

    kind: Literal["polynomial"] = "polynomial"
    power: float = pydantic.Field(default=1.0, gt=0)
    end: float = pydantic.Field(default=0.0, ge=0)
    length: Duration | None = None
    """Where the decay ends; the length of the training stage when absent."""


class CosineSchedule(Schedule):
    """Half a cosine from `initial` to ``initial * end_fraction``."""

    kind: Literal["cosine"] = "cosine"
    end_fraction: float = pydantic.Field(default=0.0, ge=0, le=1)
    length: Duration | None = None
    """Where the decay ends; the length of the training stage when absent."""


AnySchedule = Annotated[
    ConstantSchedule | ExponentialSchedule | PolynomialSchedule | CosineSchedule,
    pydantic.Field(discriminator="kind"),
]


class Optimizer(Config):
    """What every optimizer has."""

    learning_rate: AnySchedule
    """The learning-rate schedule; steps count from the start of the training stage."""
    clip_global_norm: float | None = pydantic.Field(default=None, gt=0)
    """Largest norm of the whole gradient, applied to its sum over replicas."""
    l2: float = pydantic.Field(default=0.0, ge=0)
    """Weight of ``0.5 * sum(kernel ** 2)``, added to the gradient of kernels only."""


class MomentumSGD(Optimizer):
    """Stochastic gradient descent with (Nesterov) momentum."""

    kind: Literal["sgd"] = "sgd"
    momentum: float = pydantic.Field(default=0.0, ge=0, lt=1)
    nesterov: bool = False


class RMSProp(Optimizer):
    """RMSProp in one of three published semantics; they differ much at epsilon = 1."""

    kind: Literal["rmsprop"] = "rmsprop"
    semantics: Literal["tf1", "keras", "torch"] = "tf1"
    """tf1: mean of squares starts at 1, epsilon inside the root. keras: starts at 0,
    epsilon inside. torch: starts at 0, epsilon outside the root."""
    rho: float = pydantic.Field(default=0.9, ge=0, lt=1)
    momentum: float = pydantic.Field(default=0.9, ge=0, lt=1)
    epsilon: float = pydantic.Field(default=1.0, gt=0)


class Adam(Optimizer):
    """Adam, with decoupled weight decay when `weight_decay` is set (AdamW)."""

    kind: Literal["adam"] = "adam"
    beta_1: float = pydantic.Field(default=0.9, ge=0, lt=1)
    beta_2: float = pydantic.Field(default=0.999, ge=0, lt=1)
    epsilon: float = pydantic.Field(default=1e-7, gt=0)
    weight_decay: float | None = pydantic.Field(default=None, ge=0)


class Adagrad(Optimizer):
    """Adagrad (Duchi et al., 2011): every weight has its own falling learning rate.

    What asynchronous replicas were trained with (Dean et al., NIPS 2012, section 4.1).
    """

    kind: Literal["adagrad"] = "adagrad"
    initial_accumulator: float = pydantic.Field(default=0.1, ge=0)
    """Start of every sum of squares; as if there had been gradients before."""
    epsilon: float = pydantic.Field(default=1e-7, ge=0)


AnyOptimizer = Annotated[
    MomentumSGD | RMSProp | Adam | Adagrad, pydantic.Field(discriminator="kind")
]


class NoAverage(Config):
    """Evaluate and export the weights as they are."""

    kind: Literal["none"] = "none"


class ExponentialAverage(Config):
    """Exponential moving average with decay ``min(decay, (1 + t) / (10 + t))``."""

    kind: Literal["exponential"] = "exponential"
    decay: float = pydantic.Field(default=0.9999, gt=0, lt=1)


class PolyakAverage(Config):
    """Uniform average of the weights over the last part of training."""

    kind: Literal["polyak"] = "polyak"
    tail: float = pydantic.Field(default=0.4, gt=0, le=1)
    """Share of the run's steps, counted from its end, over which to average."""


AnyAverage = Annotated[
    NoAverage | ExponentialAverage | PolyakAverage, pydantic.Field(discriminator="kind")
]
