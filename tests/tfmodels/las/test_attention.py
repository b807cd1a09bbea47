"""Attention of several heads: by hand, by numpy, what each head sees."""

import numpy as np
import pytest

from tests.tfmodels.las.small import draw
from tfmodels.las.attention import Attention
from tfmodels.las.config import AttentionConfig


def some(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def make(query_dim=3, encoding_dim=4, context_dim=6, **settings):
    config = AttentionConfig(**{"heads": 2, "width": 5, **settings})
    attention = Attention(config, query_dim, encoding_dim, context_dim)
    draw(attention)
    return attention


def attended(attention, query, encodings, mask, before=None):
    memory = attention.memory(encodings, mask)
    context, shares = attention.attender(memory)(query, before)
    return np.asarray(context), np.asarray(shares)


def test_by_hand():
    attention = make(2, 2, 2, heads=1, width=2, bias=False, value_projection=False)
    identity = np.eye(2, dtype=np.float32)
    weights = {"query_kernel": identity / 2, "key_kernel": identity, "score": [[1, 2]]}
    for weight in attention.weights:
        weight.assign(weights[weight.name])
    encodings = np.array([[[1, 0], [0, 1], [1, 1]]], np.float32)
    query = np.array([[1, -1]], np.float32)
    context, shares = attended(attention, query, encodings, np.ones((1, 3), "f"))
    np.testing.assert_allclose(shares[0, 0], (0.08751, 0.35680, 0.55569), atol=6e-6)
    # Shares say scores up to what all of them have in common.
    scores, logs = np.array([-0.01909, 1.38635, 1.82938]), np.log(shares[0, 0])
    np.testing.assert_allclose(logs - logs[0], scores - scores[0], atol=2e-5)
    np.testing.assert_allclose(context[0], (0.64320, 0.91249), atol=6e-6)


@pytest.mark.parametrize(
    ("kind", "head_input"),
    [("additive", "all"), ("location", "all"), ("dot", "channel_split")],
)
def test_each_head_is_what_the_formulas_say(kind, head_input):
    attention = make(kind=kind, head_input=head_input, location_reach=1)
    w = {weight.name: np.asarray(weight) for weight in attention.weights}
    encodings, query, before = some(2, 7, 4), some(2, 3, seed=1), some(2, 2, 7, seed=2)
    mask = np.ones((2, 7), np.float32)
    mask[1, 5:] = before[1, :, 5:] = 0
    context, shares = attended(attention, query, encodings, mask, before)
    for row, head in np.ndindex(2, 2):
        seen, one = encodings[row], slice(5 * head, 5 * head + 5)
        if head_input == "all":
            keys = seen @ w["key_kernel"][:, one]
            values = seen @ w["value_kernel"][:, 3 * head : 3 * head + 3]
        else:
            seen = seen[:, 2 * head : 2 * head + 2]
            keys = seen @ w["key_kernel"][head]
            values = seen @ w["value_kernel"][head]
        asked = query[row] @ w["query_kernel"][:, one]
        if kind == "dot":
            scores = keys @ asked / 5**0.5
        else:
            hidden = keys + asked + w["bias"][one]
            if kind == "location":
                past = np.pad(before[row, head], 1)
                filters = w["filters"][0, :, head]
                near = np.stack([past[t : t + 3] @ filters for t in range(7)])
                hidden = hidden + near @ w["filter_kernel"][head]
            scores = np.tanh(hidden) @ w["score"][head]
        expected = np.exp(scores) * mask[row]
        expected /= expected.sum()
        np.testing.assert_allclose(shares[row, head], expected, atol=1e-6)
        np.testing.assert_allclose(
            context[row, 3 * head : 3 * head + 3], expected @ values, atol=1e-5
        )
    assert np.all(shares[1, :, 5:] == 0)


def test_a_head_without_projection_shows_the_channels_it_sees():
    settings = {"head_input": "channel_split", "value_projection": False}
    attention = make(context_dim=4, **settings)
    encodings, query = some(1, 7, 4), some(1, 3)
    context, shares = attended(attention, query, encodings, np.ones((1, 7), "f"))
    for head in range(2):
        block = slice(2 * head, 2 * head + 2)
        expected = shares[0, head] @ encodings[0, :, block]
        np.testing.assert_allclose(context[0, block], expected, atol=1e-6)
    # The other head's channels do not matter.
    encodings[..., 2:] += 1
    changed, _ = attended(attention, query, encodings, np.ones((1, 7), "f"))
    np.testing.assert_array_equal(changed[0, :2], context[0, :2])
    assert np.abs(changed[0, 2:] - context[0, 2:]).min() > 0.1


def test_nothing_to_look_at_gives_zeros():
    attention = make(kind="location")
    before = attention.first_shares(np.zeros((1, 4), np.float32))
    context, shares = attended(
        attention, some(1, 3), some(1, 4, 4), np.zeros((1, 4), "f"), before
    )
    assert np.all(context == 0)
    assert np.all(shares == 0)
