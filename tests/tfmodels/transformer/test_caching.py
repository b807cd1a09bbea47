"""The Transformer with its cache against the whole graph."""

import numpy as np
import pytest
import tensorflow as tf

import tfmodels
from tests.tfmodels.transformer.test_model import GPT_2
from tests.tfmodels.transformer.test_model import LLAMA
from tests.tfmodels.transformer.test_model import SMALL
from tfmodels.transformer.caching import CachedTransformer
from tfmodels.transformer.config import TransformerConfig


@pytest.mark.parametrize("changes", [{}, LLAMA, GPT_2])
def test_a_prompt_and_single_tokens_say_what_the_whole_graph_says(changes) -> None:
    values = {**SMALL, **changes}
    model = tfmodels.build("transformer", **values)
    random = np.random.default_rng(2)
    for weight in model.trainable_weights:
        weight.assign(weight + random.normal(0, 0.3, weight.shape))
    cached = CachedTransformer(model, TransformerConfig(**values))
    tokens = random.integers(0, 11, (1, 6)).astype(np.int32)
    expected = model(tokens)["logits"]
    heads = values.get("num_key_value_heads") or values["num_heads"]
    assert cached.shape == (2, 6, heads, 8 // values["num_heads"])
    keys = values = tf.zeros(cached.shape)
    # Four tokens, of which the last two only fill up; then the others.
    filled = np.array([[*tokens[0, :2], 9, 3]], np.int32)
    found = cached.step(tf.constant(filled), tf.range(4), keys, values)
    np.testing.assert_allclose(found["logits"][:, :2], expected[:, :2], atol=2e-5)
    for place in range(2, 6):
        found = cached.step(
            tf.constant(tokens[:, place : place + 1]),
            tf.constant([place]),
            found["keys"],
            found["values"],
        )
        np.testing.assert_allclose(
            found["logits"][:, 0], expected[:, place], rtol=1e-4, atol=2e-5
        )
