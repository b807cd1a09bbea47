"""The functions exported for speech recognition, on recordings of tones."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from export.flatbuffer import operators
from export.lite_runtime import LiteProgram
from export.lite_runtime import LitePrograms
from export.runtime import KerasProgram
from export.runtime import SavedModelProgram
from export.saved_model import write_saved_model
from export.tflite import convert
from export.transcribing import Partial
from export.transcribing import transcribe
from tests.export.recognising import Opened
from tests.export.recognising import recogniser
from tests.trainers.tasks.test_language_models import LANGUAGE
from tests.trainers.tasks.test_language_models import write_run
from tfmodels.decoding.translation import translate
from tfmodels.errors import ConfigError
from trainers.experiment import Experiment

pytestmark = pytest.mark.slow  # they share what is converted

TOLD = ("audio", "audio_len", "variety")


@pytest.fixture(scope="module")
def opened(tmp_path_factory) -> Opened:
    return Opened(recogniser(tmp_path_factory.mktemp("tones")))


@pytest.fixture(scope="module")
def examples(opened) -> list:
    return list(opened.signatures.examples("test", 3))


@pytest.fixture(scope="module")
def reference(opened) -> KerasProgram:
    return KerasProgram(opened.signatures.device(opened.model))


@pytest.fixture(scope="module")
def content(opened) -> bytes:
    return convert(opened.model, opened.signatures.device, "float32")


@pytest.fixture(scope="module")
def lite(content, tmp_path_factory) -> LiteProgram:
    path = tmp_path_factory.mktemp("lite") / "model.tflite"
    path.write_bytes(content)
    return LiteProgram(path)


class Overlaid:
    """A program some of whose endpoints are another's."""

    def __init__(self, program, over) -> None:
        self._program, self.over = program, over
        self.endpoints = program.endpoints

    def _of(self, endpoint):
        return self.over if endpoint in self.over.endpoints else self._program

    def inputs(self, endpoint):
        return self._of(endpoint).inputs(endpoint)

    def __call__(self, endpoint, inputs):
        return self._of(endpoint)(endpoint, inputs)


def source_of(batch: dict[str, Any]) -> dict[str, Any]:
    """What the model encodes, from the features that the pipeline made."""
    length = batch["lengths"][0]
    return {
        **{n: batch[n] for n in ("lengths", "variety")},
        "features": batch["features"][:, :length],
    }


def test_keras_answers_as_the_model_does(opened, examples, reference) -> None:
    """From samples: the front end of the endpoints is that of the pipeline."""
    signatures = opened.signatures
    for batch in examples:
        found = signatures.outputs(reference, batch)
        inputs = {**source_of(batch), "target": batch["target"]}
        there = batch["weight"][0] > 0
        expected = opened.model(inputs)["logits"].numpy()
        expected -= np.logaddexp.reduce(expected, axis=-1, keepdims=True)
        np.testing.assert_allclose(
            found["logits"][0, there], expected[0, there], atol=1e-3
        )
        best = translate(opened.model, source_of(batch), signatures._search)
        np.testing.assert_array_equal(found["recognised"], best.ids)
        ids = best.ids[0, 0, : best.lengths[0, 0]]
        np.testing.assert_array_equal(found["found_by_steps"], ids)
        assert signatures.agreement(found, found).all()
        other = {**found, "found_by_steps": found["found_by_steps"][1:]}
        assert not signatures.agreement(found, other).any()


def test_a_file_for_a_device_answers_the_same(
    opened, examples, reference, content, lite
) -> None:
    assert all(operator.builtin for operator in operators(content))
    assert set(lite.endpoints) == set(reference.endpoints)
    for batch in examples:
        expected = opened.signatures.outputs(reference, batch)
        found = opened.signatures.outputs(lite, batch)
        np.testing.assert_array_equal(found["recognised"], expected["recognised"])
        for name in ("logits", "variety_probs"):
            np.testing.assert_allclose(found[name], expected[name], atol=1e-3)
        sound = {name: batch[name] for name in TOLD[:2]}
        untold = [p("recognize_untold", sound) for p in (reference, lite)]
        np.testing.assert_array_equal(untold[1]["tokens"], untold[0]["tokens"])


