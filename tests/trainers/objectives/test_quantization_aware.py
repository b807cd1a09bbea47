"""Training on rounded weights: against rounding by NumPy, by hand, and by training."""

import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

import trainers
from export.optimal_clipping.walking import round_model
from tests.tfmodels.quantization.test_ranges import samples
from tests.trainers.small import SORT
from tests.trainers.small import SORTING
from tests.trainers.small import write_config
from tests.trainers.toy import ToyTask
from tfmodels.errors import ConfigError
from tfmodels.quantization.in_graph import newton_in_graph
from tfmodels.quantization.policy import default_policy
from tfmodels.quantization.ranges import solve
from trainers.objectives.config import CrossEntropyConfig
from trainers.objectives.cross_entropy import CrossEntropy
from trainers.objectives.quantization_aware.config import QuantizationAwareConfig
from trainers.objectives.quantization_aware.objective import QuantizationAware


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_ranges_in_a_graph_are_those_of_numpy(bits):
    for w in [*samples(), np.full(7, 3.25), np.zeros(5)]:
        low, high = newton_in_graph(tf.constant(w[None], tf.float32), bits)
        found = solve(w[None], bits)
        atol = 2e-5 * np.ptp(w)
        np.testing.assert_allclose(low, found.low[0], rtol=1e-6, atol=atol)
        np.testing.assert_allclose(high, found.high[0], rtol=1e-6, atol=atol)


def test_the_loss_and_its_gradient_are_those_of_rounded_weights():
    task = ToyTask(batch_norm=False)
    model, rounded = task.build_model(), task.build_model()
    hidden = model.get_layer("hidden")
    hidden.kernel.assign(np.random.default_rng(1).laplace(size=(4, 6)))
    rounded.set_weights(model.get_weights())
    rules = ({"layers": "hidden", "bits": 2, "group_size": 3},)
    config = QuantizationAwareConfig.parse(
        {"clipping": list(rules), "gradient": "ste", "base": {"label_smoothing": 0.1}}
    )
    round_model(rounded, default_policy(4, config.clipping))
    batch = next(iter(task.dataset("train")))
    results = []
    for objective, own in (
        (QuantizationAware(config, task), model),
        (CrossEntropy(CrossEntropyConfig(label_smoothing=0.1), task), rounded),
    ):
        with tf.GradientTape() as tape:
            loss, _ = objective.loss_with_model(task, own, batch, training=True)
        kernel = own.get_layer("hidden").kernel
        results.append((loss.total, tape.gradient(loss.total, kernel.value)))
    for mine, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-5)
    # The layers are again what they were.
    assert isinstance(hidden.kernel, keras.Variable)
    plain = CrossEntropy(CrossEntropyConfig(label_smoothing=0.1), task)
    loss, _ = plain.loss_with_model(task, model, batch, training=True)
    assert abs(float(loss.total) - float(results[0][0])) > 1e-3


def test_what_it_cannot_do_is_refused():
    for rule in (
        {"method": "als"},
        {"zero_point": "integer"},
        {"group_size": "tensor"},
    ):
        with pytest.raises(ConfigError, match="in one way"):
            QuantizationAwareConfig.parse({"clipping": [rule]})
    objective = QuantizationAware(QuantizationAwareConfig(), ToyTask())
    with pytest.raises(ConfigError, match="data_parallel"):
        objective.loss_with_model(ToyTask(), lambda x, training: x, {}, True)


@pytest.mark.slow
def test_a_stage_on_rounded_weights_wins_back_what_rounding_lost(sorting_run, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(sorting_run, run)
    rounded = "objective={kind: quantization_aware, bits: 2}"
    before = trainers.evaluate(run, [rounded])["test/nats_per_token"]
    (run / "config.yaml").unlink()
    stages = """stages:
  - {name: train, steps: 120}
  - name: rounded
    steps: 60
    objective: {kind: quantization_aware, bits: 2}
    optimizer: {kind: adam, learning_rate: {kind: constant, initial: 0.003}}
"""
    tail = SORT.removeprefix(SORTING).replace("steps: 120, ", "")
    tail = tail.replace("devices: cpu}", "devices: cpu, replicas: 2}")
    path = write_config(tmp_path, SORTING + tail + stages)
    after = trainers.train(path, run).metrics["test/nats_per_token"]
    assert after < 0.5 * before
