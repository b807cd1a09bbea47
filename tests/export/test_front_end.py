"""The front end as it leaves: the same energies, in products that stay exact."""

from itertools import pairwise

import numpy as np
import pytest

from export.front_end import ExactLogMel
from export.front_end import groups
from tfmodels.audio.log_mel import LogMel
from tfmodels.audio.log_mel import mel_triangles


def test_the_energies_are_the_same() -> None:
    random = np.random.default_rng(0)
    samples = random.uniform(-0.5, 0.5, [2, 3000]).astype(np.float32)
    settings = {"sample_rate": 8000, "num_bins": 40, "upper_hz": 3800.0}
    lengths = np.array([3000, 2000], np.int32)
    ours = ExactLogMel(**settings)(samples, lengths)
    np.testing.assert_allclose(ours, LogMel(**settings)(samples, lengths), rtol=1e-5)


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
