"""A learner that draws single frames, in random order, from many utterances."""

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from typing import Any
from typing import NamedTuple
from typing import Protocol
from typing import runtime_checkable

import keras
import tensorflow as tf

from tfmodels.errors import ConfigError
from trainers.interfaces import Batch
from trainers.interfaces import Loss
from trainers.interfaces import Objective
from trainers.interfaces import Outputs
from trainers.interfaces import Stage
from trainers.interfaces import Totals
from trainers.strategies.parameter_server.learner import Learner
from trainers.strategies.parameter_server.learner import Numbered
from trainers.strategies.parameter_server.learner import Subject
from trainers.strategies.parameter_server.learner import Work
from trainers.strategies.parameter_server.learner import totals_of
from trainers.totals import add_totals


class Windows(Protocol):
    """A model in windows of its frames: the task's, which knows the model.

    Scored frame t is a function of the `width` extended frames from ``stride * t`` on.
    """

    @property
    def extend(self) -> keras.Model:
        """Of the model's input: its frames in their context, float [U, E, D]."""

    @property
    def model(self) -> keras.Model:
        """Of windows, float [n, width, D]: each output, float32 [n, 1, P]; it has the
        variables of the model."""

    @property
    def width(self) -> int:
        """Frames of a window."""

    @property
    def stride(self) -> int:
        """Frames from the beginning of a window to that of the next."""


@runtime_checkable
class FrameTask(Protocol):
    """What the pool needs to know of its task."""

    def windows(self, model: keras.Model) -> Windows | None:
        """The model in windows of its frames; None if it needs whole utterances."""


class Derived(NamedTuple):
    """Utterances, U of them, and what the objective asks of each of their frames."""

    extended: tf.Tensor
    """float [U, E, D], input frames in their context; see `Windows.extend`."""
    derivatives: Outputs
    """float32 [U, T, P], G of each output: of -loss with respect to it."""
    active: tf.Tensor
    """bool [U, T], scored frames that are not padding."""


