"""The functions exported for translation, on networks that know few numbers."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from export.runtime import KerasProgram
from export.signatures.translation import TranslationSignatures
from tests.trainers.translating import NUMBERS
from tests.trainers.translating import numbers
from tests.trainers.translating import two_languages
from tfmodels.decoding.translation import translate
from tfmodels.errors import DataError
from trainers.configuration import read_yaml
from trainers.experiment import Experiment
from trainers.stages import open_task

pytestmark = pytest.mark.slow

WIRINGS = ["paper", "gnmt_v2", "bottom_query"]
LONGEST = 24


class Opened:
    """Signatures of an experiment, its task and a model with fresh weights."""

    def __init__(self, experiment: Experiment) -> None:
        self.task = open_task(experiment, experiment.data)
        files = TranslationSignatures.files_of(self.task)
        self.signatures = TranslationSignatures(experiment, files)
        keras.utils.set_random_seed(2)
        self.model = self.task.build_model()
        self.search = experiment.task.search


@pytest.fixture(scope="module")
def opened() -> Opened:
    return Opened(numbers())


@pytest.fixture(scope="module")
def spoken(tmp_path_factory) -> Opened:
    """A model of two languages, asked for the second unless it is told otherwise."""
    data = two_languages(tmp_path_factory.mktemp("spoken"))
    values = read_yaml(NUMBERS, "numbers")
    values["model"]["vocabulary_size"] = data["vocabulary_size"]
    values["task"]["target_language"] = "fr"
    return Opened(Experiment.parse({**values, "data": data}))


@pytest.fixture(scope="module")
def asked(spoken) -> KerasProgram:
    """What is served of the model of two languages."""
    return KerasProgram(spoken.signatures.serving(spoken.model))


@pytest.fixture(scope="module")
def examples(opened) -> list:
    return list(opened.signatures.examples("test", 3))


@pytest.mark.parametrize("wiring", WIRINGS)
def test_a_device_computes_what_the_model_does(wiring, examples):
    """Steps in three parts are the model's logits; its search is the one in graphs."""
    made = Opened(numbers(model={"wiring": wiring, "init_state": "encoder_final"}))
    program = KerasProgram(made.signatures.device(made.model))
    assert program.endpoints == ("encode", "lowest_step", "attend", "upper_step")
    for batch in examples:
        found = made.signatures.outputs(program, batch)
        inputs = {"source": batch["source"], "target": batch["target"]}
        np.testing.assert_allclose(
            found["logits"], made.model(inputs)["logits"], atol=1e-5
        )
    best = translate(made.model, examples[0]["source"], made.search)
    found = made.signatures.outputs(program, examples[0])["translation"][0]
    ids = best.ids.numpy()[0, 0, : len(found)]
    np.testing.assert_array_equal(found, ids)
    assert best.lengths[0, 0] == len(found)


def test_sentences_that_are_too_long_are_refused(opened):
    program = KerasProgram(opened.signatures.device(opened.model))
    with pytest.raises(DataError, match=r"at most 24 pieces.*Received 121"):
        opened.signatures.predict(program, "y" * 119)


def test_what_is_served(opened, examples):
    program = KerasProgram(opened.signatures.serving(opened.model))
    assert program.endpoints == ("translate", "translate_ids", "score")
    source = examples[0]["source"]
    expected = translate(
        opened.model, source, opened.search.model_copy(update={"n_best": 3})
    )
    found = program("translate_ids", {"source": source})
    for name, values in expected._asdict().items():
        np.testing.assert_allclose(found[name], values, rtol=1e-5, err_msg=name)
    text = opened.task.show(source[0])
    said = program("translate", {"text": np.array([text])})
    assert said["translation"].shape == (1, 3)
    for n, answer in enumerate(said["translation"][0]):
        assert answer.decode() == opened.task.show(found["ids"][0, n])
    np.testing.assert_allclose(said["score"], found["scores"], rtol=1e-5)
    inputs = {"source": source, "target": examples[0]["target"]}
    scored = program("score", inputs)
    for name, values in opened.model(inputs).items():
        np.testing.assert_allclose(scored[name], values, rtol=1e-4, atol=1e-6)


def test_agreement_is_of_whole_translations(opened):
    logits = np.zeros((1, 4, 5), np.float32)

    def made(*tokens):
        return {"logits": logits, "translation": np.array([tokens])}

    agreement = opened.signatures.agreement
    assert agreement(made(5, 6, 2), made(5, 6, 2, 0, 0)).tolist() == [[True] * 4]
    assert agreement(made(5, 6, 2), made(5, 7, 2)).tolist() == [[False] * 4]


def test_calibration_walks_through_right_translations(opened):
    program = KerasProgram(opened.signatures.device(opened.model))
    calls = list(opened.signatures.calibration(program, 2))
    pairs = list(opened.signatures._batches("train").take(2))
    steps = sum(batch["target"].shape[1] for batch in pairs)
    names = [name for name, _ in calls]
    assert [names.count(name) for name in program.endpoints] == [2, *[steps] * 3]
    told = [inputs["tokens"][0] for name, inputs in calls if name == "lowest_step"]
    assert told == [token for batch in pairs for token in batch["target"][0].numpy()]


def test_a_language_is_asked_for(spoken, asked):
    vocabulary = spoken.task.vocabulary
    pieces = spoken.task._source._pieces("b a d")
    answers = {}
    for language in ("ba", "fr"):
        said = asked(
            "translate",
            {"text": np.array(["b a d"]), "target_language": np.array([language])},
        )
        ids = np.array([[vocabulary.language_id(language), *pieces]], np.int32)
        found = asked("translate_ids", {"source": ids})
        np.testing.assert_allclose(said["score"], found["scores"], rtol=1e-5)
        answers[language] = found["scores"][0, 0]
    assert abs(answers["ba"] - answers["fr"]) > 1e-4
    ours = spoken.signatures.predict(asked, "b a d")[0].score
    assert ours == pytest.approx(answers["fr"], rel=1e-5)
    wrong = {"text": np.array(["b"]), "target_language": np.array(["xx"])}
    with pytest.raises(tf.errors.InvalidArgumentError, match="one of ba, fr"):
        asked("translate", wrong)


def test_text_is_composed_before_it_is_cut(spoken, asked):
    """Of an accent the two forms that Unicode has are one."""
    scores = []
    for text in ("\u00e9 a", "e\u0301 a"):
        given = {"text": np.array([text]), "target_language": np.array(["fr"])}
        scores.append(asked("translate", given)["score"][0, 0])
        scores.append(spoken.signatures.predict(asked, text)[0].score)
    assert scores == pytest.approx([scores[0]] * 4, rel=1e-5)
