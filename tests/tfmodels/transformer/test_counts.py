"""Published and independently computed sizes of the Transformer."""

import keras
import pytest
from keras.src.backend.common import global_state

import tfmodels
from tfmodels.transformer.config import TransformerConfig
from tfmodels.transformer.config import num_parameters

SORT = {
    "vocabulary_size": 18,
    "max_length": 25,
    "num_layers": 8,
    "model_dim": 64,
    "num_heads": 4,
    "feed_forward_dim": 256,
    "positions": "learned",
}

# GPipe, table 1: 282.2M, 785.8M, 5.3B, 21.0B, 83.9B; computed to the last digit.
TRANSFORMER_L = [
    (3, 282_182_912),
    (13, 785_765_632),
    (103, 5_318_010_112),
    (415, 21_029_790_976),
    (1663, 83_876_914_432),
]


@pytest.mark.parametrize(("num_layers", "weights"), TRANSFORMER_L)
def test_sizes_of_table_1(num_layers, weights):
    assert num_parameters(TransformerConfig(num_layers=num_layers)) == weights


@pytest.fixture
def no_memory():
    """Variables with a shape and no values: the giants need more than there is."""
    with keras.StatelessScope(initialize_variables=False):
        yield
    global_state.set_global_attribute("uninitialized_variables", [])


@pytest.mark.parametrize(("num_layers", "weights"), TRANSFORMER_L[:2])
def test_a_giant_has_the_size_of_table_1(num_layers, weights, no_memory):
    model = tfmodels.build("transformer", num_layers=num_layers)
    assert model.count_params() == weights


def test_the_sorting_model():
    assert tfmodels.build("transformer", **SORT).count_params() == 403_922
    assert num_parameters(TransformerConfig.parse(SORT)) == 403_922


@pytest.mark.parametrize("positions", ["learned", "sinusoidal"])
@pytest.mark.parametrize("tie_embeddings", [True, False])
@pytest.mark.parametrize("sizes", [(11, 3, 1, 4, 2, 6), (5, 7, 3, 6, 3, 5)])
def test_the_formula_is_what_is_built(positions, tie_embeddings, sizes):
    names = ("vocabulary_size", "max_length", "num_layers", "model_dim", "num_heads")
    settings = dict(zip([*names, "feed_forward_dim"], sizes, strict=True))
    settings |= {"positions": positions, "tie_embeddings": tie_embeddings}
    model = tfmodels.build("transformer", **settings)
    expected = num_parameters(TransformerConfig.parse(settings))
    assert sum(keras.ops.size(w) for w in model.trainable_weights) == expected


def test_the_model_of_stories_has_its_published_size():
    settings = {
        "vocabulary_size": 512,
        "max_length": 512,
        "num_layers": 5,
        "model_dim": 64,
        "num_heads": 8,
        "num_key_value_heads": 4,
        "feed_forward_dim": 172,
        "normalization": "rms",
        "positions": "rotary",
        "activation": "silu",
        "gated_feed_forward": True,
        "biases": False,
        "tie_embeddings": True,
    }
    # The file has 1,056,540 bytes: 28 of a header, 512 x 8 numbers of tables.
    assert num_parameters(TransformerConfig.parse(settings)) == 260_032
    assert tfmodels.build("transformer", **settings).count_params() == 260_032
