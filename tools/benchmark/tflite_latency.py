"""GoogLeNet as TFLite, one image at a time: int8 against float32, fused or not."""

import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING
from typing import Any

from tools.benchmark.timing import machine
from tools.benchmark.timing import rates
from tools.quiet import load_tensorflow

if TYPE_CHECKING:
    from export.tflite import Numbers

_FORMATS: tuple["Numbers", ...] = ("float32", "int8")
_CALLS = 10
_SIZES: Mapping[str, Any] = MappingProxyType({"input_shape": (224, 224, 3)})


def tflite_latency(
    rounds: int = 7, num_threads: int = 2, sizes: Mapping[str, Any] = _SIZES
) -> dict[str, Any]:
    """Milliseconds per image of both formats, taking turns, and their sizes.

    The weights are fresh ones: neither size nor time depends on their values. What is
    called fused was exported with ``export.fuse_1x1``.

    Args:
      rounds: turns that each file gets.
      num_threads: of the processor.
      sizes: of the network; the published ones by default.
    """
    load_tensorflow()
    import numpy as np
    import tensorflow as tf

    import tfmodels
    from export.interfaces import Endpoint
    from export.lite_runtime import LiteProgram
    from export.tflite import convert

    model = tfmodels.build("googlenet", variant="bn", **sizes).deploy()
    side = sizes["input_shape"][0]
    shape = (1, *sizes["input_shape"])
    images = np.random.default_rng(0).uniform(-1, 1, (8, *shape)).astype(np.float32)

    def endpoints(model: Any) -> dict[str, Endpoint]:
        image = tf.TensorSpec(shape, tf.float32, "image")
        return {"classify": Endpoint(partial(model, training=False), (image,))}

    samples = [("classify", {"image": image}) for image in images]
    programs, num_bytes = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for numbers in _FORMATS:
            for fused in (False, True):
                name = _name(numbers, fused)
                path = Path(folder) / f"{name}.tflite"
                content = convert(model, endpoints, numbers, samples, fused)
                num_bytes[name] = path.write_bytes(content)
                programs[name] = LiteProgram(path, num_threads)

    def run(program: LiteProgram) -> float:
        for _ in range(_CALLS):
            program("classify", {"image": images[0]})
        return float(_CALLS)

    per_second = rates(
        {name: partial(run, program) for name, program in programs.items()}, rounds
    )
    milliseconds = {name: 1e3 / rate for name, rate in per_second.items()}
    return {
        "benchmark": "tflite_latency",
        "model": f"googlenet, bn, {side}x{side}, 1000 classes",
        "threads": num_threads,
        "rounds": rounds,
        "bytes": num_bytes,
        "milliseconds_per_image": milliseconds,
        "float32_over_int8": milliseconds["float32"] / milliseconds["int8"],
        "fused_over_unfused": {
            numbers: milliseconds[_name(numbers, True)] / milliseconds[numbers]
            for numbers in _FORMATS
        },
        "machine": machine(),
    }


def _name(numbers: "Numbers", fused: bool) -> str:
    return f"{numbers}_fused" if fused else numbers
