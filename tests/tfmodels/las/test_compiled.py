"""Recognisers compiled by XLA compute the same."""

import numpy as np
import pytest
import tensorflow as tf

from tests.tfmodels.las.small import CONDITIONINGS
from tests.tfmodels.las.small import ENCODERS
from tests.tfmodels.las.small import batch
from tests.tfmodels.las.small import build

pytestmark = pytest.mark.slow

LOCATION = {"kind": "location", "location_reach": 2}
VARIANTS = {
    "mean": {},
    "conv": ENCODERS["conv"],
    "weight": {"conditioning": CONDITIONINGS["weight"]},
    "location": {"attention": LOCATION},
}


@pytest.mark.parametrize("name", VARIANTS)
def test_xla_computes_the_same(name):
    model, examples = build(**VARIANTS[name], encoder_head=True), batch()
    variables = [v.value for v in model.trainable_variables]

    def compute(inputs):
        with tf.GradientTape() as tape:
            outputs = model(inputs, training=True)
            loss = sum(tf.reduce_sum(value**2) for value in outputs.values())
        found = tape.gradient(loss, variables)
        return [outputs["logits"], *map(tf.convert_to_tensor, found)]

    inputs = {name: tf.constant(value) for name, value in examples.items()}
    ours = tf.function(compute, autograph=False)(inputs)
    compiled = tf.function(compute, autograph=False, jit_compile=True)(inputs)
    for one, two in zip(ours, compiled, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-3, atol=1e-4)
