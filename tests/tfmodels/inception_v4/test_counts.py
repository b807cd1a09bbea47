"""Published and independently computed sizes of the Inception-v4 family."""

import dataclasses
import functools
from typing import Any

import pytest

import tfmodels
from tfmodels.introspection import Overview
from tfmodels.introspection import costs_by_side
from tfmodels.introspection import overview


@dataclasses.dataclass(frozen=True)
class Published:
    """Figures of one network at 299x299 and 1000 classes."""

    name: str
    config: dict[str, Any]
    block_counts: tuple[int, int, int]
    blocks: tuple[int, int, int]
    """Trainable weights of one block per stage."""
    trainable: int
    without_gamma: int
    statistics: int
    with_head: int
    multiply_adds: int
    convolutions: int
    receptive_field: int
    millions: tuple[int, ...]
    """Multiply-adds by height of the map: 149, 147, 73, 71, 35, 17, 8."""


PUBLISHED = {
    "v4": Published(
        name="inception_v4",
        config={},
        block_counts=(4, 7, 3),
        blocks=(317_632, 2_936_256, 4_553_088),
        trainable=42_679_816,
        without_gamma=42_648_232,
        statistics=63_168,
        with_head=46_039_280,
        multiply_adds=12_253_974_624,
        convolutions=149,
        receptive_field=2071,
        millions=(19, 597, 709, 558, 2521, 6894, 953),
    ),
    "v1": Published(
        name="inception_resnet_v1",
        config={},
        block_counts=(5, 10, 5),
        blocks=(77_440, 690_048, 1_600_768),
        trainable=22_756_328,
        without_gamma=22_742_808,
        statistics=27_040,
        with_head=26_099_408,
        multiply_adds=6_206_361_696,
        convolutions=127,
        receptive_field=1567,
        millions=(19, 597, 27, 697, 1479, 2742, 643),
    ),
    "v2 paper": Published(
        name="inception_resnet_v2",
        config={"wiring": "paper"},
        block_counts=(5, 10, 5),
        blocks=(137_568, 1_171_904, 2_088_736),
        trainable=32_433_928,
        without_gamma=32_417_496,
        statistics=32_864,
        with_head=35_809_776,
        multiply_adds=9_257_953_632,
        convolutions=132,
        receptive_field=1591,
        millions=(19, 597, 709, 558, 2087, 4466, 819),
    ),
    "v2 released": Published(
        name="inception_resnet_v2",
        config={"wiring": "released"},
        block_counts=(10, 20, 10),
        blocks=(123_168, 1_126_784, 2_035_424),
        trainable=55_843_464,
        without_gamma=55_813_192,
        statistics=60_544,
        with_head=59_211_120,
        multiply_adds=13_155_794_016,
        convolutions=244,
        receptive_field=3039,
        millions=(19, 597, 27, 697, 2649, 7507, 1657),
    ),
}


@functools.cache
def shortened(network: str):
    """The network at full width with one block per stage."""
    published = PUBLISHED[network]
    return tfmodels.build(published.name, block_counts=[1, 1, 1], **published.config)


def part(whole: Overview, name: str) -> Overview:
    rows = (row for row in whole.rows if row.name.startswith(f"{name}_"))
    return Overview(tuple(rows))


def gammas(model) -> int:
    return sum(
        weight.shape[0] for weight in model.weights if weight.path.endswith("gamma")
    )


@pytest.mark.parametrize("network", PUBLISHED)
def test_weights_of_one_block(network):
    published = PUBLISHED[network]
    whole = overview(shortened(network))
    blocks = tuple(part(whole, name).trainable for name in ("a1", "b1", "c1"))
    assert blocks == published.blocks


def test_moving_averages_of_one_block_of_v4():
    whole = overview(shortened("v4"))
    totals = {
        name: part(whole, name).trainable + part(whole, name).non_trainable
        for name in ("a1", "b1", "c1")
    }
    assert totals == {"a1": 318_848, "b1": 2_940_800, "c1": 4_559_616}


@pytest.mark.parametrize("network", PUBLISHED)
def test_total_is_the_short_network_and_its_missing_blocks(network):
    published = PUBLISHED[network]
    model = shortened(network)
    assert published.block_counts == default_block_counts(published)
    missing = sum(
        (count - 1) * block
        for count, block in zip(published.block_counts, published.blocks, strict=True)
    )
    assert overview(model).trainable + missing == published.with_head
    assert overview(model.deploy()).trainable + missing == published.trainable


