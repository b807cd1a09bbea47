"""Configuration of WaveRNN: every hyperparameter and where it comes from.

K18 is Kalchbrenner et al., arXiv 1802.08435; Z19 Zhang et al., arXiv 1907.04448, whose
spectra the defaults are for.
"""

import math
from typing import Literal

import pydantic

from tfmodels.config import Config


class WaveRNNConfig(Config):
    """Mel spectra in, samples of 16 bits out, one after another."""

    kind: Literal["wavernn"] = "wavernn"
    mel_bins: pydantic.PositiveInt = 128
    """Z19."""
    hidden_dim: int = pydantic.Field(default=896, ge=2, multiple_of=2)
    """Of the state, whose halves make the high and the low byte (K18, section 2.1)."""
    upsampling: tuple[pydantic.PositiveInt, ...] = (5, 5, 12)
    """Strides of transposed convolutions, whose product is samples to a frame."""
    channels: pydantic.PositiveInt = 128
    """Width of these."""
    context: int = pydantic.Field(default=2, ge=0)
    """Frames on each side that a frame's samples are made with besides its own."""

    @property
    def hop(self) -> int:
        """Samples of a frame."""
        return math.prod(self.upsampling)
