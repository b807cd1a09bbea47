"""The objective with a model: what it finds, what it teaches, and on what it runs."""

import itertools
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests.tfmodels.decoding.recognizer import UNITS
from tests.tfmodels.decoding.recognizer import TableRecognizer
from tests.tfmodels.decoding.test_varieties import LanguageTable
from tests.trainers.asynchronous import opened
from tests.trainers.recognizing import ToyRecognition
from tests.trainers.recognizing import utterances
from tfmodels.decoding.step import END
from tfmodels.decoding.varieties import LanguageModels
from trainers.experiment import RunConfig
from trainers.interfaces import Loss
from trainers.interfaces import Stage
from trainers.objectives.minimum_word_error import objective as module
from trainers.objectives.minimum_word_error.config import MinimumWordErrorConfig
from trainers.objectives.minimum_word_error.objective import MinimumWordError
from trainers.optimizers.config import MomentumSGD
from trainers.strategies.config import DataParallelConfig
from trainers.strategies.data_parallel.strategy import DataParallel

SHORT = {"max_length_factor": 0.5, "max_length_extra": 3}


@pytest.fixture(scope="module")
def task() -> ToyRecognition:
    return ToyRecognition()


@pytest.fixture(scope="module")
def model() -> TableRecognizer:
    return TableRecognizer()


def objective(task: ToyRecognition, **values: Any) -> MinimumWordError:
    return MinimumWordError(MinimumWordErrorConfig.parse({**SHORT, **values}), task)


def words(ids: Any) -> list[str]:
    ids = [int(number) for number in ids]
    heard = ids[: ids.index(END)] if END in ids else ids
    return "".join(UNITS[number] for number in heard).split()


def distance(said: list[str], written: list[str]) -> int:
    if not said or not written:
        return len(said) + len(written)
    return min(
        distance(said[1:], written[1:]) + (said[0] != written[0]),
        distance(said[1:], written) + 1,
        distance(said, written[1:]) + 1,
    )


def with_gradients(taught: MinimumWordError, task: Any, model: Any, batch: Any) -> Any:
    """Loss, outputs, and the gradients of the two tables as arrays."""
    with tf.GradientTape() as tape:
        loss, outputs = taught.loss_with_model(task, model, batch, True)
    tables = [model.heard.value, model.follows.value]
    gradients = tape.gradient(
        loss.total, tables, unconnected_gradients=tf.UnconnectedGradients.ZERO
    )
    return loss, outputs, [tf.convert_to_tensor(each).numpy() for each in gradients]


def test_losses_and_terms_by_hand(task: Any, model: Any) -> None:
    batch = utterances(4)
    batch["weight"] *= tf.constant([[1.0], [1.0], [0.0], [1.0]])
    loss, outputs, _ = with_gradients(objective(task), task, model, batch)
    values, terms, vary = [], dict.fromkeys(loss.terms, 0.0), 0
    for row in (0, 1, 3):
        answers = outputs["answers"][row].numpy()
        costs = np.array(
            [distance(words(ids), words(batch["label"][row])) for ids in answers]
        )
        np.testing.assert_array_equal(outputs["answer_errors"][row], costs)
        log_probs = outputs["answer_log_probs"][row].numpy().astype(float)
        probs = np.exp(log_probs - np.logaddexp.reduce(log_probs))
        length = int(tf.reduce_sum(batch["weight"][row]))
        logs = tf.nn.log_softmax(outputs["logits"][row]).numpy()
        label = batch["label"][row].numpy()
        price = -logs[np.arange(length), label[:length]].sum()
        values.append(probs @ (costs - costs.mean()) + 0.01 * price)
        entropy = -(probs * np.log(probs)).sum()
        found = [np.array_equal(ids[ids > 0], label[label > 0]) for ids in answers]
        if len(set(costs.tolist())) > 1:
            terms["correlation"] += np.corrcoef(log_probs, -costs)[0, 1]
            vary += 1
        for name, value in {
            "expected_errors": probs @ costs,
            "best_errors": costs[0],
            "oracle_errors": costs.min(),
            "answers": 4,
            "reference_found": any(found),
            "without_gradient": len(set(costs.tolist())) == 1,
            "entropy": entropy,
            "effective_answers": np.exp(entropy),
            "cross_entropy": price,
        }.items():
            terms[name] += float(value)
    assert float(loss.total) == pytest.approx(sum(values), abs=1e-4)
    assert float(loss.weight) == 3
    numbers = {"cross_entropy": float(tf.reduce_sum(batch["weight"]))}
    numbers["correlation"] = vary
    assert vary
    for name, (value, number) in loss.terms.items():
        assert float(value) == pytest.approx(terms[name], abs=1e-4), name
        assert float(number) == numbers.get(name, 3), name


