"""The task of translation: what batches become, figures, predictions, languages."""

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
from matplotlib.figure import Figure

import trainers
from tests.trainers.translating import NUMBERS
from tests.trainers.translating import numbers
from tests.trainers.translating import two_languages
from tfmodels.decoding.beam_search import Hypotheses
from tfmodels.errors import ConfigError
from tfmodels.errors import DataError
from tfmodels.metrics.translation import bleu
from tfmodels.metrics.translation import bleu_counts
from trainers.catalog import implementation
from trainers.configuration import read_yaml
from trainers.experiment import Experiment
from trainers.runs import load_run
from trainers.stages import open_task
from trainers.tasks.answers import read_answers
from trainers.tasks.compiled_search import searcher
from trainers.tasks.compiled_search import widened


def task_of(experiment):
    return open_task(experiment, experiment.data)


@pytest.fixture(scope="module")
def run(numbers_run):
    return load_run(numbers_run)


@pytest.fixture(scope="module")
def batches(run):
    """Held-out batches of 16, the second of which has 4 rows that count."""
    return list(run.task.dataset("test"))


@pytest.fixture(scope="module")
def outputs(run, batches):
    return [run.task.outputs(run.model, batch, training=False) for batch in batches]


def summed(parts):
    """Totals of batches, as an evaluation adds them up."""
    return {
        name: [
            np.sum([np.asarray(part[name][at]) for part in parts], 0) for at in (0, 1)
        ]
        for name in parts[0]
    }


@pytest.mark.slow
def test_figures_are_those_of_the_decoded_texts(run, numbers_run, batches, outputs):
    task = run.task
    said, written = [], []
    for batch, made in zip(batches, outputs, strict=True):
        for row in np.flatnonzero(np.asarray(batch["weight"]).any(axis=1)):
            said.append(task.show(made["translation"][row]))
            written.append(task.show(batch["label"][row]))
    assert sorted(written) == sorted(task._source.references("test"))
    parts = [task.metrics(m, b) for m, b in zip(outputs, batches, strict=True)]
    report = task.report(summed(parts))
    equal = [one == two for one, two in zip(said, written, strict=True)]
    assert len(equal) == 20
    assert report["exact_match"] == pytest.approx(np.mean(equal))
    assert report["perplexity"] == pytest.approx(np.exp(report["nats_per_token"]))
    final = json.loads((numbers_run / "metrics.json").read_text())
    for name in ("bleu", "exact_match", "token_accuracy", "perplexity"):
        assert final[f"test/{name}"] == pytest.approx(report[name], rel=1e-4), name


@pytest.fixture(scope="module")
def spoken(tmp_path_factory):
    """Opens the task of two languages, by the one that is asked for."""
    data = two_languages(tmp_path_factory.mktemp("spoken"))
    values = read_yaml(NUMBERS, "numbers")
    values["model"]["vocabulary_size"] = data["vocabulary_size"]

    def opened(language=None):
        task = {**values["task"], "target_language": language}
        return task_of(Experiment.parse({**values, "data": data, "task": task}))

    return opened


def test_bleu_and_what_counts(spoken):
    """BLEU of a corpus in batches; rows that fill one up change nothing."""
    task = spoken()
    right, wrong, spoiled, said, written = [], [], [], [], []
    for batch in task.dataset("test"):
        label, weight = batch["label"], np.asarray(batch["weight"])
        there = weight.any(axis=1)
        logits = 20.0 * tf.one_hot(label, task.vocabulary.size)
        # The end of a sentence is missing, or one of its words stands there twice.
        answer = np.asarray(label).copy()
        answer[:, 4:] = answer[:, 3:-1]
        right.append(task.metrics({"logits": logits, "translation": label}, batch))
        wrong.append(task.metrics({"logits": logits, "translation": answer}, batch))
        noise = np.where(there[:, None], answer, 7)
        logits = tf.where(there[:, None, None], logits, 0.0)
        spoiled.append(task.metrics({"logits": logits, "translation": noise}, batch))
        said += [task.show(row) for row in answer[there]]
        written += [task.show(row) for row in np.asarray(label)[there]]
    assert (len(said), len(right)) == (12, 3)
    report = task.report(summed(right))
    assert report["bleu"] == pytest.approx(100)
    assert report["exact_match"] == report["token_accuracy"] == 1
    expected = bleu(bleu_counts(said, [[text] for text in written]))
    assert 5 < expected < 99
    assert task.report(summed(wrong))["bleu"] == pytest.approx(expected, rel=1e-5)
    for name, ratio in summed(spoiled).items():
        for ours, theirs in zip(ratio, summed(wrong)[name], strict=True):
            np.testing.assert_array_equal(ours, theirs, err_msg=name)


