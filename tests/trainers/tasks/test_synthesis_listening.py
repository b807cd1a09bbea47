"""Pitch is judged where a vocoder keeps it."""

import numpy as np
import pytest
import tensorflow as tf

from tests.trainers.speaking import RATE
from tests.trainers.speaking import write_voices
from tfmodels.audio.mel_spectrogram import MelSpectrogram
from trainers.data.synthesis.config import SynthesisManifestData
from trainers.data.synthesis.front_end import SynthesisFrontEnd
from trainers.tasks.synthesis_listening import Ear


@pytest.fixture(scope="module")
def front_end(tmp_path_factory):
    data = write_voices(tmp_path_factory.mktemp("voices"))
    return SynthesisFrontEnd(SynthesisManifestData(**data))


def voice(hz, slope):
    """A second of a buzz that begins at a height and rises or falls by a share."""
    time = np.arange(RATE) / RATE
    phase = 2 * np.pi * hz * (time + slope * time**2 / 2)
    buzz = sum(np.sin(n * phase) / n for n in range(1, 30))
    return (0.2 * buzz).astype(np.float32)


def spectrum(front_end, sound):
    return MelSpectrogram(front_end.preset)(tf.constant(sound[None]))[0].numpy()


def test_a_pitch_that_rises_or_falls_as_it_should(front_end):
    ear, right = Ear(front_end), voice(260, 0.3)
    mel = spectrum(front_end, right)
    path = np.repeat(np.arange(len(mel))[:, None], 2, axis=1)
    for slope, sign in ((0.3, 1), (0.2, 1), (-0.2, -1)):
        found = ear.pitch(voice(200, slope), right, path, mel)
        assert sign * found.correlation > 0.9


def test_a_low_voice_in_few_bands_is_not_judged(front_end):
    low = voice(70, 0.3)
    mel = spectrum(front_end, low)
    path = np.repeat(np.arange(len(mel))[:, None], 2, axis=1)
    assert Ear(front_end).pitch(low, low, path, mel) is None
