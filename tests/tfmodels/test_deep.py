"""Deep graphs: Keras' recursion fits, and the limit is as before."""

import sys

import keras
import pytest

from tfmodels.deep import deep_graph


@pytest.mark.slow
def test_a_deeper_model_than_calls_nest() -> None:
    before = sys.getrecursionlimit()
    x = read = keras.Input((2,))
    for _ in range(before + 200):
        x = keras.layers.ReLU()(x)
    with pytest.raises(RecursionError):
        keras.Model(read, x)
    with deep_graph(before + 200):
        assert len(keras.Model(read, x).layers) == before + 201
    assert sys.getrecursionlimit() == before


def test_the_limit_returns_after_an_error() -> None:
    before = sys.getrecursionlimit()
    with pytest.raises(KeyError), deep_graph(10**5):
        raise KeyError
    assert sys.getrecursionlimit() == before
