"""Hidden Markov models of phones: which states follow which, and what they emit."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from tfmodels.errors import ConfigError


class Scales(NamedTuple):
    """Factors on the logarithms of transition probabilities.

    Hybrid models take self-loops at 0.1; lattice-free training takes both at 0, where
    transition probabilities are not used, and decoding with its models at 1.
    """

    transition: float = 1.0
    """Of the choice among the states that may follow, once the state is left."""
    self_loop: float = 0.1
    """Of the choice between staying and leaving."""


class Step(NamedTuple):
    """What may come after a frame in a state."""

    state: int
    """The state that is next; the number of states where the phone ends."""
    weight: float
    """Log, scaled."""
    pdf_class: int
    """Class of the pdf of the next frame; -1 where the phone ends."""


@dataclass(frozen=True)
class Topology:
    """The hidden Markov model of a phone; its paths begin by entering state 0.

    A pdf class numbers the pdfs of a phone in one context. The frame that enters a
    state and those that stay may differ in theirs.

    Raises:
      ConfigError: sizes disagree, or a row of `transitions` does not add up to 1.
    """

    entry: tuple[int, ...]
    """Of each state, the pdf class of the frame that enters it."""
    loop: tuple[int, ...]
    """Of each state, the pdf class of frames that stay in it."""
    transitions: tuple[tuple[float, ...], ...]
    """Probability of each state, and last of the end, after each state."""

    def __post_init__(self) -> None:
        size = len(self.entry)
        if not size or {len(self.loop), len(self.transitions)} != {size}:
            raise ConfigError(
                "A topology is inconsistent. Expected as many entry classes, loop"
                f" classes and transitions; received {self}."
            )
        for row in self.transitions:
            total = math.isclose(sum(row), 1, abs_tol=1e-6)
            if len(row) != size + 1 or min(row) < 0 or not total:
                raise ConfigError(
                    f"A row of transitions is wrong. Expected {size + 1} probabilities"
                    f" that add up to 1; received {row}."
                )

    @property
    def num_classes(self) -> int:
        """Number of pdfs that a phone has in one context."""
        return 1 + max(self.entry + self.loop)

    def steps(self, state: int, scales: Scales) -> Iterator[Step]:
        """What may follow a frame in a state, impossible steps left out."""
        row = self.transitions[state]
        leaving = 1 - row[state]
        for target, prob in enumerate(row):
            if prob == 0:
                continue
            if target == state:
                weight = scales.self_loop * math.log(prob)
                yield Step(target, weight, self.loop[state])
                continue
            weight = scales.self_loop * math.log(leaving)
            weight += scales.transition * math.log(prob / leaving)
            ends = target == len(self.entry)
            yield Step(target, weight, -1 if ends else self.entry[target])


def left_to_right(num_states: int = 3, self_loop: float = 0.75) -> Topology:
    """States one after another, each with one pdf: the usual model of a phone.

    Args:
      num_states: states, none of which can be skipped.
      self_loop: probability of staying.
    """
    rows = []
    for state in range(num_states):
        row = [0.0] * (num_states + 1)
        row[state], row[state + 1] = self_loop, 1 - self_loop
        rows.append(tuple(row))
    classes = tuple(range(num_states))
    return Topology(classes, classes, tuple(rows))


def ergodic_silence(num_states: int = 5, self_loop: float = 0.75) -> Topology:
    """Silence of many kinds: its inner states follow one another in any order.

    As Kaldi's recipes have it: the first state leads to all but the last, inner ones
    to all but the first, the last one stays or ends.

    Args:
      num_states: at least 3.
      self_loop: probability of staying in the last state.

    Raises:
      ConfigError: there are fewer than 3 states.
    """
    if num_states < 3:
        raise ConfigError(
            "Silence whose states follow in any order has too few of them. Expected at"
            f" least 3; received {num_states}."
        )
    share = 1 / (num_states - 1)
    first = (share,) * (num_states - 1) + (0.0, 0.0)
    inner = (0.0,) + (share,) * (num_states - 1) + (0.0,)
    last = (0.0,) * (num_states - 1) + (self_loop, 1 - self_loop)
    classes = tuple(range(num_states))
    return Topology(classes, classes, (first, *[inner] * (num_states - 2), last))


def of_size(num_classes: int, usual: int, self_loop: float = 0.75) -> Topology:
    """The model of a phone of which only the number of pdfs in a context is known.

    Phones with more than the usual number are the silences and noises of Kaldi's
    recipes: their states follow one another in any order.

    Args:
      num_classes: pdfs of the phone in one context.
      usual: those of most phones, whose states are in a row.
      self_loop: probability of staying.
    """
    if num_classes > max(usual, 2):
        return ergodic_silence(num_classes, self_loop)
    return left_to_right(usual, self_loop)


def chain() -> Topology:
    """One state that can be crossed in a frame: the first frame has a pdf of its own.

    The topology of lattice-free MMI at a third of the frame rate (Povey et al.,
    Interspeech 2016, section 2.4).
    """
    return Topology((0,), (1,), ((0.5, 0.5),))
