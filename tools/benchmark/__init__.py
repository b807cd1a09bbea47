"""Benchmarks: each compares two or more rivals in one process and returns JSON data."""

import importlib
from collections.abc import Callable
from typing import Any

BENCHMARKS = {
    "training_loop": "tools.benchmark.training_loop:training_loop",
    "tflite_latency": "tools.benchmark.tflite_latency:tflite_latency",
    "pipeline_speed": "tools.benchmark.pipeline_speed:pipeline_speed",
    "pipeline_memory": "tools.benchmark.pipeline_memory:pipeline_memory",
    "pipeline_peer": "tools.benchmark.pipeline_peer:pipeline_peer",
    "pipeline_equality": "tools.benchmark.pipeline_equality:pipeline_equality",
    "forward_backward": "tools.benchmark.forward_backward:forward_backward",
    "forward_backward_peer": (
        "tools.benchmark.forward_backward_peer:forward_backward_peer"
    ),
    "parameter_server": "tools.benchmark.parameter_server:parameter_server",
    "translation_training": "tools.benchmark.translation_training:translation_training",
    "translation_decoding": "tools.benchmark.translation_decoding:translation_decoding",
    "recognition_training": "tools.benchmark.recognition_training:recognition_training",
    "minimum_word_error": "tools.benchmark.minimum_word_error:minimum_word_error",
    "recognition_speed": "tools.benchmark.recognition_speed:recognition_speed",
    "synthesis_speed": "tools.benchmark.synthesis_speed:synthesis_speed",
    "wordpieces": "tools.benchmark.wordpieces:wordpieces",
    "raml_sampling": "tools.benchmark.raml_sampling:raml_sampling",
    "synthesis_training": "tools.benchmark.synthesis_training:synthesis_training",
    "range_solving": "tools.benchmark.range_solving:range_solving",
    "packed_decoding": "tools.benchmark.packed_decoding:packed_decoding",
    "clipping_peers": "tools.benchmark.clipping_peers:clipping_peers",
    "clipping_answers": "tools.benchmark.clipping_answers:clipping_answers",
    "image_training": "tools.benchmark.image_speed:image_training",
    "image_inference": "tools.benchmark.image_speed:image_inference",
    "start_up": "tools.benchmark.start_up:start_up",
}
"""Name -> where it is implemented."""


def find_benchmark(name: str) -> Callable[..., dict[str, Any]]:
    """The function of a benchmark of the table above."""
    module, function = BENCHMARKS[name].split(":")
    found: Callable[..., dict[str, Any]] = getattr(
        importlib.import_module(module), function
    )
    return found
