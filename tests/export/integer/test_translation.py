"""The whole of GNMT in integers against the model in floating point."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest

import tfmodels
from export.integer.program import IntegerProgram
from export.integer.writing import integers
from export.integer.writing import write_integer
from export.interfaces import Job
from export.loading import open_program
from export.translating import DeviceTranslator
from tfmodels.decoding.config import BeamSearchConfig
from tfmodels.errors import ConfigError

SMALL = {
    "vocabulary_size": 13,
    "embedding_dim": 16,
    "hidden_dim": 16,
    "attention_dim": 8,
    "encoder_layers": 3,
    "decoder_layers": 3,
    "initial": {"kind": "scaled", "embedding_std": 0.5, "input_gain": 2.5},
}
WIDER = {
    "wiring": "gnmt_v2",
    "init_state": "encoder_final",
    "first_context": "zeros",
    "normed_attention": True,
    "share_embedding": False,
    "softmax_bias": True,
    "clip": {"end": 2.0},
}
SOURCE, TARGET = np.int32([5, 12, 7, 7, 4, 2]), np.int32([1, 9, 4, 8, 11, 6, 3])
SEARCH = BeamSearchConfig(beam_width=2)


def build(**changes: Any) -> keras.Model:
    keras.utils.set_random_seed(3)
    model = tfmodels.build("gnmt", **{**SMALL, **changes})
    random = np.random.default_rng(0)
    for variable in model.trainable_variables:
        if variable.path.endswith("bias"):
            variable.assign(random.normal(0, 0.3, variable.shape))
    # Scores that matter.
    model.softmax.assign(6 * model.softmax)
    return model


def program(model: keras.Model, folder: Path) -> IntegerProgram:
    run = SimpleNamespace(experiment=SimpleNamespace(model=model))
    made = write_integer(Job(run, model, None, folder))
    [(kind, path)] = made.items()
    return open_program(kind, folder / path)


@pytest.mark.parametrize(
    "changes", [{}, {"wiring": "bottom_query", "tie_softmax": True}, WIDER]
)
def test_scores_are_those_of_the_model(changes: dict[str, Any], tmp_path: Path):
    model = build(**changes)
    engine = program(model, tmp_path)
    translator = DeviceTranslator(engine, 8, model.config.wiring, SEARCH)
    made = np.stack([*translator.told(SOURCE, TARGET)])
    again = DeviceTranslator(
        IntegerProgram(tmp_path / "integer"), 8, model.config.wiring, SEARCH
    )
    assert np.array_equal(made, np.stack([*again.told(SOURCE, TARGET)]))
    batch = {"source": SOURCE[None], "target": TARGET[None]}
    expected = model(batch)["logits"][0].numpy()
    error = np.abs(made - expected)
    assert np.ptp(expected) > 1
    assert error.max() < 0.05 * np.ptp(expected)
    # Rounding that does nothing would be none.
    assert error.max() > 1e-5


def test_what_is_described_is_what_runs(tmp_path: Path):
    model = build()
    engine = program(model, tmp_path)
    entries = engine.describe("integer").endpoints
    assert tuple(entries) == engine.endpoints
    known: dict[str, Any] = {"source": SOURCE[None], "tokens": np.int32([3])}
    for name, entry in entries.items():
        assert engine.inputs(name).keys() == entry.inputs.keys()
        known["query"] = known.get("lowest", np.zeros([1, 1, 16]))[:, 0]
        made = engine(name, {key: known[key] for key in entry.inputs})
        assert made.keys() == entry.outputs.keys()
        for key, array in made.items():
            sizes = entry.outputs[key].shape
            assert array.dtype == np.float32
            assert len(sizes) == array.ndim
            assert all(a in (None, b) for a, b in zip(sizes, array.shape, strict=True))
            if scale := entry.outputs[key].quantization:
                states = array / scale.scale
                np.testing.assert_allclose(states, np.rint(states), atol=0.01)
        known |= made
    matrices = integers(model).matrices
    assert {x.values.dtype for x in matrices.values()} == {np.dtype(np.int8)}


def test_padding_and_the_rows_beside_change_nothing(tmp_path: Path):
    engine = program(build(), tmp_path)
    other = np.int32([8, 6, 9, 10, 4, 3, 11, 2])
    both = np.stack([np.pad(SOURCE, (0, 2)), other])
    alone = engine("encode", {"source": SOURCE[None]})
    made = engine("encode", {"source": both})
    mine, padded = alone["memory_encodings"][0], made["memory_encodings"][0]
    assert np.array_equal(mine, padded[:6])
    np.testing.assert_allclose(
        alone["state_context"][0], made["state_context"][0], atol=1e-6
    )
    assert not made["state_attention"][0, 6:].any()


@pytest.mark.parametrize(
    "changes", [{"cell": "standard"}, {"num_biases": 1}, {"clip": None}]
)
def test_models_of_other_cells_are_refused(changes: dict[str, Any]):
    with pytest.raises(ConfigError, match=r"Expected model\.cell: gnmt, without"):
        integers(build(**changes))


def test_weights_that_were_never_kept_in_bounds_are_worse(tmp_path: Path):
    large = {"kind": "scaled", "embedding_std": 0.5, "input_gain": 8.0}
    free, kept = build(clip=None, initial=large), build(initial=large)
    kept.set_weights(free.get_weights())
    translator = DeviceTranslator(
        program(kept, tmp_path), 8, kept.config.wiring, SEARCH
    )
    made = np.stack([*translator.told(SOURCE, TARGET)])
    batch = {"source": SOURCE[None], "target": TARGET[None]}
    of_free, of_kept = (
        np.abs(made - model(batch)["logits"][0].numpy()).max() for model in (free, kept)
    )
    assert of_free > 5 * of_kept
