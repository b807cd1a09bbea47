"""The dynamic loss scale: when it halves, when it doubles, where it stops."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainers.optimizers.loss_scale import LossScale

YES, NO = tf.constant(True), tf.constant(False)


def scale(initial: float, good_steps: int = 0) -> LossScale:
    made = LossScale("mixed_float16", initial)
    made.state["loss_scale/good_steps"].assign(good_steps)
    return made


def test_it_halves_after_an_update_that_is_not_finite_down_to_1():
    loss_scale = scale(8.0)
    values = []
    for _ in range(5):
        loss_scale.update(NO)
        values.append(float(loss_scale.value))
    assert values == [4, 2, 1, 1, 1]


def test_it_doubles_after_2000_finite_updates():
    loss_scale = scale(8.0)
    update = tf.function(loss_scale.update)
    values = []
    for _ in range(4000):
        update(YES)
        values.append(float(loss_scale.value))
    assert values == [8] * 1999 + [16] * 2000 + [32]


def test_an_update_that_is_not_finite_starts_the_count_again():
    loss_scale = scale(8.0, good_steps=1999)
    loss_scale.update(NO)
    assert loss_scale.state["loss_scale/good_steps"].numpy() == 0
    loss_scale.update(YES)
    assert float(loss_scale.value) == 4
    assert loss_scale.state["loss_scale/good_steps"].numpy() == 1


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_other_precisions_need_no_scale(precision):
    loss_scale = LossScale(precision, 2.0**15)
    for finite in (NO, YES):
        loss_scale.update(finite)
        assert float(loss_scale.value) == 1


def test_its_state_is_all_that_it_depends_on():
    saved, restored = scale(2.0**15, good_steps=1998), scale(1.0)
    for name, variable in saved.state.items():
        restored.state[name].assign(variable)
    for finite in (YES, YES, NO, YES):
        saved.update(finite)
        restored.update(finite)
        assert float(restored.value) == float(saved.value)
    assert float(restored.value) == 2.0**15


def test_it_moves_as_the_scale_of_keras_does():
    keras_optimizer = keras.optimizers.LossScaleOptimizer(
        keras.optimizers.SGD(0.0), initial_scale=2.0**4, dynamic_growth_steps=2000
    )
    variable = keras.Variable([1.0])
    keras_optimizer.build([variable])
    keras_optimizer.step_counter.assign(1997)
    ours = scale(2.0**4, good_steps=1997)
    for finite in (YES, YES, YES, NO, NO, YES):
        gradient = [0.0] if finite else [np.inf]
        keras_optimizer.apply([tf.constant(gradient)], [variable])
        ours.update(finite)
        assert float(ours.value) == float(keras_optimizer.dynamic_scale.numpy())
