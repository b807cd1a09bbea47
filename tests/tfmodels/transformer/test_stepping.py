"""The Transformer token by token against the whole graph."""

import numpy as np
import pytest
import tensorflow as tf

import tfmodels
from tests.tfmodels.transformer.test_model import SMALL
from tests.tfmodels.transformer.test_model import VARIANTS
from tfmodels.transformer.config import TransformerConfig
from tfmodels.transformer.stepping import SteppingTransformer


def opened(**changes):
    """A model with drawn weights, and its steps."""
    values = {**SMALL, **changes}
    model = tfmodels.build("transformer", **values)
    random = np.random.default_rng(2)
    for weight in model.trainable_weights:
        weight.assign(weight + random.normal(0, 0.3, weight.shape))
    return model, SteppingTransformer(model, TransformerConfig(**values))


def stepped(language, tokens):
    """Logs of what follows each token, float32 [b, T, V]."""
    state, logs = language.initial_state(len(tokens)), []
    for column in tokens.T:
        output = language.step(tf.constant(column), state)
        state = output.state
        logs.append(output.log_probs)
    assert output.attention.shape == (len(tokens), 0)
    return np.stack(logs, axis=1)


@pytest.mark.parametrize("changes", VARIANTS)
def test_steps_say_what_the_whole_graph_says(changes) -> None:
    model, language = opened(**changes)
    tokens = np.random.default_rng(0).integers(0, 11, (3, 6)).astype(np.int32)
    expected = tf.nn.log_softmax(model(tokens)["logits"])
    np.testing.assert_allclose(stepped(language, tokens), expected, atol=2e-5)
    # Its weights are those of then.
    for weight in model.trainable_weights:
        weight.assign(0 * weight)
    np.testing.assert_allclose(stepped(language, tokens), expected, atol=2e-5)


def test_what_is_long_ago_is_forgotten() -> None:
    """With one block: others still remember what a block saw that they see."""
    _, language = opened(num_layers=1)
    tokens = np.random.default_rng(1).integers(0, 11, (2, 9)).astype(np.int32)
    tokens[1] = tokens[0]
    tokens[1, :2] = (tokens[0, :2] + 1) % 11
    logs = stepped(language, tokens)
    np.testing.assert_allclose(np.exp(logs).sum(axis=-1), 1, rtol=1e-5)
    assert np.abs(logs[0, 6] - logs[1, 6]).max() > 1e-4
    np.testing.assert_allclose(logs[0, 7:], logs[1, 7:], atol=1e-6)
