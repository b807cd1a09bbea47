"""Published and independently computed sizes of GoogLeNet."""

import functools

import pytest

import tfmodels
from tfmodels.introspection import Overview
from tfmodels.introspection import overview

# Name, output shape, weights and multiply-adds of each subnetwork of `paper`.
TABLE_1 = [
    ("conv1", (112, 112, 64), 9_472, 118_013_952),
    ("pool1", (56, 56, 64), 0, 0),
    ("conv2", (56, 56, 192), 4_160 + 110_784, 12_845_056 + 346_816_512),
    ("pool2", (28, 28, 192), 0, 0),
    ("3a", (28, 28, 256), 163_696, 128_049_152),
    ("3b", (28, 28, 480), 388_736, 304_267_264),
    ("pool3", (14, 14, 480), 0, 0),
    ("4a", (14, 14, 512), 376_176, 73_608_192),
    ("4b", (14, 14, 512), 449_160, 87_908_352),
    ("4c", (14, 14, 512), 510_104, 99_850_240),
    ("4d", (14, 14, 528), 605_376, 118_515_712),
    ("4e", (14, 14, 832), 868_352, 169_996_288),
    ("pool4", (7, 7, 832), 0, 0),
    ("5a", (7, 7, 832), 1_043_456, 51_079_168),
    ("5b", (7, 7, 1024), 1_444_080, 70_697_984),
    ("pool", (1024,), 0, 0),
    ("logits", (1000,), 1_025_000, 1_024_000),
    ("aux1", (1000,), 3_188_840, 4_169_728),
    ("aux2", (1000,), 3_190_888, 4_202_496),
]


@functools.cache
def full_size(variant: str, num_classes: int = 1000):
    return tfmodels.build("googlenet", variant=variant, num_classes=num_classes)


def part(whole: Overview, name: str) -> Overview:
    rows = (row for row in whole.rows if row.name.split("_")[0] == name)
    return Overview(tuple(rows))


@pytest.mark.parametrize(("name", "shape", "weights", "multiply_adds"), TABLE_1)
def test_subnetwork_of_table_1(name, shape, weights, multiply_adds):
    model = full_size("paper")
    subnetwork = part(overview(model), name)
    assert tuple(model.endpoints[name].shape[1:]) == shape
    assert subnetwork.trainable == weights
    assert subnetwork.multiply_adds == multiply_adds


def test_table_1_covers_the_network():
    model = full_size("paper")
    assert [row[0] for row in TABLE_1] == list(model.endpoints)


@pytest.mark.parametrize(
    ("variant", "num_classes", "with_heads", "deployed"),
    [
        ("paper", 1000, 13_378_280, 6_998_552),
        ("paper", 10, 10_334_030, 5_983_802),
        ("bn", 1000, 13_385_816, 7_005_832),
        ("slim", 1001, 6_618_649, 6_618_649),
        ("slim", 1000, 6_617_624, 6_617_624),
        ("torchvision", 1000, 13_004_888, 6_624_904),
    ],
)
def test_trainable_weights(variant, num_classes, with_heads, deployed):
    model = full_size(variant, num_classes)
    assert overview(model).trainable == with_heads
    assert overview(model.deploy()).trainable == deployed


def test_multiply_adds_and_convolutions():
    model = full_size("paper")
    deployed = overview(model.deploy())
    assert overview(model).multiply_adds == 1_591_044_096
    assert deployed.multiply_adds == 1_582_671_872
    assert sum(row.kind == "Conv2D" for row in deployed.rows) == 57
    assert sum(row.kind == "MaxPooling2D" for row in deployed.rows) == 13


@pytest.mark.parametrize(
    ("variant", "pixels"),
    [("paper", 715), ("bn", 715), ("slim", 379), ("torchvision", 379)],
)
def test_receptive_field(variant, pixels):
    rows = {row.name: row for row in overview(full_size(variant)).rows}
    assert rows["5b_concat"].receptive_field == (pixels, pixels)
    assert rows["5b_concat"].stride == (32, 32)


@pytest.mark.parametrize(
    ("width_multiplier", "weights"), [(0.125, 171_046), (0.25, 660_798)]
)
def test_digits(width_multiplier, weights):
    head = {"pool_size": 3, "pool_strides": 1, "pool_padding": "same"}
    model = tfmodels.build(
        "googlenet",
        variant="bn",
        stem="small",
        input_shape=[8, 8, 1],
        num_classes=10,
        width_multiplier=width_multiplier,
        heads=[{"attach": "4a", **head}, {"attach": "4d", **head}],
    )
    assert model.count_params() == weights
