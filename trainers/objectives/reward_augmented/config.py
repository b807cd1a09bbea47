"""Configuration of reward-augmented maximum likelihood."""

from typing import Literal
from typing import Self

import pydantic

from tfmodels.config import Config
from tfmodels.reward_augmentation.payoff import Edits
from tfmodels.reward_augmentation.payoff import MaxEdits
from tfmodels.reward_augmentation.payoff import Payoff
from tfmodels.reward_augmentation.payoff import Units
from trainers.objectives.config import CrossEntropyConfig

_NAMED = ("edit", "hamming", "gleu", "bleu", "f1", "table")


class RewardAugmentedConfig(Config):
    """A plain loss on outputs drawn from ``exp(reward / tau)``, not on the right ones.

    Norouzi et al., 2016 (arXiv 1609.00150); US 2019/0188566 A1. Sequences are drawn
    anew each epoch. Of classes, with ``reward: table``, the distribution itself is the
    target. Held-out splits are evaluated with the plain loss and the right outputs.
    """

    kind: Literal["reward_augmented"] = "reward_augmented"
    base: CrossEntropyConfig = CrossEntropyConfig()
    """The plain loss."""
    reward: str = "edit"
    """``edit`` or ``hamming``, minus a distance, drawn directly; ``gleu``, ``bleu``,
    ``f1``, or a function of the user's by its dotted path, which takes the tokens of an
    output and of the reference, from `proposal` with importance weights; or ``table``,
    of classes."""
    tau: float = pydantic.Field(default=0.9, gt=0)
    """Temperature. Values do not carry over to another vocabulary: ``tfmodels raml
    distribution`` tells what one does."""
    final_tau: float | None = pydantic.Field(default=None, gt=0)
    """Temperature from epoch `tau_epochs` on, reached in equal steps; constant when
    absent. Sequences only."""
    tau_epochs: int = pydantic.Field(default=1, ge=1)
    """Epochs from `tau` to `final_tau`."""
    temperature_units: Units = "author"
    """Units of `tau` for distances, and of `proposal_tau`: ``author`` takes off (1 + ln
    choices) / tau for each edit, as published values do, ``literal`` 1 / tau."""
    e_max: MaxEdits = "2m"
    """Most edits of m tokens: ``2m``, ``author`` for m - 1, or a number."""
    proposal: Edits = "hamming"
    """What outputs are drawn from for other rewards. Weights are exact for ``hamming``;
    for ``edit`` they take an output for reachable in one way only."""
    proposal_tau: float = pydantic.Field(default=0.9, gt=0)
    """Temperature of the proposal."""
    samples: int = pydantic.Field(default=1, ge=1)
    """Outputs drawn for each example; the model reads each with its input."""
    include_reference: bool = False
    """Put the right output in the place of the first sample, which is then biased."""
    ml_mix: float = pydantic.Field(default=0.0, ge=0, le=1)
    """Share of plain maximum likelihood: how often an example keeps its output."""
    protect_last: bool = False
    """Never edit the last token, often a full stop."""
    max_tokens: int = pydantic.Field(default=200, ge=1)
    """Most tokens of a target that may be edited; tables are made for so many."""
    seed: int = pydantic.Field(default=0, ge=0, lt=2**31)
    """Origin of the samples, beside the seed of the run, the epoch and the example."""
    groups: tuple[tuple[pydantic.NonNegativeInt, ...], ...] = ()
    """For ``table``: superclasses, as class numbers."""
    within: float = pydantic.Field(default=0.5, ge=0, lt=1)
    """For ``table``: reward of another class of the same group; that of the right class
    is 1, that of others 0."""
    table: str | None = None
    """For ``table``: CSV file with a line for each class, of its reward where each
    class is right; in place of `groups`."""

    @property
    def is_direct(self) -> bool:
        """Whether outputs are drawn from the payoff itself."""
        return self.reward in ("edit", "hamming")

    def payoff(self, num_tokens: int) -> Payoff:
        """What is drawn from, for a number of ordinary tokens."""
        edits: Edits = self.proposal
        if self.reward == "hamming":
            edits = "hamming"
        elif self.reward == "edit":
            edits = "edit"
        tau = self.tau if self.is_direct else self.proposal_tau
        return Payoff(edits, num_tokens, tau, self.temperature_units, self.e_max)

    @pydantic.model_validator(mode="after")
    def _parts_fit(self) -> Self:
        if self.reward not in _NAMED and "." not in self.reward:
            raise ValueError(
                f"there is no such reward. Expected one of {', '.join(_NAMED)}, or a"
                " function of yours as package.module.function. Received reward:"
                f" {self.reward}."
            )
        if self.reward != "table" and (self.groups or self.table):
            raise ValueError(
                "only a table of rewards has groups or a file. Expected reward: table."
                f" Received reward: {self.reward}."
            )
        if self.groups and self.table:
            raise ValueError(
                "rewards of classes come from groups or from a file. Expected one of"
                " the keys groups and table. Received both."
            )
        members = [member for group in self.groups for member in group]
        if len(set(members)) < len(members):
            raise ValueError(
                "a class is in two groups. Expected groups without a class in common."
                f" Received groups: {[list(group) for group in self.groups]}."
            )
        if not self.is_direct and self.reward != "table" and self.samples < 2:
            raise ValueError(
                "importance weights compare the samples of an example. Expected"
                f" samples of at least 2 for reward: {self.reward}. Received samples:"
                f" {self.samples}."
            )
        if self.final_tau is not None and self.reward == "table":
            raise ValueError(
                "the targets of classes stay the same. Expected no final_tau with"
                f" reward: table. Received final_tau: {self.final_tau}."
            )
        if self.include_reference and self.samples < 2:
            raise ValueError(
                "the right output takes the place of one of several samples. Expected"
                f" samples of at least 2. Received samples: {self.samples}."
            )
        return self
