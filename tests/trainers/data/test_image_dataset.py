"""Batches of images: the same wherever and whenever they are made."""

import numpy as np
import pytest
import tensorflow as tf
from sklearn.datasets import load_digits

from tests.trainers.data import photographs
from tests.trainers.data.test_image_sources import damage
from tests.trainers.data.test_image_sources import example
from tests.trainers.data.test_image_sources import write_records
from tfmodels.errors import ConfigError
from trainers.data.config import DigitsData
from trainers.data.config import ImageFolderData
from trainers.data.config import InceptionAugmentation
from trainers.data.config import RecordsData
from trainers.data.config import ShiftAugmentation
from trainers.data.images.check import check_source
from trainers.data.images.dataset import image_dataset
from trainers.data.images.decoding import decode_file
from trainers.data.images.records import record_offsets
from trainers.data.images.sources import open_source
from trainers.interfaces import Shard

ALONE = Shard()
FIELDS = ("image", "label", "weight", "bad", "index")
DIGIT = (8, 8, 1)
GRAY_INCEPTION = InceptionAugmentation(saturation=None, hue=0.0)


@pytest.fixture(params=["shift", "inception", "folder"])
def training(request, tmp_path):
    """A function from shard and first step to a data set of global batches of 8."""
    if request.param == "folder":
        photographs.write_folder(tmp_path, per_class=5)
        config = ImageFolderData(
            path=str(tmp_path), batch_size=8, augmentation=InceptionAugmentation()
        )
        shape = (16, 16, 3)
    else:
        chosen = {"shift": ShiftAugmentation(pixels=2), "inception": GRAY_INCEPTION}
        config = DigitsData(batch_size=8, augmentation=chosen[request.param])
        shape = DIGIT
    source = open_source(config, "train")
    return lambda shard, start: image_dataset(
        source, config, "train", shape, 3, shard, start
    )


def take(dataset, count):
    return list(dataset.take(count).as_numpy_iterator())


def assert_equal(one, other):
    for field in FIELDS:
        np.testing.assert_array_equal(one[field], other[field])


def test_two_replicas_share_the_batch_of_one(training):
    whole = take(training(ALONE, 0), 3)
    shared = take(training(Shard(0, 1, 2), 0), 6)
    apart = [take(training(Shard(index, 2, 2), 0), 3) for index in range(2)]
    for step, batch in enumerate(whole):
        for parts in (shared[2 * step : 2 * step + 2], [a[step] for a in apart]):
            joined = {name: np.concatenate([p[name] for p in parts]) for name in batch}
            assert_equal(joined, batch)


def test_resumed_stream_is_the_same_augmentation_included(training):
    expected = take(training(ALONE, 0), 6)
    resumed = take(training(ALONE, 3), 3)
    for one, other in zip(expected[3:], resumed, strict=True):
        assert_equal(one, other)


def test_every_epoch_augments_anew(tmp_path):
    photographs.write_folder(tmp_path, per_class=4)
    config = ImageFolderData(
        path=str(tmp_path), batch_size=8, augmentation=InceptionAugmentation()
    )
    source = open_source(config, "train")
    one, other = take(image_dataset(source, config, "train", (16, 16, 3)), 2)
    for first, second in zip(
        np.argsort(one["index"]), np.argsort(other["index"]), strict=True
    ):
        assert one["index"][first] == other["index"][second]
        assert np.abs(one["image"][first] - other["image"][second]).max() > 1


def test_every_epoch_sees_the_digits_as_they_are():
    config = DigitsData(batch_size=64, last_batch="pad")
    source = open_source(config, "train")
    images, targets = load_digits(return_X_y=True)
    seen = []
    for batch in take(image_dataset(source, config, "train", DIGIT), 23):
        kept = batch["weight"] == 1
        seen += batch["index"][kept].tolist()
        np.testing.assert_array_equal(batch["label"], targets[batch["index"]])
        np.testing.assert_allclose(
            batch["image"].reshape(64, 64), np.round(images[batch["index"]] * 15.9375)
        )
    assert sorted(seen) == list(range(1437))


def test_evaluation_is_one_padded_pass_without_augmentation():
    config = DigitsData(batch_size=100, augmentation=ShiftAugmentation())
    source = open_source(config, "test")
    dataset = image_dataset(source, config, "test", DIGIT)
    batches = list(dataset.as_numpy_iterator())
    assert len(batches) == 4
    weight = np.concatenate([batch["weight"] for batch in batches])
    assert weight.tolist() == [1] * 360 + [0] * 40
    index = np.concatenate([batch["index"] for batch in batches])
    assert index[:360].tolist() == list(range(360))
    image = np.concatenate([batch["image"] for batch in batches])[:360]
    raw = load_digits().images[1437:, ..., None]
    np.testing.assert_array_equal(image, np.round(raw * 15.9375))


def test_shapes_are_static_and_nothing_shards_again():
    config = DigitsData(batch_size=8, augmentation=ShiftAugmentation())
    source = open_source(config, "train")
    for split in ("train", "test"):
        dataset = image_dataset(source, config, split, (12, 12, 3), 0, Shard(0, 1, 2))
        assert dataset.element_spec == {
            "image": tf.TensorSpec([4, 12, 12, 3], tf.float32),
            "label": tf.TensorSpec([4], tf.int32),
            "weight": tf.TensorSpec([4], tf.float32),
            "bad": tf.TensorSpec([4], tf.float32),
            "index": tf.TensorSpec([4], tf.int64),
        }
        options = dataset.options()
        off = tf.data.experimental.AutoShardPolicy.OFF
        assert options.experimental_distribute.auto_shard_policy == off
        assert options.deterministic


