"""A stage that prunes, one that clusters, one that learns 8 bits: on one network."""

import shutil
from pathlib import Path

import numpy as np
import pytest

import export
import trainers
from tests.trainers.compression.test_pruning import FAST
from tests.trainers.compression.test_pruning import SMALL_STAGES
from tests.trainers.compression.test_pruning import kernels
from tests.trainers.compression.test_pruning import zero_share
from tests.trainers.small import assert_same_state
from tests.trainers.small import last_state
from tests.trainers.small import write_config
from tfmodels.errors import ConfigError
from trainers.checkpoints import CheckpointStore

CHAIN = f"""{SMALL_STAGES}
  - name: prune
    steps: 4
    compression: {{kind: pruning, sparsity: 0.5, end: 2, every: 1}}
  - name: cluster
    steps: 8
    optimizer: {{kind: adam, learning_rate: {{kind: constant, initial: 0.001}}}}
    compression: {{kind: clustering, clusters: 6, begin: 2}}
  - name: quantize
    steps: 8
    optimizer: {{kind: adam, learning_rate: {{kind: constant, initial: 0.001}}}}
    compression: {{kind: quantization_aware, range_momentum: 0.5}}
"""


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chain")
    trainers.train(write_config(folder, CHAIN), folder / "run", FAST)
    return folder


def test_clusters_share_values_that_learn_and_zeros_stay(run: Path) -> None:
    store = CheckpointStore(run / "run" / "checkpoints", 9)
    values = []
    for step in (12, 16):
        checkpoint = store.latest(step)
        assert checkpoint is not None
        assert checkpoint.step == step
        read = checkpoint.read(list(checkpoint.shapes))
        state = {name: value.numpy() for name, value in read.items()}
        for part in ("model", "average"):
            for name, kernel in kernels(state, part).items():
                assert len(np.unique(kernel)) <= 6, name
                assert zero_share(kernel) == round(kernel.size / 2) / kernel.size
                path = name.removeprefix(f"{part}/")
                clusters = state[f"compression/{path}/cluster"]
                np.testing.assert_array_equal(clusters == 0, kernel == 0)
                for number in np.unique(clusters):
                    assert len(np.unique(kernel[clusters == number])) == 1
        values.append(np.unique(state["model/conv1_conv/kernel"]))
    assert not np.array_equal(values[0], values[1])


def test_8_bits_keep_zeros_and_statistics_and_learn_ranges(run: Path) -> None:
    before = CheckpointStore(run / "run" / "checkpoints", 9).latest(16)
    assert before is not None
    old = {n: v.numpy() for n, v in before.read(list(before.shapes)).items()}
    new = last_state(run / "run")
    for name, kernel in kernels(new).items():
        assert zero_share(kernel) == round(kernel.size / 2) / kernel.size
        assert (kernel != old[name]).any()
    for name, value in new.items():
        if "moving_" in name and name.startswith("model/"):
            np.testing.assert_array_equal(value, old[name])
    ranges = [n for n in new if "_range/" in n]
    assert "model/image_range/low" in ranges
    assert not any(name.startswith("average/") for name in ranges)
    assert all(old[name] == 0 for name in ranges)
    assert new["model/image_range/low"] == pytest.approx(-1, abs=0.05)
    assert all(new[name] > 0 for name in ranges if name.endswith("/high"))


def test_it_leaves_as_integers_that_say_what_keras_says(run: Path) -> None:
    artefact = export.export(run / "run", "tflite_int8", run / "int8")
    reference, _, lite = export.verify(artefact).checks
    # The range has 255 steps. So short a training leaves answers near to one another.
    assert lite.errors["logits"] < 2.5 / 255
    assert lite.metrics["top1"] == pytest.approx(reference.metrics["top1"], abs=0.01)
    with pytest.raises(ConfigError, match=r"saved_model, tflite_int8\."):
        export.export(run / "run", "tflite_float32", run / "float")


@pytest.mark.parametrize("step", [12, 20])
def test_a_run_goes_on_from_the_middle_of_a_stage_with_the_same_bits(
    run: Path, step: int
) -> None:
    cut = run / f"from{step}"
    shutil.copytree(run / "run", cut)
    for path in (cut / "checkpoints").iterdir():
        if int(path.name.removeprefix("step-")) > step:
            shutil.rmtree(path)
    trainers.train(run / "small.yaml", cut, FAST)
    assert_same_state(run / "run", cut)
