"""Tests of cutting models into parts."""

import keras
import numpy as np
import pytest
from keras import layers

import tfmodels
from tfmodels.errors import ConfigError
from trainers.strategies.pipeline.sequence import LayerSequence


def nested() -> keras.Model:
    """A sequence in a sequence, then a functional block used twice."""
    inputs = keras.Input((4,), name="inputs")
    inner = keras.Sequential([layers.Dense(6, name="b"), layers.ReLU(name="r")])
    chain = keras.Sequential([layers.Dense(5, name="a"), inner])
    block_inputs = keras.Input((6,))
    added = layers.Add(name="add")(
        [block_inputs, layers.Dense(6, name="c")(block_inputs)]
    )
    block = keras.Model(block_inputs, added)
    logits = layers.Dense(3, name="o")(block(block(chain(inputs))))
    return keras.Model(inputs, {"logits": logits})


def run_in_parts(sequence: LayerSequence, sizes: list[int], x: np.ndarray) -> dict:
    values = dict(zip(sequence.inputs, [x], strict=True))
    for part in sequence.cut(sizes):
        made = part.model([values[number] for number in part.reads])
        values |= {number: made[str(number)] for number in part.writes}
    return {name: values[number] for name, number in sequence.outputs.items()}


def test_models_inside_a_model_are_taken_apart() -> None:
    model = nested()
    sequence = LayerSequence(model)
    assert [item.name for item in sequence.items] == ["a", "b", "r", "add", "add", "o"]
    x = np.random.default_rng(0).normal(size=(7, 4)).astype("float32")
    for sizes in ([6], [1, 5], [2, 2, 2], [1] * 6):
        parts = run_in_parts(sequence, sizes, x)
        np.testing.assert_allclose(parts["logits"], model(x)["logits"], atol=1e-6)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("googlenet", {"variant": "bn", "width_multiplier": 0.125}),
        ("amoebanet", {"num_layers": 3, "num_filters": 8}),
    ],
)
def test_parts_with_side_branches_and_skips_are_the_whole(
    name: str, values: dict
) -> None:
    size = {"input_shape": (32, 32, 1), "num_classes": 10}
    if name == "googlenet":
        size["input_shape"] = (64, 64, 1)
    model = tfmodels.build(name, **size, **values)
    sequence = LayerSequence(model)
    x = np.random.default_rng(0).normal(size=(2, *size["input_shape"]))
    count = len(sequence.items)
    parts = run_in_parts(
        sequence, [1, count // 2, count - 1 - count // 2], x.astype("float32")
    )
    whole = model(x.astype("float32"))
    assert parts.keys() == whole.keys()
    for output, value in whole.items():
        np.testing.assert_allclose(parts[output], value, atol=1e-5)


def test_a_model_without_a_graph_is_refused() -> None:
    class Opaque(keras.Model):
        def call(self, x: object) -> object:
            return {"logits": x}

    with pytest.raises(ConfigError, match=r"strategy\.kind.*no graph.*Opaque"):
        LayerSequence(Opaque(name="opaque"))


def test_parts_must_hold_all_items() -> None:
    with pytest.raises(ValueError, match=r"add up to 6.*\[2, 2\]"):
        LayerSequence(nested()).cut([2, 2])
