"""How sound becomes mel spectra that speech is made of: named sets of numbers."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from dataclasses import dataclass
from typing import Any
from typing import Literal


@dataclass(frozen=True)
class MelPreset:
    """Numbers of a front end of synthesis; a vocoder must have the same."""

    sample_rate: int
    """Hz."""
    window: int
    """Samples of a frame."""
    hop: int
    """Samples between the middles of neighbouring frames."""
    fft_size: int
    """Samples of the FFT, at least those of a frame."""
    num_bins: int
    """Mel bands."""
    lower_hz: float
    """Lower end of the first band."""
    upper_hz: float
    """Upper end of the last band."""
    floor: float
    """Least magnitude of a band; its logarithm is what silence looks like."""
    scale: Literal["htk", "slaney"] = "htk"
    """HTK's triangles of height 1, or Slaney's of area 1."""
    preemphasis: float = 0.0
    """Share of the sample before that is taken away from each."""

    @property
    def identity(self) -> str:
        """A short name that other numbers do not have, for models and vocoders."""
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def plain(self) -> dict[str, Any]:
        """The numbers, as JSON holds them."""
        return asdict(self)

    @classmethod
    def from_plain(cls, values: Mapping[str, Any]) -> "MelPreset":
        """What `plain` was made of."""
        return cls(**values)


PRESETS = {
    "z19": MelPreset(24_000, 1200, 300, 2048, 128, 20.0, 12_000.0, 0.01),
    "s18": MelPreset(24_000, 1200, 300, 2048, 80, 125.0, 7600.0, 0.01),
    "public22k": MelPreset(
        22_050, 1024, 256, 1024, 80, 0.0, 8000.0, 1e-5, scale="slaney"
    ),
    "small": MelPreset(22_050, 1024, 256, 1024, 40, 80.0, 7600.0, 1e-3),
}
"""Those of arXiv:1907.04448, of arXiv:1712.05884, of the public Tacotron 2 of 22 kHz,
and a small one for a minute of speech."""

PresetName = Literal["z19", "s18", "public22k", "small"]
