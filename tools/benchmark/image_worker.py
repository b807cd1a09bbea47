"""A program that asks an image classifier for the answers to a batch, when told to.

Its arguments are JSON, the fields of `image_model.Case`, and whether the graph is
compiled by XLA. It says its numbers of weights and multiply-adds when it is ready. Each
line on standard input, ``{"steps": N}``, is answered with the CPU seconds that they
took.
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

from tools.benchmark.image_model import Case
from tools.benchmark.rivals import answers
from tools.quiet import load_tensorflow


def main(case: Case, xla: bool) -> None:
    """Answers requests until there are no more."""
    output = answers()
    load_tensorflow()
    from tfmodels.introspection import overview

    model = case.build().deploy()
    whole = overview(model)
    ask = _asker(model, case, xla)
    ask()
    ready = {"parameters": whole.trainable, "multiply_adds": whole.multiply_adds}
    print(json.dumps(ready), file=output)
    for line in sys.stdin:
        started = time.process_time()
        for _ in range(json.loads(line)["steps"]):
            ask()
        seconds = time.process_time() - started
        print(json.dumps({"cpu_seconds": seconds}), file=output)


def _asker(model: Any, case: Case, xla: bool) -> Callable[[], Any]:
    """A function that asks for the logits of a batch of noise, and waits for them."""
    import tensorflow as tf

    from export.folding import fold

    folded = fold(model)
    shape = [case.batch_size, case.side, case.side, 3]
    images = tf.random.stateless_uniform(shape, [0, 0], -1, 1)

    @tf.function(autograph=False, jit_compile=xla)
    def logits(pixels: tf.Tensor) -> tf.Tensor:
        return folded(pixels, training=False)["logits"]

    return lambda: logits(images).numpy()


if __name__ == "__main__":
    main(Case(**json.loads(sys.argv[1])), json.loads(sys.argv[2]))
