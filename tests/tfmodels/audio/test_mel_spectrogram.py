"""Mel spectra of synthesis: numbers agreed in advance, and independence of padding."""

import numpy as np
import pytest
import tensorflow as tf

from tfmodels.audio.griffin_lim import GriffinLim
from tfmodels.audio.mel_spectrogram import MelSpectrogram
from tfmodels.audio.mel_spectrogram import triangles
from tfmodels.audio.presets import PRESETS
from tfmodels.metrics.cepstral_distortion import cepstral_distortion


def sine(rate: int) -> np.ndarray:
    time = np.arange(rate) / rate
    return np.sin(2 * np.pi * 1000 * time).astype(np.float32)[None]


def vowel(seconds: float) -> np.ndarray:
    """Harmonics of a gliding voice under two formants."""
    time = np.arange(round(22_050 * seconds)) / 22_050
    pitch = 110 + 30 * time
    phase = 2 * np.pi * np.cumsum(pitch) / 22_050
    sound = np.zeros_like(time)
    for harmonic in range(1, 60):
        hz = harmonic * pitch
        gain = sum(1 / (1 + ((hz - formant) / 120) ** 2) for formant in (600, 1700))
        sound += gain * np.sin(harmonic * phase)
    return (0.1 * sound).astype(np.float32)


@pytest.mark.parametrize(("name", "peak"), [("z19", 38), ("s18", 24)])
def test_numbers_of_the_papers(name, peak):
    preset = PRESETS[name]
    layer = MelSpectrogram(preset)
    frames = layer(sine(preset.sample_rate)).numpy()
    assert frames.shape == (1, 81, preset.num_bins)
    assert set(frames[0, 5:-5].argmax(axis=-1)) == {peak}
    silence = layer(np.zeros([1, 3000], np.float32)).numpy()
    np.testing.assert_allclose(silence, -4.60517, atol=1e-5)
    expected = tf.signal.linear_to_mel_weight_matrix(
        preset.num_bins,
        preset.fft_size // 2 + 1,
        preset.sample_rate,
        preset.lower_hz,
        preset.upper_hz,
    )
    np.testing.assert_allclose(triangles(preset), expected, atol=2e-4)


def test_slaney_filters_have_area_one_and_their_middles():
    preset = PRESETS["public22k"]
    filters = triangles(preset)
    areas = filters.sum(axis=0) * preset.sample_rate / preset.fft_size
    np.testing.assert_allclose(areas[30:], 1, atol=0.05)
    # Below 1000 Hz, steps of 200 / 3 Hz on the mel scale: 8000 Hz are 45.245 of them.
    step = 45.245 / 81 * 200 / 3
    middles = filters[:, :20].argmax(axis=0) * preset.sample_rate / preset.fft_size
    np.testing.assert_allclose(middles, step * np.arange(1, 21), atol=15)


def test_padding_changes_no_frame():
    layer = MelSpectrogram(PRESETS["small"])
    sound = vowel(0.2)
    alone = layer(sound[None]).numpy()[0]
    padded = np.full([2, len(sound) + 2000], 7, np.float32)
    padded[0, : len(sound)] = sound
    both = layer(padded, tf.constant([len(sound), 3000])).numpy()
    np.testing.assert_allclose(both[0, : len(alone)], alone, atol=1e-5)
    assert not both[0, len(alone) :].any()


def test_a_name_for_each_set_of_numbers():
    assert len({preset.identity for preset in PRESETS.values()}) == len(PRESETS)


def test_sound_comes_back():
    preset = PRESETS["small"]
    layer, sounds = MelSpectrogram(preset), (vowel(0.5), vowel(0.3))
    lengths = tf.constant([len(sound) for sound in sounds])
    batch = np.zeros([2, len(sounds[0])], np.float32)
    for row, sound in enumerate(sounds):
        batch[row, : len(sound)] = sound
    mel, frames = layer(batch, lengths), layer.num_frames(lengths)
    back = GriffinLim(preset)(mel, frames)
    assert back.shape == (2, preset.hop * mel.shape[1])
    assert not back[1, preset.hop * int(frames[1]) :].numpy().any()
    again = layer(back, preset.hop * frames)
    for row, count in enumerate(frames.numpy()):
        found = cepstral_distortion(mel[row, :count], again[row, :count])
        assert found.decibel < 2
    alone = GriffinLim(preset)(mel[1:, : int(frames[1])], frames[1:])
    np.testing.assert_allclose(back[1, : alone.shape[1]], alone[0], atol=1e-3)


def test_the_plain_algorithm_never_gets_worse():
    preset = PRESETS["small"]
    layer = MelSpectrogram(preset)
    mel = layer(vowel(0.3)[None])
    magnitudes = GriffinLim(preset).magnitudes(mel, tf.constant([mel.shape[1]]))

    def far(iterations: int, momentum: float) -> float:
        vocoder = GriffinLim(preset, iterations, momentum)
        sound = vocoder.invert(magnitudes)
        heard = tf.abs(tf.signal.stft(sound, preset.window, preset.hop))
        edges = [[0, 0], [vocoder.edge, vocoder.edge], [0, 0]]
        return float(tf.norm(heard - tf.pad(magnitudes, edges)))

    plain = np.array([far(iterations, 0) for iterations in range(21)])
    assert np.all(np.diff(plain) <= 1e-4 * plain[0])
    assert far(20, 0.99) < plain[-1] < 0.7 * plain[0]
