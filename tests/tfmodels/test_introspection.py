"""Costs and receptive fields of graphs small enough to count by hand."""

import keras
import pytest

from tfmodels import introspection


def by_name(model: keras.Model) -> dict[str, introspection.LayerRow]:
    return {row.name: row for row in introspection.overview(model).rows}


@pytest.fixture
def two_paths() -> keras.Model:
    image = keras.Input((16, 12, 3), name="image")
    x = keras.layers.Conv2D(4, 3, 2, "same", name="entry")(image)
    narrow = keras.layers.Conv2D(5, 1, name="narrow")(x)
    wide = keras.layers.MaxPooling2D(3, 1, "same", name="pool")(x)
    wide = keras.layers.Conv2D(2, (1, 5), padding="same", name="wide")(wide)
    x = keras.layers.Concatenate(name="join")([narrow, wide])
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.Conv2D(1, 3, dilation_rate=2, padding="same", name="dilated")(x)
    x = keras.layers.Flatten(name="flat")(x)
    x = keras.layers.Dense(6, name="scores")(x)
    return keras.Model(image, x)


def test_costs_by_height_of_the_map(two_paths):
    # 8 x 6 positions: 3*3*3*4, 4*5, 1*5*4*2, 3*3*7*1; then 48 to 6 scores.
    maps = 8 * 6 * (108 + 20 + 40 + 63)
    costs = introspection.costs_by_side(introspection.overview(two_paths))
    assert costs == {8: maps, 1: 48 * 6}


def test_receptive_field_follows_the_widest_path(two_paths):
    rows = by_name(two_paths)
    assert rows["image"].receptive_field == (1, 1)
    assert rows["entry"].receptive_field == (3, 3)
    assert rows["narrow"].receptive_field == (3, 3)
    assert rows["pool"].receptive_field == (7, 7)
    assert rows["wide"].receptive_field == (7, 15)
    assert rows["join"].receptive_field == (7, 15)
    assert rows["dilated"].receptive_field == (7 + 4 * 2, 15 + 4 * 2)
    assert rows["dilated"].stride == (2, 2)
    assert rows["flat"].receptive_field is None
    assert rows["scores"].stride is None


def test_multiply_adds_and_weights(two_paths):
    overview = introspection.overview(two_paths)
    rows = by_name(two_paths)
    assert rows["entry"].multiply_adds == 8 * 6 * 3 * 3 * 3 * 4
    assert rows["wide"].multiply_adds == 8 * 6 * 5 * 4 * 2
    assert rows["scores"].multiply_adds == 48 * 6
    assert rows["join"].multiply_adds == 0
    assert rows["norm"].trainable == 14
    assert rows["norm"].non_trainable == 14
    assert overview.trainable + overview.non_trainable == two_paths.count_params()
    assert overview.multiply_adds == sum(row.multiply_adds for row in overview.rows)


def test_size_that_is_not_fixed_has_no_cost():
    image = keras.Input((None, None, 3))
    model = keras.Model(image, keras.layers.Conv2D(2, 3, name="first")(image))
    with pytest.raises(ValueError, match="'first'"):
        introspection.overview(model)


def test_strides_of_tensors(two_paths):
    strides = introspection.strides(two_paths)
    assert strides[two_paths.get_layer("wide").output] == (2, 2)
    assert two_paths.output not in strides
