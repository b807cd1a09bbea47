"""What a model or a task may be able to do besides; strategies and runs ask for it."""

from collections.abc import Callable
from collections.abc import Sequence
from typing import Any
from typing import Protocol
from typing import runtime_checkable


@runtime_checkable
class ChangesInTraining(Protocol):
    """A model parts of which follow a schedule of their own."""

    def at_step(self, step: int) -> None:
        """Says how many steps of the run have been made.

        It is called before each chunk of steps. The model holds the number in a
        variable of whole numbers whose path ends with ``training_step``: replicas that
        do not wait for one another count their own batches in its place.
        """


@runtime_checkable
class HasMeaning(Protocol):
    """A task whose numbers mean something that its data decide, such as words."""

    meaning: str
    """A hash of it; a model is of no use to a task with another one."""


@runtime_checkable
class Spreads(Protocol):
    """A model whose layers can work on several devices at once."""

    def spread(
        self, places: Sequence[Callable[[], Any]], num_chunks: int, num_shards: int
    ) -> None:
        """Has training run layers in contexts, such as devices, which take over parts
        of a sequence from one another; the outputs are the same. With more than one
        shard, ``logits`` are a tuple of parts, each computed in a context of its own.
        """
