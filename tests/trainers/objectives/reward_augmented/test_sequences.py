"""Batches of drawn targets: the same for all layouts, whole, and weighted rightly."""

import logging
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests.trainers.objectives.reward_augmented.sentences import END
from tests.trainers.objectives.reward_augmented.sentences import FIRST
from tests.trainers.objectives.reward_augmented.sentences import NUM_TOKENS
from tests.trainers.objectives.reward_augmented.sentences import Sentences
from tests.trainers.objectives.reward_augmented.sentences import stage
from tests.trainers.pipelined import assert_close
from tests.trainers.pipelined import opened
from tests.trainers.pipelined import sorting_stage
from tfmodels.errors import ConfigError
from tfmodels.reward_augmentation.payoff import Payoff
from tfmodels.reward_augmentation.payoff import mean_edits
from tfmodels.reward_augmentation.rewards import gleu
from trainers.interfaces import Shard
from trainers.objectives.cross_entropy import CrossEntropy
from trainers.objectives.reward_augmented.config import RewardAugmentedConfig
from trainers.objectives.reward_augmented.objective import RewardAugmented

MILD = {"tau": 0.7, "samples": 2}


def numpy_batches(
    made: Any, count: int, shard: Shard | None = None, start: int = 0
) -> list[dict[str, np.ndarray]]:
    """Changed one by one, which is quicker here than to compile the change."""
    batches = made.task.dataset("train", shard or Shard(), start).take(count)
    return [
        {name: value.numpy() for name, value in changed.items()}
        for changed in map(made.objective.change_batch, batches)
    ]


def samples(batches: list[dict[str, np.ndarray]]) -> dict[Any, list[int]]:
    """Labels of all rows that count, by epoch, example and number of the sample."""
    found: dict[Any, list[int]] = {}
    for batch in batches:
        for row in np.flatnonzero(batch["reference_weight"]):
            label = batch["label"][row]
            key = batch["epoch"][row], batch["index"][row]
            number = sum(key == other[:2] for other in found)
            found[*key, number] = label[label > 0].tolist()
    return found


@pytest.mark.slow
def test_replicas_and_a_later_start_draw_the_same() -> None:
    made = stage(**MILD)
    whole = samples(list(made.batches().take(6).as_numpy_iterator()))
    assert len(whole) == 2 * 2 * 22
    first = {key: value for key, value in whole.items() if key[0] == 0}
    later = {key: value for key, value in whole.items() if key[0] == 1}
    assert samples(numpy_batches(made, 3 * 4, Shard(replicas=4))) == first
    workers = [numpy_batches(made, 3, Shard(i, 2, replicas=2)) for i in (0, 1)]
    assert samples([*workers[0], *workers[1]]) == first
    assert samples(numpy_batches(made, 3, start=3)) == later
    # Another epoch, sample or seed of the objective gives other outputs.
    assert first != samples(numpy_batches(stage(**MILD, seed=1), 3))
    same = [whole[0, i, 0] == whole[1, i, 0] for i in range(22)]
    assert 0 < sum(same) < 22
    assert 0 < sum(whole[0, i, 0] == whole[0, i, 1] for i in range(22)) < 22


@pytest.mark.parametrize("reward", ["edit", "hamming"])
def test_inputs_are_the_labels_one_place_later(reward: str) -> None:
    lengths = []
    for batch in numpy_batches(stage(reward=reward, tau=0.8), 3):
        rows = zip(batch["label"], batch["target"], batch["weight"], strict=True)
        for label, target, weight in rows:
            length = int((label > 0).sum())
            assert label[length - 1] == END
            assert (label[: length - 1] >= FIRST).all()
            assert not label[length:].any()
            assert target[0] == 1
            assert target[1:length].tolist() == label[: length - 1].tolist()
            assert not target[length:].any()
            if weight.any():
                assert weight.tolist() == [1.0] * length + [0.0] * (len(label) - length)
                lengths.append(length)
        reverse = batch["source"][:, ::-1]
        changed = reverse.shape != batch["label"].shape
        assert changed or (reverse != batch["label"]).any()
    plain = sorted(int((row > 0).sum()) for row in Sentences().references)
    assert (sorted(lengths) == plain) == (reward == "hamming")


def test_edits_are_those_of_the_payoff_and_the_schedule_of_its_temperature() -> None:
    settings = {"tau": 1.0, "final_tau": 0.1, "tau_epochs": 3, "samples": 50}
    batches = numpy_batches(stage(**settings), 12)
    lengths = (Sentences().references > 0).sum(axis=1) - 1
    for epoch, tau in enumerate([1.0, 0.7, 0.4, 0.1]):
        rows = [b for b in batches if b["epoch"][0] == epoch]
        edits = sum((b["edits"] * (b["reference_weight"] > 0)).sum() for b in rows)
        payoff = Payoff("edit", NUM_TOKENS, tau)
        expected = np.mean([mean_edits(payoff, length) for length in lengths])
        assert edits / (50 * 22) == pytest.approx(expected, rel=0.1, abs=0.01)


