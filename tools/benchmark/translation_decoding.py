"""Beam search of a translation model against JoeyNMT's, of the same size."""

import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.benchmark.rivals import Rival
from tools.benchmark.rivals import speeds
from tools.benchmark.rivals import two_cores
from tools.benchmark.timing import machine
from tools.benchmark.torch_peer import torch_python
from tools.benchmark.torch_peer import torch_version
from tools.benchmark.translation_model import Sizes

_PROGRAM = Path(__file__).with_name("joey_search.py")
_WORKER = "tools.benchmark.search_worker"


@dataclass(frozen=True)
class Search:
    """Sizes of both models and what they look for."""

    width: int = 128
    num_layers: int = 4
    vocabulary_size: int = 4000
    length: int = 16
    """Tokens of each source, and steps of each search."""
    beam_width: int = 4
    length_penalty: float = 0.2

    @property
    def model(self) -> dict[str, Any]:
        """Values of the section ``model``."""
        same = Sizes(self.width, self.num_layers, self.vocabulary_size)
        return {"kind": "gnmt", **same.model, "softmax_bias": True}


def translation_decoding(
    rounds: int = 9,
    batches: Sequence[tuple[int, int]] = ((1, 16), (32, 2)),
    search: Search = Search(),
) -> dict[str, Any]:
    """Sentences per second of each, some batches a turn, and ours over the peer's.

    Both have two cores and as many threads, random weights, float32, and LSTMs of the
    same widths and numbers of layers, vocabulary and attention; ours are wired as GNMT,
    whose layers above the lowest see the context too. Neither may end an answer before
    the limit, and nothing is pruned, so that both make the same number of steps with
    full beams. Ours is one function in the graph, as an evaluation and `predict` call
    it; `xla` is it with ``run.xla``. The variable TFMODELS_TORCH_PYTHON names
    a Python that has JoeyNMT.

    Args:
      rounds: turns each rival gets.
      batches: sentences in a batch, and batches in a turn.
      search: sizes.

    Raises:
      ConfigError: there is no JoeyNMT.
    """
    interpreter = torch_python()
    version = torch_version(interpreter, "joeynmt.search", "joeynmt")
    cores = two_cores()
    arguments = json.dumps(asdict(search))
    with ExitStack() as stack:
        enter = stack.enter_context
        rivals = {
            "ours": enter(Rival(["-m", _WORKER, arguments], cores)),
            "xla": enter(Rival(["-m", _WORKER, arguments, "xla"], cores)),
            "joeynmt": enter(
                Rival([str(_PROGRAM), arguments], cores, interpreter=interpreter)
            ),
        }
        ready = {name: rival.answer() for name, rival in rivals.items()}
        results = {
            f"batch {size}": speeds(
                *(rivals, size * count, rounds, ("joeynmt",)), batch=size, batches=count
            )
            for size, count in batches
        }
    return {
        "benchmark": "translation_decoding",
        "peer": f"the RNN model and beam search of JoeyNMT {version}",
        "search": asdict(search),
        "parameters": {name: one["parameters"] for name, one in ready.items()},
        "rounds": rounds,
        "threads": len(cores),
        "results": results,
        "machine": machine(),
    }
