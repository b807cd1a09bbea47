"""Translates with the endpoints of a device: an encoder, and a step in three parts."""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from export.interfaces import Arrays
from export.search import Hypothesis
from export.search import Stepped
from export.search import search
from tfmodels.decoding.beam_search import Hypotheses
from tfmodels.decoding.config import BeamSearchConfig
from tfmodels.decoding.scores import max_lengths
from tfmodels.errors import DataError
from tfmodels.gnmt.config import Wiring
from tfmodels.gnmt.decoder import Attended
from tfmodels.gnmt.decoder import next_state
from tfmodels.gnmt.decoder import shown

ENCODE, LOWEST, ATTEND, UPPER = "encode", "lowest_step", "attend", "upper_step"
"""The endpoints."""
SEEN = ("memory_encodings", "memory_keys", "memory_mask")
"""What attention sees of the source."""

Run = Callable[[str, Mapping[str, Any]], Arrays]
"""Runs an endpoint on named arrays."""


class DeviceTranslator:
    """A decoder whose state stands with the caller, step by step.

    Args:
      run: the endpoints.
      length: tokens of a source, padding included.
      wiring: what attention is asked with, and where its context goes.
      config: the search; a step has a row for each hypothesis of its beam.
    """

    def __init__(
        self, run: Run, length: int, wiring: Wiring, config: BeamSearchConfig
    ) -> None:
        self._run = run
        self._length = length
        self._wiring = wiring
        self._config = config

    def search(self, source: np.ndarray) -> list[Hypothesis]:
        """The best translations of ids, int32 [S], which padding may follow."""
        memory, state = self._encoded(source)
        length = np.count_nonzero(source)
        mask = (np.arange(self._length) < length).astype(np.float32)

        def step(tokens: np.ndarray, state: Arrays) -> Stepped:
            logits, state, shares = self._step(tokens, state, memory)
            log_probs = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
            return Stepped(log_probs, state, shares)

        limit = int(max_lengths(tf.constant(length, tf.int32), self._config))
        return search(step, state, limit, self._config, mask)

    def told(self, source: np.ndarray, target: np.ndarray) -> Iterator[np.ndarray]:
        """Logits, float32 [V], of what follows each token of a translation."""
        memory, state = self._encoded(source)
        width = self._config.beam_width
        state = {name: np.repeat(x, width, axis=0) for name, x in state.items()}
        for token in target:
            tokens = np.full(width, token, np.int32)
            logits, state, _ = self._step(tokens, state, memory)
            yield logits[0]

    def _step(
        self, tokens: np.ndarray, state: Arrays, memory: Arrays
    ) -> tuple[np.ndarray, Arrays, np.ndarray]:
        """Logits, the next state, and attention, as `Decoder.step` computes them."""
        lstm = {"state_lstm": state["lstm"]}
        fed = {"state_context": state["context"]} if "context" in state else {}
        lowest = self._run(LOWEST, {"tokens": tokens, **lstm, **fed})["lowest"]
        found = self._run(ATTEND, {"query": lowest[:, 0], **memory})
        attended = Attended(found["context"], found["shares"])
        context, shares = shown(self._wiring, attended, state)
        made = self._run(UPPER, {"lowest": lowest, "context": context, **lstm})
        after = next_state(self._wiring, made["state_lstm"], attended)
        return made["logits"], after, shares

    def _encoded(self, source: np.ndarray) -> tuple[Arrays, Arrays]:
        """What attention sees, and the first state.

        Raises:
          DataError: the source is too long.
        """
        ids = source[source > 0]
        if len(ids) > self._length:
            raise DataError(
                "the sentence is too long for the device's encoder. Expected at most"
                f" {self._length} pieces, data.max_length. Received {len(ids)}."
            )
        filled = np.pad(ids, (0, self._length - len(ids))).astype(np.int32)
        made = self._run(ENCODE, {"source": filled[None]})
        state = {
            name.removeprefix("state_"): x
            for name, x in made.items()
            if name.startswith("state_")
        }
        return {name: made[name] for name in SEEN}, state


def stacked(found: list[Hypothesis]) -> Hypotheses:
    """What was found of one example, as `tfmodels.decoding.beam_search` returns it."""
    longest = max(len(each.ids) for each in found)

    def row(values: np.ndarray, fill: int) -> np.ndarray:
        return np.pad(values, (0, longest - len(values)), constant_values=fill)

    return Hypotheses(
        np.stack([row(each.ids, 0) for each in found])[None],
        np.array([[len(each.ids) for each in found]], np.int32),
        np.array([[each.score for each in found]], np.float32),
        np.array([[each.log_prob for each in found]], np.float32),
        np.stack([row(each.alignment, -1) for each in found])[None],
        np.stack([each.coverage for each in found])[None],
    )