def test_steps_of_integers(opened, examples, reference, lite, tmp_path) -> None:
    """They have no floating-point tensor, and give nearly the same scores."""
    signatures = opened.signatures
    samples = list(signatures.calibration(reference, 8))
    assert {name for name, _ in samples} == {"lowest_step", "upper_step"}
    for name in ("lowest_step", "upper_step"):
        own = [sample for sample in samples if sample[0] == name]
        path = tmp_path / f"{name}.tflite"
        path.write_bytes(
            convert(
                opened.model,
                lambda model, name=name: {name: signatures.device(model)[name]},
                "int8",
                own,
            )
        )
    program = Overlaid(lite, LitePrograms(tmp_path))
    entry = program.over.describe("").endpoints["upper_step"]
    assert {x.dtype for x in (entry.inputs | entry.outputs).values()} == {"int8"}
    for batch in examples:
        expected, found = (signatures.outputs(p, batch) for p in (reference, program))
        spread = np.ptp(expected["logits"])
        error = np.abs(found["logits"] - expected["logits"]).max()
        assert 1e-4 * spread < error < 0.1 * spread


def test_what_is_served(opened, lite, tmp_path) -> None:
    """Twenty recordings together: what the file for a device says of each alone."""
    # Of the others none does what this one does not.
    endpoints = {"recognize": opened.signatures.serving(opened.model)["recognize"]}
    write_saved_model(opened.model, endpoints, tmp_path / "m")
    served = SavedModelProgram(tmp_path / "m")
    examples = list(opened.signatures.examples("train", 20))
    assert len(examples) == 20
    longest = max(batch["audio_len"][0] for batch in examples)
    together = {
        name: np.concatenate([batch[name] for batch in examples]) for name in TOLD[1:]
    }
    together["audio"] = np.concatenate(
        [
            np.pad(b["audio"], [[0, 0], [0, longest - b["audio_len"][0]]])
            for b in examples
        ]
    )
    made = served("recognize", together)
    for row, batch in enumerate(examples):
        alone = lite("recognize", {name: batch[name] for name in TOLD})
        ids = alone["tokens"][0, 0]
        np.testing.assert_array_equal(made["tokens"][row, 0, : len(ids)], ids)
        assert made["text"][row, 0].decode() == opened.task.show(ids)
        posterior = made["variety_posterior"][row]
        np.testing.assert_allclose(posterior, alone["variety_posterior"][0], atol=1e-4)
        assert posterior.sum() == pytest.approx(1, abs=1e-5)


def test_sound_that_comes_in_parts(opened, examples, reference, lite) -> None:
    """The last answer is that of the whole; what is stable is not taken back."""
    changed = 0
    for batch in examples:
        told = {name: batch[name] for name in TOLD}
        whole = opened.task.show(reference("recognize", told)["tokens"][0, 0])
        for program in (reference, lite):
            transcriber = opened.signatures.transcriber(program, batch["variety"][0])
            *partials, last = transcribe(transcriber, batch["audio"][0], 500)
            assert last == Partial(whole, "")
            stable = [partial.stable for partial in partials]
            for before, after in pairwise(stable):
                assert after.startswith(before)
            changed += len({str(partial) for partial in partials})
    assert changed > len(examples)


def test_a_variety_that_changes_while_one_speaks(opened, examples, tmp_path) -> None:
    """Artefacts are told it in each frame, streams in each part, as the task is."""
    second = 0.3
    changes = {0.0: {"de": 1.0}, second: {"en-us": 3.0, "en-gb": 1.0}}
    mixed = Opened(recogniser(tmp_path, task={"believed_from": changes}))
    mixed.model.set_weights(opened.model.get_weights())
    program = KerasProgram(mixed.signatures.device(mixed.model))
    path = tmp_path / "model.tflite"
    path.write_bytes(convert(mixed.model, mixed.signatures.device, "float32"))
    lite = LiteProgram(path)
    batch = examples[0]
    given = {name: batch[name] for name in ("audio", "audio_len")}
    source = source_of(batch)
    wanted = mixed.signatures._search
    heard = mixed.task.listener.untold(mixed.model, source, wanted)
    for made in (program("recognize_untold", given), lite("recognize_untold", given)):
        np.testing.assert_array_equal(made["tokens"], heard.hypotheses.ids)
        np.testing.assert_allclose(made["scores"], heard.hypotheses.scores, atol=1e-3)
    told = opened.task.listener.untold(opened.model, source, wanted).hypotheses
    assert np.abs(told.scores - heard.hypotheses.scores).max() > 5e-3
    # A part is told what holds at its beginning.
    parts: list[np.ndarray] = []

    class Noting:
        def inputs(self, name):
            return program.inputs(name)

        def __call__(self, name, inputs):
            if name == "stream_chunk":
                parts.append(inputs["variety"][0])
            return program(name, inputs)

    transcriber = mixed.signatures.transcriber(Noting())
    list(transcribe(transcriber, batch["audio"][0], 500))
    hop = mixed.signatures._chunks.hop / mixed.task.front_end.sample_rate
    expected = [
        [1, 0, 0] if number * hop < second else [0, 0.25, 0.75]
        for number in range(len(parts))
    ]
    np.testing.assert_allclose(parts, expected, atol=1e-6)


