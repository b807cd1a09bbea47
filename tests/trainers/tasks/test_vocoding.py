"""The task of vocoding: windows of recordings, a run as a vocoder, a teacher."""

import numpy as np
import pytest
import tensorflow as tf

from tests.trainers.speaking import synthesiser
from tests.trainers.speaking import write_voices
from tests.trainers.tasks.test_language_models import write_run
from tfmodels.errors import ConfigError
from tfmodels.wavernn.model import as_samples
from trainers.experiment import Experiment
from trainers.stages import open_task

MODEL = {
    "kind": "wavernn",
    "mel_bins": 40,
    "hidden_dim": 4,
    "upsampling": [16, 16],
    "channels": 2,
}


def vocoder(data, /, **changes) -> Experiment:
    values = {
        **synthesiser(data).plain(),
        "task": {"kind": "vocoding", "frames": 2},
        "model": MODEL,
        "objective": {
            "kind": "cross_entropy",
            "auxiliary_weights": {"fine_logits": 1.0},
        },
    }
    for section, change in changes.items():
        values[section] = {**values[section], **change}
    return Experiment.parse(values)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_voices(tmp_path_factory.mktemp("voices"))


@pytest.fixture(scope="module")
def task(data):
    experiment = vocoder(data)
    return open_task(experiment, experiment.data)


def test_windows_are_parts_of_recordings(task, data):
    """Spectra and samples of the same place, found again in the whole utterance."""
    split = task._source.split("train")
    seen = set()
    for batch in task.dataset("train").take(6).as_numpy_iterator():
        assert batch["mel"].shape == (4, 2 + 4, 40)
        assert batch["coarse"].shape == (4, 513)
        np.testing.assert_array_equal(batch["label"], batch["coarse"][:, 1:])
        for row, number in enumerate(batch["index"]):
            index = tf.constant([number])
            length = int(split.lengths[number])
            mel, _ = split.features().read(index, index, length)
            sound = split.corpus.audio(index, index, 256 * length).numpy()[0]
            middle = batch["mel"][row, 2]
            (place,) = np.flatnonzero(np.all(np.abs(mel[0] - middle) < 1e-6, axis=-1))
            found = as_samples(batch["coarse"][row, 1:], batch["fine"][row, 1:])
            expected = sound[256 * place : 256 * place + 512]
            np.testing.assert_allclose(found[: len(expected)], expected, atol=4e-5)
            seen.add((number, place))
    assert len({number for number, _ in seen}) == 12
    assert len(seen) > 12
    held_out = [b["weight"].shape for b in task.dataset("test").as_numpy_iterator()]
    assert held_out == [(4, 512)] * 2


@pytest.mark.slow
def test_a_synthesiser_speaks_through_it(data, tmp_path):
    """A run of it is a vocoder, if it is one, of the same spectra."""
    write_run(tmp_path / "sound", vocoder(data), seed=2)
    write_run(tmp_path / "text", synthesiser(data), seed=1)
    folder = str(tmp_path / "sound")
    experiment = synthesiser(data, task={"vocoder": folder})
    opened = open_task(experiment, experiment.data)
    model = opened.build_model()
    model.decoder.stop_bias.assign([50.0])
    spoken = opened.predict(model, "ab")
    assert len(spoken.samples) == 3 * 256
    # Drawn, not Griffin and Lim's: 16 bits exactly.
    scaled = spoken.samples * 2**15
    np.testing.assert_array_equal(scaled, np.rint(scaled))
    again = opened.predict(model, "ab")
    np.testing.assert_array_equal(again.samples, spoken.samples)
    for wrong, reason in (
        (str(tmp_path / "text"), "wavernn"),
        (folder, "other spectra"),
    ):
        change = {} if reason == "wavernn" else {"front_end": "s18"}
        bad = synthesiser(
            data,
            task={"vocoder": wrong},
            data=change,
            model={"mel_bins": 80 if change else 40},
        )
        with pytest.raises(ConfigError, match=rf"task.vocoder.*{reason}"):
            open_task(bad, bad.data)


@pytest.mark.slow
def test_a_teachers_spectra(data, tmp_path):
    """Those that it makes of whole targets; not of data that it does not know."""
    model = write_run(tmp_path / "text", synthesiser(data), seed=1)
    experiment = vocoder(data, task={"teacher": str(tmp_path / "text")})
    task = open_task(experiment, experiment.data)
    read = task._spectra("test")
    text = synthesiser(data)
    other = open_task(text, text.data)
    for batch in other.dataset("test"):
        seed = tf.stack([batch["index"]] * 2, -1)
        made = model({**other.inputs(batch), "seed": seed})["mel_post"]
        made = model.energies(made)
        found, lengths = read(batch["index"], batch["seed"], 30)
        for row, weight in enumerate(batch["weight"]):
            if weight > 0:
                count = int(lengths[row])
                assert count == int(batch["frames"][row])
                np.testing.assert_allclose(
                    found[row, :count], made[row, :count], atol=1e-4
                )
    changed = vocoder(
        data, task={"teacher": str(tmp_path / "text")}, data={"symbols": "bytes"}
    )
    unfit = open_task(changed, changed.data)
    with pytest.raises(ConfigError, match=r"task.teacher.*other symbols"):
        unfit.dataset("test")
