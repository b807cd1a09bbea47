"""Data sets of tensorflow-datasets: a stand-in with the same names, and the package."""

import sys
import types
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests.trainers.data.test_image_sources import example
from tests.trainers.data.test_image_sources import read
from tests.trainers.data.test_image_sources import write_records
from tfmodels.errors import ConfigError
from tfmodels.errors import DataError
from trainers.data.catalogue import TensorFlowDatasetsData
from trainers.data.images.sources import open_source

KEYS = {"image_key": "image", "label_key": "label"}


class Splits(dict):
    """As the package's: another name is a ValueError."""

    def __missing__(self, name: str) -> Any:
        raise ValueError(f"Unknown split {name!r}.\nMore about splits.")


@pytest.fixture
def prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What describes a data set of two shards, of four and three images."""
    parts = []
    for shard, numbers in enumerate((range(4), range(4, 7))):
        pngs = [
            tf.io.encode_png(np.full((2, 3, 1), n, np.uint8)).numpy() for n in numbers
        ]
        path = tmp_path / f"dots-train.tfrecord-0000{shard}-of-00002"
        records = zip(numbers, pngs, strict=True)
        write_records(path, [example(n % 2, png, **KEYS) for n, png in records])
        parts.append(SimpleNamespace(filename=str(path), skip=0, take=len(numbers)))
    later = SimpleNamespace(filename=parts[0].filename, skip=3, take=1)
    splits = Splits(
        {
            "train": SimpleNamespace(file_instructions=parts),
            "train[50%:]": SimpleNamespace(file_instructions=[later, parts[1]]),
        }
    )
    info = SimpleNamespace(
        full_name="dots/1.0.0",
        file_format=SimpleNamespace(value="tfrecord"),
        features={"image": object(), "label": SimpleNamespace(names=["bar", "dot"])},
        splits=splits,
    )

    def builder(name: str, data_dir: str | None) -> SimpleNamespace:
        if name != "dots":
            raise ValueError(f"Dataset {name} not found.\nAvailable datasets: ...")
        return SimpleNamespace(info=info, data_dir=data_dir)

    module: Any = types.ModuleType("tensorflow_datasets")
    module.builder = builder
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", module)
    return info


def opened(split: str = "train", **values: Any) -> Any:
    return open_source(
        TensorFlowDatasetsData(**{"name": "dots", "batch_size": 2, **values}), split
    )


def test_splits_and_parts_of_them(prepared: SimpleNamespace) -> None:
    source = opened()
    assert (source.size, source.labels) == (7, ("bar", "dot"))
    for number in (6, 0, 4):
        found = read(source, number, num_channels=1)
        assert (found["image"] == number).all()
        assert found["label"] == number % 2
    later = opened("validation", validation="train[50%:]")
    assert [read(later, n, 1)["image"][0, 0, 0] for n in range(later.size)] == [
        *(3, 4, 5, 6)
    ]


def test_what_is_not_there(
    prepared: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match=r"data\.test: .* of\s+train, .* 'test': Unk"):
        opened("test")
    with pytest.raises(ConfigError, match=r"such image and\s+class.* image and shape"):
        opened(label_key="shape")
    with pytest.raises(ConfigError, match=r"Received\s+image and image"):
        opened(label_key="image")
    with pytest.raises(DataError, match=r"no data set 'nets'\. .* nets not found\.$"):
        opened(name="nets")
    prepared.file_format.value = "array_record"
    with pytest.raises(DataError, match=r"array_record files\. .*='tfrecord'"):
        opened()
    prepared.splits.clear()
    prepared.file_format.value = "tfrecord"
    with pytest.raises(DataError, match=r"not been prepared\. .*download_and_prepare"):
        opened()
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(ConfigError, match="pip install tensorflow-datasets"):
        opened()


def test_the_package_itself(tmp_path: Path) -> None:
    tfds: Any = pytest.importorskip(
        "tensorflow_datasets", reason="tensorflow-datasets is not installed"
    )

    class Dots(tfds.core.GeneratorBasedBuilder):  # type: ignore[misc, name-defined]
        VERSION = tfds.core.Version("1.0.0")

        def _info(self) -> Any:
            image = tfds.features.Image(shape=(8, 8, 1))
            label = tfds.features.ClassLabel(names=["bar", "dot"])
            features = tfds.features.FeaturesDict({"image": image, "label": label})
            return tfds.core.DatasetInfo(builder=self, features=features)

        def _split_generators(self, manager: Any) -> Any:
            return {"train": self._generate_examples()}

        def _generate_examples(self) -> Any:
            for number in range(6):
                pixels = np.full((8, 8, 1), number, np.uint8)
                yield number, {"image": pixels, "label": number % 2}

    where = {"data_dir": str(tmp_path)}
    with pytest.raises(DataError, match="has not been prepared"):
        opened(**where)
    Dots(**where).download_and_prepare()
    source = opened(**where)
    found = [read(source, number, 1) for number in range(source.size)]
    assert sorted(int(each["image"].max()) for each in found) == list(range(6))
    assert all(each["label"] == each["image"].max() % 2 for each in found)
    part = opened("validation", validation="train[:50%]", **where)
    assert (part.size, part.labels) == (3, ("bar", "dot"))
    with pytest.raises(ConfigError, match=r"data\.test"):
        opened("test", **where)
    with pytest.raises(DataError, match=r"no data set 'dots:9\.9\.9'"):
        opened(name="dots:9.9.9", **where)
