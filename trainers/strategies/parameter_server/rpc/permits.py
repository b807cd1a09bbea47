"""Who may take a step: as many as a chunk has, none counted twice, none lost."""

from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field

from trainers.strategies.parameter_server.replica import Outcome
from trainers.strategies.parameter_server.runtime import Traffic


@dataclass(frozen=True)
class Permit:
    """A step that a replica takes."""

    number: int
    """Of the step; none has the same in a run of this process."""
    replica: str
    version: int
    """Pushes that the parameters held when it was given."""
    pushed: int
    """Steps that had been done when it was given, left-out ones included."""


@dataclass
class Permits:
    """The steps of a chunk: to be given, under way, done.

    A replica has one step at a time. When it asks for another, it has given up the one
    it had; when it ends, somebody else gets it.
    """

    traffic: Traffic
    size: int
    """Steps in the chunk."""
    version: int
    """Pushes that the parameters hold."""
    pushed: int
    """Steps of the stage that are done."""
    next_number: Callable[[], int]
    outcomes: list[Outcome] = field(default_factory=list)
    """Of the steps that are done."""
    replicas: set[str] = field(default_factory=set)
    """Those who have done any."""
    _under_way: dict[int, Permit] = field(default_factory=dict)
    _pushing: set[int] = field(default_factory=set)
    _last: dict[str, int] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether all steps are done."""
        return len(self.outcomes) == self.size

    def give(self, replica: str) -> Permit | None:
        """A step for a replica, if there is one that may start now."""
        self.take_back(replica)
        under_way = [each.pushed for each in self._under_way.values()]
        if len(self.outcomes) + len(under_way) >= self.size:
            return None
        if not self.traffic.may_start(self.pushed, under_way):
            return None
        permit = Permit(self.next_number(), replica, self.version, self.pushed)
        self._under_way[permit.number] = permit
        return permit

    def take_back(self, replica: str) -> None:
        """Somebody else may take the step that a replica has begun, if any."""
        for permit in list(self._under_way.values()):
            if permit.replica == replica and permit.number not in self._pushing:
                del self._under_way[permit.number]

    def claim(self, number: int) -> Permit | None:
        """The step with this number, which cannot be taken back any more.

        None if it has been already, or has been done.
        """
        permit = self._under_way.get(number)
        if permit:
            self._pushing.add(number)
        return permit

    def is_done(self, replica: str, number: int) -> bool:
        """Whether this was the last step that a replica has done."""
        return self._last.get(replica) == number

    def finish(self, permit: Permit, outcome: Outcome) -> None:
        """Counts a claimed step, which is done."""
        del self._under_way[permit.number]
        self._pushing.remove(permit.number)
        self._last[permit.replica] = permit.number
        self.replicas.add(permit.replica)
        self.outcomes.append(outcome)
        self.pushed += 1
        self.version += 1 - int(outcome["skipped"])
