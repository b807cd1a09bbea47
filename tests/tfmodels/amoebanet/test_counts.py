"""Published and independently computed sizes of AmoebaNet-D."""

import functools

import keras
import pytest
from keras.src.backend.common import global_state

import tfmodels
from tfmodels.classification.model import ImageClassifier
from tfmodels.introspection import Overview
from tfmodels.introspection import overview

# Name, side and channels of the output, and weights of each item of the sequence of
# AmoebaNet-D(3, 16) at 224x224x3 and 10 classes.
TINY = [
    ("stem", (112, 112, 4), 116),
    ("reduction1", (56, 56, 24), 384),
    ("reduction2", (28, 28, 48), 1_528),
    ("normal1", (28, 28, 64), 2_896),
    ("reduction3", (14, 14, 96), 7_504),
    ("normal2", (14, 14, 128), 11_552),
    ("reduction4", (7, 7, 192), 29_216),
    ("normal3", (7, 7, 256), 45_120),
    ("logits", (10,), 2_570),
]


def build_without_values(**config: object) -> ImageClassifier:
    """A network whose variables have shapes but no memory."""
    with keras.StatelessScope(initialize_variables=False):
        model = tfmodels.build("amoebanet", **config)
    # Else Keras gives all of them values when the next scope ends.
    global_state.set_global_attribute("uninitialized_variables", [])
    return model


@functools.cache
def tiny() -> ImageClassifier:
    return build_without_values(num_layers=3, num_filters=16, num_classes=10)


def part(whole: Overview, name: str) -> Overview:
    return Overview(tuple(r for r in whole.rows if r.name.split("_")[0] == name))


@pytest.mark.parametrize(("name", "shape", "weights"), TINY)
def test_item_of_the_sequence(name, shape, weights):
    assert tuple(tiny().endpoints[name].shape[1:]) == shape
    assert part(overview(tiny()), name).trainable == weights


def test_the_items_are_the_network():
    assert [row[0] for row in TINY] == list(tiny().endpoints)
    assert overview(tiny()).trainable == sum(row[2] for row in TINY) == 100_886


@pytest.mark.parametrize(
    ("num_layers", "num_filters", "weights"),
    [
        (18, 208, 81_505_540),
        (18, 256, 122_470_120),
        pytest.param(18, 416, 319_024_120, marks=pytest.mark.slow),
        pytest.param(18, 544, 542_734_840, marks=pytest.mark.slow),
        pytest.param(36, 544, 1_055_832_376, marks=pytest.mark.slow),
        pytest.param(72, 512, 1_844_858_344, marks=pytest.mark.slow),
    ],
)
def test_weights_of_the_published_sizes(num_layers, num_filters, weights):
    # arXiv 1811.06965, tables 1 and 2: 82, 318, 542 million, 1.05 and 1.8 billion.
    model = build_without_values(num_layers=num_layers, num_filters=num_filters)
    assert overview(model).trainable == weights
    assert len(model.endpoints) == num_layers + 6


def test_endpoints_are_the_items_of_the_sequence():
    model = build_without_values(num_layers=6, num_filters=16, num_classes=10)
    assert list(model.endpoints) == [
        *("stem", "reduction1", "reduction2"),
        *("normal1", "normal2", "reduction3"),
        *("normal3", "normal4", "reduction4"),
        *("normal5", "normal6", "logits"),
    ]


def test_the_default_is_the_throughput_benchmark():
    config = tfmodels.catalog.find("amoebanet").config.parse({})
    assert (config.num_layers, config.num_filters) == (18, 256)


@pytest.mark.parametrize(
    ("shape", "sides"),
    [
        ((32, 32), [16, 8, 4, 4, 2, 2, 1, 1]),
        ((64, 64), [32, 16, 8, 8, 4, 4, 2, 2]),
        ((75, 75), [38, 19, 10, 10, 5, 5, 3, 3]),
        ((8, 8), [4, 2, 1, 1, 1, 1, 1, 1]),
    ],
)
def test_sides_halve_and_round_up(shape, sides):
    model = build_without_values(
        input_shape=[*shape, 3], num_layers=3, num_filters=16, num_classes=10
    )
    maps = list(model.endpoints.values())[:-1]
    assert [tuple(x.shape[1:3]) for x in maps] == [(side, side) for side in sides]
    assert overview(model).trainable == overview(tiny()).trainable


def test_grey_images_need_fewer_weights_in_the_stem_alone():
    model = build_without_values(
        input_shape=[32, 32, 1], num_layers=3, num_filters=16, num_classes=10
    )
    # All other counts here are for 3 channels: 116 = 3 * 3 * 3 * 4 + 2 * 4.
    assert part(overview(model), "stem").trainable == 3 * 3 * 1 * 4 + 2 * 4
    assert overview(model).trainable == 100_886 - 3 * 3 * 2 * 4


def test_multiply_adds_of_the_stem_and_of_a_reduction_cell():
    whole = overview(tiny())
    assert part(whole, "stem").multiply_adds == 112 * 112 * 108
    # Inputs at 112; behind the stride 1x1, 3x3 (after its own 1x1 at 112) and 1x7-7x1.
    inputs = 2 * 4 * 8
    conv_3x3 = (16, 36, 16)
    conv_7x7 = 16 + 28 + 28 + 16
    assert part(whole, "reduction1").multiply_adds == 112 * 112 * (
        inputs + conv_3x3[0]
    ) + 56 * 56 * (sum(conv_3x3[1:]) + conv_7x7 + 64)


def test_narrow_networks_have_widths_of_multiples_of_4():
    model = build_without_values(
        input_shape=[32, 32, 3],
        num_layers=3,
        num_filters=208,
        width_multiplier=0.1,
        num_classes=10,
    )
    # 52 filters in the stem, doubled by each reduction; 0.1 of that is 5.2 to 83.2.
    channels = [x.shape[-1] for x in list(model.endpoints.values())[:-1]]
    expected = [4, 3 * 12, 3 * 20, 4 * 20, 3 * 40, 4 * 40, 3 * 84, 4 * 84]
    assert channels == expected