@pytest.mark.slow
def test_the_price_of_tokens_is_that_of_their_probabilities(run, batches, outputs):
    batch, made = batches[1], outputs[1]
    logits = np.asarray(made["logits"], np.float64)
    log_probs = logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
    label, weight = np.asarray(batch["label"]), np.asarray(batch["weight"])
    price = -np.take_along_axis(log_probs, label[..., None], -1)[..., 0]
    nats, count = run.task.metrics(made, batch)["nats_per_token"]
    assert float(nats) == pytest.approx(np.sum(price * weight), rel=1e-5)
    assert float(count) == np.count_nonzero(label[weight.any(axis=1)])


@pytest.mark.slow
def test_training_does_not_search(run):
    batch = next(iter(run.task.dataset("train")))
    made = run.task.outputs(run.model, batch, training=True)
    assert set(made) == {"logits", "attention"}
    assert set(run.task.metrics(made, batch)) == {"token_accuracy", "nats_per_token"}


@pytest.mark.slow
def test_it_learns(numbers_run):
    lines = (numbers_run / "metrics.jsonl").read_text().splitlines()
    losses = [
        line["train/loss"] for line in map(json.loads, lines) if "train/loss" in line
    ]
    assert losses[-1] < 0.8 * losses[0]
    names = {path.name for path in (numbers_run / "pictures").iterdir()}
    assert {"curves.png", "test_predictions.png", "test_attention.png"} <= names


@pytest.mark.slow
def test_pictures(run, batches, outputs):
    drawn = run.task.figures(outputs[1], batches[1], {})
    assert set(drawn) == {"predictions", "translations", "attention"}
    text = " ".join(line.get_text() for line in drawn["predictions"].texts)
    for row in np.flatnonzero(np.asarray(batches[1]["weight"]).any(axis=1)):
        assert run.task.show(batches[1]["source"][row]) in text
    parts = batches[1]["source"], batches[1]["label"], outputs[1]["translation"]
    line = " | ".join(run.task.show(tokens[0]) for tokens in parts)
    assert f"| {line} |" in drawn["translations"].splitlines()
    samples = run.task.samples(next(iter(run.task.dataset("train"))))
    assert isinstance(samples["sentences"], Figure)


@pytest.mark.slow
def test_health_is_the_share_at_the_bound(run, batches):
    found = run.task.diagnostics(run.model, batches[0])
    assert "clipped/encoder2/cells" in found
    assert found.pop("delta") == 1  # at the last step; test_config has the others
    assert all(0 <= share <= 1 for share in found.values())


@pytest.mark.slow
def test_answers_come_best_first_with_what_they_looked_at(run):
    answers = run.task.predict(run.model, "seven")
    assert 1 < len(answers) <= 3
    assert str(answers) == answers[0].text
    scores = [answer.score for answer in answers]
    assert scores == sorted(scores, reverse=True)
    pieces = {pair[1] for pair in answers[0].alignment}
    source = run.task._source.encode("seven")
    assert pieces <= {run.task.vocabulary.names[number] for number in source}
    assert len(answers.table(2).splitlines()) == 4
    assert len(answers.table(9).splitlines()) == 2 * len(answers)


@pytest.mark.slow
def test_a_compiled_search_finds_the_same(run, batches):
    search = run.task.config.search.model_copy(update={"n_best": 3})
    plain, compiled = (searcher(run.model, search, xla) for xla in (False, True))
    source = batches[0]["source"]
    for given in (source, source[:, :3], source[:1, :5]):
        wanted, found = plain(given), compiled(given)
        np.testing.assert_array_equal(found.lengths, wanted.lengths)
        width = wanted.ids.shape[2]
        for name in ("ids", "alignments"):
            all_found = getattr(found, name).numpy()
            np.testing.assert_array_equal(all_found[..., :width], getattr(wanted, name))
            assert np.all(all_found[..., width:] == all_found.min())
        for name in ("scores", "log_probs", "coverage"):
            np.testing.assert_allclose(
                getattr(found, name), getattr(wanted, name), rtol=1e-5, atol=1e-5
            )


