"""Attention of mixtures, and texts in several languages, by hand."""

import numpy as np
import pytest
import tensorflow as tf

from tests.tfmodels.tacotron.small import MIXTURE
from tests.tfmodels.tacotron.small import batch
from tests.tfmodels.tacotron.small import build
from tfmodels.tacotron.config import MixtureConfig
from tfmodels.tacotron.languages import language_shifts
from tfmodels.tacotron.mixture import MixtureAttention


def test_a_mixture_by_brute_force():
    model = build(attention=MIXTURE)
    layer = model.decoder.attention
    memory = model.encode(batch())
    attend = layer.attender(memory)
    random = np.random.default_rng(7)
    means = np.zeros((3, 2))
    for query in random.normal(size=(4, 3, 8)).astype(np.float32):
        before = means.copy()
        alignment, found = attend(query, memory["mask"], means.astype(np.float32))
        for row, length in enumerate((6, 4, 5)):
            hidden = np.tanh(query[row] @ layer.hidden_kernel + layer.hidden_bias)
            made = hidden @ layer.kernel.numpy() + layer.bias.numpy()
            weights = np.exp(made[:2]) / np.exp(made[:2]).sum()
            steps, widths = np.log1p(np.exp(made[2:].reshape(2, 2)))
            means[row] = before[row] + steps
            for j in range(6):
                density = np.exp(-((j - means[row]) ** 2) / (2 * (widths + 1e-3) ** 2))
                density /= (widths + 1e-3) * np.sqrt(2 * np.pi)
                share = np.sum(weights * density) if j < length else 0
                assert float(alignment[row, j]) == pytest.approx(share, abs=1e-5)
        np.testing.assert_allclose(found, means, atol=1e-5)
        assert np.all(means > before)


def test_a_mixture_begins_wide_and_goes_on_by_a_symbol():
    layer = MixtureAttention(MixtureConfig.parse(MIXTURE), 8)
    weights, steps, widths = np.split(layer.bias.numpy(), 3)
    np.testing.assert_allclose(weights, 0, atol=1e-5)
    np.testing.assert_allclose(np.log1p(np.exp(steps)), 1, atol=1e-5)
    np.testing.assert_allclose(np.log1p(np.exp(widths)), 10, atol=1e-5)


@pytest.mark.parametrize("conditioning", ["decoder_input", "late_speaker", "memory"])
def test_languages_of_symbols(conditioning):
    model, source = build(conditioning=conditioning), batch()
    languages = np.repeat(source["language"].numpy()[:, None], 6, 1)
    plain = model.free_run(source, source["seed"], 6)
    same = model.free_run(
        {**source, "token_languages": tf.constant(languages)}, source["seed"], 6
    )
    np.testing.assert_allclose(plain["mel"], same["mel"], atol=1e-6)
    languages[:, 3:] = 1 - languages[:, 3:]
    mixed = {**source, "token_languages": tf.constant(languages)}
    other = model.free_run(mixed, source["seed"], 6)
    assert np.abs(other["mel"] - plain["mel"]).max() > 1e-3
    # By hand: each symbol's vector by what the last step attended to, or at first that
    # of the first symbol.
    memory = model.encode(mixed)
    vectors = languages @ model.tables["language"].numpy()
    if conditioning == "memory":
        np.testing.assert_allclose(
            memory["values"][0, :, 8 + 4 : 8 + 6], vectors[0], atol=1e-5
        )
        return
    alignment = np.random.default_rng(8).dirichlet(np.ones(6), 3).astype(np.float32)
    shifts = language_shifts(model.config, model.decoder.lstms, memory)
    low, _ = shifts(tf.constant(alignment))
    wanted = np.einsum("bn,bnl->bl", alignment, vectors * memory["mask"][..., None])
    left_out = 1 - np.sum(alignment * memory["mask"], 1, keepdims=True)
    wanted += left_out * vectors[:, 0] - vectors[:, 0]
    kernel = model.decoder.lstms[0].kernel.numpy()[-5:-3]
    np.testing.assert_allclose(low, wanted @ kernel, atol=1e-4)
    np.testing.assert_allclose(shifts(tf.zeros([3, 6]))[0], 0, atol=1e-5)
