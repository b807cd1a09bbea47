"""The task of synthesis on made sounds: shapes, figures of known answers, files."""

import wave

import numpy as np
import pytest
import tensorflow as tf

import trainers
from tests.trainers.speaking import MODEL
from tests.trainers.speaking import synthesiser
from tests.trainers.speaking import write_voices
from tfmodels.errors import ConfigError
from tfmodels.errors import DataError
from tfmodels.tacotron.config import TacotronConfig
from trainers.configuration import dump
from trainers.data.synthesis.config import SynthesisManifestData
from trainers.experiment import RunConfig
from trainers.runs import load_run
from trainers.tasks.config import SpeechSynthesisConfig
from trainers.tasks.speech_synthesis import SpeechSynthesis
from trainers.tasks.spoken import Spoken
from trainers.totals import means


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_voices(tmp_path_factory.mktemp("voices"))


def make(data, **changes):
    return SpeechSynthesis(
        SpeechSynthesisConfig(),
        TacotronConfig.parse({**MODEL, **changes}),
        SynthesisManifestData(**data),
        RunConfig(steps=2),
    )


@pytest.fixture(scope="module")
def task(data):
    return make(data)


def test_all_batches_have_one_shape(task):
    assert task.splits == ("train", "test")
    for split, rows in (("train", 4), ("test", 4)):
        spec = task.dataset(split).element_spec
        assert spec["mel"].shape == (rows, 30, 40)
        assert spec["token"].shape == (rows, 30)
        assert spec["symbols"].shape == spec["tones"].shape == (rows, 8)
    batch = next(iter(task.dataset("train")))
    assert batch["token"].numpy().max() < 7
    assert np.all(batch["token"].numpy()[:, -1] == -1)


def test_terms_are_scaled_by_the_training_split(task):
    # Of 0, 1, 2 and 3 symbols more each voice says 21, 22, 23 and 24 frames.
    assert task.frames_per.utterance == 22.5
    assert task.frames_per.step == 90 / (7 + 8 + 8 + 8)
    assert task.frames_per.symbol == 90 / (3 + 4 + 5 + 6)


def judged(task, change=lambda mel, batch: mel):
    """Figures as if a model had said what was recorded."""
    sums = {}
    for batch in task.dataset("test"):
        token = batch["token"].numpy()[:, 1::3]
        said = {
            "energies": tf.constant(change(batch["mel"].numpy(), batch)),
            "lengths": batch["frames"],
            "alignment": tf.one_hot(token, 8),
            "stop_reason": tf.constant([1, 2, 3, 1]),
        }
        # Attention that the model has one step too late when it hears the recording.
        late = np.pad(token, [[0, 0], [1, 0]])[:, :-1]
        outputs = {"said": said, "alignment": tf.one_hot(late, 8)}
        for name, (a, b) in task.metrics(outputs, batch).items():
            before = sums.get(name, (0, 0))
            sums[name] = (before[0] + a, before[1] + b)
    return means(sums), sums


def tokens(task):
    """The symbol of each frame of each test utterance."""
    return [
        token[:length]
        for batch in task.dataset("test")
        for token, length, weight in zip(
            *(batch[name].numpy() for name in ("token", "frames", "weight")),
            strict=True,
        )
        if weight
    ]


