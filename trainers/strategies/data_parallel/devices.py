"""From a configuration to a tf.distribute strategy: which devices hold a replica."""

import json
import os

import tensorflow as tf

from tfmodels.errors import ConfigError
from trainers.strategies.config import DataParallelConfig


def make_distribution(config: DataParallelConfig) -> tf.distribute.Strategy:
    """Opens the devices a configuration names.

    Must run before the process's first TensorFlow operation when it splits the CPU or
    joins a cluster.

    Raises:
      ConfigError: the devices asked for are not there, or TF_CONFIG is missing.
    """
    if config.devices == "tpu":
        return _tpu(config)
    if config.multi_worker:
        return _multi_worker(config)
    gpus = tf.config.list_logical_devices("GPU") if config.devices != "cpu" else []
    if config.devices == "gpu" or gpus:
        names = _take(gpus, config.replicas, "GPU")
    else:
        names = _cpus(config.replicas or 1)
    if len(names) == 1:
        return tf.distribute.OneDeviceStrategy(names[0])
    if gpus:
        return tf.distribute.MirroredStrategy(names)
    # The default collectives of two strategies in one process meet under the same keys.
    reduction = tf.distribute.ReductionToOneDevice()
    return tf.distribute.MirroredStrategy(names, cross_device_ops=reduction)


def _take(
    devices: list[tf.config.LogicalDevice], replicas: int | None, kind: str
) -> list[str]:
    count = replicas or max(1, len(devices))
    if len(devices) < count:
        raise ConfigError(
            f"strategy.replicas: too few devices. Expected {count} of kind {kind};"
            f" this machine has {len(devices)}. Change strategy.devices or"
            " strategy.replicas."
        )
    return [device.name for device in devices[:count]]


def _cpus(count: int) -> list[str]:
    physical = tf.config.list_physical_devices("CPU")[0]
    if count > 1 and not tf.config.get_logical_device_configuration(physical):
        parts = [tf.config.LogicalDeviceConfiguration()] * count
        try:
            tf.config.set_logical_device_configuration(physical, parts)
        except RuntimeError:
            raise ConfigError(
                f"strategy.replicas: the CPU cannot be split into {count} virtual"
                " devices any more, because TensorFlow already runs in this process."
                " Start the training in a fresh process."
            ) from None
    return _take(tf.config.list_logical_devices("CPU"), count, "CPU")


def _multi_worker(config: DataParallelConfig) -> tf.distribute.Strategy:
    text = os.environ.get("TF_CONFIG", "")
    try:
        cluster, task = (json.loads(text)[key] for key in ("cluster", "task"))
        cluster[task["type"]][task["index"]]
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise ConfigError(
            "strategy.multi_worker: the cluster is unknown. Expected the environment"
            " variable TF_CONFIG with a 'cluster', and this process's 'task' in it;"
            f" received {text[:80]!r} ({error!r}). Set it in every process, or set"
            " strategy.multi_worker to false."
        ) from None
    if config.devices == "cpu":
        tf.config.set_visible_devices([], "GPU")
    return tf.distribute.MultiWorkerMirroredStrategy()


def _tpu(config: DataParallelConfig) -> tf.distribute.Strategy:
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu=config.tpu)
    except ValueError as error:
        raise ConfigError(
            f"strategy.tpu: no TPU found. Expected the name or address of one; received"
            f" {config.tpu!r} ({error})."
        ) from None
    tf.config.experimental_connect_to_cluster(resolver)
    tf.tpu.experimental.initialize_tpu_system(resolver)
    return tf.distribute.TPUStrategy(resolver)