class FramePool(Learner):
    """Takes local steps on mini-batches of frames instead of whole utterances.

    First it computes the derivatives G of the objective with respect to the outputs, in
    all utterances of all batches and at the parameters that were fetched, theta'. Their
    frames are then shuffled and cut into mini-batches, and each makes a step of the
    auxiliary function ``Q(theta; theta') = sum_tk G_t(k; theta') a_t(k; theta)``, whose
    gradient is the objective's own where theta is theta' (Heigold et al., ICASSP 2014).
    """

    def __init__(self, subject: Subject, size: int) -> None:
        """Takes what a `Learner` takes, and the frames of a mini-batch.

        Raises:
          ConfigError: outputs depend on more than a window of frames, or the objective
            on more than outputs.
        """
        whole, stage = subject.model, subject.stage
        self._windows = _windows(whole, stage)
        self._whole, self._utterances = whole, stage
        self._size = size
        task: Any = _Windowed()
        frames = replace(stage, task=task, objective=_Tangent())
        super().__init__(subject._replace(model=self._windows.model, stage=frames))
        self._derived = tf.function(
            self.derive, autograph=False, jit_compile=subject.xla or None
        )

    def work(
        self, parameters: tf.Tensor, batches: Sequence[Numbered], rate: tf.Tensor
    ) -> Work:
        """Takes one local step for each mini-batch of the frames of all batches.

        Args:
          parameters: float32 [N].
          batches: at least one; the number of the first decides the order of frames.
          rate: float32 [], learning rate of local steps.
        """
        with self._on_device():
            parts = [self._derived(parameters, *each) for each in batches]
            totals = reduce(add_totals, (totals for _, totals in parts))
            derived = tf.nest.map_structure(
                lambda *each: tf.concat(each, 0), *(derived for derived, _ in parts)
            )
            first, _ = batches[0]
            pool = _Pool(derived, self._windows, self._size, first)
            # A mini-batch of all frames has the weight that the objective gives them.
            share = tf.math.divide_no_nan(
                totals["loss"][1], tf.cast(pool.num_frames, tf.float32)
            )

            def step(
                i: tf.Tensor,
                parameters: tf.Tensor,
                gradient: tf.Tensor,
                norm: tf.Tensor,
            ) -> tuple[tf.Tensor, ...]:
                rows = pool.mini_batch(i, share)
                work = Work(*self._gradient(parameters, first, rows))
                return (
                    i + 1,
                    self.flat.moved(parameters, work.gradient, rate),
                    gradient + work.gradient,
                    tf.maximum(norm, work.norm),
                )

            _, _, gradient, norm = tf.while_loop(
                lambda i, *_: i < pool.num_batches,
                step,
                (0, parameters, tf.zeros_like(parameters), 0.0),
                parallel_iterations=1,
            )
            return Work(gradient, totals, norm)

    def derive(
        self, parameters: tf.Tensor, number: tf.Tensor, batch: Batch
    ) -> tuple[Derived, Totals]:
        """Derivatives and figures of a batch at some parameters, float32 [N].

        Derivatives end at the outputs: through layers they go with each mini-batch.
        """
        task, objective = self._utterances.task, self._utterances.objective
        states = self._states(self.flat.unpack(parameters), number)
        with keras.StatelessScope(states):
            outputs = task.outputs(self._whole, batch, training=True)
            extended = self._windows.extend(task.inputs(batch))
        with tf.GradientTape() as tape:
            tape.watch(outputs)
            loss = objective.loss(outputs, batch)
            value = -loss.total
        derivatives = tape.gradient(
            value, outputs, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        derived = Derived(extended, derivatives, batch["weight"] > 0)
        return derived, totals_of(task, loss, outputs, batch)


class _Pool:
    """The active frames of some utterances in a random order, cut into mini-batches.

    Args:
      derived: the utterances.
      windows: what each frame needs.
      size: frames of a mini-batch; the last one is filled up with frames of no weight.
      number: int64 [], decides the order.
    """

    def __init__(
        self, derived: Derived, windows: Windows, size: int, number: tf.Tensor
    ) -> None:
        utterances, time = derived.active.shape
        _, length, dim = derived.extended.shape
        self._frames = tf.reshape(derived.extended, [-1, dim])
        self._derivatives = {
            name: tf.reshape(value, [-1, value.shape[-1]])
            for name, value in derived.derivatives.items()
        }
        firsts = length * tf.range(utterances)[:, None]
        self._begins = tf.reshape(firsts + windows.stride * tf.range(time), [-1])
        self._window = tf.range(windows.width)
        self._size = size
        active = tf.reshape(tf.where(tf.reshape(derived.active, [-1])), [-1])
        seed = tf.stack([number, tf.zeros_like(number)])
        self._order = tf.random.experimental.stateless_shuffle(active, seed)
        self.num_frames = tf.size(self._order)
        """int32 [], active frames."""
        self.num_batches = -(-self.num_frames // size)
        """int32 [], mini-batches that have any."""

    def mini_batch(self, i: tf.Tensor, share: tf.Tensor) -> Batch:
        """Windows and derivatives of the frames of a mini-batch.

        Args:
          i: int32 [].
          share: float32 [], weight of a frame.
        """
        place = i * self._size + tf.range(self._size)
        there = place < self.num_frames
        rows = tf.gather(self._order, tf.minimum(place, self.num_frames - 1))
        begins = tf.gather(self._begins, rows)
        return {
            "windows": tf.gather(self._frames, begins[:, None] + self._window),
            "derivatives": {
                name: tf.where(there[:, None], tf.gather(value, rows), 0)
                for name, value in self._derivatives.items()
            },
            "weight": tf.where(there, share, 0),
        }


class _Windowed:
    """What a `Learner` asks of a task, for a mini-batch of frames."""

    def outputs(self, model: keras.Model, batch: Batch, training: bool) -> Outputs:
        """Each output, float32 [n, P]."""
        outputs = model(batch["windows"], training=training)
        return {name: value[:, 0] for name, value in outputs.items()}

    def metrics(self, outputs: Outputs, batch: Batch) -> Totals:
        """None: figures are those of whole utterances."""
        return {}


class _Tangent(Objective):
    """Objective: the auxiliary function, which is linear in the outputs."""

    def loss(self, outputs: Outputs, batch: Batch) -> Loss:
        """``-Q`` of a mini-batch."""
        total = -tf.add_n(
            [
                tf.reduce_sum(derivative * outputs[name])
                for name, derivative in batch["derivatives"].items()
            ]
        )
        return Loss(total, tf.reduce_sum(batch["weight"]), {})


def _windows(model: keras.Model, stage: Stage) -> Windows:
    task, objective = stage.task, stage.objective
    found = task.windows(model) if isinstance(task, FrameTask) else None
    if found is None:
        raise ConfigError(
            "strategy.frame_pool: no single frames can be drawn, since scores depend on"
            " more than a window of some frames. Expected a model acoustic_dnn or"
            " acoustic_tdnn, or strategy.frame_pool: null. Received the model"
            f" {model.name} for {type(task).__name__}."
        )
    if type(objective).loss_with_model is not Objective.loss_with_model:
        raise ConfigError(
            "strategy.frame_pool: an objective that searches or samples has no"
            " derivatives with respect to outputs alone. Expected another objective, or"
            f" strategy.frame_pool: null. Received {type(objective).__name__}."
        )
    return found
