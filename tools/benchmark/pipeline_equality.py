"""The first losses of a pipeline against those of one device, schedule by schedule."""

from typing import Any

from tools.benchmark.timing import machine
from tools.quiet import load_tensorflow

_VARIANTS: dict[str, dict[str, Any]] = {
    "4 stages, 1f1b": {"stages": 4},
    "4 stages, 1f1b, rematerialize": {"stages": 4, "rematerialize": "always"},
    "4 stages, gpipe": {"stages": 4, "schedule": "gpipe"},
    "4 stages, interleaved_1f1b": {
        "stages": 4,
        "schedule": "interleaved_1f1b",
        "chunks": 2,
    },
    "4 stages, zb_h1": {"stages": 4, "schedule": "zb_h1"},
    "2 stages, 1f1b": {"stages": 2},
}


def pipeline_equality(
    config: str = "gpipe/tiny", num_steps: int = 50
) -> dict[str, Any]:
    """Largest difference of the mean training loss over the first steps.

    The one device adds the same micro-batches in the same order. Other micro-batches
    round otherwise, and training makes much of that: this is measured too.
    """
    load_tensorflow()
    import keras

    from trainers.configuration import load_experiment
    from trainers.stages import plan_stages
    from trainers.strategies.config import PipelineConfig
    from trainers.strategies.pipeline.strategy import Pipeline

    experiment = load_experiment(config)

    def losses(**settings: Any) -> list[float]:
        strategy = Pipeline(PipelineConfig(devices="cpu", **settings), experiment.run)
        keras.utils.set_random_seed(experiment.run.seed)
        stage = plan_stages(experiment)[0]
        trainable = strategy.prepare(strategy.build([stage]), stage, 0)
        found = [trainable.run(1).totals["loss"] for _ in range(num_steps)]
        return [total / weight for total, weight in found]

    # First the widest, which splits the CPU into as many devices.
    pipelines = {name: losses(**settings) for name, settings in _VARIANTS.items()}
    alone = {
        name: losses(stages=1, schedule=name) for name in ("gpipe", "1f1b", "zb_h1")
    }
    return {
        "benchmark": "pipeline_equality",
        "config": config,
        "steps": num_steps,
        "largest difference from one device": {
            name: _difference(found, alone[_order_of_sums(_VARIANTS[name])])
            for name, found in pipelines.items()
        },
        "one device: whole batch from 4 micro-batches": _difference(
            losses(stages=1, microbatches=1), alone["1f1b"]
        ),
        "machine": machine(),
    }


def _order_of_sums(settings: dict[str, Any]) -> str:
    """The schedule that adds gradients in this order on one device."""
    name: str = settings.get("schedule", "1f1b")
    return "1f1b" if name == "interleaved_1f1b" else name


def _difference(left: list[float], right: list[float]) -> float:
    return max(abs(a - b) for a, b in zip(left, right, strict=True))
