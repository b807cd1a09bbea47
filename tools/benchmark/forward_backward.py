"""Forward-backward over a large graph: with and without XLA, and its variants."""

from collections.abc import Callable
from dataclasses import asdict
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from typing import Any

from tools.benchmark.timing import machine
from tools.benchmark.timing import rates
from tools.quiet import load_tensorflow

if TYPE_CHECKING:
    import tensorflow as tf

    from tfmodels.lattices.graph import Graph

_CALLS = 5


@dataclass(frozen=True)
class Sizes:
    """How large the problem is."""

    states: int = 2000
    arcs: int = 8000
    frames: int = 100
    batch: int = 8
    pdfs: int = 500


SIZES = Sizes()


def forward_backward(rounds: int = 15, sizes: Sizes = SIZES) -> dict[str, Any]:
    """Seconds of one forward and backward pass of each rival, taking turns.

    `log` are the partition function and occupancies that MMI needs, `log_without_xla`
    the same as a plain graph of operations, `leaky` the probability domain of chain
    models, `expectation` the expected accuracy of sMBR and its derivative, `lattice`
    the mask of a lattice made on the fly.
    """
    load_tensorflow()
    per_second = rates(_rivals(sizes), rounds)
    seconds = {name: 1 / rate for name, rate in per_second.items()}
    return {
        "benchmark": "forward_backward",
        "sizes": asdict(sizes),
        "rounds": rounds,
        "seconds": seconds,
        "without_xla_over_log": seconds["log_without_xla"] / seconds["log"],
        "machine": machine(),
    }


def _rivals(sizes: Sizes) -> dict[str, Callable[[], float]]:
    import tensorflow as tf

    from tfmodels.lattices.expectation import expectation
    from tfmodels.lattices.forward_backward import occupancies
    from tfmodels.lattices.graph import Arcs
    from tfmodels.lattices.graph import arcs
    from tfmodels.lattices.leaky import leaky_occupancies
    from tfmodels.lattices.pruning import lattice_mask
    from tfmodels.lattices.trellis import Labelled

    scores = tf.random.stateless_normal([sizes.batch, sizes.frames, sizes.pdfs], [0, 1])
    lengths = tf.fill([sizes.batch], sizes.frames)
    graph = Arcs(*(tf.constant(value) for value in arcs(random_graph(sizes))))
    accuracy = Labelled(tf.cast(scores > 1, tf.float32), "pdf")

    def compiled(function: Callable[..., Any], *options: Any) -> Any:
        @tf.function(jit_compile=True)
        def compute(scores: Any, lengths: Any, graph: Arcs) -> Any:
            return function(scores, lengths, graph, *options)

        return partial(_run, partial(compute, scores, lengths, graph))

    plain = partial(tf.function(occupancies), scores, lengths, graph)
    return {
        "log": compiled(occupancies),
        "log_without_xla": partial(_run, plain, calls=1),
        "leaky": compiled(leaky_occupancies, 1e-5),
        "expectation": compiled(expectation, accuracy),
        "lattice": compiled(lattice_mask, 7.0, 13.0),
    }


def random_graph(sizes: Sizes) -> "Graph":
    """A graph whose states all have ways in and out."""
    import numpy as np

    from tfmodels.lattices.graph import Graph

    random = np.random.default_rng(0)
    more = sizes.arcs - sizes.states
    pdf = random.integers(sizes.pdfs, size=sizes.arcs)
    source, target = (
        np.concatenate([order, random.integers(sizes.states, size=more)])
        for order in (np.arange(sizes.states), random.permutation(sizes.states))
    )
    return Graph(
        source=source,
        target=target,
        pdf=pdf,
        weight=random.normal(size=sizes.arcs),
        initial=np.zeros(sizes.states),
        final=np.zeros(sizes.states),
        phone=pdf,
        word=np.zeros(sizes.arcs),
    )


def _run(function: Callable[[], "tf.Tensor"], calls: int = _CALLS) -> float:
    """Runs and waits for the results."""
    import tensorflow as tf

    for _ in range(calls):
        tf.nest.map_structure(lambda tensor: tensor.numpy(), function())
    return float(calls)
