"""Recognition while somebody speaks: what is certain so far, and what may change."""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any
from typing import NamedTuple

import numpy as np

from export.interfaces import Arrays
from export.interfaces import Program
from export.search import NumpyStep
from export.search import Stepped
from export.search import search
from export.stepping import Steps
from export.stepping import first_state
from tfmodels.decoding.config import BeamSearchConfig
from tfmodels.decoding.scores import max_lengths
from tfmodels.text.graphemes import Graphemes
from trainers.tasks.transcripts import NO_WORDS

CHUNK = "stream_chunk"
"""The endpoint that makes encodings of some more sound."""

_LOG_ZERO = -1e9
_PAST = "past_"
# The axis of time of each part of the memory; the variety has none.
_TIME = {"memory_keys": 2, "memory_values": 2, "memory_mask": 1}


class Partial(NamedTuple):
    """What has been understood up to now."""

    stable: str
    """What the last two answers agree in; it is not taken back while one speaks."""
    tail: str
    """The rest of the last answer, which may change. Empty at the end."""

    def __str__(self) -> str:
        if self.tail:
            return f"{self.stable}[{self.tail}]"
        return self.stable or NO_WORDS


class Chunks(NamedTuple):
    """How sound is cut."""

    size: int
    """Samples of each part."""
    hop: int
    """Samples from the beginning of one to that of the next."""
    least: int
    """Samples of the shortest part of which there is a frame."""


class Transcriber:
    """Takes sound as it comes.

    Each answer is looked for in all that has been heard, from what is certain on. The
    last one is looked for anew, and so is that of the whole recording.

    Args:
      program: has the endpoint `CHUNK` and those of `Steps`, whose rows are a beam's.
      graphemes: what units mean.
      config: the search.
      chunks: how sound is cut.
      told: what the recogniser is told of a part that begins after so many samples,
        float32 [K]; its decoder is told the mean of all parts.
      units: bool [V], those that answers may have.
    """

    def __init__(
        self,
        program: Program,
        graphemes: Graphemes,
        config: BeamSearchConfig,
        chunks: Chunks,
        told: Callable[[int], np.ndarray],
        units: np.ndarray,
    ) -> None:
        self._program = program
        self._graphemes = graphemes
        self._config = config
        self._chunks = chunks
        self._told = told
        self._varieties: list[np.ndarray] = []
        self._units = units
        self._samples = np.zeros(0, np.float32)
        self._past = _nothing(program.inputs(CHUNK))
        self._memory: list[Arrays] = []
        self._best: list[int] = []
        self._stable: list[int] = []

    def feed(self, samples: np.ndarray) -> Partial | None:
        """Listens to some more samples, float32 [N]; None where they say nothing new.

        Nothing is new before a part is full.
        """
        self._samples = np.concatenate([self._samples, samples])
        before = len(self._memory)
        while len(self._samples) >= self._chunks.size:
            self._listen(self._chunks.size)
        if len(self._memory) == before:
            return None
        best = self._search(self._stable)
        self._stable = best[: _agreeing(best, self._best)]
        self._best = best
        return self._partial(len(self._stable))

    def finish(self) -> Partial:
        """What has been understood, once nothing follows."""
        if len(self._samples) >= self._chunks.least:
            self._listen(len(self._samples))
        self._best = self._search([]) if self._memory else []
        return self._partial(len(self._best))

    def _partial(self, stable: int) -> Partial:
        parts = self._best[:stable], self._best[stable:]
        return Partial(*map(self._graphemes.decode, parts))

    def _listen(self, length: int) -> None:
        """Encodes the next part, of which so many samples are there."""
        audio = self._samples[:length]
        audio = np.pad(audio, (0, self._chunks.size - length))
        variety = self._told(len(self._memory) * self._chunks.hop).astype(np.float32)
        made = self._program(
            CHUNK,
            {
                "audio": audio[None],
                "audio_len": np.array([length], np.int32),
                "variety": variety[None],
                **self._past,
            },
        )
        self._past = {name: made[name] for name in self._past}
        self._memory.append({name: made[name] for name in _TIME})
        self._varieties.append(variety)
        self._samples = self._samples[self._chunks.hop :]

    def _search(self, prefix: list[int]) -> list[int]:
        """The best answer that begins with some units, up to its last character."""
        memory = {
            name: np.concatenate([part[name] for part in self._memory], axis)
            for name, axis in _TIME.items()
        }
        memory["memory_variety"] = np.mean(self._varieties, 0, keepdims=True)
        mask = memory["memory_mask"][0]
        first = first_state(self._program)
        if "state_shares" in first:
            heads = memory["memory_keys"].shape[1]
            equal = mask / max(mask.sum(), 1)
            first["state_shares"] = np.repeat(equal[None, None], heads, axis=1)
        step = Steps(self._program, memory, self._units)
        limit = max(max_lengths(int(mask.sum()), self._config), len(prefix) + 1)
        first = {name: values[:1] for name, values in first.items()}
        found = search(_beginning(step, prefix), first, limit, self._config, mask)
        ids = found[0].ids.tolist() if found else []
        # A variety's symbol may stand at the beginning, and stay there.
        while ids and self._graphemes.is_special[ids[-1]]:
            ids.pop()
        return ids


def transcribe(
    transcriber: Transcriber, samples: np.ndarray, size: int
) -> Iterator[Partial]:
    """Yields what is understood of a recording that comes in parts of some samples."""
    for start in range(0, len(samples), size):
        partial = transcriber.feed(samples[start : start + size])
        if partial is not None:
            yield partial
    yield transcriber.finish()


def _nothing(shapes: Mapping[str, Any]) -> Arrays:
    """What is remembered before anything."""
    return {
        name: np.zeros([size or 1 for size in shape], np.float32)
        for name, shape in shapes.items()
        if name.startswith(_PAST)
    }


def _beginning(step: NumpyStep, prefix: list[int]) -> NumpyStep:
    """A step after which sequences begin with some units."""
    left = iter(prefix)

    def forced(tokens: np.ndarray, state: Arrays) -> Stepped:
        made = step(tokens, state)
        unit = next(left, None)
        if unit is None:
            return made
        only = np.arange(made.log_probs.shape[1]) == unit
        return made._replace(log_probs=np.where(only, made.log_probs, _LOG_ZERO))

    return forced


def _agreeing(first: list[int], second: list[int]) -> int:
    """How many units two sequences have in common at their beginning."""
    pairs = zip(first, second, strict=False)
    return next(
        (place for place, (one, two) in enumerate(pairs) if one != two),
        min(len(first), len(second)),
    )