def test_evaluation_and_prediction_decode_alike(tmp_path):
    photographs.write_folder(tmp_path)
    config = ImageFolderData(path=str(tmp_path), batch_size=6, crop_fraction=0.875)
    source = open_source(config, "test")
    batch = take(image_dataset(source, config, "test", (24, 24, 3)), 1)[0]
    for index, image in zip(batch["index"], batch["image"], strict=True):
        expected = decode_file(source.name(int(index)), (24, 24, 3), 0.875)
        np.testing.assert_array_equal(image, expected)


@pytest.mark.parametrize(
    ("content", "split"),
    [
        (b"", "train"),
        (b"no image", "train"),
        (photographs.encoded("china")[:50_000], "train"),
        (None, "train"),
        (b"", "test"),
    ],
)
def test_one_bad_file_loses_one_example(tmp_path, content, split):
    photographs.write_folder(tmp_path, per_class=5)
    config = ImageFolderData(path=str(tmp_path), batch_size=4)
    source = open_source(config, split)
    folder = config.train if split == "train" else config.test
    victim = tmp_path / folder / "flower" / "2.png"
    if content is None:
        victim.unlink()
    else:
        victim.write_bytes(content)
    batches = take(image_dataset(source, config, split, (30, 40, 3)), 3)
    rows = {name: np.concatenate([b[name] for b in batches]) for name in FIELDS}
    assert rows["bad"].sum() == 1
    assert rows["weight"].sum() == 9
    assert rows["index"][rows["bad"] == 1] == [7]
    assert (rows["image"][rows["index"] == 7] == 0).all()
    for index, image in zip(rows["index"], rows["image"], strict=True):
        if index != 7:
            name, number = photographs.NAMES[index // 5], int(index % 5)
            left = 20 * number
            expected = photographs.pixels(name)[:30, left : left + 40]
            np.testing.assert_array_equal(image, expected)


def damaged_records(tmp_path):
    """Ten records, the fourth with damaged data, the seventh with an unknown class."""
    (tmp_path / "labels.txt").write_text("cat\ndog\nbird\n")
    labels = [0, 1, 2, 0, 1, 2, 99, 1, 2, 0]
    write_records(tmp_path / "data", [example(label) for label in labels])
    fourth = list(record_offsets(str(tmp_path / "data")))[3]
    damage(tmp_path / "data", fourth + 30)
    path = str(tmp_path / "data")
    names = str(tmp_path / "labels.txt")
    config = RecordsData(train=path, test=path, labels=names, batch_size=4)
    return config, labels, fourth


def test_damaged_records_lose_exactly_themselves(tmp_path):
    config, labels, _ = damaged_records(tmp_path)
    source = open_source(config, "test")
    batches = list(image_dataset(source, config, "test", (4, 4, 3)).as_numpy_iterator())
    rows = {name: np.concatenate([b[name] for b in batches])[:10] for name in FIELDS}
    assert rows["bad"].tolist() == [0, 0, 0, 1, 0, 0, 1, 0, 0, 0]
    np.testing.assert_array_equal(rows["weight"], 1 - rows["bad"])
    kept = rows["weight"] == 1
    np.testing.assert_array_equal(rows["label"][kept], np.array(labels)[kept])
    assert (rows["image"][kept] == 7).all()


def test_rows_that_fill_up_do_not_count_bad_examples_twice(tmp_path):
    config, _, _ = damaged_records(tmp_path)
    source = open_source(config, "train")
    dataset = image_dataset(source, config, "train", (4, 4, 3))
    batches = take(dataset, 12)
    for epoch in range(4):
        rows = batches[3 * epoch : 3 * epoch + 3]
        assert sum(batch["bad"].sum() for batch in rows) == 2
        assert sum(batch["weight"].sum() for batch in rows) == 8


def test_check_finds_and_explains_bad_examples(tmp_path):
    config, _, fourth = damaged_records(tmp_path)
    progress = []
    report = check_source(open_source(config, "test"), 3, progress.append)
    assert report.counts == {"cat": 2, "dog": 3, "bird": 3}
    assert [name for name, _ in report.unreadable] == [
        f"{tmp_path / 'data'}, record at byte {fourth}",
        f"{tmp_path / 'data'}, record at byte {2 * fourth}",
    ]
    assert "corrupted record" in report.unreadable[0].reason
    assert "out of range" in report.unreadable[1].reason
    assert sum(progress) == 10


def test_batch_that_replicas_cannot_share():
    config = DigitsData(batch_size=8)
    source = open_source(config, "train")
    with pytest.raises(ConfigError, match=r"data\.batch_size"):
        image_dataset(source, config, "train", DIGIT, shard=Shard(0, 1, 3))


def test_colour_augmentation_of_gray_images():
    config = DigitsData(batch_size=8, augmentation=InceptionAugmentation())
    source = open_source(config, "train")
    with pytest.raises(ConfigError, match=r"data\.augmentation"):
        image_dataset(source, config, "train", DIGIT)
    image_dataset(source, config, "test", DIGIT)
