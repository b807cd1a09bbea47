"""Sources of images: what they hold, and what is said when they are wrong."""

import numpy as np
import pytest
import tensorflow as tf
from sklearn.datasets import load_digits

from tests.trainers.data import photographs
from tfmodels.errors import ConfigError
from tfmodels.errors import DataError
from trainers.data.config import DigitsData
from trainers.data.config import ImageFolderData
from trainers.data.config import ManifestData
from trainers.data.config import RecordsData
from trainers.data.images.records import masked_crc32c
from trainers.data.images.records import record_offsets
from trainers.data.images.sources import open_source

PNG = tf.io.encode_png(np.full((4, 4, 3), 7, np.uint8)).numpy()


def example(label, image=PNG, **keys):
    image_key = keys.get("image_key", "image/encoded")
    label_key = keys.get("label_key", "image/class/label")
    feature = {
        image_key: tf.train.Feature(bytes_list=tf.train.BytesList(value=[image])),
        label_key: tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
    }
    message = tf.train.Example(features=tf.train.Features(feature=feature))
    return message.SerializeToString()


def write_records(path, records):
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)


def read(source, index, num_channels=3):
    values = source.read(tf.constant(index, tf.int64), num_channels)
    return {name: value.numpy() for name, value in values.items()}


@pytest.fixture
def folder(tmp_path):
    photographs.write_folder(tmp_path)
    return tmp_path


@pytest.fixture
def manifest(folder):
    lines = ["path,label"]
    for name in photographs.NAMES:
        lines += [f"train/{name}/{number}.png,{name}" for number in range(3)]
    (folder / "all.csv").write_text("\n".join(lines) + "\n")
    return folder / "all.csv"


@pytest.fixture
def labels(tmp_path):
    (tmp_path / "labels.txt").write_text("cat\ndog\nbird\n")
    return tmp_path / "labels.txt"


def folder_source(path, split="train", **values):
    return open_source(ImageFolderData(path=str(path), batch_size=4, **values), split)


def manifest_source(path, split="train", **values):
    values = {"train": str(path), "batch_size": 4, **values}
    return open_source(ManifestData(**values), split)


def records_source(pattern, labels, **values):
    values = {"train": str(pattern), "labels": str(labels), "batch_size": 4, **values}
    return open_source(RecordsData(**values), "train")


def test_digits_are_scikit_learns_in_the_writers_split():
    images, targets = load_digits(return_X_y=True)
    config = DigitsData(batch_size=4)
    first = 0
    for split, size in (("train", 1437), ("test", 360)):
        source = open_source(config, split)
        assert source.size == size
        assert source.labels == tuple("0123456789")
        found = read(source, np.arange(size), 1)
        np.testing.assert_array_equal(found["label"], targets[first : first + size])
        # The 17 values are spread over 0 to 255 with none lost.
        np.testing.assert_array_equal(
            np.round(found["image"] / 15.9375).reshape(size, 64),
            images[first : first + size],
        )
        assert found["image"].min() == 0
        assert found["image"].max() == 255
        assert not found["bad"].any()
        first += size


def test_digits_in_colour_are_gray():
    source = open_source(DigitsData(batch_size=4), "test")
    gray, colour = read(source, [3, 5], 1), read(source, [3, 5], 3)
    np.testing.assert_array_equal(colour["image"], np.repeat(gray["image"], 3, -1))


def test_split_that_is_not_configured():
    with pytest.raises(ConfigError, match=r"no validation split.*train, test"):
        open_source(DigitsData(batch_size=4), "validation")


def test_folder(folder):
    source = folder_source(folder)
    assert source.size == 6
    assert source.labels == photographs.NAMES
    for index, (name, number) in enumerate(
        (name, number) for name in photographs.NAMES for number in range(3)
    ):
        found = read(source, index)
        left = 20 * number
        expected = photographs.pixels(name)[:30, left : left + 40]
        np.testing.assert_array_equal(found["image"], expected)
        assert found["label"] == photographs.NAMES.index(name)
        assert not found["bad"]
        assert source.name(index).endswith(f"train/{name}/{number}.png")
        assert source.problem(index, 3) == ""