def test_a_list_of_all_answers_expects_what_the_model_does(task: Any) -> None:
    # At most one unit before the end, which costs what it costs: list them all.
    model, batch = TableRecognizer(), utterances(3)
    settings = {"num_answers": 9, "max_length_factor": 0.0, "max_length_extra": 2}
    taught = objective(task, **settings, cross_entropy_weight=0.0)
    loss, outputs, gradients = with_gradients(taught, task, model, batch)
    assert (outputs["answer_lengths"].numpy() > 0).all()
    with tf.GradientTape() as tape:
        memory = model.encode(task.source(batch))
        first = tf.nn.log_softmax(model.follows.value[1] + memory["bias"])
        second = tf.nn.log_softmax(model.follows.value[None] + memory["bias"][:, None])[
            :, :, END
        ]
        others = [unit for unit in range(len(UNITS)) if unit != END]
        logs = tf.gather(first + second, others, axis=1)
        logs = tf.concat([first[:, END:][:, :1], logs], axis=1)
        costs = [
            [
                distance(words(ids), words(label))
                for ids in [[END], *([u] for u in others)]
            ]
            for label in batch["label"].numpy()
        ]
        exact = tf.reduce_sum(tf.nn.softmax(logs) * tf.constant(costs, tf.float32))
    assert float(loss.terms["expected_errors"][0]) == pytest.approx(
        float(exact), abs=1e-5
    )
    expected = tape.gradient(exact, [model.heard.value, model.follows.value])
    for mine, other in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(mine, tf.convert_to_tensor(other), atol=1e-6)
    assert max(np.abs(each).max() for each in gradients) > 0.01


def test_gradients_of_logits_are_those_of_the_formula(task: Any) -> None:
    # P_i (W_i - E) (1[v = y] - p(v)) at each unit of each answer.
    class Watched(TableRecognizer):
        def decode_targets(self, memory: Any, target: tf.Tensor) -> Any:
            made = super().decode_targets(memory, target)["logits"]
            self.made = tf.Variable(made)
            return {"logits": self.made.value()}

    model, batch = Watched(), utterances(4)
    taught = objective(task, cross_entropy_weight=0.0)
    with tf.GradientTape() as tape:
        loss, outputs = taught.loss_with_model(task, model, batch, True)
    gradient = (
        tape.gradient(loss.total, model.made).numpy().reshape(4, 4, -1, len(UNITS))
    )
    probs = tf.nn.softmax(outputs["answer_log_probs"]).numpy()
    costs = outputs["answer_errors"].numpy()
    advantages = probs * (costs - (probs * costs).sum(1, keepdims=True))
    said = tf.nn.softmax(model.made).numpy().reshape(gradient.shape)
    expected = advantages[..., None, None] * (
        np.eye(len(UNITS))[outputs["answers"].numpy()] - said
    )
    there = np.arange(gradient.shape[2]) < outputs["answer_lengths"].numpy()[..., None]
    expected *= there[..., None]
    np.testing.assert_allclose(gradient, expected, atol=1e-6)
    assert np.abs(expected).max() > 0.01


def test_each_utterance_is_by_itself(task: Any, model: Any) -> None:
    batch, taught = utterances(4), objective(task)
    loss, outputs, gradients = with_gradients(taught, task, model, batch)
    reverse = {name: values[::-1] for name, values in batch.items()}
    backwards, theirs, same = with_gradients(taught, task, model, reverse)
    assert float(backwards.total) == pytest.approx(float(loss.total), abs=1e-5)
    for mine, other in zip(gradients, same, strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-5)
    np.testing.assert_array_equal(theirs["answers"][::-1], outputs["answers"])
    shares = tf.nn.softmax(outputs["answer_log_probs"])
    np.testing.assert_allclose(tf.reduce_sum(shares, 1), 1, atol=1e-6)
    total = 0.0
    for row in range(4):
        # Alone, without the frames that only longer utterances need.
        alone = {name: values[row : row + 1] for name, values in batch.items()}
        alone["features"] = alone["features"][:, : int(alone["lengths"][0])]
        one, found, _ = with_gradients(taught, task, model, alone)
        total += float(one.total)
        ids = found["answers"].numpy()[0]
        np.testing.assert_array_equal(outputs["answers"][row, :, : ids.shape[1]], ids)
        assert not outputs["answers"][row, :, ids.shape[1] :].numpy().any()
    assert total == pytest.approx(float(loss.total), abs=1e-4)


