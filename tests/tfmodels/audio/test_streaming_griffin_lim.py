"""Sound of spectra that come bit by bit, beside that of whole ones."""

import numpy as np
import pytest
import tensorflow as tf

from tests.tfmodels.audio.test_mel_spectrogram import vowel
from tfmodels.audio.griffin_lim import GriffinLim
from tfmodels.audio.mel_spectrogram import MelSpectrogram
from tfmodels.audio.presets import PRESETS
from tfmodels.audio.streaming_griffin_lim import StreamingGriffinLim
from tfmodels.metrics.cepstral_distortion import cepstral_distortion

PRESET = PRESETS["small"]


def streamed(mel: np.ndarray, size: int, **options: int) -> list[np.ndarray]:
    stream = StreamingGriffinLim(PRESET, **options)
    parts = [stream.feed(mel[at : at + size]) for at in range(0, len(mel), size)]
    return [*parts, stream.finish()]


def test_parts_sound_as_the_whole():
    layer = MelSpectrogram(PRESET)
    mel = layer(vowel(0.8)[None]).numpy()[0]
    parts = streamed(mel, 7, chunk=12, ahead=5)
    sound = np.concatenate(parts)
    assert len(sound) == PRESET.hop * len(mel)
    # It does not wait for the end.
    assert sum(len(part) > 0 for part in parts) >= 4
    again = layer(sound[None]).numpy()[0, : len(mel)]
    found = cepstral_distortion(mel, again).decibel
    whole = GriffinLim(PRESET)(mel[None], tf.constant([len(mel)]))
    best = cepstral_distortion(mel, layer(whole).numpy()[0, : len(mel)]).decibel
    assert found < best + 0.5
    # No click where parts meet: no leap that the vowel itself does not have.
    assert np.abs(np.diff(sound)).max() < 1.5 * np.abs(np.diff(whole[0])).max()


@pytest.mark.slow
def test_a_short_one_is_the_whole():
    mel = MelSpectrogram(PRESET)(vowel(0.1)[None]).numpy()[0]
    whole = GriffinLim(PRESET)(mel[None], tf.constant([len(mel)]))
    found = np.concatenate(streamed(mel, 100))
    np.testing.assert_allclose(found, whole[0], atol=1e-2)
    assert not len(np.concatenate(streamed(mel[:0], 1)))