def test_folder_ignores_what_is_no_image(folder):
    (folder / "train" / "china" / "notes.txt").write_text("not an image")
    (folder / "train" / "china" / ".hidden.png").write_text("not an image")
    (folder / "train" / "readme.txt").write_text("not a class")
    assert folder_source(folder).size == 6


def test_labels_of_held_out_images_are_those_of_training(folder):
    for path in (folder / "val" / "china").iterdir():
        path.unlink()
    (folder / "val" / "china").rmdir()
    source = folder_source(folder, "test")
    assert source.labels == photographs.NAMES
    assert [read(source, index)["label"] for index in range(3)] == [1, 1, 1]


def test_missing_folder(tmp_path):
    with pytest.raises(DataError, match=r"no folder .*absent/train.*data\.path"):
        folder_source(tmp_path / "absent")


def test_folder_without_classes(tmp_path):
    (tmp_path / "train").mkdir()
    with pytest.raises(DataError, match=r"no class folders.*data\.path"):
        folder_source(tmp_path)


def test_empty_class(folder):
    (folder / "train" / "moon").mkdir()
    with pytest.raises(DataError, match="moon is empty"):
        folder_source(folder)


def test_held_out_class_that_training_lacks(folder):
    (folder / "val" / "moon").mkdir()
    (folder / "val" / "moon" / "0.png").write_bytes(PNG)
    with pytest.raises(DataError, match=r"moon is unknown.*china, flower"):
        folder_source(folder, "test")


def test_manifest_equals_folder(folder, manifest):
    one, other = folder_source(folder), manifest_source(manifest)
    assert (one.size, one.labels) == (other.size, other.labels)
    for index in range(one.size):
        np.testing.assert_array_equal(
            read(one, index)["image"], read(other, index)["image"]
        )
        assert read(one, index)["label"] == read(other, index)["label"]


def test_manifest_with_a_root_quotes_and_further_columns(folder):
    table = folder / "elsewhere" / "some.csv"
    table.parent.mkdir()
    table.write_text('id,label,path\n7,"a, b",china/0.png\n8,c,flower/1.png\n')
    source = manifest_source(table, root=str(folder / "train"))
    assert source.labels == ("a, b", "c")
    assert not read(source, 1)["bad"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: no column path and no column label"),
        ("path,class\n", "line 1: no column label"),
        ("path,label\n", "is empty"),
        ("path,label\ntrain/china/0.png,\n", "line 2: incomplete"),
        ("path,label\ntrain/china/0.png\n", "line 2: incomplete"),
        (
            "path,label\ntrain/china/0.png,a\ntrain/china/9.png,a\n",
            "line 3: there is no file",
        ),
    ],
)
def test_manifests_that_are_wrong(folder, text, message):
    (folder / "bad.csv").write_text(text)
    with pytest.raises(DataError, match=f"bad.csv.*{message}"):
        manifest_source(folder / "bad.csv")


def test_manifest_of_json_lines(folder):
    lines = folder / "all.jsonl"
    lines.write_text(
        '{"path": "train/china/1.png", "label": 7, "box": [0, 1]}\n\n'
        '{"label": "a\u2028b", "path": "train/flower/0.png"}\n'
    )
    source = manifest_source(lines)
    assert (source.size, source.labels) == (2, ("7", "a\u2028b"))
    assert source.name(0) == str(folder / "train" / "china" / "1.png")
    for line, message in (
        ("{", "line 1: no JSON object"),
        ('["train/china/1.png", "a"]', "line 1: no JSON object"),
        ('{"path": "train/china/1.png"}', "line 1: incomplete"),
        ("", "is empty"),
    ):
        lines.write_text(line)
        with pytest.raises(DataError, match=message):
            manifest_source(lines)


def test_missing_manifest_names_its_key(tmp_path):
    with pytest.raises(DataError, match=r"absent\.csv.*data\.train"):
        manifest_source(tmp_path / "absent.csv")


def test_unknown_label_in_a_held_out_manifest(folder, manifest):
    lines = ["path,label", "val/china/0.png,china", "val/china/1.png,moon"]
    (folder / "val.csv").write_text("\n".join(lines))
    with pytest.raises(DataError, match=r"val\.csv, line 3: unknown label.*'moon'"):
        manifest_source(manifest, "test", test=str(folder / "val.csv"))


