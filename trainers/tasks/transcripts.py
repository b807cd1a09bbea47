"""Several ways to write down one recording, the best first, as people read them."""

from typing import NamedTuple

import numpy as np

from tfmodels.text.graphemes import END
from tfmodels.text.graphemes import Graphemes
from trainers.tasks.listening import Heard

_FRAMES_A_SECOND = 100
NO_WORDS = "(no words were heard)"
"""What is shown in the place of a text without a character."""
_NOTHING = (
    "(nothing was found: no transcript is possible, as where weights are damaged)"
)


class Transcript(NamedTuple):
    """One of them."""

    text: str
    score: float
    """What transcripts are ordered by."""
    log_prob: float
    """Natural log of its probability."""
    variety: str
    """The dialect or language that it names; the likeliest where it names none."""
    probability: float
    """Of this variety, as it is heard."""
    alignment: tuple[tuple[str, float], ...]
    """Each unit, and the second of the recording that it attended to most."""


class Transcripts(tuple[Transcript, ...]):
    """Transcripts of one recording, best first; as text, the best one.

    Where no words were heard, or not even that was found, the text says so.
    """

    __slots__ = ()

    def __str__(self) -> str:
        return (self[0].text or NO_WORDS) if self else _NOTHING

    def table(self, count: int) -> str:
        """Lines of score, log probability, variety, its probability, text, times."""
        if not self:
            return _NOTHING
        return "\n".join(
            f"{each.score:9.4f} {each.log_prob:9.4f} {each.variety:>7}"
            f" {each.probability:6.4f}  {each.text or NO_WORDS}\n"
            f"{'':36}{' '.join(f'{unit}@{at:.2f}' for unit, at in each.alignment)}"
            for each in self[:count]
        )


def read_transcripts(
    graphemes: Graphemes, heard: Heard, frames_per_encoding: int
) -> Transcripts:
    """Makes texts of what was heard in one recording.

    Args:
      graphemes: what ids mean.
      heard: of one example, arrays will do.
      frames_per_encoding: what a step of the alignment is.
    """
    found, variety = heard.hypotheses, np.asarray(heard.variety)[0]
    step = frames_per_encoding / _FRAMES_A_SECOND
    transcripts = []
    for row, length in enumerate(np.asarray(found.lengths)[0]):
        ids = np.asarray(found.ids)[0, row, :length]
        seen = np.asarray(found.alignments)[0, row, :length]
        named = graphemes.variety_of(ids)
        number = int(variety.argmax()) if named is None else named
        pairs = [
            (graphemes.names[unit], float(at * step))
            for unit, at in zip(ids, seen, strict=True)
            if unit != END and at >= 0
        ]
        if length:
            transcripts.append(
                Transcript(
                    graphemes.decode(ids),
                    float(found.scores[0, row]),
                    float(found.log_probs[0, row]),
                    graphemes.varieties[number].name,
                    float(variety[number]),
                    tuple(pairs),
                )
            )
    return Transcripts(transcripts)
