"""Recognition while somebody speaks, of a toy that says what a table has."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from export.stepping import ATTEND
from export.stepping import LOWEST
from export.stepping import UPPER
from export.transcribing import CHUNK
from export.transcribing import Chunks
from export.transcribing import Partial
from export.transcribing import Transcriber
from export.transcribing import transcribe
from tfmodels.decoding.config import BeamSearchConfig
from tfmodels.text.graphemes import END
from tfmodels.text.graphemes import Graphemes
from tfmodels.text.graphemes import Variety

GRAPHEMES = Graphemes((Variety("x", "x"),), {"x": "abcd"})
SEARCH = BeamSearchConfig(beam_width=3, length_penalty=0, coverage_penalty=0)
CHUNKS = Chunks(size=5, hop=4, least=2)
EVERYTHING = np.ones(GRAPHEMES.size, bool)


class Toy:
    """Hears one encoding in each part, and says a text for each number of them."""

    endpoints = (CHUNK, LOWEST, ATTEND, UPPER)

    def __init__(self, *said: str, symbol: bool = True) -> None:
        self._said = [
            [*GRAPHEMES.encode(text, "x"), *[GRAPHEMES.symbol(0)] * symbol, END]
            for text in said
        ]
        self.heard: list[tuple[list[float], int]] = []

    def inputs(self, endpoint: str) -> dict[str, tuple[int, ...]]:
        return {
            CHUNK: {"audio": (1, 5), "audio_len": (1,), "past_count": (1, 1)},
            LOWEST: {"tokens": (3,), "state_place": (3, 1)},
            ATTEND: {"query": (3, 1), "memory_mask": (1, 1)},
            UPPER: {"query": (3, 1), "memory_mask": (1, 1)},
        }[endpoint]

    def __call__(self, endpoint: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
        if endpoint == LOWEST:
            place = inputs["state_place"]
            return {"query": place, "state_place": place + 1}
        mask = inputs.get("memory_mask")
        if endpoint == ATTEND:
            return {"attention": np.repeat(mask, 3, axis=0) / mask.sum()}
        if endpoint == UPPER:
            return {"logits": self._logits(mask.shape[1], int(inputs["query"][0, 0]))}
        length = int(inputs["audio_len"][0])
        self.heard.append((inputs["audio"][0].tolist(), length))
        one = np.ones([1, 1, 1, 1], np.float32)
        return {
            "past_count": inputs["past_count"] + 1,
            "memory_mask": one[0, 0],
            "memory_keys": one,
            "memory_values": one,
        }

    def _logits(self, heard: int, place: int) -> np.ndarray:
        said = self._said[heard - 1]
        logits = np.full([3, GRAPHEMES.size], -2.0, np.float32)
        logits[:, END] = -6.0
        logits[:, said[place] if place < len(said) else END] = 3.0
        return logits


def recognise(toy: Toy, num_samples: int, units: np.ndarray = EVERYTHING) -> list:
    transcriber = Transcriber(
        toy, GRAPHEMES, SEARCH, CHUNKS, lambda _: np.ones(1), units
    )
    samples = np.arange(num_samples, dtype=np.float32)
    return list(transcribe(transcriber, samples, 4))


@pytest.mark.parametrize("symbol", [True, False])
def test_what_two_answers_agree_in_is_stable(symbol) -> None:
    """A beginning that is certain stays; the last answer is looked for anew."""
    partials = recognise(Toy("a", "ab", "abc", "dbcd", symbol=symbol), 17)
    assert partials == [
        Partial("", "a"),
        Partial("a", "b"),
        Partial("ab", "c"),
        Partial("abc", "d"),
        Partial("dbcd", ""),
    ]
    assert [str(partial) for partial in partials[-2:]] == ["abc[d]", "dbcd"]


def test_an_answer_that_changes_is_not_stable() -> None:
    partials = recognise(Toy("a", "b", "bc", "bc d"), 17)
    assert partials == [
        Partial("", "a"),
        Partial("", "b"),
        Partial("b", "c"),
        Partial("bc", " d"),
        Partial("bc d", ""),
    ]


def test_sound_is_cut_into_parts_that_overlap() -> None:
    toy = Toy("a", "a", "a", "a", "ab")
    *_, last = recognise(toy, 19)
    assert last == Partial("ab", "")
    assert toy.heard == [
        ([0, 1, 2, 3, 4], 5),
        ([4, 5, 6, 7, 8], 5),
        ([8, 9, 10, 11, 12], 5),
        ([12, 13, 14, 15, 16], 5),
        ([16, 17, 18, 0, 0], 3),
    ]


def test_too_little_sound_says_nothing() -> None:
    toy = Toy("a")
    assert recognise(toy, 1) == [Partial("", "")]
    assert not toy.heard


def test_units_that_are_not_allowed() -> None:
    allowed = EVERYTHING.copy()
    allowed[GRAPHEMES.ids["b"]] = False
    assert recognise(Toy("a", "ab", "abc"), 13)[-1] == Partial("abc", "")
    # In its place anything else, of which the first says nothing.
    assert recognise(Toy("a", "ab", "abc"), 13, allowed)[-1] == Partial("ac", "")
