"""Speech in chunks: the same memory as that of the whole."""

import numpy as np
import pytest

from tests.tfmodels.las.small import CONDITIONINGS
from tests.tfmodels.las.small import batch
from tests.tfmodels.las.small import build
from tests.tfmodels.las.small import quick
from tfmodels.errors import ConfigError
from tfmodels.las.streaming import frames_per_encoding
from tfmodels.las.streaming import joined

PAIRED = {"left": 3, "encoder": {"pair_after": [1, 2]}}


VARIANTS = {
    "plain": {"conditioning": CONDITIONINGS["weight"]},
    "no_left": {"left": 0},
    "paired": {**PAIRED, "conditioning": {"kind": "layer", "at": "both"}},
}


@pytest.mark.parametrize("name", quick(VARIANTS, "paired"))
def test_chunks_make_the_whole(name):
    model = build(**VARIANTS[name])
    group = frames_per_encoding(model.config)
    examples = batch(lengths=(27, 17, 2), longest=32)
    whole = model.encode(examples)
    state, begin, chunks = model.first_chunk_state(examples), 0, []
    for size in (8, 16, 8):
        assert size % group == 0
        part = {
            "features": examples["features"][:, begin : begin + size],
            "lengths": np.clip(examples["lengths"] - begin, 0, size),
            "variety": examples["variety"],
        }
        chunk, state = model.encode_chunk(part, state)
        assert chunk["mask"].shape[1] == size // group
        chunks.append(chunk)
        begin += size
    memory = joined(chunks)
    np.testing.assert_array_equal(memory["mask"], whole["mask"])
    for name in ("keys", "values", "variety"):
        np.testing.assert_allclose(memory[name], whole[name], atol=1e-6)
    decoded = model.decode_targets(memory, examples["target"])
    np.testing.assert_allclose(decoded["logits"], model(examples)["logits"], atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "frames", "words"),
    [
        ({"encoder": {"bidirectional": True}}, 8, "bidirectional"),
        ({"left": 0, "stride": 1, "encoder": {"convolutions": [2]}}, 8, "convolutions"),
        (PAIRED, 12, "multiple of 8"),
    ],
)
def test_what_cannot_be_encoded_in_chunks_is_refused(settings, frames, words):
    model = build(**settings)
    examples = batch(lengths=(8, 6, 3), longest=frames)
    state = model.first_chunk_state(examples)
    with pytest.raises(ConfigError, match=words):
        model.encode_chunk(examples, state)
