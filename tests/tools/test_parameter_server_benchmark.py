"""The harness of the benchmark of replicas, too short to say anything about speed."""

from pathlib import Path

import pytest

from tests.distributed.replicas import write_config
from tools.benchmark.parameter_server import parameter_server


@pytest.mark.multiprocess
@pytest.mark.parametrize("runtime", ["coordinator", "rpc"])
def test_replicas_push(runtime: str, tmp_path: Path) -> None:
    config = str(write_config(tmp_path))
    found = parameter_server(1, 6, (runtime,), (1, 2), config)
    assert found["pushes_per_second"].keys() == {f"{runtime} 1", f"{runtime} 2"}
    assert found["over_1_replica"][f"{runtime} 2"] > 0
    # One turn to warm up, one that counts.
    assert sum(found["staleness"][f"{runtime} 2"].values()) == 2 * 6
    assert found["staleness"][f"{runtime} 1"].keys() == {"0"}