def test_a_low_temperature_is_plain_training_bit_for_bit() -> None:
    plain = Sentences().dataset("train").take(3).as_numpy_iterator()
    made = stage(reward="edit", tau=1e-3)
    base = CrossEntropy(RewardAugmentedConfig().base, made.task)
    for before, after in zip(plain, numpy_batches(made, 3), strict=True):
        for name in ("label", "weight", "target"):
            width = before[name].shape[1]
            assert not after[name][:, width:].any()
            shape = after[name].shape[1]
            np.testing.assert_array_equal(before[name][:, :shape], after[name])
            assert not before[name][:, shape:].any()
        logits = tf.random.stateless_normal([*after["label"].shape, 25], [1, 2])
        ours = made.objective.loss({"logits": logits}, tensors(after))
        before = {n: v[:, :shape] for n, v in before.items() if v.ndim == 2}
        theirs = base.loss({"logits": logits}, tensors(before))
        assert float(ours.total) == float(theirs.total)
        assert float(ours.weight) == float(theirs.weight)


def tensors(batch: dict[str, np.ndarray]) -> dict[str, tf.Tensor]:
    return {name: tf.constant(value) for name, value in batch.items()}


def test_importance_weights_are_those_of_the_rewards() -> None:
    settings = {"reward": "gleu", "tau": 0.2, "proposal_tau": 0.9, "samples": 3}
    made = stage(**settings)
    batch = numpy_batches(made, 1)[0]
    cost = Payoff("hamming", NUM_TOKENS, 0.9).cost
    weights = batch["sample_weight"].reshape(-1, 3)
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-6)
    references = Sentences().references
    for row in range(0, 24, 3):
        logits = []
        for i in range(row, row + 3):
            reference = references[batch["index"][i]]
            label = batch["label"][i]
            changed = int((label != reference).sum())
            assert changed == batch["edits"][i]
            length = int((reference > 0).sum()) - 1
            reward = gleu(label[:length].tolist(), reference[:length].tolist())
            assert batch["reward"][i] == pytest.approx(reward)
            logits.append(reward / 0.2 + changed * cost)
        expected = np.exp(logits) / np.exp(logits).sum()
        np.testing.assert_allclose(weights[row // 3], expected, rtol=1e-4)
        mask = batch["label"][row] > 0
        np.testing.assert_allclose(
            batch["weight"][row], mask * weights[row // 3, 0], rtol=1e-6
        )
        ess = 1 / np.sum(expected**2)
        assert batch["effective_samples"][row] == pytest.approx(ess, rel=1e-4)
    logits = tf.zeros([*batch["label"].shape, 25])
    loss = made.objective.loss({"logits": logits}, tensors(batch))
    lengths = (references[batch["index"][::3]] > 0).sum()
    assert float(loss.weight) == pytest.approx(lengths)
    assert float(loss.total) == pytest.approx(lengths * np.log(25), rel=1e-5)
    found = {name: float(a / b) for name, (a, b) in loss.terms.items()}
    mean = np.mean((weights * batch["reward"].reshape(-1, 3)).sum(axis=1))
    assert found["reward"] == pytest.approx(mean, rel=1e-5)
    assert found["proposal_reward"] == pytest.approx(batch["reward"].mean())


def test_a_reward_of_the_users_own() -> None:
    batch = numpy_batches(stage(reward="operator.eq", samples=4, tau=0.05), 1)[0]
    np.testing.assert_array_equal(batch["reward"], batch["edits"] == 0)
    with pytest.raises(ConfigError, match=r"objective\.reward: cannot be imported"):
        stage(reward="operator.nothing", samples=4)


def test_the_reference_among_the_samples_and_plain_training_mixed_in() -> None:
    batch = numpy_batches(stage(tau=1.0, samples=3, include_reference=True), 1)[0]
    edits = batch["edits"].reshape(-1, 3)
    assert not edits[:, 0].any()
    assert edits[:, 1:].all(axis=1).any()
    kept = []
    for batch in numpy_batches(stage(tau=1.5, samples=2, ml_mix=0.4), 12):
        edits = batch["edits"].reshape(-1, 2)
        kept.extend((edits == 0).all(axis=1))
    assert np.mean(kept) == pytest.approx(0.4, abs=0.12)
    plain = numpy_batches(stage(tau=1.5, ml_mix=1.0), 3)
    assert not any(batch["edits"].any() for batch in plain)


def test_the_last_token_can_be_protected() -> None:
    last = Sentences().references
    last = last[np.arange(22), (last > 0).sum(axis=1) - 2]
    for batch in numpy_batches(stage(tau=1.0, protect_last=True), 3):
        lengths = (batch["label"] > 0).sum(axis=1)
        ends = batch["label"][np.arange(8), lengths - 2]
        np.testing.assert_array_equal(ends, last[batch["index"]])


def test_terms_and_the_histogram_of_a_batch() -> None:
    made = stage(tau=0.9)
    batch = numpy_batches(made, 3)[2]
    valid = batch["reference_weight"] > 0
    assert valid.sum() == 6
    logits = tf.random.stateless_normal([*batch["label"].shape, 25], [3, 4])
    loss = made.objective.loss({"logits": logits}, tensors(batch))
    found = {name: float(a / b) for name, (a, b) in loss.terms.items()}
    assert found["edits"] == pytest.approx(batch["edits"][valid].mean())
    entropy = -batch["log_prob"][valid].mean()
    assert found["target_entropy"] == pytest.approx(entropy, rel=1e-5)
    per_sentence = float(loss.total) / 6
    assert found["divergence"] == pytest.approx(per_sentence - entropy, rel=1e-4)
    figure = made.objective.figures(batch)["edits"]
    heights = [bar.get_height() for bar in figure.axes[0].patches]
    assert sum(heights) == 6
    assert made.objective.figures({"label": batch["label"]}) == {}


def test_held_out_batches_have_the_plain_loss() -> None:
    made = stage(tau=0.9, samples=2)
    batch = next(iter(Sentences().dataset("train")))
    logits = tf.random.stateless_normal([8, 9, 25], [5, 6])
    ours = made.objective.loss({"logits": logits}, batch)
    base = CrossEntropy(RewardAugmentedConfig().base, made.task)
    theirs = base.loss({"logits": logits}, batch)
    assert ours.terms.keys() == theirs.terms.keys()
    assert float(ours.total) == float(theirs.total)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"tau": 0.2}, "almost plain"),
        ({"tau": 0.9, "temperature_units": "literal"}, "mostly destroyed"),
        (
            {"reward": "gleu", "samples": 40, "tau": 0.01, "proposal_tau": 3.0},
            "of 40 samples only",
        ),
    ],
)
def test_warnings_at_the_start(settings, words: str, caplog) -> None:
    with caplog.at_level(logging.WARNING):
        stage(**settings)
    assert words in caplog.text


