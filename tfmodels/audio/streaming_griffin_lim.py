"""Griffin and Lim's algorithm on spectra that come frame by frame."""

import numpy as np
import tensorflow as tf

from tfmodels.audio.griffin_lim import GriffinLim
from tfmodels.audio.presets import MelPreset

_CHUNK = 32
_AHEAD = 6


class StreamingGriffinLim:
    """Makes sound of the frames that have come, as soon as a few more have.

    Sound that has been given away stays: phases of later frames are looked for that fit
    to it. Chunks overlap by a hop, in which one is faded into the other.
    """

    def __init__(
        self, preset: MelPreset, chunk: int = _CHUNK, ahead: int = _AHEAD
    ) -> None:
        """Nothing has come yet.

        Args:
          preset: what made the spectra.
          chunk: frames that become sound at once.
          ahead: frames behind these that must be there.
        """
        self._plain = GriffinLim(preset)
        self._chunk, self._ahead = chunk, ahead
        self._hop, self._begin = preset.hop, self._plain.begin
        numbers = preset.fft_size // 2 + 1
        self._magnitudes = np.zeros([1, self._plain.edge, numbers], np.float32)
        self._known = np.zeros([1, 0], np.float32)
        self._fading = np.zeros(0, np.float32)
        self._fit = tf.function(
            self._plain.fitted,
            input_signature=[
                tf.TensorSpec([1, None, numbers]),
                tf.TensorSpec([1, None]),
            ],
            autograph=False,
        )

    def feed(self, log_mel: np.ndarray) -> np.ndarray:
        """Takes frames, float32 [T, M]; samples, float32 [N], that are made of them."""
        if not len(log_mel):
            return np.zeros(0, np.float32)
        lengths = tf.constant([len(log_mel)])
        made = self._plain.magnitudes(log_mel[None], lengths)
        self._magnitudes = np.concatenate([self._magnitudes, made], 1)
        parts = [np.zeros(0, np.float32)]
        while self._waiting >= self._chunk + self._ahead:
            end = self._plain.edge + self._chunk + self._ahead
            parts.append(self._next(self._magnitudes[:, :end], self._chunk))
        return np.concatenate(parts)

    def finish(self) -> np.ndarray:
        """The rest of the samples, after which nothing can be fed."""
        if not self._waiting:
            return self._fading
        edge = [[0, 0], [0, self._plain.edge], [0, 0]]
        made = self._next(np.pad(self._magnitudes, edge), self._waiting)
        return np.concatenate([made, self._fading])

    @property
    def _waiting(self) -> int:
        """Frames that are not sound yet."""
        return self._magnitudes.shape[1] - self._plain.edge

    def _next(self, magnitudes: np.ndarray, count: int) -> np.ndarray:
        """Sound of the next frames, but for a last hop that the next chunk changes."""
        samples = np.array(self._fit(magnitudes, self._known)[0])
        end = self._begin + count * self._hop
        sound = samples[self._begin - len(self._fading) : end]
        if len(self._fading):
            share = np.linspace(0, 1, self._hop, dtype=np.float32)
            sound[: self._hop] *= share
            sound[: self._hop] += (1 - share) * self._fading
        now, self._fading = sound[: -self._hop], sound[-self._hop :]
        before = samples[count * self._hop : end - self._hop].copy()
        # What was faded is what the next chunk must fit to.
        inside = now[-len(before) :]
        before[len(before) - len(inside) :] = inside
        self._known = before[None]
        self._magnitudes = self._magnitudes[:, count:]
        return now
