"""From a configuration to a tf.distribute strategy: which devices hold a replica."""

import tensorflow as tf

from tfmodels.config import Config
from tfmodels.errors import ConfigError
from trainers.devices import connect_tpu
from trainers.devices import open_devices
from trainers.devices import read_cluster
from trainers.strategies.config import DataParallelConfig


def device_names(config: DataParallelConfig, compiled: bool = False) -> list[str]:
    """Devices of this machine: of replicas, or of the layers of the only one.

    Args:
      config: which ones.
      compiled: see `open_devices`.

    Raises:
      ConfigError: there are too few.
    """
    count, key = config.replicas, "strategy.replicas"
    if config.layers is not None:
        count, key = config.layers.devices, "strategy.layers.devices"
    return open_devices(config.devices, count, key, compiled)


def make_distribution(
    config: DataParallelConfig, compiled: bool = False
) -> tf.distribute.Strategy:
    """Opens the devices a configuration names.

    Must run before the process's first TensorFlow operation when it splits the CPU or
    joins a cluster.

    Args:
      config: which ones.
      compiled: see `open_devices`.

    Raises:
      ConfigError: the devices asked for are not there, or TF_CONFIG is missing.
    """
    if config.devices == "tpu":
        return tf.distribute.TPUStrategy(connect_tpu(config.tpu)[0])
    if config.multi_worker:
        read_cluster("strategy.multi_worker")
        if config.devices == "cpu":
            tf.config.set_visible_devices([], "GPU")
        return tf.distribute.MultiWorkerMirroredStrategy()
    names = device_names(config, compiled)
    if len(names) == 1 or config.layers is not None:
        return tf.distribute.OneDeviceStrategy(names[0])
    if "GPU" in names[0]:
        return tf.distribute.MirroredStrategy(names)
    # The default collectives of two strategies in one process meet under the same keys.
    reduction = tf.distribute.ReductionToOneDevice()
    return tf.distribute.MirroredStrategy(names, cross_device_ops=reduction)


def local_replicas(config: Config) -> tf.distribute.Strategy | None:
    """The replicas of a run on this machine, for work whose result they do not change.

    Args:
      config: of any strategy.

    Returns:
      None where one device does it: of other strategies, of a cluster or a TPU, of
      devices that this machine lacks, and where TensorFlow runs already on others.
    """
    if not isinstance(config, DataParallelConfig) or config.multi_worker:
        return None
    if config.devices == "tpu" or config.layers is not None:
        return None
    try:
        return make_distribution(config)
    except ConfigError:
        return None
