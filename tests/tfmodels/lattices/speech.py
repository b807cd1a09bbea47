"""A tiny recogniser, and its paths written out without any automaton."""

import itertools
import math
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence

from tfmodels.lattices.graph import LOG_ZERO
from tfmodels.lattices.graph import Graph
from tfmodels.lattices.language_model import BackoffModel
from tfmodels.lattices.language_model import estimate
from tfmodels.lattices.lexicon import Lexicon
from tfmodels.lattices.lexicon import PhoneSet
from tfmodels.lattices.topology import Topology
from tfmodels.lattices.topology import chain
from tfmodels.lattices.topology import left_to_right
from tfmodels.lattices.tying import Tying

SILENCE, A, B = 1, 2, 3
PHONES = PhoneSet.create(["sil", "a", "b"], "sil")
LEXICON = Lexicon.create(
    [("x", ["a"]), ("x", ["b", "a"]), ("y", ["a", "b"]), ("z", ["b", "a"])], PHONES
)
SENTENCES = [(1, 2), (2,), (3, 1, 1), (1, 2), (3,)]
TOPOLOGIES: Mapping[int, Topology] = {
    SILENCE: left_to_right(1, 0.6),
    A: left_to_right(2, 0.7),
    B: chain(),
}
SILENCE_PROB = 0.3

# Pdfs in order of frames, words with the frames they begin in, log weight.
Path = tuple[tuple[int, ...], tuple[tuple[int, int], ...], float]


def bigram() -> BackoffModel:
    return estimate(SENTENCES, (1, 2, 3))


def paths(graph: Graph, num_frames: int) -> list[Path]:
    """Every path of a graph over a number of frames."""
    leaving: dict[int, list[int]] = {}
    for arc, source in enumerate(graph.source.tolist()):
        leaving.setdefault(source, []).append(arc)
    found: list[Path] = []

    def extend(state: int, pdfs: tuple, words: tuple, weight: float) -> None:
        if len(pdfs) == num_frames:
            if graph.final[state] > LOG_ZERO / 2:
                found.append((pdfs, words, weight + float(graph.final[state])))
            return
        for arc in leaving.get(state, ()):
            word = int(graph.word[arc])
            extend(
                int(graph.target[arc]),
                (*pdfs, int(graph.pdf[arc])),
                (*words, (len(pdfs), word)) if word else words,
                weight + float(graph.weight[arc]),
            )

    for state, weight in enumerate(graph.initial.tolist()):
        if weight > LOG_ZERO / 2:
            extend(state, (), (), weight)
    return found


def rounded(found: Iterable[Path]) -> list[Path]:
    return sorted((pdfs, words, round(weight, 4)) for pdfs, words, weight in found)


def spoken(
    model: BackoffModel,
    tying: Tying,
    num_frames: int,
    self_loop_scale: float,
) -> Iterator[Path]:
    """Every way to say something in a number of frames: words, phones, durations."""
    for size in range(num_frames + 1):
        for words in itertools.product((1, 2, 3), repeat=size):
            weight = language_weight(model, words)
            variants = [LEXICON.pronunciations[word] for word in words]
            for chosen in itertools.product(*variants):
                for pauses in itertools.product((False, True), repeat=size + 1):
                    yield from _timed(
                        words,
                        chosen,
                        pauses,
                        weight - sum(math.log(len(v)) for v in variants),
                        tying,
                        num_frames,
                        self_loop_scale,
                    )


def language_weight(model: BackoffModel, words: Sequence[int]) -> float:
    history, weight = (-1,), 0.0
    for word in (*words, -2):
        weight += model.log_prob(history, word)
        history = (word,)
    return weight


def _timed(words, chosen, pauses, weight, tying, num_frames, scale):
    phones = [(SILENCE, 0)] if pauses[0] else []
    for word, pronunciation, pause in zip(words, chosen, pauses[1:], strict=True):
        phones += [(p, word if k == 0 else 0) for k, p in enumerate(pronunciation)]
        phones += [(SILENCE, 0)] if pause else []
    weight += sum(math.log(SILENCE_PROB if p else 1 - SILENCE_PROB) for p in pauses)
    # One row for each state: pdf of its first frame, pdf of others, log p(stay).
    states = []
    names = [0, *(phone for phone, _ in phones), 0]
    for place, (phone, word) in enumerate(phones):
        pdf = tying.table[names[place], phone, names[place + 2]]
        stay = {SILENCE: 0.6, A: 0.7, B: 0.5}[phone]
        if phone == B:
            states.append((pdf[0], pdf[1], stay, word))
        else:
            for k in range(2 if phone == A else 1):
                states.append((pdf[k], pdf[k], stay, word if k == 0 else 0))
    for cuts in itertools.combinations(range(1, num_frames), max(len(states) - 1, 0)):
        bounds = [0, *cuts, num_frames]
        if len(bounds) != len(states) + 1:
            continue
        pdfs, labels, total = [], [], weight
        for (first, rest, stay, word), begin, end in zip(
            states, bounds, bounds[1:], strict=False
        ):
            pdfs += [int(first), *[int(rest)] * (end - begin - 1)]
            total += scale * (math.log(stay) * (end - begin - 1) + math.log(1 - stay))
            labels += [(begin, word)] if word else []
        yield tuple(pdfs), tuple(labels), total
