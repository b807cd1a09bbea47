"""L2, clipping and the update, on one device and across replicas."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainers.optimizers.config import Adam
from trainers.optimizers.config import AnyOptimizer
from trainers.optimizers.config import ConstantSchedule
from trainers.optimizers.config import MomentumSGD
from trainers.optimizers.config import RMSProp
from trainers.optimizers.factory import build_optimizer
from trainers.optimizers.gradients import add_l2
from trainers.optimizers.gradients import apply_gradients
from trainers.optimizers.gradients import clip_by_global_norm
from trainers.optimizers.gradients import is_kernel

RATE = ConstantSchedule(initial=0.05)


def test_kernels_are_what_multiplies_inputs() -> None:
    model = keras.Sequential(
        [
            keras.Input((6, 4)),
            keras.layers.SeparableConv1D(4, 3),
            keras.layers.BatchNormalization(),
            keras.layers.LSTM(2),
            keras.layers.Dense(3, name="kernel_of_truth"),
        ]
    )
    names = [variable.path.split("/")[-1] for variable in model.variables]
    kernels = [
        variable.path.split("/")[-1] for variable in filter(is_kernel, model.variables)
    ]
    assert {"gamma", "beta", "moving_mean", "bias"} < set(names)
    assert kernels == [
        "depthwise_kernel",
        "pointwise_kernel",
        "kernel",
        "recurrent_kernel",
        "kernel",
    ]


def test_l2_is_the_gradient_of_half_the_squared_kernel() -> None:
    kernel = keras.Variable([[1.0, -2.0]], name="kernel")
    bias = keras.Variable([3.0], name="bias")
    gradients = [tf.constant([[0.5, 0.5]]), tf.constant([0.25])]
    with tf.GradientTape() as tape:
        penalty = 0.5 * 0.1 * tf.reduce_sum(tf.square(kernel.value))
    expected = gradients[0] + tape.gradient(penalty, kernel.value)
    changed = add_l2(gradients, [kernel, bias], 0.1)
    np.testing.assert_allclose(changed[0], expected, rtol=1e-6)
    np.testing.assert_array_equal(changed[1], gradients[1])
    assert add_l2(gradients, [kernel, bias], 0.0)[0] is gradients[0]


@pytest.mark.parametrize(
    ("norm", "max_norm", "factor"),
    [(10.0, 2.0, 0.2), (1.0, 2.0, 1.0), (10.0, None, 1.0)],
)
def test_clipping_by_the_norm_of_all_gradients(
    norm: float, max_norm: float | None, factor: float
) -> None:
    gradients = [tf.constant([0.6 * norm]), tf.constant([[0.0, -0.8 * norm]])]
    clipped, received = clip_by_global_norm(gradients, max_norm)
    assert float(received) == pytest.approx(norm)
    for before, after in zip(gradients, clipped, strict=True):
        np.testing.assert_allclose(after, factor * before, rtol=1e-6)


@pytest.mark.parametrize("max_norm", [2.0, None])
def test_a_gradient_that_is_not_finite_shows_in_the_norm(
    max_norm: float | None,
) -> None:
    gradients = [tf.constant([1.0, float("inf")]), tf.constant([float("nan")])]
    _, norm = clip_by_global_norm(gradients, max_norm)
    assert not np.isfinite(norm)


def regression_model() -> keras.Model:
    layers = [
        keras.Input((3,)),
        keras.layers.Dense(4, activation="relu"),
        keras.layers.Dense(1),
    ]
    model = keras.Sequential(layers)
    for variable in model.variables:
        values = np.sin(np.arange(variable.value.shape.num_elements()) + 1.0)
        variable.assign(values.reshape(variable.shape))
    return model


def train(config: AnyOptimizer, num_replicas: int) -> tuple[list[np.ndarray], int]:
    """Trains 3 steps, the second one on a target that is not finite."""
    devices = [f"CPU:{index}" for index in range(num_replicas)]
    strategy = (
        tf.distribute.MirroredStrategy(devices, tf.distribute.ReductionToOneDevice())
        if num_replicas > 1
        else tf.distribute.get_strategy()
    )
    with strategy.scope():
        model = regression_model()
        optimizer = build_optimizer(config, stage_length=3, steps_per_epoch=3)
        optimizer.build(model.trainable_variables)
    variables = model.trainable_variables

    def replica_step(inputs: tf.Tensor, targets: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            loss = (
                tf.reduce_sum((model(inputs, training=True)[:, 0] - targets) ** 2) / 4
            )
        gradients = tape.gradient(loss, [variable.value for variable in variables])
        context = tf.distribute.get_replica_context()
        gradients = context.all_reduce("sum", gradients)
        gradients = add_l2(gradients, variables, config.l2)
        gradients, norm = clip_by_global_norm(gradients, config.clip_global_norm)

        def update(
            strategy: tf.distribute.Strategy, gradients: list, norm: list
        ) -> None:
            norm = strategy.experimental_local_results(norm)[0]

            def apply() -> tf.Tensor:
                apply_gradients(optimizer, gradients, variables)
                return tf.constant(True)

            tf.cond(tf.math.is_finite(norm), apply, lambda: tf.constant(False))

        context.merge_call(update, args=(gradients, norm))

    @tf.function
    def step(inputs: tf.Tensor, targets: tf.Tensor) -> None:
        strategy.run(replica_step, args=(inputs, targets))

    rng = np.random.default_rng(0)
    for last_target in (1.0, float("nan"), 2.0):
        inputs = rng.normal(size=(4, 3)).astype(np.float32)
        targets = np.array([0.0, 1.0, -1.0, last_target], np.float32)
        step(*(split(strategy, array) for array in (inputs, targets)))
    return [variable.numpy() for variable in model.variables], int(
        optimizer.iterations.numpy()
    )


def split(strategy: tf.distribute.Strategy, array: np.ndarray) -> tf.Tensor:
    parts = np.split(array, strategy.num_replicas_in_sync)
    return strategy.experimental_distribute_values_from_function(
        lambda context: tf.constant(parts[context.replica_id_in_sync_group])
    )


@pytest.mark.parametrize(
    "config",
    [
        MomentumSGD(learning_rate=RATE, momentum=0.9, l2=0.1, clip_global_norm=0.5),
        RMSProp(learning_rate=RATE, semantics="tf1"),
        RMSProp(learning_rate=RATE, semantics="torch"),
        Adam(learning_rate=RATE, weight_decay=0.1),
    ],
    ids=["sgd", "rmsprop_tf1", "rmsprop_torch", "adam"],
)
def test_two_replicas_equal_one_and_both_skip_a_step_that_is_not_finite(
    config: AnyOptimizer,
) -> None:
    one, steps_of_one = train(config, num_replicas=1)
    two, steps_of_two = train(config, num_replicas=2)
    assert steps_of_one == steps_of_two == 2
    for expected, actual in zip(one, two, strict=True):
        assert np.isfinite(expected).all()
        np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=1e-6)