def test_short_lists_are_no_longer_for_their_empty_places(task: Any) -> None:
    taught, model = (
        objective(task, max_length_factor=0.0, max_length_extra=1),
        TableRecognizer(),
    )
    loss, outputs, _ = with_gradients(taught, task, model, utterances(3))
    # There is room for the end alone.
    assert outputs["answer_lengths"].numpy().tolist() == [[1, 0, 0, 0]] * 3
    assert float(loss.terms["answers"][0]) == 3
    assert float(loss.terms["without_gradient"][0]) == 3
    assert float(loss.terms["effective_answers"][0]) == pytest.approx(3)


@pytest.mark.slow
def test_what_search_finds_with_and_without_xla(task: Any, model: Any) -> None:
    batch, taught = utterances(4), objective(task, posterior_scale=0.5)

    def run(batch: Any) -> tuple[Loss, list[tf.Tensor]]:
        with tf.GradientTape() as tape:
            loss, _ = taught.loss_with_model(task, model, batch, True)
        tables = [model.heard.value, model.follows.value]
        return loss, [*map(tf.convert_to_tensor, tape.gradient(loss.total, tables))]

    compiled = tf.function(run, jit_compile=True, autograph=False)
    graph = compiled.get_concrete_function(batch).graph.as_graph_def()
    kinds = {
        node.op
        for nodes in (graph.node, *(each.node_def for each in graph.library.function))
        for node in nodes
    }
    assert "While" in kinds or "StatelessWhile" in kinds
    assert not kinds & {"PyFunc", "PyFuncStateless", "EagerPyFunc", "NumpyFunction"}
    tf.nest.map_structure(
        lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5),
        run(batch),
        compiled(batch),
    )


def test_gradients_reach_all_of_the_model_through_what_it_is_told(
    task: Any, model: Any, monkeypatch: Any
) -> None:
    taught = objective(task, cross_entropy_weight=0.0)
    loss, _, gradients = with_gradients(taught, task, model, utterances(4))
    assert float(loss.terms["without_gradient"][0]) < 4
    assert all(np.linalg.norm(each) > 1e-3 for each in gradients)
    # The detector detects: scores of the search would teach nothing.
    told = module.log_probs_of
    monkeypatch.setattr(
        module, "log_probs_of", lambda *args: tf.stop_gradient(told(*args))
    )
    _, _, gradients = with_gradients(taught, task, model, utterances(4))
    assert not any(each.any() for each in gradients)


def test_the_source_is_encoded_once(task: Any) -> None:
    model = TableRecognizer()
    for answers in ("n_best", "samples"):
        model.encoded = 0
        taught = objective(task, answers=answers)
        taught.loss_with_model(task, model, utterances(2), True)
        assert model.encoded == 1


def test_rows_add_up(task: Any, model: Any) -> None:
    batch, taught = utterances(4), objective(task)
    whole, _ = taught.loss_with_model(task, model, batch, False)
    halves = [
        taught.loss_with_model(
            task, model, {name: x[part] for name, x in batch.items()}, False
        )[0]
        for part in (slice(0, 2), slice(2, 4))
    ]
    summed = tf.nest.map_structure(tf.add, *halves)
    tf.nest.map_structure(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), whole, summed
    )


def test_drawn_answers_are_those_of_their_seeds(task: Any, model: Any) -> None:
    batch = utterances(3)
    taught = objective(task, answers="samples", cross_entropy_weight=0.0, num_answers=6)
    loss, outputs, gradients = with_gradients(taught, task, model, batch)
    other = {**batch, "seed": batch["seed"] + 1}
    _, others, _ = with_gradients(taught, task, model, other)
    assert not np.array_equal(outputs["answers"], others["answers"])
    costs = outputs["answer_errors"].numpy()
    advantages = costs - costs.mean(1, keepdims=True)
    expected = (advantages * outputs["answer_log_probs"].numpy()).mean(1).sum()
    assert float(loss.total) == pytest.approx(expected, abs=1e-4)
    assert float(loss.terms["expected_errors"][0]) == pytest.approx(costs.mean(1).sum())
    assert "entropy" not in loss.terms
    assert all(each.any() for each in gradients)


