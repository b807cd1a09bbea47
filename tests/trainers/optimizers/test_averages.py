"""Weight averages against NumPy, on one device and across replicas."""

from collections.abc import Callable

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainers.optimizers.averages import WeightAverage
from trainers.optimizers.averages import build_average
from trainers.optimizers.config import AnyAverage
from trainers.optimizers.config import ExponentialAverage
from trainers.optimizers.config import NoAverage
from trainers.optimizers.config import PolyakAverage


def small_model(synchronized: bool = True) -> keras.Model:
    """Has a kernel, batch-norm statistics and the integer state of a dropout layer."""
    return keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(2, use_bias=False),
            keras.layers.BatchNormalization(momentum=0.5, synchronized=synchronized),
            keras.layers.Dropout(0.5),
        ]
    )


def values(model: keras.Model) -> list[np.ndarray]:
    return [variable.numpy() for variable in model.variables]


def walk(
    config: AnyAverage, num_steps: int
) -> tuple[keras.Model, WeightAverage, list[list[np.ndarray]]]:
    """Moves all float variables at random; returns all values, step by step."""
    model = small_model()
    average = build_average(config, model.variables, num_steps)
    update = tf.function(average.update)
    rng = np.random.default_rng(1)
    history = [values(model)]
    for step in range(num_steps):
        for variable in model.variables:
            if variable.dtype == "float32":
                variable.assign(
                    rng.normal(size=variable.shape) * 10.0 ** rng.integers(-4, 4)
                )
        update(tf.constant(step, tf.int64))
        history.append(values(model))
    return model, average, history


@pytest.mark.parametrize(
    ("step", "decay", "expected"),
    [
        (0, 0.9999, 0.1),
        (8, 0.9999, 0.5),
        (90, 0.9999, 0.91),
        (10**6, 0.9999, 0.9999),
        (90, 0.7, 0.7),
    ],
)
def test_decay_of_the_exponential_average(
    step: int, decay: float, expected: float
) -> None:
    config = ExponentialAverage(decay=decay)
    average = build_average(config, small_model().variables, 1)
    fraction = float(average.fraction(tf.constant(step, tf.int64)))
    assert fraction == pytest.approx(1 - expected, rel=1e-6)


def test_exponential_average_follows_its_recurrence() -> None:
    model, average, history = walk(ExponentialAverage(decay=0.6), num_steps=12)
    expected = history[0]
    for step, raw in enumerate(history[1:]):
        decay = min(0.6, (1 + step) / (10 + step))
        expected = [
            decay * old + (1 - decay) * new
            for old, new in zip(expected, raw, strict=True)
        ]
    assert_state_equals(average, model, expected, rtol=1e-5)


def test_polyak_average_is_the_mean_of_the_tail() -> None:
    model, average, history = walk(PolyakAverage(tail=0.4), num_steps=20)
    tail = history[1 + 12 :]
    assert len(tail) == 8
    expected = [np.mean(samples, axis=0) for samples in zip(*tail, strict=True)]
    assert_state_equals(average, model, expected, rtol=1e-5)


@pytest.mark.parametrize(("tail", "num_steps"), [(0.25, 12), (1.0, 1), (0.01, 3)])
def test_polyak_average_is_a_copy_until_the_tail_has_a_second_step(
    tail: float, num_steps: int
) -> None:
    model = small_model()
    average = build_average(PolyakAverage(tail=tail), model.variables, num_steps)
    start = round((1 - tail) * num_steps)
    for step in range(min(start + 1, num_steps)):
        kernel = model.variables[0]
        kernel.assign(
            np.random.default_rng(step).normal(size=kernel.shape) * 10.0**-step
        )
        average.update(tf.constant(step, tf.int64))
        np.testing.assert_array_equal(average.state[kernel.path], kernel.numpy())


def assert_state_equals(
    average: WeightAverage, model: keras.Model, expected: list[np.ndarray], rtol: float
) -> None:
    floats = {
        variable.path: value
        for variable, value in zip(model.variables, expected, strict=True)
        if variable.dtype == "float32"
    }
    assert len(floats) == 5
    assert set(average.state) == set(floats)
    for path, value in floats.items():
        scale = np.abs(value).max()
        np.testing.assert_allclose(average.state[path], value, rtol, 1e-6 * scale)


