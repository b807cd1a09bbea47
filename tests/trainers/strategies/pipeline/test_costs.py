"""Costs of items against the formulas of the published cost model, and by hand."""

import keras
import pytest

import tfmodels
from tfmodels.errors import ConfigError
from tfmodels.layers.attention import CausalAttention
from trainers.strategies.pipeline.costs import item_costs
from trainers.strategies.pipeline.graph_costs import ItemCost
from trainers.strategies.pipeline.graph_costs import model_cost
from trainers.strategies.pipeline.placement import without_values
from trainers.strategies.pipeline.sequence import LayerSequence

ROWS = 3


def cost(layer: keras.layers.Layer, *shape: int, dtype: str = "float32") -> ItemCost:
    def build() -> keras.Model:
        read = keras.Input(shape, dtype=dtype)
        return keras.Model([read], {"y": layer(read)})

    return model_cost(without_values(build), ROWS)


@pytest.mark.parametrize(
    ("layer", "shape", "expected"),
    [
        (keras.layers.Dense(7, use_bias=False), (5,), 2 * ROWS * 5 * 7),
        (keras.layers.Dense(7, use_bias=False), (4, 5), 2 * ROWS * 4 * 5 * 7),
        (keras.layers.Dense(7), (5,), 2 * ROWS * 5 * 7 + ROWS * 7),
        (
            keras.layers.Conv2D(6, 3, 2, padding="same", use_bias=False),
            (8, 10, 4),
            2 * ROWS * 4 * 5 * 3 * 3 * 4 * 6,
        ),
        (
            keras.layers.Conv2D(6, (1, 3), groups=2, use_bias=False),
            (8, 10, 4),
            2 * ROWS * 8 * 8 * 3 * 4 * 6 // 2,
        ),
        (
            keras.layers.DepthwiseConv2D(3, padding="same", use_bias=False),
            (8, 10, 4),
            2 * ROWS * 8 * 10 * 9 * 4,
        ),
        (
            keras.layers.SeparableConv2D(6, 3, padding="same", use_bias=False),
            (8, 10, 4),
            2 * ROWS * 8 * 10 * (9 * 4 + 4 * 6),
        ),
        (keras.layers.Flatten(), (8, 10, 4), 0),
    ],
)
def test_published_formulas(
    layer: keras.layers.Layer, shape: tuple[int, ...], expected: int
) -> None:
    assert cost(layer, *shape).flops == expected


def test_a_batch_norm_costs_about_five_for_each_result() -> None:
    found = cost(keras.layers.BatchNormalization(), 8, 10, 4)
    assert 5 <= found.flops / (ROWS * 8 * 10 * 4) < 7


def test_an_embedding_costs_what_it_returns() -> None:
    layer = keras.layers.Embedding(50, 8)
    assert cost(layer, 5, dtype="int32").flops == pytest.approx(ROWS * 5 * 8, abs=60)


def test_a_recurrent_layer_costs_every_step() -> None:
    inputs, units, length = 64, 96, 7
    expected = 2 * ROWS * length * 4 * units * (inputs + units)
    found = cost(keras.layers.LSTM(units), length, inputs)
    assert expected < found.flops < 1.1 * expected
    # Of each step at least its four gates, state and output are kept.
    assert found.residuals > length * ROWS * units * 6 * 4


def test_attention() -> None:
    d, length = 32, 16

    def build() -> keras.Model:
        x = keras.Input((length, d))
        dense = [keras.layers.Dense(d, use_bias=False) for _ in range(4)]
        heads = CausalAttention(4)([layer(x) for layer in dense[:3]])
        return keras.Model([x], {"y": dense[3](heads)})

    expected = 8 * ROWS * length * d**2 + 4 * ROWS * length**2 * d
    softmax = 10 * ROWS * 4 * length**2
    found = model_cost(without_values(build), ROWS).flops
    assert expected < found < expected + softmax + 10 * ROWS * length * d


def test_a_dense_layer_keeps_only_its_input() -> None:
    found = cost(keras.layers.Dense(7), 5)
    assert (found.residuals, found.kept_reads, found.kept_writes) == (0, (0,), ())


def test_a_relu_keeps_only_its_output() -> None:
    found = cost(keras.layers.ReLU(), 5)
    assert (found.residuals, found.kept_reads, found.kept_writes) == (0, (), (0,))


def test_a_stack_keeps_what_is_between_its_layers() -> None:
    stack = keras.Sequential([keras.layers.Dense(n, "relu") for n in (7, 11, 2)])
    found = cost(stack, 5)
    assert found.residuals == ROWS * (7 + 11) * 4
    assert (found.kept_reads, found.kept_writes) == ((0,), (0,))


def test_nothing_is_kept_for_a_sum() -> None:
    def build() -> keras.Model:
        a, b = keras.Input((5,)), keras.Input((5,))
        return keras.Model([a, b], {"y": keras.layers.Add()([a, b])})

    found = model_cost(without_values(build), ROWS)
    assert (found.residuals, found.kept_reads, found.kept_writes) == (0, (), ())


def test_equal_blocks_cost_the_same_and_others_do_not() -> None:
    model = without_values(
        lambda: tfmodels.build(
            "transformer",
            vocabulary_size=11,
            max_length=6,
            num_layers=3,
            model_dim=8,
            num_heads=2,
            feed_forward_dim=16,
        )
    )
    sequence = LayerSequence(model)
    costs = dict(
        zip(
            [item.name for item in sequence.items],
            item_costs(sequence, ROWS),
            strict=True,
        )
    )
    first, second = (costs[f"block{n}_feed_forward_add"] for n in (1, 3))
    assert first is second
    # Two dense layers of 6 positions.
    assert (
        first.flops
        > 2 * 2 * ROWS * 6 * 8 * 16
        > costs["block1_attention_add"].flops / 4
    )
    assert costs["output"].flops == 2 * ROWS * 6 * 8 * 11 + ROWS * 6 * 11
    assert all(cost.seconds is None for cost in costs.values())


def test_measured_times() -> None:
    def build() -> keras.Model:
        x = keras.Input((64, 64, 8))
        small = keras.layers.Conv2D(8, 1, name="small")(x)
        big = keras.layers.Conv2D(64, 7, padding="same", name="big")(small)
        return keras.Model(x, {"y": big})

    sequence = LayerSequence(without_values(build))
    small, big = item_costs(sequence, 8, measured=True)
    assert 0 < small.seconds.forward < big.seconds.forward < big.seconds.backward
    assert small.flops < big.flops / 100
    assert all(weight._value is None for weight in sequence.model.weights)


def test_sizes_must_be_known() -> None:
    with pytest.raises(ConfigError, match="not known"):
        cost(keras.layers.Dense(7), None, 5)
