"""Four virtual CPU devices, fixed seeds and a quiet TensorFlow for every test."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import pytest
import tensorflow as tf

# TensorFlow accepts this only before its first operation: nowhere else.
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * 4,
)
if "PYTEST_XDIST_WORKER" in os.environ:  # one of several processes, each with a core
    tf.config.threading.set_intra_op_parallelism_threads(1)


@pytest.fixture(autouse=True)
def fixed_seed() -> None:
    """Starts every test from the same random state."""
    keras.utils.set_random_seed(0)
