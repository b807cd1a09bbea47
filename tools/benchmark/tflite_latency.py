"""int8 against float32: full-size GoogLeNet as TFLite, one image at a time."""

import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from tools.benchmark.timing import machine
from tools.benchmark.timing import rates
from tools.quiet import load_tensorflow

if TYPE_CHECKING:
    from export.tflite import Numbers

_FORMATS: tuple["Numbers", ...] = ("float32", "int8")
_SHAPE = (1, 224, 224, 3)
_CALLS = 10


def tflite_latency(rounds: int = 7, num_threads: int = 2) -> dict[str, Any]:
    """Milliseconds per image of both formats, taking turns, and their sizes.

    The weights are fresh ones: neither size nor time depends on their values.
    """
    load_tensorflow()
    import numpy as np
    import tensorflow as tf

    import tfmodels
    from export.interfaces import Endpoint
    from export.lite_runtime import LiteProgram
    from export.tflite import convert

    model = tfmodels.build("googlenet", variant="bn").deploy()
    images = np.random.default_rng(0).uniform(-1, 1, (8, *_SHAPE)).astype(np.float32)

    def endpoints(model: Any) -> dict[str, Endpoint]:
        image = tf.TensorSpec(_SHAPE, tf.float32, "image")
        return {"classify": Endpoint(partial(model, training=False), (image,))}

    samples = [("classify", {"image": image}) for image in images]
    programs, sizes = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for name in _FORMATS:
            path = Path(folder) / f"{name}.tflite"
            sizes[name] = path.write_bytes(convert(model, endpoints, name, samples))
            programs[name] = LiteProgram(path, num_threads)

    def run(program: LiteProgram) -> float:
        for _ in range(_CALLS):
            program("classify", {"image": images[0]})
        return float(_CALLS)

    per_second = rates(
        {name: partial(run, programs[name]) for name in _FORMATS}, rounds
    )
    milliseconds = {name: 1e3 / rate for name, rate in per_second.items()}
    return {
        "benchmark": "tflite_latency",
        "model": "googlenet, bn, 224x224, 1000 classes",
        "threads": num_threads,
        "rounds": rounds,
        "bytes": sizes,
        "milliseconds_per_image": milliseconds,
        "float32_over_int8": milliseconds["float32"] / milliseconds["int8"],
        "machine": machine(),
    }
