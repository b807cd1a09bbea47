"""Several answers to one question, the best first, as people read them."""

from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

import numpy as np

from tfmodels.text.segmentation import Segmenter
from tfmodels.text.vocabulary import END
from tfmodels.text.vocabulary import Vocabulary


class Answer(NamedTuple):
    """One of the answers."""

    text: str
    score: float
    """What answers are ordered by."""
    log_prob: float
    """Natural log of its probability."""
    alignment: tuple[tuple[str, str], ...]
    """Each piece of the answer, and that of the source which it attended to most."""


class Answers(tuple[Answer, ...]):
    """Answers to one question, best first; as text, the best one."""

    __slots__ = ()

    def __str__(self) -> str:
        return self[0].text

    def table(self, count: int) -> str:
        """Lines of score, log probability, text and alignment."""
        return "\n".join(
            f"{answer.score:9.4f} {answer.log_prob:9.4f}  {answer.text}\n"
            f"{'':21}{' '.join(f'{made}<{seen}' for made, seen in answer.alignment)}"
            for answer in self[:count]
        )


def read_answers(vocabulary: Vocabulary, source: Sequence[int], found: Any) -> Answers:
    """Makes texts of what a search found for one source.

    Args:
      vocabulary: what ids mean.
      source: ids of the question.
      found: `tfmodels.decoding.beam_search.Hypotheses` of one example, arrays will do.
    """
    segmenter = Segmenter(vocabulary)
    answers = []
    for row, length in enumerate(np.asarray(found.lengths)[0]):
        ids = np.asarray(found.ids)[0, row, :length]
        seen = np.asarray(found.alignments)[0, row, :length]
        pairs = [
            (vocabulary.names[made], vocabulary.names[source[at]])
            for made, at in zip(ids, seen, strict=True)
            if made != END and at >= 0
        ]
        if length:
            answers.append(
                Answer(
                    segmenter.decode(ids.tolist()),
                    float(found.scores[0, row]),
                    float(found.log_probs[0, row]),
                    tuple(pairs),
                )
            )
    return Answers(answers)
