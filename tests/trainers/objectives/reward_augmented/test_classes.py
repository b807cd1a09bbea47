"""Targets of classes: values by hand, plain training in the limit, bad tables."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests.trainers.objectives.reward_augmented.sentences import Sentences
from tests.trainers.toy import ToyTask
from tfmodels.errors import ConfigError
from tfmodels.errors import DataError
from trainers.objectives.config import CrossEntropyConfig
from trainers.objectives.cross_entropy import CrossEntropy
from trainers.objectives.reward_augmented.config import RewardAugmentedConfig
from trainers.objectives.reward_augmented.objective import RewardAugmented


def classes() -> Any:
    """The toy's task with names of its three classes."""
    task: Any = ToyTask()
    task.labels = ("round", "oval", "square")
    return task


def objective(**settings: Any) -> RewardAugmented:
    config = RewardAugmentedConfig.parse({"reward": "table", **settings})
    return RewardAugmented(config, classes())


BATCH = {
    "label": tf.constant([0, 2, 1]),
    "weight": tf.constant([1.0, 1.0, 0.0]),
}


def test_loss_and_terms_by_hand() -> None:
    made = objective(tau=0.5, groups=[[0, 1]], within=0.5)
    batch = made.change_batch(BATCH)
    e = math.e
    expected = np.array([[e**2, e, 1], [1, 1, e**2]])
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(batch["label_probs"][:2], expected, rtol=1e-6)
    logits = np.array([[0.0, 2, 0], [0, 1, 0], [5, 0, 0]])
    loss = made.loss({"logits": tf.constant(logits, tf.float32)}, batch)
    log_probs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    total = -np.sum(expected * log_probs[:2])
    assert float(loss.total) == pytest.approx(total, rel=1e-6)
    assert float(loss.weight) == 2
    found = {name: float(a / b) for name, (a, b) in loss.terms.items()}
    assert found["reward"] == 0.25
    assert found["superclass_error"] == 0.5
    entropy = -np.sum(expected * np.log(expected)) / 2
    assert found["target_entropy"] == pytest.approx(entropy, rel=1e-6)


def test_plain_training_mixed_in_and_alone() -> None:
    logits = {"logits": tf.random.stateless_normal([3, 3], [1, 2])}
    base = {"label_smoothing": 0.1}
    plain = CrossEntropy(CrossEntropyConfig.parse(base), classes()).loss(logits, BATCH)
    totals = {}
    for mix in (0.0, 0.3, 1.0):
        made = objective(ml_mix=mix, base=base, groups=[[0, 1]])
        totals[mix] = float(made.loss(logits, made.change_batch(BATCH)).total)
        assert made.loss(logits, BATCH).total == plain.total
    assert totals[1.0] == pytest.approx(float(plain.total), rel=1e-6)
    assert totals[0.3] == pytest.approx(0.3 * totals[1.0] + 0.7 * totals[0.0], rel=1e-6)
    cold = objective(tau=1e-3, base=base)
    found = cold.loss(logits, cold.change_batch(BATCH)).total
    assert float(found) == pytest.approx(float(plain.total), rel=1e-6)


def test_a_table_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "rewards.csv"
    file.write_text("1,0.5,0\n0,1,0\n0,0,1\n")
    made = objective(table=str(file), tau=0.5)
    probs = made.change_batch(BATCH)["label_probs"].numpy()
    e = math.e
    np.testing.assert_allclose(probs[2] * (e + e**2 + 1), [e, e**2, 1], rtol=1e-6)
    assert probs[0, 1] == pytest.approx(probs[0, 2])
    logits = tf.constant([[9.0, 0, 0]] * 3)
    terms = made.loss({"logits": logits}, BATCH).terms
    assert "superclass_error" not in terms
    for text in ("1,0\n0,1\n", "1,x,0\n", "1,nan,0\n0,1,0\n0,0,1\n"):
        file.write_text(text)
        with pytest.raises(DataError, match=r"objective\.table"):
            objective(table=str(file))
    with pytest.raises(DataError, match=r"objective\.table"):
        objective(table=str(tmp_path / "none.csv"))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"groups": [[0, 1], [1, 2]]}, "in two groups"),
        ({"reward": "edit", "groups": [[0, 1]]}, "Expected reward: table"),
        ({"reward": "meteor"}, "no such reward"),
        ({"reward": "gleu"}, "samples of at least 2"),
        ({"reward": "edit", "include_reference": True}, "samples of at least 2"),
        ({"final_tau": 0.1}, "Expected no final_tau"),
        ({"groups": [[0, 1]], "table": "a.csv"}, "Received both"),
        ({"groups": [[0, 7]]}, "numbers from 0 to 2"),
        ({"reward": "edit"}, "no labels for it"),
    ],
)
def test_settings_that_do_not_fit(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        objective(**settings)


def test_sequences_are_no_classes_and_texts_cannot_grow_in_the_middle() -> None:
    task: Any = Sentences()
    with pytest.raises(ConfigError, match="no labels for it"):
        RewardAugmented(RewardAugmentedConfig(reward="table"), task)
    made = RewardAugmented(RewardAugmentedConfig(), task)
    batch = next(iter(task.dataset("train")))
    batch["tokens"] = batch.pop("target")
    with pytest.raises(ConfigError, match="cannot change their number"):
        made.change_batch(batch)
    del batch["seed"]
    with pytest.raises(ConfigError, match="not sequences"):
        made.change_batch(batch)
