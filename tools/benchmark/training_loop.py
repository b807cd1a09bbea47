"""Our training loop against a bare loop and Keras ``fit`` on the same model."""

from collections.abc import Callable
from typing import TYPE_CHECKING
from typing import Any

from tools.benchmark.timing import machine
from tools.benchmark.timing import rates
from tools.quiet import load_tensorflow

if TYPE_CHECKING:
    import keras

    from trainers.interfaces import Stage

# Long enough that what `fit` sets up anew at each call does not count against it.
_EPOCHS = 3


def training_loop(config: str = "googlenet/tiny", rounds: int = 15) -> dict[str, Any]:
    """Examples per second of the three loops, some epochs a turn, and the ratios.

    Every rival has its own copy of the model, the same optimizer, loss and input
    pipeline. Ours also computes metrics, averages weights and guards every update.
    """
    load_tensorflow()
    from trainers.configuration import load_experiment

    experiment = load_experiment(config)
    ours, stage, count_traces = _ours(experiment)
    before = count_traces()
    per_second = rates(
        {
            "ours": ours,
            "bare_loop": _bare_loop(stage),
            "keras_fit": _keras_fit(stage),
        },
        rounds,
    )
    return {
        "benchmark": "training_loop",
        "config": config,
        "rounds": rounds,
        "examples_per_second": per_second,
        "ours_over_bare_loop": per_second["ours"] / per_second["bare_loop"],
        "ours_over_keras_fit": per_second["ours"] / per_second["keras_fit"],
        "retraces_after_first_epoch": count_traces() - max(before, 1),
        "machine": machine(),
    }


def _ours(experiment: Any) -> tuple[Callable[[], float], "Stage", Callable[[], int]]:
    """Our loop as `trainers.train` runs it, without the disk."""
    from trainers.stages import plan_stages
    from trainers.strategies.data_parallel.strategy import DataParallel

    strategy = DataParallel(experiment.strategy, experiment.run)
    stage = plan_stages(experiment)[0]
    placed = strategy.build([stage])
    trainable = strategy.prepare(placed, stage, 0)

    def epochs() -> float:
        totals = trainable.run(_EPOCHS * stage.task.steps_per_epoch).totals
        return float(totals["loss"][1])

    return epochs, stage, lambda: trainable.traces


def _bare_loop(stage: "Stage") -> Callable[[], float]:
    """The shortest correct loop: one compiled step, called once per batch."""
    import tensorflow as tf

    task, optimizer = stage.task, _optimizer(stage)
    model = task.build_model()
    variables = model.trainable_variables
    optimizer.build(variables)

    @tf.function
    def step(batch: dict[str, tf.Tensor]) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = stage.objective.loss(task.outputs(model, batch, True), batch)
            mean = loss.total / loss.weight
        gradients = tape.gradient(mean, [variable.value for variable in variables])
        optimizer.apply(gradients, variables)
        return loss.weight

    batches = iter(task.dataset("train"))

    def epochs() -> float:
        steps = _EPOCHS * task.steps_per_epoch
        return float(sum([step(next(batches)) for _ in range(steps)]))

    return epochs


def _keras_fit(stage: "Stage") -> Callable[[], float]:
    """``Model.compile`` and ``Model.fit`` with the same losses and loss weights."""
    import keras
    import tensorflow as tf

    task: Any = stage.task
    objective: Any = stage.objective
    model, settings = task.build_model(), objective.config
    losses = {
        name: keras.losses.CategoricalCrossentropy(
            from_logits=True, label_smoothing=settings.label_smoothing
        )
        for name in ("logits", *settings.auxiliary_weights)
    }
    weights = {"logits": 1.0, **settings.auxiliary_weights}
    model.compile(_optimizer(stage), loss=losses, loss_weights=weights)
    num_classes = model.output["logits"].shape[-1]

    def split(batch: dict[str, tf.Tensor]) -> tuple[Any, Any]:
        target = tf.one_hot(batch["label"], num_classes)
        return task.inputs(batch), dict.fromkeys(losses, target)

    batches = task.dataset("train").map(split)
    steps = task.steps_per_epoch

    def epochs() -> float:
        model.fit(batches, epochs=_EPOCHS, steps_per_epoch=steps, verbose=0)
        return float(_EPOCHS * steps * task.batch_size)

    return epochs


def _optimizer(stage: "Stage") -> "keras.optimizers.Optimizer":
    from trainers.optimizers.factory import build_optimizer

    return build_optimizer(stage.optimizer, stage.steps, stage.task.steps_per_epoch)
