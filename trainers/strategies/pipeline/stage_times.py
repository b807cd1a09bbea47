"""How long the passes of stages take: their operations, or seconds on this machine."""

from collections.abc import Sequence
from fractions import Fraction

import keras
import tensorflow as tf

from trainers.strategies.config import PipelineConfig
from trainers.strategies.pipeline.graph_costs import seconds_together
from trainers.strategies.pipeline.memory import Footprint
from trainers.strategies.pipeline.partition import Partitioning
from trainers.strategies.pipeline.simulation import Duration

Times = list[tuple[Duration, Duration]]
"""Forward and backward, of each stage."""


def operations(footprint: Footprint, partitioning: Partitioning) -> Times:
    """Those of the forward pass, counted, and twice as many."""
    flops = [footprint.flops(each.begin, each.end) for each in partitioning.boundaries]
    return [(forward, 2 * forward) for forward in flops]


def seconds(stages: Sequence[keras.Model], rows: int, config: PipelineConfig) -> Times:
    """Measured here, while as many stages run as at a time in the pipeline."""
    together = _num_together(config)
    return [
        (Fraction(found.forward), Fraction(found.backward))
        for first in range(0, len(stages), together)
        for found in seconds_together(stages[first : first + together], rows)
    ]


def _num_together(config: PipelineConfig) -> int:
    """Stages that work at the same time on this machine's cores."""
    if config.remote or config.devices not in ("auto", "cpu"):
        return 1
    if config.devices == "auto" and tf.config.list_physical_devices("GPU"):
        return 1
    return config.stages