def test_swapping_shows_the_averages_and_restores_every_bit() -> None:
    model, average, history = walk(ExponentialAverage(decay=0.6), num_steps=5)
    with average.swapped():
        for variable in model.variables:
            if variable.path in average.state:
                np.testing.assert_array_equal(variable, average.state[variable.path])
                assert not np.array_equal(
                    variable,
                    dict(zip(map(id, model.variables), history[-1], strict=True))[
                        id(variable)
                    ],
                )
    for before, after in zip(history[-1], values(model), strict=True):
        np.testing.assert_array_equal(before, after)


def test_an_error_while_swapped_restores_the_weights_too() -> None:
    model, average, history = walk(PolyakAverage(tail=1.0), num_steps=3)
    with pytest.raises(KeyError), average.swapped():
        raise KeyError
    for before, after in zip(history[-1], values(model), strict=True):
        np.testing.assert_array_equal(before, after)


def test_no_average_changes_nothing() -> None:
    model, average, history = walk(NoAverage(), num_steps=2)
    assert average.state == {}
    with average.swapped():
        for before, inside in zip(history[-1], values(model), strict=True):
            np.testing.assert_array_equal(before, inside)


def test_variables_of_the_same_name_are_refused() -> None:
    twins = [keras.Variable([1.0], name="kernel") for _ in range(2)]
    with pytest.raises(ValueError, match="2 different paths"):
        WeightAverage(twins, tf.ones_like)


def forward_steps(
    num_replicas: int,
    synchronized: bool,
    check: Callable[[keras.Model, WeightAverage], None],
) -> dict[str, np.ndarray]:
    """Averages batch-norm statistics that 4 training-mode forward passes move."""
    strategy = (
        tf.distribute.MirroredStrategy(
            ["CPU:0", "CPU:1"], tf.distribute.ReductionToOneDevice()
        )
        if num_replicas == 2
        else tf.distribute.get_strategy()
    )
    with strategy.scope():
        model = small_model(synchronized)
        model.variables[0].assign(np.arange(6.0).reshape(3, 2))
        average = build_average(ExponentialAverage(decay=0.6), model.variables, 4)

    def replica_step(inputs: tf.Tensor, step: tf.Tensor) -> None:
        model(inputs, training=True)
        context = tf.distribute.get_replica_context()
        context.merge_call(lambda strategy: average.update(step))

    @tf.function
    def run(inputs: tf.Tensor, step: tf.Tensor) -> None:
        strategy.run(replica_step, args=(inputs, step))

    rng = np.random.default_rng(3)
    for step in range(4):
        parts = np.split(rng.normal(size=(8, 3)).astype(np.float32), num_replicas)
        inputs = strategy.experimental_distribute_values_from_function(
            lambda context, parts=parts: tf.constant(
                parts[context.replica_id_in_sync_group]
            )
        )
        run(inputs, tf.constant(step, tf.int64))
    check(model, average)
    return {path.split("/")[-1]: value.numpy() for path, value in average.state.items()}


def test_averages_of_two_replicas_equal_those_of_one() -> None:
    one = forward_steps(1, True, lambda model, average: None)
    two = forward_steps(2, True, lambda model, average: None)
    assert np.abs(one["moving_mean"]).max() > 0.1
    assert one.keys() == two.keys()
    for name, expected in one.items():
        np.testing.assert_allclose(two[name], expected, rtol=1e-6, atol=1e-6)


def test_statistics_that_differ_between_replicas_survive_swapping() -> None:
    def copies(model: keras.Model) -> list[np.ndarray]:
        return [copy.numpy() for v in model.variables for copy in v.value.values]

    def check(model: keras.Model, average: WeightAverage) -> None:
        before = copies(model)
        mean = next(v for v in model.variables if v.name == "moving_mean").value.values
        assert not np.allclose(mean[0], mean[1])
        with average.swapped():
            assert not np.allclose(mean[0], mean[1])
            assert any(
                not np.array_equal(a, b)
                for a, b in zip(before, copies(model), strict=True)
            )
        for expected, actual in zip(before, copies(model), strict=True):
            np.testing.assert_array_equal(expected, actual)

    forward_steps(2, False, check)