def test_only_letters_of_a_variety(opened, examples, tmp_path) -> None:
    """With the allow-list {de} no letter of English comes, however likely it is."""
    limited = Opened(recogniser(tmp_path, task={"restrict_characters": True}))
    graphemes = limited.task.graphemes
    german = np.array([name == "de" for name in limited.task.varieties], np.float32)
    allowed = set(np.flatnonzero(graphemes.mask(["de"])))
    english = ~graphemes.mask(["de"]) & ~graphemes.is_special
    assert english.any()
    bias = limited.model.bias.numpy()
    limited.model.bias.assign(bias + 20 * english)
    free, bound = (
        KerasProgram(each.signatures.device(limited.model))
        for each in (opened, limited)
    )
    for batch in examples[:2]:
        told = {**{name: batch[name] for name in TOLD}, "variety": german[None]}
        said = [
            set(program("recognize", told)["tokens"].flat) for program in (free, bound)
        ]
        assert said[0] & set(np.flatnonzero(english))
        assert said[1] - {0} <= allowed
        transcriber = limited.signatures.transcriber(bound, german)
        *_, last = transcribe(transcriber, batch["audio"][0], 1000)
        assert set(limited.task.units(last.stable)) <= allowed


def test_encoders_that_hear_the_end_first_do_not_stream(tmp_path) -> None:
    both = Opened(
        recogniser(
            tmp_path,
            model={
                "encoder": {"bidirectional": True, "num_layers": 1, "hidden_dim": 4}
            },
        )
    )
    endpoints = both.signatures.device(both.model)
    assert "stream_chunk" not in endpoints
    assert "streaming" not in both.signatures.preprocessing()
    with pytest.raises(ConfigError, match="not spoken yet"):
        next(both.signatures.stream(KerasProgram(endpoints), "absent.wav"))


def test_language_models_go_with_an_export(tmp_path) -> None:
    """The device finds what the task's search finds with them."""
    experiment = recogniser(tmp_path)
    values = {**experiment.plain(), **LANGUAGE}
    write_run(tmp_path / "language", Experiment.parse(values), seed=1)
    settings = {
        "language_models": {"all": str(tmp_path / "language")},
        "language_weight": 0.5,
        "rescoring": {"language_weight": 0.2, "word_reward": 0.2},
    }
    opened = Opened(recogniser(tmp_path, task=settings))
    content = convert(
        opened.model,
        lambda model: {"recognize": opened.signatures.device(model)["recognize"]},
        "float32",
    )
    (tmp_path / "model.tflite").write_bytes(content)
    lite = LiteProgram(tmp_path / "model.tflite")
    alone = 0
    for batch in opened.signatures.examples("test", 5):
        found = lite("recognize", {name: batch[name] for name in TOLD})
        memory = opened.model.encode(source_of(batch))
        search = opened.signatures._search
        expected = opened.task.listener.remembered(opened.model, memory, search)
        np.testing.assert_array_equal(found["tokens"], expected.hypotheses.ids)
        np.testing.assert_allclose(
            found["scores"], expected.hypotheses.scores, rtol=1e-3
        )
        best = translate(opened.model, source_of(batch), search)
        alone += np.array_equal(best.ids[0, 0], expected.hypotheses.ids[0, 0])
    assert alone < 5
