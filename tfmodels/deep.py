"""Models whose graphs are deeper than Python calls may be nested."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def deep_graph(num_layers: int) -> Iterator[None]:
    """Context in which Keras can make a model of so many layers in a row.

    Keras walks from the outputs to the inputs with a nested call for each layer.
    """
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, 2 * num_layers + 1000))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)
