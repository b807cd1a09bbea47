"""GNMT's configuration: published sizes, the clip's schedule, what is refused."""

import keras
import pytest
from keras.src.backend.common import global_state

import tfmodels
from tfmodels.errors import ConfigError
from tfmodels.gnmt.config import GNMTConfig

WITH_BIASES = {"num_biases": 1, "share_embedding": False, "softmax_bias": True}
NVIDIA = {
    "vocabulary_size": 32_320,
    "encoder_layers": 4,
    "decoder_layers": 4,
    "cell": "standard",
    "num_biases": 2,
    "wiring": "bottom_query",
    "normed_attention": True,
    "softmax_bias": True,
    "clip": None,
    "logits_clip": None,
}


@pytest.fixture
def no_memory():
    """Variables with a shape and no values: nothing here is computed."""
    with keras.StatelessScope(initialize_variables=False):
        yield
    global_state.set_global_attribute("uninitialized_variables", [])


@pytest.mark.parametrize(
    ("settings", "weights"),
    [
        ({}, 247_989_248),
        (WITH_BIASES, 280_858_880),
        (NVIDIA, 160_671_297),
        ({"tie_softmax": True}, 247_989_248 - 32_768_000),
        # Without the context at the bottom, its 1024 rows are missing.
        ({"wiring": "bottom_query"}, 247_989_248 - 1024 * 4096),
    ],
)
def test_published_sizes(settings, weights, no_memory):
    model = tfmodels.build("gnmt", **settings)
    made = sum(v.shape.num_elements() for v in model.trainable_variables)
    assert made == weights


def test_sizes_of_the_parts(no_memory):
    model = tfmodels.build("gnmt")

    def size(*names):
        found = [v for v in model.trainable_variables if v.path.startswith(names)]
        return sum(v.shape.num_elements() for v in found)

    assert size("encoder") == 79_691_776
    assert size("decoder") == 100_663_296
    assert size("attention") == 2_098_176


@pytest.mark.parametrize(
    ("clip", "deltas"),
    [
        ({"start": 5.0, "end_step": 2}, {0: 5, 1: 3, 2: 1, 3: 1}),
        ({"start_step": 10, "end_step": 24}, {0: 8, 10: 8, 12: 7, 24: 1, 10**6: 1}),
    ],
)
def test_delta_goes_linearly(clip, deltas):
    sizes = ("vocabulary_size", "embedding_dim", "hidden_dim", "attention_dim")
    layers = {"encoder_layers": 2, "decoder_layers": 2}
    model = tfmodels.build("gnmt", **dict.fromkeys(sizes, 2), **layers, clip=clip)
    for step, delta in deltas.items():
        model.at_step(step)
        assert model.new_pass(training=True).limit == delta
        assert model.new_pass(training=False).limit == 1


def test_biases_follow_the_cell():
    assert GNMTConfig().biases == 0
    assert GNMTConfig(cell="standard").biases == 1
    assert GNMTConfig(cell="standard", num_biases=2).biases == 2


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"clip": {"start_step": 3, "end_step": 3}}, "end_step"),
        ({"init_state": "encoder_final", "decoder_layers": 4}, "decoder_layers"),
        ({"tie_softmax": True, "embedding_dim": 512}, "embedding_dim"),
        ({"encoder_layers": 1}, "encoder_layers"),
        ({"wiring": "v2"}, "wiring"),
        ({"initial": {"kind": "scaled", "range": 1.0}}, "range"),
    ],
)
def test_what_does_not_fit_is_refused(settings, words):
    with pytest.raises(ConfigError, match=words):
        GNMTConfig.parse(settings)
