"""Layers that are told the variety: identities, and gradients against autodiff."""

import numpy as np
import pytest
import tensorflow as tf

from tests.tfmodels.las.small import draw
from tests.tfmodels.las.small import one_hot
from tests.tfmodels.las.small import quick
from tfmodels.errors import ConfigError
from tfmodels.las.adapter import Adapter
from tfmodels.las.conditioned import ConditionedLSTM
from tfmodels.las.config import LayerConditioning
from tfmodels.las.config import MeanConditioning
from tfmodels.las.config import RankOneConditioning
from tfmodels.las.config import WeightConditioning
from tfmodels.las.weighting import mixed
from tfmodels.las.weighting import shifted_gates
from tfmodels.layers.lstm import LSTM

T, B, D, H, K = 6, 3, 4, 5, 3
MASK = (np.arange(T)[:, None] < np.array([6, 4, 1])).astype(np.float32)[..., None]
SOFT = np.array([[0.2, 0.5, 0.3], [0.6, 0.3, 0.1], [0.1, 0.1, 0.8]], np.float32)
HARD = one_hot(2, 0, 1)
WITHOUT_BASE = WeightConditioning(base=False)
BY_CLUSTERS = [WITHOUT_BASE, LayerConditioning()]
KINDS = [
    MeanConditioning(),
    WeightConditioning(),
    WITHOUT_BASE,
    LayerConditioning(),
    RankOneConditioning(rank=2),
]


