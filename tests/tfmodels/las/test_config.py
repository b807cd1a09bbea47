"""LAS's configuration: published sizes, presets, what is refused."""

import keras
import pytest
from keras.src.backend.common import global_state

import tfmodels
from tfmodels.errors import ConfigError
from tfmodels.las.config import LASConfig

POOLED = {"conditioning": None, "step_head": False}
MWER_UNI = {
    **POOLED,
    "left": 2,
    "encoder": {"hidden_dim": 1400},
    "vocabulary_size": 80,
}
LIBRISPEECH = {
    **POOLED,
    "left": 0,
    "stride": 1,
    "encoder": {
        "num_layers": 4,
        "bidirectional": True,
        "convolutions": [32, 32],
        "projection_dim": 2048,
    },
    "attention": {"heads": 1, "bias": False, "value_projection": False},
    "decoder": {"embedding_dim": 76},
    "vocabulary_size": 76,
}
CALIBRATION = {
    "feature_dim": 40,
    "left": 2,
    "encoder": {
        "num_layers": 2,
        "hidden_dim": 64,
        "bidirectional": True,
        "pair_after": [1],
    },
    "attention": {"heads": 2, "width": 48},
    "decoder": {"num_layers": 1, "hidden_dim": 96, "embedding_dim": 32},
    "vocabulary_size": 24,
    "num_varieties": 4,
}
LAST = {"kind": "weight", "at": "last_encoder"}


@pytest.fixture
def no_memory():
    """Variables with a shape and no values: nothing here is computed."""
    with keras.StatelessScope(initialize_variables=False):
        yield
    global_state.set_global_attribute("uninitialized_variables", [])


def size(model, *names):
    found = [v for v in model.trainable_variables if v.path.startswith(names)]
    return sum(v.shape.num_elements() for v in found)


@pytest.mark.parametrize(
    ("settings", "weights"),
    [
        (POOLED, 62_724_785),
        ({"step_head": False}, 62_724_785 + 200_704),
        # A head of 7 varieties on 1024 + 1024 numbers.
        ({}, 62_724_785 + 200_704 + 7 * 2049),
        (MWER_UNI, 99_788_912),
        (LIBRISPEECH, 132_078_844),
        # Counted by hand from the recipe of 408 thousand parameters.
        (CALIBRATION, 408_540),
        # Six more LSTMs of 1024 x 1024.
        (
            {**POOLED, "conditioning": {**LAST, "base": False}},
            62_724_785 + 50_356_224,
        ),
        ({**POOLED, "conditioning": {"kind": "layer"}}, 62_724_785 + 50_356_224),
        # One cluster and no base is a plain layer.
        (
            {**POOLED, "num_varieties": 1, "conditioning": {**LAST, "base": False}},
            62_724_785,
        ),
    ],
)
def test_published_sizes(settings, weights, no_memory):
    assert size(tfmodels.build("las", **settings), "") == weights


@pytest.mark.parametrize(
    ("settings", "weights"),
    [
        ({}, 39_079_936),
        ({"left": 2, "encoder": {"hidden_dim": 1400}}, 71_932_000),
        ({"left": 2, "encoder": {"bidirectional": True}}, 111_058_944),
        (
            {"left": 7, "encoder": {"hidden_dim": 350, "bidirectional": True}},
            14_546_000,
        ),
        (LIBRISPEECH, 101_766_560),
    ],
)
def test_published_sizes_of_encoders(settings, weights, no_memory):
    model = tfmodels.build("las", **{**settings, **POOLED})
    assert size(model, "encoder", "convolution") == weights


def test_sizes_of_attention_and_decoder(no_memory):
    model = tfmodels.build("las", **POOLED)
    assert size(model, "attention") == 2_098_176
    rest = size(model, "decoder", "las/embedding", "las/softmax")
    assert rest == 21_546_673


def test_which_layers_are_told():
    def told(at):
        config = LASConfig.parse({"conditioning": {"kind": "mean", "at": at}})
        return [name for name in config.layers if config.told(name)]

    layers = [*(f"encoder{number}" for number in range(1, 6)), "decoder1", "decoder2"]
    assert told("both") == layers
    assert told("encoder") == layers[:5]
    assert told("decoder") == layers[5:]
    assert told("last_encoder") == ["encoder5"]
    assert told(["decoder2", "encoder1"]) == ["encoder1", "decoder2"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"encoder": {"convolutions": [8]}}, "left: 0"),
        ({"encoder": {"pair_after": [6]}}, "pair_after"),
        ({"attention": {"value_projection": False}}, "value_projection"),
        (
            {"attention": {"heads": 1, "value_projection": False, "context_dim": 9}},
            "context_dim",
        ),
        ({"attention": {"heads": 3}}, "heads"),
        (
            {
                "attention": {
                    "heads": 3,
                    "context_dim": 6,
                    "head_input": "channel_split",
                }
            },
            "h",
        ),
        ({"conditioning": {"kind": "mean", "at": ["encoder9"]}}, "encoder9"),
        ({"conditioning": {"kind": "cat"}}, "kind"),
        ({"conditioning": {"kind": "mean", "rank": 3}}, "rank"),
    ],
)
def test_what_does_not_fit_is_refused(settings, words):
    with pytest.raises(ConfigError, match=words):
        LASConfig.parse(settings)