def default_block_counts(published: Published) -> tuple[int, int, int]:
    entry = tfmodels.catalog.find(published.name)
    return entry.config.parse(published.config).block_counts


def test_auxiliary_head_of_v4():
    assert part(overview(shortened("v4")), "aux").trainable == 3_359_464


@pytest.mark.parametrize(
    ("network", "shapes"),
    [
        ("v4", {"stem3": 384, "a1": 384, "b1": 1024, "c1": 1536, "pool": 1536}),
        ("v1", {"conv6": 256, "a1": 256, "b1": 896, "c1": 1792, "pool": 1792}),
        ("v2 paper", {"stem3": 384, "a1": 384, "b1": 1152, "c1": 2144, "pool": 2144}),
        ("v2 released", {"mixed": 320, "b1": 1088, "c1": 2080, "pool": 1536}),
    ],
)
def test_widths_of_endpoints(network, shapes):
    endpoints = shortened(network).endpoints
    assert {name: endpoints[name].shape[-1] for name in shapes} == shapes


def test_describes_how_the_released_v2_differs_from_the_paper():
    released, paper = (
        shortened(name).endpoints for name in ("v2 released", "v2 paper")
    )
    assert set(released) - set(paper) == {
        "pool1",
        "conv4",
        "conv5",
        "pool2",
        "mixed",
        "conv6",
    }
    assert set(paper) - set(released) == {"stem1", "stem2", "stem3"}


@pytest.mark.parametrize("name", tfmodels.models()[1:4])
@pytest.mark.parametrize(
    ("size", "sides"),
    [
        (299, (35, 17, 8)),
        (331, (39, 19, 9)),
        (150, (16, 7, 3)),
        (96, (9, 4, 1)),
        (75, (7, 3, 1)),
    ],
)
def test_sides_of_the_maps(name, size, sides):
    model = tfmodels.build(
        name,
        input_shape=[size, size, 3],
        block_counts=[1, 1, 1],
        width_multiplier=0.05,
        auxiliary_head=None,
    )
    shapes = [model.endpoints[block].shape[1:3] for block in ("a1", "b1", "c1")]
    assert shapes == [(side, side) for side in sides]


DIGITS = {
    "stem": "small",
    "padding": "same",
    "input_shape": [8, 8, 1],
    "num_classes": 10,
    "width_multiplier": 0.125,
    "block_counts": [1, 2, 1],
    "auxiliary_head": {
        "pool_size": 3,
        "pool_strides": 1,
        "pool_padding": "same",
        "hidden": None,
    },
}


@pytest.mark.parametrize(
    ("name", "config", "weights"),
    [
        ("inception_v4", {}, 267_384),
        ("inception_resnet_v2", {"wiring": "paper"}, 198_044),
    ],
)
def test_digits(name, config, weights):
    model = tfmodels.build(name, **DIGITS, **config)
    assert model.count_params() == weights
    sides = [model.endpoints[block].shape[1] for block in ("a1", "b2", "c1")]
    assert sides == [8, 4, 2]


@pytest.mark.slow
@pytest.mark.parametrize("network", PUBLISHED)
def test_full_size(network):
    published = PUBLISHED[network]
    model = tfmodels.build(published.name, **published.config)
    deployed = model.deploy()
    whole = overview(deployed)
    assert overview(model).trainable == published.with_head
    assert whole.trainable == published.trainable
    assert whole.trainable - gammas(deployed) == published.without_gamma
    assert whole.non_trainable == published.statistics
    assert whole.multiply_adds == published.multiply_adds
    assert sum(row.kind == "Conv2D" for row in whole.rows) == published.convolutions
    fields = [row.receptive_field for row in whole.rows if row.receptive_field]
    assert max(fields) == (published.receptive_field,) * 2
    *maps, scores = costs_by_side(whole).items()
    assert [side for side, _ in maps] == [149, 147, 73, 71, 35, 17, 8]
    # The published figures are rounded to whole millions, some of them twice.
    millions = tuple(cost / 1e6 for _, cost in maps)
    assert millions == pytest.approx(published.millions, abs=0.51)
    assert scores == (1, 1000 * deployed.endpoints["pool"].shape[-1])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("num_classes", "scale", "weights"),
    [(1001, False, 42_649_769), (10, True, 42_679_816 - 990 * 1537)],
)
def test_classes_of_v4(num_classes, scale, weights):
    model = tfmodels.build(
        "inception_v4",
        num_classes=num_classes,
        batch_norm={"scale": scale},
        auxiliary_head=None,
    )
    assert overview(model).trainable == weights