@pytest.mark.slow
def test_xla_is_the_key_of_the_run(run, batches, outputs):
    experiment = numbers(run={"xla": True})
    task = task_of(experiment)
    found = task.outputs(run.model, batches[0], training=False)["translation"].numpy()
    wanted = outputs[0]["translation"].numpy()
    np.testing.assert_array_equal(found[:, : wanted.shape[1]], wanted)
    answers, others = (t.predict(run.model, "seven") for t in (task, run.task))
    assert [answer.text for answer in answers] == [other.text for other in others]


@pytest.mark.parametrize("length", [1, 15, 16, 17])
def test_few_widths_are_compiled(length):
    source = np.arange(1, 1 + 2 * length, dtype=np.int32).reshape(2, length)
    wide = widened(source).numpy()
    assert wide.shape == (2, 16 if length <= 16 else 32)
    np.testing.assert_array_equal(wide[:, :length], source)
    assert not wide[:, length:].any()


@pytest.mark.slow
def test_answers_are_read_up_to_their_lengths(run):
    names = run.task.vocabulary.names
    one, two = (names.index(piece) for piece in ("e", "i"))
    found = Hypotheses(
        ids=np.array([[[one, two, 2], [two, 2, 0], [0, 0, 0]]]),
        lengths=np.array([[3, 2, 0]]),
        scores=np.array([[-1.0, -2.5, -1e9]]),
        log_probs=np.array([[-1.5, -3.0, -1e9]]),
        alignments=np.array([[[1, 0, 1], [0, 1, -1], [-1, -1, -1]]]),
        coverage=np.zeros((1, 3, 2)),
    )
    answers = read_answers(run.task.vocabulary, [two, 2], found)
    assert [tuple(answer) for answer in answers] == [
        ("ei", -1.0, -1.5, (("e", "</s>"), ("i", "i"))),
        ("i", -2.5, -3.0, (("i", "i"),)),
    ]
    assert answers.table(1) == f"{-1:9.4f} {-1.5:9.4f}  ei\n{'':21}e<</s> i<i"
    assert str(answers) == "ei"


def test_model_and_vocabulary_must_fit():
    experiment = numbers(model={"vocabulary_size": 301})
    with pytest.raises(ConfigError, match=r"model\.vocabulary_size: .* Expected 300"):
        task_of(experiment)


@pytest.mark.slow
def test_an_evaluation_again_gives_the_same(numbers_run, tmp_path):
    copy = shutil.copytree(numbers_run, tmp_path / "run")
    expected = json.loads((numbers_run / "metrics.json").read_text())
    assert trainers.evaluate(copy) == pytest.approx(expected)


def test_a_language_is_asked_for(spoken):
    asked = []

    def echo(model, config, xla, around):
        """A search that gives back the source from its second token on."""

        def search(source):
            asked.append(int(source[0, 0]))
            length = source.shape[1]
            shape = (1, 1, length - 1)
            return Hypotheses(
                source[:, None, 1:],
                np.array([[length - 1]]),
                *np.zeros((2, 1, 1)),
                np.zeros(shape, np.int32),
                np.zeros((1, 1, length)),
            )

        return search

    for language in ("fr", "ba"):
        task = spoken(language)
        task._searcher = echo
        assert str(task.predict(None, "a d")) == "a d"
        assert task.vocabulary.names[asked[-1]] == f"<2{language}>"
    with pytest.raises(DataError, match=r"\(ba, fr\)\. Received None"):
        spoken().predict(None, "a d")
    with pytest.raises(DataError, match="Received 'xx'"):
        spoken("xx").predict(None, "a d")


@pytest.mark.slow
def test_predictions_may_search_otherwise(numbers_run):
    run = load_run(numbers_run, ["task.search={beam_width: 1}"])
    assert len(run.task.predict(run.model, "seven")) == 1


def test_its_place_in_the_table():
    assert implementation("task", "translation").__name__ == "Translation"
