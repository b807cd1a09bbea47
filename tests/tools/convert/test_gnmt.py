"""Weights of tensorflow/nmt and NVIDIA's GNMT v2, against computations of our own."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from typer.testing import CliRunner

import tfmodels
from tests.tools.convert.theirs import A
from tests.tools.convert.theirs import E
from tests.tools.convert.theirs import H
from tests.tools.convert.theirs import Nmt
from tests.tools.convert.theirs import Nvidia
from tests.tools.convert.theirs import V
from tests.tools.convert.theirs import drawn
from tests.tools.convert.theirs import nmt_weights
from tests.tools.convert.theirs import nvidia_weights
from tests.tools.convert.theirs import translated
from tfmodels.errors import ConfigError
from tfmodels.errors import DataError
from tfmodels.gnmt.config import GNMTConfig
from tfmodels.layers.lstm import LSTM
from tools import cli
from tools.convert.gnmt import read_gnmt
from tools.convert.layouts import Layout
from tools.convert.layouts import from_kernel
from tools.convert.layouts import from_torch
from tools.convert.weights import Weights
from trainers.runs import load_run
from trainers.state import named_variables

NMT, NVIDIA = Layout
COMMON = {
    "vocabulary_size": V,
    "embedding_dim": E,
    "hidden_dim": H,
    "attention_dim": A,
    "encoder_layers": 4,
    "decoder_layers": 4,
    "cell": "standard",
    "clip": None,
    "logits_clip": None,
}
FOR_NMT = {**COMMON, "first_context": "zeros"}
FOR_NVIDIA = {
    **COMMON,
    "wiring": "bottom_query",
    "num_biases": 2,
    "normed_attention": True,
    "softmax_bias": True,
}


def ours(config: GNMTConfig, arrays: dict[str, np.ndarray]) -> keras.Model:
    """A model that has been given these arrays, and nothing else."""
    model = tfmodels.catalog.build(config)
    state = named_variables("model", model.weights)
    values = {f"model/{name}": array for name, array in arrays.items()}
    assert state.keys() - values.keys() == {"model/gnmt/training_step"}
    for name, array in values.items():
        state[name].assign(array)
    return model


@pytest.mark.parametrize(
    "changes",
    [
        {"share_embedding": False, "normed_attention": True},
        {"wiring": "gnmt_v2", "init_state": "encoder_final"},
    ],
)
def test_a_model_of_tensorflow_nmt(changes: dict[str, Any]):
    config = GNMTConfig.parse({**FOR_NMT, **changes})
    arrays = nmt_weights(config.share_embedding, config.normed_attention)
    model = ours(config, read_gnmt(Weights(arrays, "it"), config, NMT))
    source, target = [3, 7, 10, 5, 2], [1, 9, 4, 8]
    expected = translated(Nmt(arrays, config), source, target)
    made = model({"source": np.int32([source]), "target": np.int32([target])})
    np.testing.assert_allclose(made["logits"][0], expected, atol=2e-5)


def test_a_model_of_nvidia_whose_special_tokens_have_other_numbers():
    config, arrays = GNMTConfig.parse(FOR_NVIDIA), nvidia_weights()
    model = ours(config, read_gnmt(Weights(arrays, "it"), config, NVIDIA))
    source, target = [4, 7, 10, 5, 3, 1], [2, 9, 4, 8]
    expected = translated(Nvidia(arrays, config), source, target)
    # Theirs are padding, unknown, start, end.
    number = {**{n: n for n in range(V)}, 1: 3, 2: 1, 3: 2}
    mine = [np.int32([[number[token] for token in ids]]) for ids in (source, target)]
    made = model(dict(zip(("source", "target"), mine, strict=True)))["logits"][0]
    columns = [number[token] for token in range(V)]
    np.testing.assert_allclose(made.numpy()[:, columns], expected, atol=2e-5)


def test_a_layer_of_tensorflow_is_its_own_fused_one():
    arrays = drawn({"kernel": (E + H, 4 * H), "bias": (4 * H,), "x": (6, 2, E)})
    zeros, peephole = tf.zeros([2, H]), tf.zeros([H])
    expected = tf.raw_ops.BlockLSTM(
        seq_len_max=6,
        x=arrays["x"],
        cs_prev=zeros,
        h_prev=zeros,
        w=arrays["kernel"],
        wci=peephole,
        wcf=peephole,
        wco=peephole,
        b=arrays["bias"],
        forget_bias=0.7,
        cell_clip=-1.0,
    ).h
    layer = LSTM(H, "standard", 1)
    layer.build((None, E))
    for name, array in from_kernel(arrays["kernel"], arrays["bias"], 0.7).items():
        getattr(layer, name).assign(array)
    made = layer.sequence(arrays["x"], tf.ones([6, 2, 1])).outputs
    np.testing.assert_allclose(made, expected, atol=1e-6)


def test_a_layer_of_pytorch():
    torch = pytest.importorskip("torch")
    arrays = drawn({"x": (6, 2, E)})
    theirs = torch.nn.LSTM(E, H)
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    parts = [getattr(theirs, name).detach().numpy() for name in names]
    layer = LSTM(H, "standard", 2)
    layer.build((None, E))
    for name, array in from_torch(*parts).items():
        getattr(layer, name).assign(array)
    made = layer.sequence(arrays["x"], tf.ones([6, 2, 1])).outputs
    expected = theirs(torch.from_numpy(arrays["x"]))[0].detach().numpy()
    np.testing.assert_allclose(made, expected, atol=1e-6)


def test_everything_wrong_with_the_arrays_is_listed():
    arrays, config = nvidia_weights(), GNMTConfig.parse(FOR_NVIDIA)
    del arrays["decoder.rnn_layers.1.bias_hh_l0"]
    arrays["optimizer"] = np.zeros(3, np.float32)
    arrays["encoder.rnn_layers.0.bias_ih_l0"] = np.zeros(3, np.float32)
    arrays["decoder.embedder.weight"] = arrays["decoder.embedder.weight"] + 1
    arrays["decoder.att_rnn.attn.linear_att"] = np.float32([np.nan] * A)
    with pytest.raises(DataError) as error:
        read_gnmt(Weights(arrays, "it"), config, NVIDIA)
    for line in (
        "decoder.rnn_layers.1.bias_hh_l0 [16] is missing",
        "optimizer has no place",
        "encoder.rnn_layers.0.bias_ih_l0 has shape [3], not [16]",
        "decoder.embedder.weight differs",
        "linear_att does not hold finite real numbers",
    ):
        assert line in str(error.value)


def test_another_model_and_a_damaged_file(tmp_path: Path):
    config = GNMTConfig.parse({**FOR_NMT, "cell": "gnmt", "logits_clip": 25.0})
    with pytest.raises(ConfigError) as error:
        read_gnmt(Weights({}, "it"), config, NMT)
    assert "model.cell: standard expected, gnmt received" in str(error.value)
    assert "model.num_biases: 1 expected, 0 received" in str(error.value)
    assert "model.logits_clip: null expected, 25.0 received" in str(error.value)
    path = tmp_path / "w.npz"
    path.write_bytes(b"no weights")
    with pytest.raises(DataError, match=r"a file that numpy\.savez wrote"):
        Weights.read(path)


def test_the_command_makes_a_run(tmp_path: Path):
    size = 300
    arrays = nvidia_weights()
    for name, array in arrays.items():
        if V in array.shape:
            arrays[name] = np.resize(array, [size, *array.shape[1:]])
    np.savez(tmp_path / "w.npz", **arrays)
    model = {**FOR_NVIDIA, "vocabulary_size": size, "kind": "gnmt"}
    command = [
        *("convert", "gnmt", str(tmp_path / "w.npz"), "gnmt/tiny"),
        *("--layout", "nvidia", "--workdir", str(tmp_path / "run")),
        *("--set", f"data.vocabulary_size={size}", "--set", "data.train_examples=200"),
        *("--set", "run.average={kind: exponential}"),
        *(x for k, v in model.items() for x in ("--set", f"model.{k}={_yaml(v)}")),
    ]
    result = CliRunner().invoke(cli.app, command, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    run = load_run(tmp_path / "run")
    scores = run.model.softmax.numpy()
    theirs = arrays["decoder.classifier.classifier.weight"]
    assert np.array_equal(scores[[0, 3, 1, 2]], theirs[:4])
    assert np.array_equal(scores[4:], theirs[4:])
    with pytest.raises(ConfigError, match="holds a run already"):
        CliRunner().invoke(cli.app, command, catch_exceptions=False)


def _yaml(value: Any) -> str:
    return "null" if value is None else str(value).lower()
