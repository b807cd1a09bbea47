"""The functions exported for speech synthesis, of a model of chords."""

import numpy as np
import pytest

from export.flatbuffer import operators
from export.lite_runtime import LiteProgram
from export.runtime import KerasProgram
from export.runtime import SavedModelProgram
from export.saved_model import write_saved_model
from export.signatures.speech_synthesis import SpeechSynthesisSignatures
from export.speaking import DeviceSynthesizer
from export.speaking import said
from export.tflite import convert
from tests.trainers.speaking import synthesiser
from tests.trainers.speaking import write_voices
from tests.trainers.tasks.test_language_models import drawn
from tfmodels.errors import ConfigError
from trainers.stages import open_task
from trainers.tasks.spoken import joined

pytestmark = pytest.mark.slow  # they share what is converted

TEXT = "abc. bb. cab"


class Opened:
    """A task, a model whose weights are drawn, and its signatures."""

    def __init__(self, folder) -> None:
        self.experiment = synthesiser(write_voices(folder), run={"seed": 3})
        self.task = open_task(self.experiment, self.experiment.data)
        self.model = drawn(self.task.build_model(), 1, 0.4)
        # Texts last a while.
        self.model.decoder.stop_bias.assign([-2.0])
        files = SpeechSynthesisSignatures.files_of(self.task)
        self.signatures = SpeechSynthesisSignatures(self.experiment, files)
        self.reference = KerasProgram(self.signatures.device(self.model))


@pytest.fixture(scope="module")
def opened(tmp_path_factory) -> Opened:
    return Opened(tmp_path_factory.mktemp("voices"))


@pytest.fixture(scope="module")
def examples(opened) -> list:
    return list(opened.signatures.examples("test", 3))


def test_the_hosts_loop_says_what_the_graph_says(opened) -> None:
    """Text, seed, stop and post-net: of several pieces, all that `predict` gives."""
    whole = opened.task.predict(opened.model, TEXT)
    found = opened.signatures.predict(opened.reference, TEXT)
    assert str(found) == str(whole)
    assert len(whole.pieces) == 3
    for one, two in zip(found.pieces, whole.pieces, strict=True):
        assert one.symbols == two.symbols
        np.testing.assert_allclose(one.energies, two.energies, atol=1e-4)
        np.testing.assert_allclose(one.alignment, two.alignment, atol=1e-5)


def test_what_is_streamed_is_the_whole(opened) -> None:
    """Chunks of the post-net are exactly its whole; the sound is as long."""
    device = DeviceSynthesizer(opened.reference, opened.experiment.model)
    script = opened.task.voices.script("abcabc", opened.task.config)
    source, seed = script.rows(0, 1), np.array([[3, 0]])
    whole = said(device, device.steps(source, seed))
    parts = [*device.chunks(device.steps(source, seed))]
    assert len(parts) > 2
    np.testing.assert_allclose(np.concatenate(parts), whole["energies"][0], atol=1e-5)
    streamed = [*opened.signatures.stream(opened.reference, TEXT)]
    together = joined(streamed)
    expected = opened.signatures.predict(opened.reference, TEXT)
    assert len(streamed) > 3
    assert len(together.samples) == len(expected.samples)


@pytest.mark.parametrize(
    ("numbers", "least", "most"),
    [("float32", 0, 1e-5), ("float16", 1e-6, 5e-3), ("dynamic", 1e-5, 0.1)],
)
def test_files_for_a_device(opened, examples, tmp_path, numbers, least, most) -> None:
    content = convert(opened.model, opened.signatures.device, numbers)
    assert all(operator.builtin for operator in operators(content))
    (tmp_path / "model.tflite").write_bytes(content)
    lite = LiteProgram(tmp_path / "model.tflite")
    for batch in examples:
        expected = opened.signatures.outputs(opened.reference, batch)
        found = opened.signatures.outputs(lite, batch)
        for name in ("mel", "energies"):
            error = np.abs(found[name] - expected[name]).max()
            assert least <= error / np.ptp(expected[name]) <= most
        assert opened.signatures.agreement(expected, found).shape == (1,)
        assert opened.signatures.agreement(expected, expected) == 1
        metrics = opened.task.report(opened.task.metrics(found, batch))
        assert 0 <= metrics["ended"] <= 1
    if numbers == "float32":
        # A hundred steps on its own frames.
        device = DeviceSynthesizer(lite, opened.experiment.model)
        other = DeviceSynthesizer(opened.reference, opened.experiment.model)
        made = [
            said(each, each.steps(examples[0], np.array([[1, 2]]), told=None))
            for each in (device, other)
        ]
        np.testing.assert_array_equal(made[0]["lengths"], made[1]["lengths"])
        np.testing.assert_allclose(made[0]["energies"], made[1]["energies"], atol=1e-4)


def test_a_forced_run_hears_the_recording(opened, examples) -> None:
    """The same as the model computes of whole targets."""
    batch = examples[1]
    found = opened.signatures.outputs(opened.reference, batch)
    model = opened.model
    memory = model.encode(opened.task.source(batch))
    steps = found["alignment"].shape[1]
    before = model.normalised(batch["mel"])[:, 2::3]
    before = np.pad(before[:, :-1], [[0, 0], [1, 0], [0, 0]])
    made = model.decoder.run(before, memory, np.array([steps]), batch["seed"], False)
    np.testing.assert_allclose(found["alignment"], made.alignment, atol=1e-5)
    np.testing.assert_allclose(found["mel"], model.energies(made.frames), atol=1e-4)


def test_what_is_served(opened, tmp_path) -> None:
    """Sound of ids, and of texts, several at once, as `predict` makes it."""
    endpoints = opened.signatures.serving(opened.model)
    write_saved_model(opened.model, endpoints, tmp_path / "m")
    served = SavedModelProgram(tmp_path / "m")
    assert {"synthesize", "synthesize_mel", "encode", "decode_step", "postnet"} < set(
        served.endpoints
    )
    expected = opened.task.predict(opened.model, TEXT)
    found = opened.signatures.predict(served, TEXT)
    assert str(found) == str(expected)
    for one, two in zip(found.pieces, expected.pieces, strict=True):
        np.testing.assert_allclose(one.energies, two.energies, atol=1e-4)
    np.testing.assert_allclose(found.samples, expected.samples, atol=0.05)
    made = served(
        "synthesize_text",
        {
            "text": np.array([b"ABC.", b"cab"]),
            "speaker": np.eye(3, dtype=np.float32)[[0, 0]],
            "language": np.eye(2, dtype=np.float32)[[0, 0]],
            "residual": np.zeros([2, 2], np.float32),
            "seed": np.array([[3, 0], [3, 2]]),
        },
    )
    np.testing.assert_allclose(
        made["energies"][1, : made["lengths"][1]],
        expected.pieces[2].energies,
        atol=1e-4,
    )
    assert made["audio_len"][1] == 256 * made["lengths"][1]


def test_ranges_are_not_calibrated(opened) -> None:
    with pytest.raises(ConfigError, match="tflite_dynamic"):
        opened.signatures.calibration(opened.reference, 1)
