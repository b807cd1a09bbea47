"""NVIDIA's Tacotron 2 beside a computation of its own description."""

import numpy as np
import pytest
import tensorflow as tf

import tfmodels
from tests.tools.convert.their_tacotron import Theirs
from tests.tools.convert.their_tacotron import drawn
from tfmodels.errors import ConfigError
from tfmodels.errors import DataError
from tfmodels.tacotron.config import TacotronConfig
from tfmodels.text.symbols import build_symbols
from tools.convert.tacotron import NUM_SYMBOLS
from tools.convert.tacotron import check_settings
from tools.convert.tacotron import read_tacotron
from tools.convert.weights import Weights
from trainers.state import named_variables

TABLE = build_symbols("characters", ["Hey, you."], lower_case=False)
CONFIG = {
    "num_symbols": TABLE.size,
    "num_tones": None,
    "num_speakers": None,
    "num_languages": None,
    "mel_bins": 5,
    "encoder": {"dim": 8, "convolutions": 2, "zoneout_rate": 0.0},
    "attention": {"dim": 6, "filters": 3, "kernel": 5},
    "decoder": {"prenet_dim": 7, "prenet_rate": 0.0, "hidden_dim": 9}
    | {"regulariser": "dropout"},
    "postnet": {"convolutions": 3, "filters": 4},
    "residual": None,
    "classifier": None,
    "batch_norm": {"epsilon": 1e-5, "momentum": 0.9},
    "num_biases": 2,
}
SIZES = (8, 9, 7, 6, 3, 5, 4, 5, NUM_SYMBOLS, 2, 3)


def test_the_public_model():
    assert NUM_SYMBOLS == 148
    arrays, config = drawn(SIZES), TacotronConfig.parse(CONFIG)
    check_settings(config)
    made = read_tacotron(Weights(arrays, "it"), config, TABLE)
    model = tfmodels.catalog.build(config)
    state = named_variables("model", model.weights)
    values = {f"model/{name}": array for name, array in made.items()}
    assert state.keys() - values.keys() == {"model/tacotron/training_step"}
    for name, array in values.items():
        state[name].assign(array)
    encoded = TABLE.encode("Hey, you")
    # Theirs: padding, "-", marks from "!" on, a space, large letters, small ones.
    numbers = {",": 6, " ": 11, "H": 19, "e": 42, "y": 62, "o": 52, "u": 58, "": 7}
    ids = [numbers[sign] for sign in [*"Hey, you", ""]]
    mel = np.random.default_rng(1).normal(size=(4, 5)).astype(np.float32)
    outputs = model(
        {
            "symbols": tf.constant([encoded.ids]),
            "symbol_lengths": tf.constant([9]),
            "mel": tf.constant(mel[None]),
            "frames": tf.constant([4]),
            "seed": tf.zeros([1, 2], tf.int64),
        }
    )
    theirs = Theirs(arrays)
    for name, expected in zip(
        ("mel", "mel_post", "stop", "alignment"), theirs.taught(ids, mel), strict=True
    ):
        np.testing.assert_allclose(outputs[name][0], expected, atol=2e-5)
    # Controls: the two biases, the order of gates, and which attention comes first.
    wrong = dict(arrays)
    wrong["decoder.decoder_rnn.bias_hh"] = 0 * wrong["decoder.decoder_rnn.bias_hh"]
    assert np.abs(Theirs(wrong).taught(ids, mel)[0] - outputs["mel"][0]).max() > 1e-3
    name = "decoder.attention_layer.location_layer.location_conv.conv.weight"
    wrong = {**arrays, name: arrays[name][:, ::-1]}
    assert np.abs(Theirs(wrong).taught(ids, mel)[3] - outputs["alignment"][0]).max() > (
        1e-3
    )
    name = "encoder.lstm.weight_ih_l0"
    wrong = {**arrays, name: np.roll(arrays[name], 4, axis=0)}
    assert np.abs(Theirs(wrong).taught(ids, mel)[0] - outputs["mel"][0]).max() > 1e-3


def test_what_is_no_public_model():
    config = TacotronConfig.parse({**CONFIG, "num_biases": 1, "num_tones": 7})
    with pytest.raises(ConfigError, match=r"num_tones.*num_biases: 2 expected, 1"):
        check_settings(config)
    config, arrays = TacotronConfig.parse(CONFIG), drawn(SIZES)
    umlauts = build_symbols("characters", ["Hej då"], lower_case=False)
    with pytest.raises(ConfigError, match="with å"):
        read_tacotron(Weights(arrays, "it"), config, umlauts)
    del arrays["decoder.gate_layer.linear_layer.bias"]
    arrays["speaker_embedding.weight"] = np.zeros([3, 2])
    with pytest.raises(DataError, match=r"bias \[1\] is missing[^$]*speaker_embedding"):
        read_tacotron(Weights(arrays, "it"), config, TABLE)
