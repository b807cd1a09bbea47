"""Sampling of outputs by their rewards: sentences per second of each reward."""

import os
import time
from collections.abc import Callable
from typing import Any
from typing import get_args

from tools.benchmark.timing import machine
from tools.benchmark.timing import rates
from tools.quiet import load_tensorflow


def raml_sampling(
    rounds: int = 5,
    num_sentences: int = 100_000,
    length: int = 20,
    vocabulary_size: int = 4000,
    batch_size: int = 1000,
    tau: float = 0.7,
) -> dict[str, Any]:
    """Seconds to draw an output for each of many references, on one core.

    References are random, batches of them one compiled function; `cpu_seconds` are of
    one more turn. Every rival is the same sampler with another reward.
    """
    allowed = os.sched_getaffinity(0)
    # Before TensorFlow starts the threads that inherit it.
    os.sched_setaffinity(0, [min(allowed)])
    load_tensorflow()
    import tensorflow as tf

    from tfmodels.reward_augmentation.payoff import Edits
    from tfmodels.reward_augmentation.payoff import Payoff
    from tfmodels.reward_augmentation.sampler import Sampler

    shape = [batch_size, length]
    references = tf.random.stateless_uniform(
        shape, [0, 1], 4, vocabulary_size, tf.int32
    )
    lengths = tf.fill([batch_size], length)
    num_batches = num_sentences // batch_size

    def drawing(edits: Edits) -> Callable[[], float]:
        payoff = Payoff(edits, vocabulary_size - 4, tau)
        sampler = Sampler(payoff, first=4, max_length=length)

        @tf.function
        def draw(keys: tf.Tensor) -> tf.Tensor:
            editable = tf.ones(shape, tf.bool)
            return sampler(references, lengths, editable, keys, tf.constant(tau)).ids

        def work() -> float:
            for batch in range(num_batches):
                keys = tf.random.stateless_uniform(
                    [batch_size, 3], [0, batch], None, None, tf.uint32
                )
                draw(keys).numpy()
            return float(num_batches * batch_size)

        return work

    rivals = {edits: drawing(edits) for edits in get_args(Edits)}
    per_second = rates(rivals, rounds)
    cpu = {name: _cpu_seconds(work) for name, work in rivals.items()}
    os.sched_setaffinity(0, allowed)
    return {
        "benchmark": "raml_sampling",
        "sentences": num_sentences,
        "length": length,
        "vocabulary_size": vocabulary_size,
        "tau": tau,
        "rounds": rounds,
        "seconds": {name: num_sentences / rate for name, rate in per_second.items()},
        "cpu_seconds": cpu,
        "machine": machine(),
    }


def _cpu_seconds(work: Callable[[], float]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started
