"""What makes sound of a synthesiser's spectra."""

from collections.abc import Callable
from typing import Any

from tfmodels.audio.griffin_lim import GriffinLim
from tfmodels.audio.presets import MelPreset

Vocoder = Callable[..., Any]
"""From log-mel spectra float32 [b, T, M] and lengths int32 [b], frames, to samples
float32 [b, hop T]."""


def open_vocoder(preset: MelPreset) -> Vocoder:
    """Griffin and Lim's algorithm."""
    return GriffinLim(preset)
