"""Configuration of what is done to features in training."""

import pydantic

from tfmodels.config import Config


class SpecAugmentConfig(Config):
    """Masks over bands and over time, and a warp of time (arXiv:1904.08779).

    What is masked becomes the mean of its band over the utterance.
    """

    warp: int = pydantic.Field(default=0, ge=0)
    """Most frames by which a point in time is moved, W; 0 for no warp."""
    frequency_masks: int = pydantic.Field(default=2, ge=0)
    """Masks over bands."""
    frequency_width: int = pydantic.Field(default=27, ge=1)
    """Most bands of such a mask, F."""
    time_masks: int = pydantic.Field(default=2, ge=0)
    """Masks over time."""
    time_width: int = pydantic.Field(default=100, ge=1)
    """Most frames of such a mask, T."""
    time_share: float = pydantic.Field(default=1.0, gt=0, le=1)
    """Most of an utterance's frames that such a mask may take, p."""


POLICIES = {
    "LB": SpecAugmentConfig(warp=80, frequency_masks=1, time_masks=1),
    "LD": SpecAugmentConfig(warp=80),
    "SM": SpecAugmentConfig(warp=40, frequency_width=15, time_width=70, time_share=0.2),
    "SS": SpecAugmentConfig(warp=40, time_width=70, time_share=0.2),
}
"""Those of the paper's table 1: LibriSpeech basic and double, Switchboard mild and
strong."""
