"""From a configuration to the devices of a pipeline, [stages][replicas]."""

from collections.abc import Sequence
from contextlib import ExitStack
from math import gcd
from typing import Any

import numpy as np
import tensorflow as tf

from tfmodels.errors import ConfigError
from trainers.devices import connect_tpu
from trainers.devices import open_devices
from trainers.devices import read_cluster
from trainers.strategies.config import PipelineConfig
from trainers.strategies.pipeline.placement import Placement
from trainers.workers import watching


def open_placement(config: PipelineConfig, connections: ExitStack) -> Placement:
    """Opens the devices; before the process's first TensorFlow operation.

    Args:
      config: says which.
      connections: what watches remote workers is entered here.

    Raises:
      ConfigError: there are too few of them, or no cluster.
      ProcessLost: a worker does not answer.
    """
    if config.devices == "tpu":
        _, topology = connect_tpu(config.tpu)
        return Placement(tpu_devices(topology, config.stages, config.replicas))
    count = config.stages * config.replicas
    if config.remote:
        names = _remote_devices(config.devices, count, connections)
    else:
        names = open_devices(config.devices, count, "strategy.stages")
    per_stage = config.replicas
    return Placement(
        [names[i : i + per_stage] for i in range(0, len(names), per_stage)]
    )


def _remote_devices(kind: str, count: int, connections: ExitStack) -> list[str]:
    cluster, task = read_cluster("strategy.remote")
    if task["type"] == "worker" or not cluster.get("worker"):
        raise ConfigError(
            "strategy.remote: this process cannot direct the others. Expected TF_CONFIG"
            " to name workers, and a task of type 'chief' for this process; received"
            f" a task of type {task['type']!r} and the jobs {', '.join(cluster)}. Run"
            " `tfmodels launch worker` in the workers."
        )
    connections.enter_context(watching(cluster["worker"]))
    tf.config.experimental_connect_to_cluster(
        tf.train.ClusterSpec(cluster), task["type"], task["index"]
    )
    remote = [
        device
        for device in tf.config.list_logical_devices()
        if "/job:worker/" in device.name
    ]
    gpus = [device.name for device in remote if device.device_type == "GPU"]
    cpus = [device.name for device in remote if device.device_type == "CPU"]
    enough = kind == "gpu" or (kind == "auto" and len(gpus) >= count)
    names = sorted(gpus if enough else cpus, key=_number)
    if len(names) < count:
        raise ConfigError(
            f"strategy.stages: too few workers. Expected {count} devices"
            f" (strategy.stages times strategy.replicas); the workers that TF_CONFIG"
            f" names have {len(names)}."
        )
    return names[:count]


def _number(name: str) -> tuple[int, int]:
    spec = tf.DeviceSpec.from_string(name)
    return spec.task, spec.device_index


def tpu_devices(topology: Any, stages: int, replicas: int) -> list[list[str]]:
    """The cores of a TPU, [stages][replicas]; consecutive stages are neighbours.

    Args:
      topology: ``tf.tpu.experimental.Topology``.
      stages: cores of each replica.
      replicas: copies of the pipeline.

    Raises:
      ConfigError: the mesh has no such blocks, or too few of them.
    """
    block = _block(topology.mesh_shape, stages)
    room = int(np.prod(topology.mesh_shape)) // stages
    if replicas > room:
        raise ConfigError(
            "strategy.replicas: too few TPU cores. Expected at most"
            f" {room} replicas of {stages} stages; received {replicas}."
        )
    assignment = tf.tpu.experimental.DeviceAssignment.build(
        topology, computation_shape=block, num_replicas=replicas
    )
    return [
        [assignment.tpu_device(replica, stage) for replica in range(replicas)]
        for stage in range(stages)
    ]


def _block(mesh: Sequence[int], cores: int) -> list[int]:
    """Shape of a block of cores: those of a chip first, then along y, x and z."""
    block = [1] * len(mesh)
    missing = cores
    for axis in (3, 1, 0, 2):
        block[axis] = gcd(missing, int(mesh[axis]))
        missing //= block[axis]
    if missing > 1:
        raise ConfigError(
            f"strategy.stages: the TPU cannot be cut into blocks of {cores} cores."
            f" Expected a product of divisors of its mesh {list(map(int, mesh))}."
        )
    return block
