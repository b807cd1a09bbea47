"""A program that translates with GNMT's beam search, when it is told to.

Its argument and requests are those of `joey_search`; after a second one, ``xla``, XLA
compiles the search.
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

from tools.benchmark.rivals import answers
from tools.benchmark.translation_decoding import Search
from tools.quiet import load_tensorflow

_NEVER = -1e4


def main(search: Search, xla: bool) -> None:
    """Answers requests until there are no more."""
    output = answers()
    load_tensorflow()
    parameters, translate = _translator(search, xla)
    print(json.dumps({"parameters": parameters}), file=output)
    for line in sys.stdin:
        request = json.loads(line)
        started = time.process_time()
        for _ in range(request["batches"]):
            lengths = translate(request["batch"])
        seconds = time.process_time() - started
        print(json.dumps({"cpu_seconds": seconds, "lengths": lengths}), file=output)


def _translator(search: Search, xla: bool) -> tuple[int, Callable[[int], list[int]]]:
    """How many weights there are; translates random sources, and says the shape."""
    import numpy as np
    import tensorflow as tf

    from tfmodels.decoding.config import BeamSearchConfig
    from tfmodels.decoding.step import END
    from tfmodels.gnmt.config import GNMTConfig
    from tfmodels.gnmt.model import gnmt
    from trainers.tasks.compiled_search import searcher

    model: Any = gnmt(GNMTConfig.parse(search.model))
    bias = np.zeros(search.vocabulary_size, np.float32)
    bias[END] = _NEVER
    model.softmax_bias.assign(bias)
    config = BeamSearchConfig(
        beam_width=search.beam_width,
        length_penalty=search.length_penalty,
        coverage_penalty=0,
        pruning_margin=None,
        max_length_factor=0,
        max_length_extra=search.length,
    )
    find = searcher(model, config, xla)
    random = np.random.default_rng(0)

    def run(batch: int) -> list[int]:
        shape = (batch, search.length)
        source = random.integers(4, search.vocabulary_size, shape, np.int32)
        return list(find(tf.constant(source)).ids.numpy()[:, 0].shape)

    return model.count_params(), run


if __name__ == "__main__":
    main(Search(**json.loads(sys.argv[1])), "xla" in sys.argv[2:])
