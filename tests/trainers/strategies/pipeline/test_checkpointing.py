"""One device that computes parts of the model again: same gradients, less memory."""

from typing import Any

import tfmodels
from tests.trainers.pipelined import FunctionTask
from tests.trainers.pipelined import assert_close
from tests.trainers.pipelined import trained
from tests.trainers.strategies.pipeline.test_states import dropping
from trainers.strategies.config import PipelineConfig
from trainers.strategies.pipeline.placement import without_values
from trainers.strategies.pipeline.plan import make_plan

ONE = {"stages": 1, "microbatches": 1}
BLOCKS = {
    **ONE,
    "chunks": 4,
    "schedule": "interleaved_1f1b",
    "rematerialize": "always",
}


def test_gradients_are_the_same() -> None:
    task = FunctionTask(dropping)
    whole, _ = trained(2, ONE, task)
    assert_close(whole, trained(2, BLOCKS, task)[0], 1e-6)


def test_an_inception_network_needs_less_memory() -> None:
    def results(settings: dict[str, Any]) -> int:
        config = PipelineConfig.parse(settings)
        return make_plan(without_values(network), config, 8, num_slots=1).results

    def network() -> Any:
        return tfmodels.build(
            "inception_v4",
            input_shape=[75, 75, 3],
            num_classes=10,
            width_multiplier=0.05,
            block_counts=[2, 2, 1],
            auxiliary_head=None,
        )

    # Kept: what passes between four parts, and one part's own results at a time.
    assert results(BLOCKS) < 0.6 * results(ONE)