def test_records_of_several_files(tmp_path, labels):
    images = [
        tf.io.encode_png(np.full((4, 5, 3), number, np.uint8)).numpy()
        for number in range(7)
    ]
    records = [example(number % 3, image) for number, image in enumerate(images)]
    write_records(tmp_path / "train-0", records[:4])
    write_records(tmp_path / "train-1", [])
    write_records(tmp_path / "train-2", records[4:])
    source = records_source(tmp_path / "train-*", labels)
    assert source.size == 7
    assert source.labels == ("cat", "dog", "bird")
    for index in (6, 0, 3, 4, 1, 5, 2):
        found = read(source, index)
        assert found["label"] == index % 3
        assert found["image"].shape == (4, 5, 3)
        assert (found["image"] == index).all()
    assert source.name(4) == f"{tmp_path / 'train-2'}, record at byte 0"


def test_records_with_other_keys_and_a_background_class(tmp_path, labels):
    keys = {"image_key": "image", "label_key": "label"}
    write_records(tmp_path / "a", [example(number, **keys) for number in range(5)])
    source = records_source(tmp_path / "a", labels, label_offset=1, **keys)
    found = [read(source, index) for index in range(5)]
    assert [int(values["bad"]) for values in found] == [1, 0, 0, 0, 1]
    assert [int(values["label"]) for values in found[1:4]] == [0, 1, 2]
    assert "out of range" in source.problem(0, 3)


def test_offsets_are_where_tensorflow_reads(tmp_path):
    records = [bytes(length) for length in (0, 1, 17, 70_000)]
    write_records(tmp_path / "a", records)
    offsets = list(record_offsets(str(tmp_path / "a")))
    assert offsets == [0, 16, 33, 66]


def test_checksum_of_the_published_example():
    # RFC 3720, B.4: CRC-32C of 32 bytes of zeros is 0x8A9136AA.
    rotated = (0x8A9136AA >> 15 | 0x8A9136AA << 17) + 0xA282EAD8
    assert masked_crc32c(bytes(32)) == rotated & 0xFFFFFFFF


def damage(path, position, count=1):
    content = bytearray(path.read_bytes())
    for number in range(position, position + count):
        content[number] ^= 0xFF
    path.write_bytes(content)


@pytest.mark.parametrize("position", [0, 9])
def test_damaged_length_of_a_record(tmp_path, labels, position):
    write_records(tmp_path / "a", [example(0)] * 3)
    second = list(record_offsets(str(tmp_path / "a")))[1]
    damage(tmp_path / "a", second + position)
    with pytest.raises(DataError, match=f"damaged at byte {second}.*checksum"):
        records_source(tmp_path / "a", labels)


@pytest.mark.parametrize("missing", [1, 60, 10**6])
def test_truncated_records(tmp_path, labels, missing):
    write_records(tmp_path / "a", [example(0)] * 3)
    content = (tmp_path / "a").read_bytes()
    kept = max(5, len(content) - missing)
    (tmp_path / "a").write_bytes(content[:kept])
    with pytest.raises(DataError, match="damaged at byte"):
        records_source(tmp_path / "a", labels)


def test_compressed_records_are_refused(tmp_path, labels):
    with tf.io.TFRecordWriter(str(tmp_path / "a"), "GZIP") as writer:
        writer.write(example(0))
    with pytest.raises(DataError, match="Expected an uncompressed"):
        records_source(tmp_path / "a", labels)


def test_records_that_are_not_there(tmp_path, labels):
    with pytest.raises(DataError, match=r"no file matches.*data\.train"):
        records_source(tmp_path / "train-*", labels)
    write_records(tmp_path / "train-0", [])
    with pytest.raises(DataError, match=r"no record.*data\.train"):
        records_source(tmp_path / "train-*", labels)


@pytest.mark.parametrize("text", [None, "", "\n\n"])
def test_class_names_that_are_not_there(tmp_path, text):
    write_records(tmp_path / "a", [example(0)])
    if text is not None:
        (tmp_path / "names").write_text(text)
    with pytest.raises(DataError, match=r"names.*data\.labels"):
        records_source(tmp_path / "a", tmp_path / "names")
