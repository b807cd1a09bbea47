"""Who judges synthetic speech: what is heard, and who is refused."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.io import wavfile

import trainers
from tests.export.recognising import recogniser
from tests.trainers.speaking import RATE
from tests.trainers.speaking import synthesiser
from tests.trainers.speaking import write_voices
from tfmodels.errors import ConfigError
from tfmodels.errors import DataError
from trainers.configuration import dump
from trainers.data.synthesis.config import SynthesisManifestData
from trainers.data.synthesis.front_end import SynthesisFrontEnd
from trainers.tasks import recognisers
from trainers.tasks.recognisers import open_recogniser
from trainers.tasks.synthesis_listening import Ear


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_voices(tmp_path_factory.mktemp("voices"))


def predict(model, source):
    """What a task says that hears the same in all that is not silent."""
    _, samples = wavfile.read(source)
    if not np.any(samples):
        raise DataError("It is silent.")
    return [SimpleNamespace(text="Abxd")]


@pytest.fixture
def run(monkeypatch):
    """A run that hears a second at most."""
    front_end = SimpleNamespace(longest=100)
    made = SimpleNamespace(
        experiment=SimpleNamespace(task=SimpleNamespace(kind="speech_recognition")),
        task=SimpleNamespace(front_end=front_end, predict=predict),
        model=None,
    )
    monkeypatch.setattr(recognisers, "load_run", lambda folder: made)
    return made


def test_errors_are_shares_of_the_characters_of_the_text(run, data):
    front_end = SynthesisFrontEnd(SynthesisManifestData(**data))
    ear = Ear(front_end, open_recogniser("run", 1.0))
    sound = np.sin(np.arange(RATE / 4, dtype=np.float32))
    assert ear.wrong_characters(sound, "abcd") == 0.25
    assert ear.wrong_characters(sound, "ab") == 1.0
    assert ear.wrong_characters(0 * sound, "abcd") == 1.0
    assert np.isnan(Ear(front_end).wrong_characters(sound, "abcd"))


def test_who_hears_nothing_as_long_is_refused(run):
    with pytest.raises(ConfigError, match=r"task\.recogniser.* 120 frames.* 100\."):
        open_recogniser("run", 1.2)


def test_who_recognises_no_speech_is_refused(run):
    run.experiment.task.kind = "vocoding"
    with pytest.raises(ConfigError, match=r"task\.recogniser.*kind: vocoding"):
        open_recogniser("run", 1.0)


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"task\.recogniser.*nothing"):
        open_recogniser(str(tmp_path / "nothing"), 1.0)


@pytest.mark.slow
def test_a_run_of_either_kind_from_their_files(data, tmp_path):
    experiments = {
        "spoken": synthesiser(data),
        "heard": recogniser(tmp_path, data={"test": ("train",)}),
    }
    for name, experiment in experiments.items():
        path = tmp_path / f"{name}.yaml"
        path.write_text(dump(experiment), encoding="utf-8")
        trainers.train(path, tmp_path / name)
    judged = trainers.evaluate(
        tmp_path / "spoken", [f"task.recogniser={tmp_path / 'heard'}"]
    )
    for kind in ("seen", "crossed", "recorded"):
        assert judged[f"test/character_errors_{kind}"] >= 0