class FourTokens(Sentences):
    """One target, all of four tokens in their order, and the end."""

    ordinary_tokens = range(FIRST, FIRST + 4)

    def __init__(self) -> None:
        super().__init__()
        self.references[:] = [*range(FIRST, FIRST + 4), END, 0, 0, 0, 0]


def test_the_specified_case_of_few_effective_samples_is_warned_of(caplog) -> None:
    """Four tokens, GLEU, both temperatures 0.8: 0.9 % of many samples would count."""
    settings = {"reward": "gleu", "tau": 0.8, "proposal_tau": 0.8, "samples": 200}
    task: Any = FourTokens()
    with caplog.at_level(logging.WARNING):
        RewardAugmented(RewardAugmentedConfig.parse(settings), task)
    assert "of 200 samples only" in caplog.text


def test_warnings_in_training_of_few_samples_that_count() -> None:
    # Of 3 samples one counts always; a tenth of the others is 0.2.
    objective = stage(reward="gleu", samples=3).objective
    few, enough = (objective.warnings({"effective_samples": (x, 4)}) for x in (4.7, 5))
    assert len(few) == 1
    assert "of 3 samples only 1.18 count" in few[0]
    assert enough == []
    assert stage(tau=0.9).objective.warnings({"edits": (1.0, 4.0)}) == []


@pytest.mark.slow
def test_every_strategy_trains_on_the_same_targets() -> None:
    rate = "{kind: constant, initial: 0.1}"
    plain = sorting_stage(f"optimizer={{kind: sgd, learning_rate: {rate}}}")
    settings = RewardAugmentedConfig.parse(
        {"reward": "hamming", "tau": 1.0, "samples": 2}
    )
    made = replace(plain, objective=RewardAugmented(settings, plain.task))
    one = opened(made, {})
    summary = one.trainable.run(1)
    assert summary.totals["edits"][0] > 0
    for strategy in ({"replicas": 2}, {"stages": 2, "microbatches": 2}):
        other = opened(made, strategy)
        totals = other.trainable.run(1).totals
        assert totals["edits"] == summary.totals["edits"]
        assert_close(one.weights, other.weights, 1e-5)
