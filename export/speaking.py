"""Says texts with the endpoints of a device: an encoder, a step, and the post-net."""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any
from typing import NamedTuple

import numpy as np

from export.interfaces import Arrays
from export.interfaces import Program
from export.synthesis import ENCODE
from export.synthesis import POSTNET
from export.synthesis import STEP
from tfmodels.tacotron.config import TacotronConfig
from tfmodels.tacotron.decoder import prenet_noise
from tfmodels.tacotron.free_running import PATIENCE
from tfmodels.tacotron.free_running import STOP_REASONS
from tfmodels.tacotron.free_running import most_frames

_STATE, _MEMORY = "state_", "memory_"
# Steps whose noise is drawn together.
_NOISE_STEPS = 64
# Frames that the post-net mends at once while a text is being said.
_CHUNK = 24


class Step(NamedTuple):
    """What a step of the decoder made."""

    frames: np.ndarray
    """float32 [r, M], log energies before the post-net."""
    alignment: np.ndarray
    """float32 [N]."""
    reason: str
    """Why the text is over, one of `STOP_REASONS`; ``none`` where it is not."""


class DeviceSynthesizer:
    """A decoder whose state stands with the caller, one text at a time.

    Args:
      program: has the endpoints.
      config: the model's.
    """

    def __init__(self, program: Program, config: TacotronConfig) -> None:
        self._program, self._config = program, config
        self._inputs = tuple(program.inputs(STEP))
        postnet = config.postnet
        self._reach = postnet.convolutions * (postnet.kernel // 2)

    def steps(
        self,
        source: Mapping[str, Any],
        seed: np.ndarray,
        told: np.ndarray | None = None,
        max_frames: int | None = None,
    ) -> Iterator[Step]:
        """Steps until the text is over, as `tfmodels.tacotron.free_running` has it.

        Args:
          source: what `Tacotron.encode` takes, of one text.
          seed: int64 [1, 2], of the prenet's dropout.
          told: float32 [S, M], the frame before each step in place of what the step
            before has made; as many steps are made then.
          max_frames: most frames; as many as the text may have when absent.
        """
        length, r = int(source["symbol_lengths"][0]), self._config.frames_per_step
        made = self._encoded(source)
        limit = -(-int(most_frames(length)) // r)
        if max_frames is not None:
            limit = min(limit, -(-max_frames // r))
        count = limit if told is None else len(told)
        stayed = 0
        for number, noise in zip(range(count), self._noise(seed), strict=False):
            if told is not None and number:
                made["frame"] = told[number][None]
            inputs = {**made, "noise": noise}
            found = self._program(STEP, {name: inputs[name] for name in self._inputs})
            alignment, frames = found["alignment"][0], found["frames"][0]
            looked = int(np.argmax(alignment)) == length - 1
            stayed = stayed + 1 if looked else 0
            reason = 0
            if number + 1 >= count:
                reason = 3
            if stayed >= -(-PATIENCE // r):
                reason = 2
            if found["stop"][0] > 0:
                reason = 1
            yield Step(frames, alignment, STOP_REASONS[reason])
            if reason and told is None:
                return
            made |= {n: x for n, x in found.items() if n.startswith(_STATE)}
            made["frame"] = frames[-1:]

    def mended(self, frames: np.ndarray) -> np.ndarray:
        """What the post-net makes of frames, float32 [T, M]."""
        made: np.ndarray = self._program(POSTNET, {"frames": frames[None]})["energies"]
        return made[0]

    def chunks(
        self, steps: Iterator[Step], watch: Callable[[Step], Any] = bool
    ) -> Iterator[np.ndarray]:
        """Log energies, float32 [T, M], of ever more steps, exactly those of the whole.

        Each waits for as many frames more as the post-net looks ahead.

        Args:
          steps: what comes.
          watch: sees each step.
        """
        made: list[np.ndarray] = []
        done = 0
        for step in steps:
            watch(step)
            made += [*step.frames]
            while len(made) - done >= _CHUNK + self._reach:
                yield self._part(made, done, done + _CHUNK)
                done += _CHUNK
        if done < len(made):
            yield self._part(made, done, len(made))

    def _part(self, frames: list[np.ndarray], begin: int, end: int) -> np.ndarray:
        first = max(begin - self._reach, 0)
        seen = np.stack(frames[first : end + self._reach])
        return self.mended(seen)[begin - first : end - first]

    def _encoded(self, source: Mapping[str, Any]) -> Arrays:
        """What steps see of a text, their first state, and the first frame."""
        inputs = dict(source)
        if self._config.residual:
            zeros = np.zeros([1, self._config.residual.dim], np.float32)
            inputs.setdefault("residual", zeros)
        wanted = self._program.inputs(ENCODE)
        return self._program(ENCODE, {name: inputs[name] for name in wanted})

    def _noise(self, seed: np.ndarray) -> Iterator[np.ndarray]:
        """Factors of the prenet's dropout, float32 [1, 2, P], of each step."""
        first = 0
        while True:
            drawn = prenet_noise(self._config.decoder, seed, _NOISE_STEPS, first)
            yield from np.swapaxes(drawn, 0, 1)
            first += _NOISE_STEPS


def said(synthesizer: DeviceSynthesizer, steps: Iterator[Step]) -> Arrays:
    """A whole text of one row, as `Tacotron.free_run` gives it."""
    found = [*steps]
    frames = np.concatenate([step.frames for step in found])
    reason = STOP_REASONS.index(found[-1].reason)
    return {
        "energies": synthesizer.mended(frames)[None],
        "lengths": np.array([len(frames)], np.int32),
        "alignment": np.stack([step.alignment for step in found])[None],
        "stop_reason": np.array([reason], np.int32),
    }
