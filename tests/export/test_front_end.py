"""The front end as it leaves: the same energies, in products that stay exact."""

from itertools import pairwise

import keras
import numpy as np
import pytest
import tensorflow as tf

from export.flatbuffer import operators
from export.front_end import ExactLogMel
from export.front_end import groups
from export.interfaces import Endpoint
from export.lite_runtime import LiteProgram
from export.runtime import SavedModelProgram
from export.saved_model import write_saved_model
from export.tflite import convert
from tfmodels.audio.log_mel import LogMel
from tfmodels.audio.log_mel import mel_triangles


def test_the_energies_are_the_same() -> None:
    random = np.random.default_rng(0)
    samples = random.uniform(-0.5, 0.5, [2, 3000]).astype(np.float32)
    settings = {"sample_rate": 8000, "num_bins": 40, "upper_hz": 3800.0}
    lengths = np.array([3000, 2000], np.int32)
    ours = ExactLogMel(**settings)(samples, lengths)
    np.testing.assert_allclose(ours, LogMel(**settings)(samples, lengths), rtol=1e-5)


def test_it_is_the_same_in_a_saved_model_and_in_tflite(tmp_path) -> None:
    log_mel = LogMel()
    samples = keras.Input([None])
    model = keras.Model(samples, log_mel(samples))

    def endpoints(model: keras.Model) -> dict[str, Endpoint]:
        layer = ExactLogMel.from_config(log_mel.get_config())
        spec = tf.TensorSpec([1, None], tf.float32, "audio")
        return {"features": Endpoint(lambda x: {"features": layer(x)}, (spec,))}

    write_saved_model(model, endpoints(model), tmp_path / "saved")
    content = convert(model, endpoints, "float32")
    assert all(operator.builtin for operator in operators(content))
    (tmp_path / "model.tflite").write_bytes(content)
    programs = (
        SavedModelProgram(tmp_path / "saved"),
        LiteProgram(tmp_path / "model.tflite"),
    )
    random = np.random.default_rng(0)
    loudness = np.geomspace(1e-4, 1, 16_000)
    sound = (loudness * random.uniform(-1, 1, [1, 16_000])).astype(np.float32)
    expected = log_mel(sound)
    assert np.ptp(expected) > 5
    for program in programs:
        found = program("features", {"audio": sound})["features"]
        np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.parametrize("bands", [1, 5, 40, 80])
def test_no_product_is_large_enough_to_be_turned_into_integers(bands) -> None:
    triangles = mel_triangles(bands, 1024, 16_000, 125, 7600)
    found = groups(triangles)
    edges = [slice(0, 0), *found, slice(bands, bands)]
    assert all(a.stop == b.start for a, b in pairwise(edges))
    for group in found:
        heard = np.flatnonzero(triangles[:, group].any(axis=1))
        spread = heard[-1] - heard[0] + 1
        assert spread * (group.stop - group.start) < 1024
