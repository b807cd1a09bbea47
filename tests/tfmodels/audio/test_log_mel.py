"""The front end: values agreed in advance, TensorFlow's filters, SavedModel, TFLite."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from tfmodels.audio.frames import ExtendEdges
from tfmodels.audio.frames import Splice
from tfmodels.audio.log_mel import LogMel
from tfmodels.audio.log_mel import hann
from tfmodels.audio.log_mel import mel_triangles

TELEPHONE = {"sample_rate": 8000, "num_bins": 40, "lower_hz": 60, "upper_hz": 3800}


def sine(amplitude, rate=16_000):
    time = np.arange(rate) / rate
    return (amplitude * np.sin(2 * np.pi * 1000 * time)).astype(np.float32)[None]


def noise(samples, seed=0, rows=1):
    values = np.random.default_rng(seed).normal(0, 0.1, (rows, samples))
    return values.astype(np.float32)


def test_golden_values_of_a_sine():
    frames = np.asarray(LogMel()(sine(0.5)))
    assert frames.shape == (1, 98, 80)
    assert frames[0, 50].argmax() == 24
    assert frames[0, 50].max() == pytest.approx(14.235, abs=1e-3)
    assert frames[0, 50].mean() == pytest.approx(3.823, abs=1e-3)


def test_silence_is_zero():
    assert not np.any(LogMel()(np.zeros((1, 16_000), np.float32)))


def test_half_the_amplitude_is_ln_2_less():
    loud, soft = (np.asarray(LogMel()(sine(a))) for a in (0.5, 0.25))
    there = soft > 0
    assert there.any()
    np.testing.assert_allclose((loud - soft)[there], np.log(2), atol=1e-4)


@pytest.mark.parametrize(
    ("left", "shape"), [(3, (33, 320)), (2, (33, 240)), (7, (33, 640))]
)
def test_stacked_frames_of_a_second(left, shape):
    frames = LogMel()(sine(0.5))
    longer = ExtendEdges(left, 0)(frames, tf.constant([98]))
    stacked = Splice(range(-left, 1), stride=3)(longer)
    assert stacked.shape == (1, *shape)
    np.testing.assert_array_equal(stacked[0, 1, -80:], frames[0, 3])
    np.testing.assert_array_equal(stacked[0, 0, :80], frames[0, 0])


@pytest.mark.parametrize("settings", [{}, TELEPHONE])
def test_equals_plain_numpy(settings):
    """Frame by frame, as the definition reads; the filters are TensorFlow's."""
    layer = LogMel(**settings)
    rate = layer.sample_rate
    samples = noise(rate // 4)
    window, hop = rate // 40, rate // 100
    filters = tf.signal.linear_to_mel_weight_matrix(
        layer.num_bins, 513, rate, layer.lower_hz, layer.upper_hz
    )
    expected = []
    for start in range(0, samples.size - window, hop):
        frame = 32768.0 * samples[0, start : start + window + 1].astype(np.float64)
        frame = (frame[1:] - 0.97 * frame[:-1]) * tf.signal.hann_window(window).numpy()
        mel = np.abs(np.fft.rfft(frame, 1024)) @ filters.numpy()
        expected.append(np.log(np.maximum(1, mel)))
    actual = np.asarray(layer(samples))[0]
    assert actual.shape == (layer.num_frames(samples.size), layer.num_bins)
    np.testing.assert_allclose(actual, expected, atol=1e-3)


def test_filters_are_tensorflows():
    filters = tf.signal.linear_to_mel_weight_matrix(80, 513, 16_000, 125.0, 7600.0)
    np.testing.assert_allclose(
        mel_triangles(80, 1024, 16_000, 125, 7600), filters, atol=1e-4
    )
    np.testing.assert_allclose(hann(400), tf.signal.hann_window(400), atol=1e-6)


@pytest.mark.parametrize("samples", [0, 1, 200, 201, 280, 281, 282, 1000])
def test_number_of_frames(samples):
    layer = LogMel(**TELEPHONE)
    frames = layer(np.zeros((2, samples), np.float32)).shape[1]
    assert layer.num_frames(samples) == frames
    assert layer.num_frames(tf.constant(samples)) == frames
    assert layer.compute_output_shape((2, samples)) == (2, frames, 40)


def test_padding_is_zero_and_changes_nothing():
    layer = LogMel(**TELEPHONE)
    samples = noise(2000, rows=2)
    lengths = np.array([1500, 2000], np.int32)
    padded = np.asarray(layer(samples, lengths))
    alone = np.asarray(layer(samples[:1, :1500]))
    frames = layer.num_frames(1500)
    np.testing.assert_array_equal(padded[0, :frames], alone[0])
    assert not padded[0, frames:].any()
    assert padded[1].any(axis=-1).all()


def test_survives_being_saved(tmp_path):
    sound = keras.Input((None,), name="samples")
    model = keras.Model(sound, LogMel(**TELEPHONE, name="log_mel")(sound))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    samples = noise(800)
    np.testing.assert_array_equal(again(samples), model(samples))


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The front end of one sound of any length, as a SavedModel."""
    sound = keras.Input((None,), batch_size=1, name="samples")
    model = keras.Model(sound, LogMel()(sound))
    archive = keras.export.ExportArchive()
    archive.track(model)
    signature = [tf.TensorSpec((1, None), tf.float32, name="samples")]
    archive.add_endpoint("serve", model.call, signature)
    folder = str(tmp_path_factory.mktemp("front_end"))
    archive.write_out(folder, verbose=False)
    return folder


def test_saved_model_is_the_same(exported):
    samples = noise(4000)
    served = tf.saved_model.load(exported).serve(samples)
    np.testing.assert_allclose(served, LogMel()(samples), atol=1e-4)


def test_tflite_is_the_same_with_built_in_operations(exported):
    converter = tf.lite.TFLiteConverter.from_saved_model(exported, ["serve"])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    interpreter = Interpreter(model_content=converter.convert())
    names = {op["op_name"] for op in interpreter._get_ops_details()}
    assert not {name for name in names if "Flex" in name or "CUSTOM" in name}
    source = interpreter.get_input_details()[0]["index"]
    for samples in (noise(16_000), noise(3000, seed=1)):
        interpreter.resize_tensor_input(source, samples.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(source, samples)
        interpreter.invoke()
        frames = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
        np.testing.assert_allclose(frames, LogMel()(samples), atol=1e-4)
