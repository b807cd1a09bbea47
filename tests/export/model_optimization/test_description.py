"""Graphs as plain data: what is in it, and what is refused by name."""

import json

import keras
import numpy as np
import pytest

import tfmodels
from export.folding import fold
from export.model_optimization.description import describe
from export.model_optimization.description import integer_form
from export.model_optimization.description import scaled
from export.model_optimization.description import weights_of
from tfmodels.errors import ConfigError
from tfmodels.layers.residual import ScaledAdd

IMAGE = (8, 8, 4)


def graph(*layers: keras.layers.Layer, scores: str = "linear") -> keras.Model:
    image = x = keras.Input(IMAGE, name="image")
    for layer in layers:
        x = layer(x)
    x = keras.layers.Flatten(name="flat")(x)
    logits = keras.layers.Dense(3, name="logits", activation=scores)(x)
    return keras.Model(image, {"logits": logits})


def googlenet(variant: str) -> keras.Model:
    module = {"pass_through": 64, "group_3x3": [96, 128], "pool_projection": 32}
    head = {"attach": "3a"}
    if variant == "torchvision":
        head["adaptive_size"] = 4
    return tfmodels.build(
        "googlenet",
        variant=variant,
        input_shape=(64, 64, 3),
        width_multiplier=0.125,
        stages=[[module]],
        heads=[head],
    )


def refused(model: keras.Model) -> str:
    with pytest.raises(ConfigError) as caught:
        describe(model)
    return str(caught.value)


def test_layers_stand_in_order_with_what_they_read():
    model = googlenet("bn")
    description = json.loads(json.dumps(describe(model)))
    before: set[str] = set()
    for layer in description["layers"]:
        assert set(layer["inputs"]) <= before
        before.add(layer["name"])
    assert before == {layer.name for layer in model.layers}
    assert list(description["outputs"]) == ["logits", "aux1_logits"]
    (joined,) = (x for x in description["layers"] if x["name"] == "3a_concat")
    branches = [name.split("_")[1] for name in joined["inputs"]]
    assert branches == ["branch1", "branch2", "branch4"]


def test_a_layer_of_another_class_is_refused_by_name():
    message = refused(graph(keras.layers.UpSampling2D(name="wider")))
    assert "layer wider" in message
    assert "Received UpSampling2D" in message
    assert "Conv2D" in message

    class Mine(keras.layers.Conv2D):
        pass

    assert "Received Mine" in refused(graph(Mine(4, 1, name="mine")))
    assert "layer aux1_pool" in refused(googlenet("torchvision"))


def test_a_form_that_nobody_rebuilds_is_refused():
    twice = keras.layers.Conv2D(4, 1, name="twice")
    assert "more than once" in refused(graph(twice, twice))
    assert "'softmax'" in refused(graph(scores="softmax"))
    first = keras.layers.AveragePooling2D(2, data_format="channels_first", name="pool")
    assert "channels first" in refused(graph(first))

    class Loop(keras.Model):
        pass

    assert "class Loop" in refused(Loop())


def test_scales_move_into_the_branch():
    model = tfmodels.build(
        "inception_resnet_v2",
        wiring="paper",
        input_shape=(8, 8, 1),
        stem="small",
        padding="same",
        width_multiplier=0.125,
        block_counts=(1, 1, 1),
        auxiliary_head=None,
    )
    description = describe(model)
    factors = integer_form(model, description)
    assert not [x for x in description["layers"] if x["class"] == "ScaledAdd"]
    assert sorted(factors.values()) == [0.1, 0.1, 0.17, 0.17, 0.2, 0.2]
    weights = weights_of(model)
    made = scaled(weights, factors)
    # What export folds, where no normalisation stands in between.
    folded = {v.path: v.numpy() for v in fold(model).weights}
    for path in factors:
        np.testing.assert_array_equal(made[path], folded[path])
        assert made[path].dtype == np.float32
    back = scaled(made, factors, back=True)
    for path, values in weights.items():
        np.testing.assert_allclose(back[path], values, rtol=2e-7, atol=0)
        np.testing.assert_array_equal(back[path] == 0, values == 0)


def test_a_scale_that_no_layer_can_hold_is_refused():
    image = keras.Input(IMAGE, name="image")
    branch = keras.layers.ReLU(name="branch")(image)
    x = ScaledAdd(0.2, name="sum")([image, branch])
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    model = keras.Model(image, {"logits": keras.layers.Dense(3, name="logits")(x)})
    with pytest.raises(ConfigError, match="layer sum"):
        integer_form(model, describe(model))


def test_response_normalisation_has_no_integer_form():
    model = googlenet("paper")
    with pytest.raises(ConfigError, match=r"layer pool1_lrn.*for integers"):
        integer_form(model, describe(model))
