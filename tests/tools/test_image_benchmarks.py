"""The harness of the benchmarks of image classifiers, at sizes that say nothing."""

from pathlib import Path
from typing import Any

import pytest

from tests.tools.test_pipeline_benchmarks import several_cores
from tests.tools.test_translation_benchmarks import needs
from tfmodels.errors import CheckFailed
from tfmodels.errors import ConfigError
from tfmodels.introspection import overview
from tools.benchmark import BENCHMARKS
from tools.benchmark.command import benchmark_command
from tools.benchmark.image_model import Case
from tools.benchmark.image_speed import check_same
from tools.benchmark.image_speed import image_inference
from tools.benchmark.image_speed import image_training
from trainers.configuration import load_experiment
from trainers.data.images.sources import open_source

TINY = (
    Case("googlenet", 2, side=64, num_classes=5, width=0.0625),
    Case("googlenet_bn", 2, side=64, num_classes=5, width=0.0625),
    Case("inception_v4", 2, side=96, num_classes=5, width=0.0625, blocks=(1, 1, 1)),
)


@pytest.mark.parametrize("case", TINY, ids=[case.network for case in TINY])
def test_the_recipe_and_the_images_are_those_of_the_configuration(
    tmp_path: Path, case: Case
) -> None:
    published: Any = load_experiment(case.config)
    data = case.write_images(tmp_path)
    ours: Any = load_experiment(case.config, case.overrides(data, xla=True))
    assert (ours.optimizer, ours.objective) == (
        published.optimizer,
        published.objective,
    )
    plain = case.plain
    assert plain["l2"] == published.optimizer.l2
    assert plain["clip_global_norm"] == published.optimizer.clip_global_norm
    assert plain["label_smoothing"] == published.objective.label_smoothing
    assert set(published.objective.auxiliary_weights.values()) == {
        plain["auxiliary_weight"]
    }
    assert ours.run.xla
    source = open_source(ours.data, "train")
    example = source.read(source.size - 1, 3)
    assert not bool(example["bad"])
    assert example["image"].shape == (case.side, case.side, 3)
    assert len(source.labels) == case.num_classes


def test_rivals_must_be_the_same_network() -> None:
    same = {"ours": {"parameters": 3}, "torch": {"parameters": 3, "multiply_adds": 9}}
    assert check_same(same) == {"parameters": 3, "multiply_adds": 9}
    with pytest.raises(CheckFailed, match=r"as many parameters.*'torch': 4"):
        check_same({**same, "torch": {"parameters": 4, "multiply_adds": 9}})


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("image_training", "network=alexnet", r"one of\s+googlenet 8, .* alexnet all"),
        ("image_inference", "batch=8", r'batch: .* one\s+of rounds=5, network=""'),
        ("training_loop", "rounds=two", r'config="googlenet/tiny".* Received "two"'),
    ],
)
def test_changes_that_a_benchmark_does_not_know(name: str, change: str, message: str):
    with pytest.raises(ConfigError, match=message):
        benchmark_command(name, None, [change])


@pytest.mark.slow
@several_cores
def test_all_rivals_train_and_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    needs("torch", "torch")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    found = image_training(1, "inception_v4", cases=TINY)
    assert found["benchmark"] in BENCHMARKS
    (trained,) = found["results"]
    whole = overview(TINY[2].build())
    assert trained["parameters"] == whole.trainable
    assert trained["multiply_adds"] == whole.multiply_adds
    assert trained["over_peer"].keys() == {"ours"}
    (asked,) = image_inference(1, "googlenet_bn", cases=TINY)["results"]
    assert asked["multiply_adds"] == overview(TINY[1].build().deploy()).multiply_adds
    assert asked["per_second"].keys() == {"ours", "torch", "torch_channels_last"}
