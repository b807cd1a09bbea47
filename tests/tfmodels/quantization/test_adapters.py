"""Adapters beside packed weights: against Keras's own, saved and reloaded, trained."""

from pathlib import Path

import keras
import numpy as np
import pytest

import trainers
from tests.tools.conftest import Command
from tests.tools.conftest import tfmodels  # noqa: F401
from tests.trainers.small import SORTING
from tfmodels.catalog import build
from tfmodels.errors import ConfigError
from tfmodels.quantization.layers import QuantizedDense
from tfmodels.transformer.config import TransformerConfig
from trainers.configuration import read_yaml
from trainers.runs import load_run
from trainers.totals import sum_totals

ADAPTERS = {"rank": 3, "alpha": 6.0, "bits": 3, "layers": "block1_.*"}


def config(**adapters) -> TransformerConfig:
    values = {**read_yaml(SORTING, "sorting")["model"], "biases": True}
    return TransformerConfig.parse({**values, "adapters": {**ADAPTERS, **adapters}})


def test_an_adapted_layer_is_keras_s_own_with_the_same_weights(tmp_path):
    model = build(config())
    trainable = {variable.path for variable in model.trainable_variables}
    assert len(trainable) == 2 * 6
    assert all(path.startswith("block1_") and "adapter_" in path for path in trainable)
    random = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(random.normal(size=variable.shape))
    layer = model.get_layer("block1_feed_forward_hidden")
    assert isinstance(layer, QuantizedDense)
    plain = keras.layers.Dense(32)
    x = random.normal(size=(5, 16)).astype(np.float32)
    plain.build(x.shape)
    plain.kernel.assign(layer.kernel)
    plain.bias.assign(layer.bias)
    plain.enable_lora(3, lora_alpha=6)
    plain.lora_kernel_a.assign(layer.adapter_down)
    plain.lora_kernel_b.assign(layer.adapter_up)
    np.testing.assert_allclose(layer(x), plain(x), rtol=1e-4, atol=1e-4)
    tokens = np.arange(14, dtype=np.int32).reshape(2, 7) % 6
    before = model(tokens)["logits"]
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(again(tokens)["logits"], before)
    assert {v.path for v in again.trainable_variables} == trainable
    with pytest.raises(ConfigError, match="no layer gets an adapter"):
        build(config(layers="block9_.*"))
    with pytest.raises(ConfigError, match="without data"):
        config(clipping=[{"kind": "linear", "calibration": "ranges"}])


@pytest.mark.slow
def test_adapters_win_back_what_packing_lost(
    sorting_run: Path,
    tmp_path: Path,
    tfmodels: Command,  # noqa: F811
):
    run = tmp_path / "run"
    code, out, err = tfmodels(
        *("convert", "adapters", sorting_run, "--workdir", run),
        *("--set", "model.adapters={rank: 4, bits: 2}", "--set", "run.steps=40"),
    )
    assert code == 0, err
    assert "tfmodels train" in out
    opened = load_run(run)
    base = {v.path: v.numpy() for v in opened.model.non_trainable_variables}
    task = opened.task

    def metrics(batch):
        return task.metrics(task.outputs(opened.model, batch, False), batch)

    totals = sum_totals(metrics, task.dataset("test"))
    packed = task.report(totals)["nats_per_token"]
    after = trainers.train(run / "config.yaml", run).metrics["test/nats_per_token"]
    assert after < 0.5 * packed
    model = load_run(run).model
    assert len(base) > 50
    for variable in model.non_trainable_variables:
        np.testing.assert_array_equal(variable.numpy(), base[variable.path])
    code, _, err = tfmodels("convert", "adapters", run, "--workdir", tmp_path / "x")
    assert code == 2
    assert "already" in err
