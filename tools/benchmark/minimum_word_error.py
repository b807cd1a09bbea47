"""What a step of minimum word error rate training costs beside cross entropy."""

from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tools.benchmark.recognition_model import FSDD
from tools.benchmark.recognition_model import Sizes
from tools.benchmark.rivals import Rival
from tools.benchmark.rivals import speeds
from tools.benchmark.rivals import two_cores
from tools.benchmark.timing import machine

_WORKER = ["-m", "tools.benchmark.recognition_worker"]
_PEER = "cross_entropy"


def minimum_word_error(
    rounds: int = 9,
    num_steps: int = 10,
    num_answers: int = 4,
    sizes: Sizes = FSDD,
    xla: bool = True,
) -> dict[str, Any]:
    """Time of a step over that of a step of cross entropy, asked to be at most 3.

    All are compiled with XLA, read the same batches, and have two cores. The step
    encodes, searches for some answers, counts the errors of each, scores them all and
    the right one, and learns. A model that has learned little ends its answers
    anywhere; here each ends where the right one does. `usual` lets answers have a
    unit for each encoding and 8 more, which is how many places they are scored at;
    `tight`, as `mwer/fsdd_noisy` does, no more than right ones. `times` are ratios of
    medians. `retraces` counts how often a step was traced after the first one, asked
    to be 0. The first step, which compiles, is not measured.

    Args:
      rounds: turns each rival gets.
      num_steps: steps in a turn.
      num_answers: N.
      sizes: of the model and its batches.
      xla: compile both.
    """
    cores = two_cores()
    limits = {
        "usual": {"max_length_factor": 1.0},
        "tight": {"max_length_factor": 0.0, "max_length_extra": sizes.units},
    }
    with TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        sizes.write_sound(folder)

        def started(**changes: Any) -> Rival:
            overrides = sizes.overrides(folder, {"run.xla": xla, **changes})
            return stack.enter_context(
                Rival([*_WORKER, str(sizes.units), *overrides], cores)
            )

        objective = {"kind": "minimum_word_error", "num_answers": num_answers}
        rivals = {
            _PEER: started(),
            **{
                name: started(objective={**objective, **limit})
                for name, limit in limits.items()
            },
        }
        ready = {name: rival.answer() for name, rival in rivals.items()}
        utterances = num_steps * sizes.batch_size
        found = speeds(rivals, utterances, rounds, (_PEER,), steps=num_steps)
        last = {name: rival.ask(steps=1) for name, rival in rivals.items()}
    return {
        "benchmark": "minimum_word_error",
        "sizes": sizes.plain,
        "answers": num_answers,
        "xla": xla,
        "rounds": rounds,
        "steps_per_turn": num_steps,
        "threads": len(cores),
        "utterances_per_second": found["per_second"],
        "times": _inverse(found["over_peer"]),
        "utterances_per_cpu_second": found["per_cpu_second"],
        "times_of_cpu": _inverse(found["over_peer_per_cpu_second"]),
        "retraces": {
            name: one["traces"] - ready[name]["traces"] for name, one in last.items()
        },
        "machine": machine(),
    }


def _inverse(ratios: dict[str, float]) -> dict[str, float]:
    return {name: 1 / ratio for name, ratio in ratios.items()}
