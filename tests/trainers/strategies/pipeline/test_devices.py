"""The device map of a TPU on a synthetic topology: spec section 4, no hardware."""

import itertools

import numpy as np
import pytest
from tensorflow.python.tpu.topology import Topology

from tfmodels.errors import ConfigError
from trainers.strategies.pipeline.devices import tpu_devices

# 2 x 2 chips of 2 cores; core c of chip (x, y) has the number 4x + 2y + c.
MESH = (2, 2, 1, 2)
CORES = list(itertools.product(range(2), range(2), range(1), range(2)))


def topology() -> Topology:
    return Topology(mesh_shape=list(MESH), device_coordinates=np.array([CORES]))


def cores(stages: int, replicas: int) -> list[tuple[int, ...]]:
    """Numbers of the cores, [replicas][stages]."""
    names = tpu_devices(topology(), stages, replicas)
    numbers = [[int(name.rpartition(":")[2]) for name in row] for row in names]
    return list(zip(*numbers, strict=True))


@pytest.mark.parametrize(
    ("stages", "replicas", "expected"),
    [
        (2, 4, [(0, 1), (4, 5), (6, 7), (2, 3)]),
        (4, 2, [(0, 1, 2, 3), (4, 5, 6, 7)]),
        (8, 1, [(0, 1, 4, 5, 6, 7, 2, 3)]),
    ],
)
def test_stages_lie_side_by_side(
    stages: int, replicas: int, expected: list[tuple[int, ...]]
) -> None:
    found = cores(stages, replicas)
    assert found == expected
    for replica in found:
        for one, two in itertools.pairwise(replica):
            apart = np.abs(np.subtract(CORES[one][:3], CORES[two][:3])).sum()
            assert apart <= 1


@pytest.mark.parametrize(("stages", "replicas"), [(3, 1), (16, 1), (4, 3)])
def test_a_mesh_without_room_is_refused(stages: int, replicas: int) -> None:
    with pytest.raises(ConfigError, match=r"strategy\.(stages|replicas)"):
        tpu_devices(topology(), stages, replicas)
