"""What a pipeline holds at its peak, with and without re-materialization."""

from contextlib import ExitStack
from typing import Any

from tools.benchmark.pipeline_model import SIZES
from tools.benchmark.pipeline_model import Sizes
from tools.benchmark.pipeline_model import pipeline_rival
from tools.benchmark.rivals import two_cores
from tools.benchmark.timing import machine

# Otherwise TensorFlow does not count what it allocates for the CPU.
_COUNTING = {"TF_CPU_ALLOCATOR_USE_BFC": "1"}
_RIVALS = {
    f"{schedule}_{policy}{suffix}": {
        "schedule": schedule,
        "rematerialize": policy,
        "inline": inline,
    }
    for suffix, inline in (("", "false"), ("_inline", "true"))
    for schedule in ("gpipe", "1f1b")
    for policy in ("never", "always")
}


def pipeline_memory(num_steps: int = 5, sizes: Sizes = SIZES) -> dict[str, Any]:
    """Most bytes that steps allocate over what lies there between them, and ratios.

    That is activations, gradients and temporary results of two stages. All devices of
    the CPU share an allocator, so the peak is that of their sum. The plan's figure is
    that of the gradients and of what its devices hold together at a time.

    Args:
      num_steps: steps that are looked at.
      sizes: of the model and its batches.
    """
    cores = two_cores()
    measured, planned = {}, {}
    for name, strategy in _RIVALS.items():
        with ExitStack() as stack:
            rival = stack.enter_context(
                pipeline_rival(sizes, cores, _COUNTING, stages=2, **strategy)
            )
            rival.answer()
            answer = rival.ask(steps=num_steps)
            measured[name] = answer["peak_bytes"] - answer["bytes"]
            plan = rival.ask(plan="flops")
        gradients = 4 * plan["parameters"]
        planned[name] = gradients + plan["results_bytes"]
    return {
        "benchmark": "pipeline_memory",
        "sizes": sizes.plain,
        "measured_bytes": measured,
        "planned_bytes": planned,
        "planned_over_measured": {n: planned[n] / measured[n] for n in _RIVALS},
        **{
            f"{schedule}_always_over_never": measured[f"{schedule}_always"]
            / measured[f"{schedule}_never"]
            for schedule in ("gpipe", "1f1b")
        },
        "1f1b_over_gpipe": measured["1f1b_never"] / measured["gpipe_never"],
        "machine": machine(),
    }
