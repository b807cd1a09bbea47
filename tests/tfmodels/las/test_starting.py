"""A recogniser that is told the variety, begun from one that is not."""

import numpy as np
import pytest

import tfmodels
from tests.tfmodels.las.small import CONDITIONINGS
from tests.tfmodels.las.small import SIZES
from tests.tfmodels.las.small import batch
from tests.tfmodels.las.small import build
from tests.tfmodels.las.small import quick
from tfmodels.errors import ConfigError
from tfmodels.las.starting import start_from


def fresh(**changes):
    return tfmodels.build("las", **{**SIZES, **changes})


def trained():
    return build(conditioning=None, step_head=False)


@pytest.mark.parametrize(
    "name", quick([n for n in CONDITIONINGS if n != "none"], "weight")
)
def test_it_answers_as_the_one_it_begins_from(name):
    model, pooled = fresh(conditioning=CONDITIONINGS[name]), trained()
    start_from(model, pooled, std=0.0)
    examples = batch()
    logits = pooled(examples)["logits"]
    np.testing.assert_allclose(model(examples)["logits"], logits, atol=1e-5)
    start_from(model, pooled, std=0.1)
    moved = np.abs(model(examples)["logits"] - logits).max()
    assert (moved > 1e-4) == (name not in ("rank_one", "adapter"))


def test_only_noise_separates_clusters():
    model = fresh(conditioning={"kind": "layer", "at": "encoder"})
    start_from(model, trained(), std=0.0)
    first, second = model.encoder.stack[0].ways[0].clusters[:2]
    np.testing.assert_array_equal(first.kernel, second.kernel)
    start_from(model, trained(), std=0.01)
    spread = np.std(np.asarray(first.kernel) - np.asarray(second.kernel))
    assert spread == pytest.approx(0.01 * 2**0.5, rel=0.2)


def test_only_a_model_of_these_sizes_will_do():
    with pytest.raises(ConfigError, match="conditioning"):
        start_from(fresh(), fresh())
    with pytest.raises(ConfigError, match="vocabulary_size"):
        start_from(fresh(), fresh(conditioning=None, vocabulary_size=12))