def rounded(token):
    """Frames by which symbols seem to begin later than they do, when each step is of
    the symbol of the middle one of its three frames."""
    begins = [int(np.argmax(token == s)) for s in np.unique(token[token >= 0])]
    return np.array([3 * -(-(b - 1) // 3) - b for b in begins if b])


def test_recordings_themselves_are_perfect(task):
    found, sums = judged(task)
    assert found["mcd_seen"] < 1e-6
    assert found["mcd_crossed"] < 1e-6
    off = [rounded(token) for token in tokens(task)]
    for name, late in (("boundary_ms", 0), ("boundary_ms_taught", 3)):
        frames = np.mean([np.abs(each + late).mean() for each in off])
        assert found[name] == pytest.approx(frames * 256 / 22.05, rel=1e-5)
    assert found["speaker_id_seen"] == found["speaker_id_crossed"] == 1
    assert found["nearer_crossed"] == 1
    for kind in ("seen", "crossed"):
        assert found[f"language_id_{kind}"] == found["language_id_recorded"]
        assert found[f"coverage_{kind}"] == found[f"monotone_{kind}"] == 1
        assert found[f"skips_{kind}"] == found[f"repeats_{kind}"] == 0
        # Through the vocoder and back.
        assert found[f"log_f0_rmse_{kind}"] < 0.02
        assert found[f"voicing_error_{kind}"] < 0.3
        assert found[f"duration_error_{kind}"] == 0
    assert found["language_id_recorded"] >= 0.5
    assert "character_errors_seen" not in found
    assert found["stop_failures"] == pytest.approx(1 / 6)
    # Three voices in two languages, of which each has learned one.
    assert float(sums["mcd_seen"][1]) == float(sums["mcd_crossed"][1]) == 3
    languages = [f"/{language}" for language in task.voices.languages]
    parts = {"boundary_ms": [""], "f0_correlation": languages}
    for name, others in parts.items():
        pairs = [sums[name + kind] for kind in ("_seen", "_crossed")]
        whole = [sums[name + kind] for kind in others]
        np.testing.assert_allclose(np.sum(pairs, 0), np.sum(whole, 0), rtol=1e-5)


def test_a_native_voice_in_place_of_the_wanted_one(task):
    natives = {}
    for batch in task.dataset("test"):
        for mel, speaker, language in zip(
            batch["mel"], batch["speaker"], batch["language"], strict=True
        ):
            natives[int(np.argmax(speaker)), int(np.argmax(language))] = mel.numpy()

    def change(mel, batch):
        chosen = np.argmax(batch["language"], axis=1)
        return np.stack([natives[each, each] for each in chosen])

    found, _ = judged(task, change)
    assert found["nearer_crossed"] == found["speaker_id_crossed"] == 0
    assert found["mcd_crossed"] > 3


def test_models_that_do_not_fit_are_refused(data):
    with pytest.raises(ConfigError, match=r"model.num_symbols.*Expected 6"):
        make(data, num_symbols=7)
    with pytest.raises(ConfigError, match="whole steps"):
        make(data, frames_per_step=4)


def test_what_is_said_is_a_file(tmp_path):
    samples = np.array([0, 0.5, -1, 3], np.float32)
    spoken = Spoken(samples, 16_000, "stop", ("x",))
    assert str(spoken) == "0.00 s of speech, ended by stop; unknown symbols: x"
    spoken.write(tmp_path / "a.wav")
    with wave.open(str(tmp_path / "a.wav")) as file:
        assert (file.getframerate(), file.getnchannels()) == (16_000, 1)
        values = np.frombuffer(file.readframes(9), "<i2")
    np.testing.assert_array_equal(values, [0, 16384, -32767, 32767])
    with pytest.raises(DataError, match="Cannot write"):
        spoken.write(tmp_path / "missing" / "a.wav")


@pytest.mark.slow
def test_a_run_says_a_text(data, tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text(dump(synthesiser(data)), encoding="utf-8")
    metrics = trainers.train(path, tmp_path / "run").metrics
    assert np.isfinite(metrics["test/mcd_crossed"])
    run = load_run(tmp_path / "run", ["task.speaker=s2", "task.accent=es"])
    spoken = run.task.predict(run.model, "cab!")
    assert spoken.unknown == ("!",)
    assert 256 * 3 <= len(spoken.samples) <= 256 * (20 * 32 + 102)
    assert np.all(np.isfinite(spoken.samples))
    for key, text in (("speaker", "abc"), ("accent", "abc")):
        other = load_run(tmp_path / "run", [f"task.{key}=nobody"])
        with pytest.raises(ConfigError, match=rf"task.{key}.*nobody"):
            other.task.predict(other.model, text)
    with pytest.raises(DataError, match="nothing to say"):
        run.task.predict(run.model, "")