def some(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def make(conditioning, clusters=K):
    layer = ConditionedLSTM(H, conditioning, clusters, name="layer")
    layer.build((None, D))
    draw(layer)
    return layer


def outputs(layer, identifier, x=None):
    made, _ = layer.sequence(some(T, B, D) if x is None else x, MASK, identifier)
    return np.asarray(made)


def alone(lstm, x=None, rows=slice(None)):
    x = some(T, B, D)[:, rows] if x is None else x
    return np.asarray(lstm.sequence(x, MASK[:, rows]).outputs)


def give(layer, source):
    for weight, other in zip(layer.weights, source.weights, strict=True):
        weight.assign(other)


def test_an_identifier_added_to_gates_is_one_fed_to_the_layer():
    layer = make(MeanConditioning())
    fed = LSTM(H)
    fed.build((None, D + K))
    kernel = np.concatenate([layer.base.kernel, layer.means])
    fed.set_weights([kernel, layer.base.recurrent_kernel, layer.base.bias])
    # One vector for all frames, or one for each.
    for identifier in (HARD, SOFT, some(T, B, K, seed=3)):
        each = np.broadcast_to(identifier, (T, B, K))
        beside = np.concatenate([some(T, B, D), each], -1)
        np.testing.assert_allclose(
            outputs(layer, identifier), alone(fed, beside), atol=1e-6
        )


def gradients(layer, identifier):
    """Of each weight by its path, 0 where it has none."""
    with tf.GradientTape() as tape:
        made, _ = layer.sequence(some(T, B, D), MASK, identifier)
        loss = tf.reduce_sum(made * made)
    found = tape.gradient(loss, [weight.value for weight in layer.weights])
    return {
        weight.path: np.zeros(weight.shape) if g is None else np.asarray(g)
        for weight, g in zip(layer.weights, found, strict=True)
    }


@pytest.mark.parametrize("conditioning", quick(BY_CLUSTERS, WITHOUT_BASE))
def test_a_hard_identifier_runs_one_cluster_and_teaches_no_other(conditioning):
    layer = make(conditioning)
    for k, cluster in enumerate(layer.clusters):
        hard = one_hot(k, k, k)
        np.testing.assert_allclose(outputs(layer, hard), alone(cluster), atol=1e-6)
        for path, gradient in gradients(layer, hard).items():
            assert np.any(gradient) == (f"cluster{k + 1}/" in path), path


def test_a_soft_identifier_mixes_weights_or_outputs():
    by_weight, by_layer = make(WITHOUT_BASE), make(LayerConditioning())
    clusters = by_layer.clusters
    # Sums are linear in weights, outputs are not.
    exact = [LSTM(H, dtype="float64") for _ in clusters]
    for layer, cluster in zip(exact, clusters, strict=True):
        layer.build((None, D))
        give(layer, cluster)
    x, shares = tf.constant(some(T, B, D), tf.float64), tf.constant(SOFT, tf.float64)
    parts = [shifted_gates(layer).inputs(x) for layer in exact]
    expected = np.einsum("bk,ktbn->tbn", shares, np.stack(parts))
    made = mixed(exact, shares).inputs(x)
    np.testing.assert_allclose(made, expected, atol=1e-12)
    np.testing.assert_allclose(
        outputs(by_weight, HARD), outputs(by_layer, HARD), atol=1e-6
    )
    assert np.abs(outputs(by_weight, SOFT) - outputs(by_layer, SOFT)).max() > 0.01
    parts = np.stack([alone(cluster) for cluster in clusters])
    expected = np.einsum("bk,ktbh->tbh", SOFT, parts)
    np.testing.assert_allclose(outputs(by_layer, SOFT), expected, atol=1e-6)
    # In each frame another one.
    each = np.abs(some(T, B, K, seed=3))
    expected = np.einsum("tbk,ktbh->tbh", each, parts)
    np.testing.assert_allclose(outputs(by_layer, each), expected, atol=1e-6)


def test_weights_are_the_sum_that_the_formula_says():
    layer = make(WeightConditioning())
    plain = LSTM(H)
    plain.build((None, D))
    for row in range(B):
        for number, weight in enumerate(plain.weights):
            parts = [np.asarray(one.weights[number]) for one in layer.clusters]
            mean = np.tensordot(SOFT[row], np.stack(parts), 1)
            weight.assign(np.asarray(layer.base.weights[number]) + mean)
        one = slice(row, row + 1)
        made = outputs(layer, SOFT)[:, one]
        np.testing.assert_allclose(made, alone(plain, rows=one), atol=1e-5)


@pytest.mark.parametrize("conditioning", quick(BY_CLUSTERS, WITHOUT_BASE))
def test_equal_clusters_make_any_identifier_that_sums_to_one_the_same(conditioning):
    layer = make(conditioning)
    for cluster in layer.clusters[1:]:
        give(cluster, layer.clusters[0])
    np.testing.assert_allclose(outputs(layer, SOFT), outputs(layer, HARD), atol=1e-6)


@pytest.mark.parametrize("conditioning", quick(BY_CLUSTERS, WITHOUT_BASE))
def test_the_order_of_varieties_means_nothing(conditioning):
    layer, other = make(conditioning), make(conditioning)
    order = [2, 0, 1]
    for place, k in enumerate(order):
        give(other.clusters[place], layer.clusters[k])
    np.testing.assert_allclose(
        outputs(other, SOFT[:, order]), outputs(layer, SOFT), atol=1e-6
    )


@pytest.mark.parametrize("conditioning", quick(BY_CLUSTERS, WITHOUT_BASE))
def test_one_cluster_is_a_plain_layer(conditioning):
    layer, plain = make(conditioning, clusters=1), make(None, clusters=0)
    assert layer.count_params() == plain.count_params()
    give(plain, layer)
    made = outputs(layer, np.ones((B, 1), np.float32))
    np.testing.assert_array_equal(made, outputs(plain, None))


def test_bases_of_rank_one_add_to_all_of_the_weights():
    layer = make(RankOneConditioning(rank=2))
    plain = LSTM(H)
    plain.build((None, D))
    bases = np.concatenate([layer.bases_of_inputs, layer.bases_of_outputs])
    for row in range(B):
        scale = np.diag(SOFT[row] @ np.asarray(layer.scales))
        change = bases @ scale @ np.asarray(layer.bases_of_gates)
        plain.kernel.assign(np.asarray(layer.base.kernel) + change[:D])
        recurrent = np.asarray(layer.base.recurrent_kernel) + change[D:]
        plain.recurrent_kernel.assign(recurrent)
        plain.bias.assign(layer.base.bias)
        one = slice(row, row + 1)
        made = outputs(layer, SOFT)[:, one]
        np.testing.assert_allclose(made, alone(plain, rows=one), atol=1e-5)


@pytest.mark.parametrize("conditioning", quick(KINDS, KINDS[1], KINDS[4]))
def test_steps_and_their_gradients_are_those_of_the_sequence(conditioning):
    layer, x = make(conditioning), tf.constant(some(T, B, D))
    identifier, real = tf.constant(SOFT), tf.constant(MASK) > 0

    def whole():
        made, last = layer.sequence(x, tf.constant(MASK), identifier)
        return tf.unstack(made), last

    def by_step():
        step, state, made = layer.stepper(identifier), layer.zero_state(x[0]), []
        for t in range(T):
            output, after = step(x[t], state)
            state = tf.where(real[t][:, None, None], after, state)
            made.append(output)
        return made, state

    results = []
    for run in (whole, by_step):
        with tf.GradientTape() as tape:
            tape.watch([x, identifier])
            made, last = run()
            kept = [
                tf.where(there, m, 0.0) for there, m in zip(real, made, strict=True)
            ]
            loss = sum(tf.reduce_sum(m * m) for m in kept) + tf.reduce_sum(last**3)
        asked = [x, identifier, *(weight.value for weight in layer.weights)]
        found = tape.gradient(loss, asked)
        results.append([*kept, last, *map(tf.convert_to_tensor, found)])
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=2e-5)


def test_weights_cannot_change_within_an_utterance():
    for conditioning in (WeightConditioning(), RankOneConditioning()):
        with pytest.raises(ConfigError, match="one vector"):
            make(conditioning).stepper(np.tile(SOFT, (T, 1, 1)))


def test_adapters_are_what_the_formula_says():
    adapter = Adapter(2, K)
    adapter.build((None, H))
    x = some(T, B, H)
    np.testing.assert_array_equal(adapter.applier(SOFT)(x), x)
    draw(adapter)
    down, up = (np.asarray(w) for w in (adapter.down, adapter.up))
    biases = np.asarray(adapter.down_bias), np.asarray(adapter.up_bias)
    normal = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-6)
    expected = x.copy()
    for k in range(K):
        part = slice(2 * k, 2 * k + 2)
        hidden = np.maximum(normal @ down[:, part] + biases[0][part], 0)
        expected += SOFT[:, k : k + 1] * (hidden @ up[part] + biases[1][k])
    np.testing.assert_allclose(adapter.applier(SOFT)(x), expected, atol=1e-5)