def test_a_language_model_in_the_search_and_over_the_list(task: Any) -> None:
    asked = ToyRecognition()
    asked.language_models = LanguageModels(
        (LanguageTable(41, len(UNITS)), LanguageTable(42, len(UNITS))), (0, 1)
    )
    model, batch = TableRecognizer(), utterances(3)
    plain = objective(task).loss_with_model(task, model, batch, True)[1]
    taught = objective(asked, language_weight=0.8)
    found = taught.loss_with_model(asked, model, batch, True)[1]
    assert not np.array_equal(found["answers"], plain["answers"])
    memory = model.encode(asked.source(batch))
    for row, rank in itertools.product(range(3), range(4)):
        ids = found["answers"][row, rank, : int(found["answer_lengths"][row, rank])]
        table = asked.language_models.models[row % 2].table
        language, _ = table.follow(0, ids.numpy().tolist())
        target = tf.concat([[1], ids[:-1]], 0)[None]
        one = {name: part[row : row + 1] for name, part in memory.items()}
        logs = tf.nn.log_softmax(model.decode_targets(one, target)["logits"][0])
        price = float(tf.reduce_sum(tf.gather(logs, ids, batch_dims=1)))
        assert float(found["answer_log_probs"][row, rank]) == pytest.approx(
            price + 0.8 * language, abs=1e-4
        )


def test_flatter_searches_find_other_lists(task: Any, model: Any) -> None:
    plain, flat = (
        objective(task, **values).loss_with_model(task, model, utterances(4), True)[1]
        for values in ({}, {"search_scale": 0.3})
    )
    assert not np.array_equal(plain["answers"], flat["answers"])


def test_answers_that_differ_in_the_variety_alone_cost_the_same(task: Any) -> None:
    model, batch = TableRecognizer(), utterances(2)
    # Whatever was said, one of the two symbols and the end are all but certain.
    table = np.full([len(UNITS)] * 2, -30.0, np.float32)
    table[1, [3, 4]], table[[3, 4], END] = 1.0, 1.0
    model.follows.assign(table)
    model.heard.assign(np.zeros(model.heard.shape))
    taught = objective(task, num_answers=2)
    loss, outputs, _ = with_gradients(taught, task, model, batch)
    assert set(outputs["answers"][0, :, 0].numpy().tolist()) == {3, 4}
    costs = outputs["answer_errors"].numpy()
    assert (costs[:, 0] == costs[:, 1]).all()
    assert costs.min() > 0
    assert float(loss.terms["without_gradient"][0]) == 2


def stage_of(task: ToyRecognition) -> Stage:
    return Stage(
        name="train",
        start=0,
        steps=3,
        task=task,
        objective=objective(task),
        optimizer=MomentumSGD.parse(
            {"learning_rate": {"kind": "constant", "initial": 0.5}, "momentum": 0.9}
        ),
        frozen=(),
    )


@pytest.mark.slow
def test_a_replica_searches_and_scores_with_the_parameters_it_fetched(
    task: Any,
) -> None:
    """One replica of a parameter server does what a machine by itself does."""
    mine = opened(stage_of(task), {"replicas": 1})
    other = opened(stage_of(task))
    before = [value.copy() for value in other.weights.values()]
    for each in (mine, other):
        each.trainable.run(3)
    # Each model has names of its own.
    weights = (each.weights.values() for each in (mine, other))
    for one, two, first in zip(*weights, before, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-5)
        assert np.abs(two - first).max() > 1e-3


def run_steps(task: ToyRecognition, replicas: int) -> tuple[list[np.ndarray], Any]:
    stage = stage_of(task)
    settings = DataParallelConfig.parse({"devices": "cpu", "replicas": replicas})
    parallel = DataParallel(settings, RunConfig.parse({"steps": 3}))
    placed = parallel.build([stage])
    summary = parallel.prepare(placed, stage, 0).run(3)
    return [variable.numpy() for variable in placed.model.variables], summary


@pytest.mark.slow
def test_two_replicas_are_one_through_an_uneven_last_batch(task: Any) -> None:
    one, summary = run_steps(task, 1)
    two, of_two = run_steps(task, 2)
    start = TableRecognizer()
    for mine, other, first in zip(one, two, start.variables, strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-5)
        assert np.abs(mine - first.numpy()).max() > 1e-3
    for name, (value, number) in summary.totals.items():
        np.testing.assert_allclose(of_two.totals[name][0], value, rtol=1e-4)
        np.testing.assert_allclose(of_two.totals[name][1], number, rtol=1e-6)
