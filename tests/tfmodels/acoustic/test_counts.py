"""Published and independently computed sizes of acoustic models."""

import keras
import pytest
from keras.src.backend.common import global_state

import tfmodels

KALDI_DNN = {"hidden_dims": [2048] * 6, "num_pdfs": 3000}


@pytest.fixture
def no_memory():
    """Variables with a shape and no values: nothing here is computed."""
    with keras.StatelessScope(initialize_variables=False):
        yield
    global_state.set_global_attribute("uninitialized_variables", [])


@pytest.mark.parametrize(
    ("settings", "weights"),
    [
        # Dean et al., NIPS 2012: "approximately 42 million".
        ({}, 41_777_152),
        # 441 * 2048 + 5 * 2049 * 2048 + 2049 * 3000
        (KALDI_DNN, 28_031_928),
    ],
)
def test_dnn(settings, weights, no_memory):
    assert tfmodels.build("acoustic_dnn", **settings).count_params() == weights


@pytest.mark.parametrize(("layers", "cells", "projection"), [(2, 800, 512), (1, 6, 2)])
def test_lstmp(layers, cells, projection, no_memory):
    """The formula of Sak et al. (arXiv 1402.1128, section 2.1), and the biases."""
    width, weights = 40, 0
    for _ in range(layers):
        weights += cells * projection * 4 + width * cells * 4
        weights += cells * projection + cells * 3 + 4 * cells
        width = projection
    weights += projection * 14_247 + 14_247
    model = tfmodels.build(
        "acoustic_lstm", num_layers=layers, num_cells=cells, projection_dim=projection
    )
    assert model.count_params() == weights


def test_tdnn(no_memory):
    # Kaldi says 7.0M, with a second head and a speaker vector of 100 numbers.
    layers = [5 * 40, *[3 * 512] * 5, 512]
    hidden = sum((width + 1) * 512 + 512 for width in layers)
    model = tfmodels.build("acoustic_tdnn")
    assert model.count_params() == hidden + 513 * 2309
    both = tfmodels.build("acoustic_tdnn", cross_entropy_head=True).count_params()
    assert both == hidden + 513 * 512 + 512 + 2 * 513 * 2309
    assert both == pytest.approx(7.0e6, rel=0.03)
