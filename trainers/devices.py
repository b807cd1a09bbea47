"""The devices of this machine, of a cluster and of a TPU, opened for a strategy."""

import json
import os
from contextlib import AbstractContextManager
from contextlib import suppress
from typing import Any

import tensorflow as tf

from tfmodels.errors import ConfigError
from trainers.cores import num_cores


def open_devices(
    kind: str, count: int | None, key: str, compiled: bool = False
) -> list[str]:
    """Names of devices of this machine, in their order.

    Splits the CPU into virtual devices if several are asked for, and gives each its
    share of the cores: before the process's first TensorFlow operation.

    Args:
      kind: ``gpu``, ``cpu``, or ``auto`` for GPUs if there are enough, else the CPU.
      count: how many; all GPUs, or one CPU device, when absent.
      key: of the configuration, to blame for a wrong count.
      compiled: whether XLA compiles most of what the devices do.

    Raises:
      ConfigError: there are too few.
    """
    leave_a_thread()
    # Not the logical ones: to list them starts TensorFlow, and ends all choice.
    gpus = tf.config.list_physical_devices("GPU")
    if kind == "gpu" or (kind == "auto" and len(gpus) >= (count or 1)):
        found = tf.config.list_logical_devices("GPU")
        return _take(found, count or max(1, len(found)), "GPU", key)
    if count and count > 1:
        _split_cpu(count, key, compiled)
    return _take(tf.config.list_logical_devices("CPU"), count or 1, "CPU", key)


def _take(
    devices: list[tf.config.LogicalDevice], count: int, kind: str, key: str
) -> list[str]:
    if len(devices) < count:
        raise ConfigError(
            f"{key}: too few devices. Expected {count} of kind {kind}; this machine has"
            f" {len(devices)}. Change strategy.devices or {key}."
        )
    return [device.name for device in devices[:count]]


def _split_cpu(count: int, key: str, compiled: bool) -> None:
    physical = tf.config.list_physical_devices("CPU")[0]
    if tf.config.get_logical_device_configuration(physical):
        return
    parts = [tf.config.LogicalDeviceConfiguration()] * count
    cores = num_cores()
    try:
        tf.config.set_logical_device_configuration(physical, parts)
        # With fewer threads than devices some would wait for others that wait for them,
        # and see `leave_a_thread`; with the default number of threads each device would
        # use all cores. Compiled programs share one pool whatever their device.
        threads = cores if compiled else max(1, cores // count)
        tf.config.threading.set_inter_op_parallelism_threads(max(count + 1, cores))
        tf.config.threading.set_intra_op_parallelism_threads(threads)
    except RuntimeError:
        raise ConfigError(
            f"{key}: the CPU cannot be split into {count} virtual devices any more,"
            " because TensorFlow already runs in this process. Start the training in a"
            " fresh process."
        ) from None


def leave_a_thread() -> None:
    """Has TensorFlow take two threads where there is a single core.

    A function on the host that calls TensorFlow itself, as the judge of synthetic
    speech does, holds one while it waits for the answer: with no other it would wait
    for ever. Nothing is changed where TensorFlow runs already.
    """
    if num_cores() == 1:
        with suppress(RuntimeError):
            tf.config.threading.set_inter_op_parallelism_threads(2)


def own_cores(device: str) -> AbstractContextManager[None]:
    """Context in which functions called on a device take its own cores only.

    A CPU device stands for its share of the cores: operations run one at a time there.
    TensorFlow would take those of its neighbours too, and hold more results at a time.
    """
    alone = tf.DeviceSpec.from_string(device).device_type == "CPU"
    return tf.experimental.function_executor_type(
        "SINGLE_THREADED_EXECUTOR" if alone else ""
    )


def read_cluster(key: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The cluster and this process's task in it, from the variable TF_CONFIG.

    Args:
      key: what asks for a cluster, such as a key of the configuration.

    Raises:
      ConfigError: TF_CONFIG is missing or incomplete.
    """
    text = os.environ.get("TF_CONFIG", "")
    try:
        cluster, task = (json.loads(text)[part] for part in ("cluster", "task"))
        cluster[task["type"]][task["index"]]
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise ConfigError(
            f"{key}: the cluster is unknown. Expected the environment variable"
            " TF_CONFIG with a 'cluster', and this process's 'task' in it; received"
            f" {text[:80]!r} ({error!r}). Set it in every process, or start all of them"
            " with `tfmodels launch local`."
        ) from None
    return cluster, task


def connect_tpu(
    address: str,
) -> tuple[tf.distribute.cluster_resolver.TPUClusterResolver, Any]:
    """Connects to a TPU; its resolver and its topology.

    Raises:
      ConfigError: there is none at the address.
    """
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu=address)
    except ValueError as error:
        raise ConfigError(
            "strategy.tpu: no TPU found. Expected the name or address of one; received"
            f" {address!r} ({error})."
        ) from None
    tf.config.experimental_connect_to_cluster(resolver)
    return resolver, tf.tpu.experimental.initialize_tpu_system(resolver)
