"""Configuration of sequence-discriminative objectives."""

from typing import Literal
from typing import Self

import pydantic

from tfmodels.config import Config


class SequenceDiscriminativeConfig(Config):
    """MMI, boosted MMI, sMBR, MPFE or MPE, on lattices or on the whole graph.

    Defaults are those of the Kaldi toolkit for hybrid models trained with cross entropy
    (``nnet1``, Vesely et al., Interspeech 2013).
    """

    kind: Literal["sequence_discriminative"] = "sequence_discriminative"
    criterion: Literal["mmi", "smbr", "mpfe", "mpe"] = "smbr"
    """Mutual information, or expected accuracy of states, frames' phones or phones;
    the last needs lattices that were stored, with alignments beside them."""
    denominator: Literal["lattice", "stored", "full"] = "lattice"
    """Paths that compete: pruned with the present scores, read with data of the kind
    `utterance_records` that have lattices, or all."""
    acoustic_scale: float = pydantic.Field(default=0.1, gt=0)
    """Factor of the acoustic scores; 1 for models trained on the whole graph."""
    prior_scale: float = pydantic.Field(default=1.0, ge=0)
    """Share of the log prior that is taken off the scores; 0 for the whole graph."""
    boost: float = pydantic.Field(default=0.0, ge=0)
    """Nats that each wrong frame adds to a competing path: boosted MMI."""
    max_silence_error: float = pydantic.Field(default=0.0, ge=0, le=1)
    """How wrong silence is for `boost` where the reference is not silence."""
    one_silence_class: bool = True
    """Whether any silence is right for any other; else silence is never right."""
    smoothing: float = pydantic.Field(default=0.1, ge=0, le=1)
    """Share of frame-wise cross entropy in the criterion: F-smoothing."""
    drop_frames: bool = True
    """Whether MMI leaves out frames where the reference did not compete."""
    output_l2: float = pydantic.Field(default=0.0, ge=0)
    """Factor of the halved squares of the logits, taken off the criterion."""
    head_weight: float = pydantic.Field(default=0.0, ge=0)
    """Weight of the cross entropy of a head of its own, ``cross_entropy_logits``."""
    lattice_beam: float = pydantic.Field(default=7.0, ge=0)
    """Largest distance of a kept path from the best, nats."""
    decode_beam: float = pydantic.Field(default=13.0, gt=0)
    """Largest distance of a state from the best of its frame, nats."""
    max_active: int = pydantic.Field(default=5000, ge=1)
    """States that go on from a frame."""
    leak: float = pydantic.Field(default=0.0, ge=0, lt=1)
    """Share of weight that leaks between all states of the whole graph; 0: none."""

    @pydantic.model_validator(mode="after")
    def _parts_fit(self) -> Self:
        if self.boost and self.criterion != "mmi":
            raise ValueError(
                "boost belongs to the criterion mmi: others count errors themselves."
                f" Expected boost: 0. Received boost: {self.boost} with criterion:"
                f" {self.criterion}."
            )
        if self.leak and (self.criterion, self.denominator) != ("mmi", "full"):
            raise ValueError(
                "only the sum over the whole graph leaks. Expected criterion: mmi with"
                f" denominator: full. Received leak: {self.leak} with criterion:"
                f" {self.criterion} and denominator: {self.denominator}."
            )
        if self.leak and self.boost:
            raise ValueError(
                "a graph that leaks cannot be boosted. Expected leak: 0 or boost: 0."
                f" Received leak: {self.leak}, boost: {self.boost}."
            )
        if self.criterion == "mpe" and self.denominator != "stored":
            raise ValueError(
                "the criterion mpe needs arcs that are whole phones. Expected"
                f" denominator: stored. Received denominator: {self.denominator}."
            )
        return self
