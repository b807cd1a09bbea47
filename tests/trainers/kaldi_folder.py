"""A made-up folder in Kaldi's forms: a few short recordings with all there can be."""

import wave
from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfmodels.lattices.composition import compose
from tfmodels.lattices.graph import LOG_ZERO
from tfmodels.lattices.graph import Graph
from tfmodels.lattices.graph import arcs
from tfmodels.lattices.lexicon import Pronounced
from tfmodels.lattices.pruning import lattice_mask
from tfmodels.lattices.stored import from_mask
from tfmodels.lattices.topology import left_to_right
from trainers.data.kaldi.folder import Utterance
from trainers.data.kaldi.folder import write_folder
from trainers.data.kaldi.language import SourceLanguage
from trainers.data.kaldi.lattices import KaldiLattice
from trainers.data.kaldi.lattices import LatticeArc
from trainers.data.kaldi.lattices import LatticeWeight
from trainers.data.kaldi.lattices import write_lattices
from trainers.data.kaldi.source import Source
from trainers.data.kaldi.source import open_source
from trainers.data.kaldi.tables import write_alignments
from trainers.data.kaldi.tables import write_symbols

RATE, HOP, WINDOW = 8000, 80, 200
PHONES = ("sil", "a", "b", "c")
LEXICON = {"X": "a b", "Y": "c", "Z": "b a"}
# Sorted otherwise than in the lexicon, as another tool would number them.
WORD_NAMES = ("<eps>", "Z", "Y", "X", "#0")
STATES = 3

SPOKEN = {
    "train": {
        "ann-1": "X Y",
        "ann-2": "Z",
        "ann-3": "Y X",
        "bob-1": "Y Z",
        "bob-2": "X",
    },
    "test": {"ann-4": "Z Y", "bob-3": "Y"},
}


def make_folder(path: Path, lattices: bool = False) -> None:
    """Writes the folder, with alignments to states that depend on their phones alone.

    With `lattices`, of the paths of the decoding graph that a model of random scores
    would keep; the reference is among them.
    """
    path.mkdir()
    write_symbols(path / "phones.txt", ("<eps>", *PHONES, "#0"))
    write_symbols(path / "words.txt", WORD_NAMES)
    lines = [f"{word} {phones}" for word, phones in LEXICON.items()]
    (path / "lexicon.txt").write_text("\n".join(lines) + "\n")
    (path / "optional_silence.txt").write_text("sil\n")
    (path / "phone_classes.txt").write_text("a vowel\nb other\nc other silence\n")
    (path / "transitions.txt").write_text(_transitions())
    random = np.random.default_rng(0)
    for split, spoken in SPOKEN.items():
        (path / split).mkdir()
        utterances, alignments = [], {}
        for name, words in spoken.items():
            ids = _alignment(words, random)
            _write_wave(path / split / f"{name}.wav", ids, random)
            audio = f"{split}/{name}.wav"
            speaker = name.partition("-")[0]
            utterances.append(
                Utterance(name, speaker, tuple(words.split()), name, audio)
            )
            alignments[name] = ids
        write_folder(path / split, utterances)
        write_alignments(path / split / "alignments.txt", alignments)
    if lattices:
        source = open_source(path, 8)
        for split in SPOKEN:
            made = _lattices(source, split, random)
            write_lattices(path / split / "lattices.txt", made)


def decoding_graph(language: SourceLanguage) -> Graph:
    """All that can be said with the states of the folder."""
    phones = language.lexicon.phones.index.values()
    assert language.transitions is not None
    topologies = dict.fromkeys(phones, left_to_right(STATES))
    loop = Pronounced(language.grammar, language.lexicon, 0.5)
    return compose(loop, topologies, language.transitions.monophone())


def kept_arcs(graph: Graph, alignments: Sequence[np.ndarray]) -> list[np.ndarray]:
    """What a decoder of random scores keeps of the graph and of alignments, [T, A]."""
    lengths = [len(pdfs) for pdfs in alignments]
    padded = np.array([np.resize(pdfs, max(lengths)) for pdfs in alignments])
    num_pdfs = STATES * len(PHONES)
    random = np.random.default_rng(len(alignments))
    scores = (
        random.normal(size=(*padded.shape, num_pdfs)) + 2 * np.eye(num_pdfs)[padded]
    )
    mask = lattice_mask(
        tf.constant(scores), lengths, arcs(graph), 4.0, reference=padded
    ).numpy()
    return [row[:length] for row, length in zip(mask, lengths, strict=True)]


def _lattices(source: Source, split: str, random: Any) -> Iterator[KaldiLattice]:
    language = source.language
    assert language.transitions is not None
    graph, aligned = decoding_graph(language), source.alignments(split)
    pdfs = [language.transitions.pdf[ids] for ids in aligned.values()]
    numbers = {name: number for number, name in enumerate(WORD_NAMES)}
    words = [numbers[word] for word in language.lexicon.words]
    for name, mask in zip(aligned, kept_arcs(graph, pdfs), strict=True):
        kept = from_mask(graph, mask).graph
        made = [
            LatticeArc(
                int(kept.source[arc]),
                int(kept.target[arc]),
                2 * int(kept.pdf[arc]) + 1,
                words[kept.word[arc]],
                LatticeWeight(-float(kept.weight[arc]), float(random.normal())),
            )
            for arc in range(kept.num_arcs)
        ]
        finals = {
            int(state): LatticeWeight(-float(kept.final[state]), 0.0)
            for state in np.flatnonzero(kept.final > LOG_ZERO / 2)
        }
        start = int(np.argmax(kept.initial))
        made.sort(key=lambda arc: arc.source != start)
        yield KaldiLattice(name, False, tuple(made), finals)


def _transitions() -> str:
    lines = []
    for pdf in range(STATES * len(PHONES)):
        phone, state = divmod(pdf, STATES)
        lines += [
            f"Transition-state {pdf + 1}: phone = {PHONES[phone]} hmm-state = {state}"
            f" pdf = {pdf}",
            f" Transition-id = {2 * pdf + 1} p = 0.75 [self-loop]",
            f" Transition-id = {2 * pdf + 2} p = 0.25 [{state} -> {state + 1}]",
        ]
    return "\n".join(lines) + "\n"


def _alignment(words: str, random: Any) -> np.ndarray:
    """Transition ids of an utterance with silence around it."""
    phones = ["sil", *" ".join(LEXICON[word] for word in words.split()).split(), "sil"]
    ids: list[int] = []
    for phone in phones:
        for state in range(STATES):
            pdf = STATES * PHONES.index(phone) + state
            ids += [2 * pdf + 1] * random.integers(0, 2) + [2 * pdf + 2]
    return np.array(ids, np.int32)


def _write_wave(path: Path, ids: np.ndarray, random: Any) -> None:
    """Tones whose pitch tells the state, in noise."""
    tones = 300.0 + 250 * ((ids - 1) // 2)
    pitch = np.append(np.repeat(tones, HOP), np.full(WINDOW - HOP, tones[-1]))
    sound = 0.3 * np.sin(2 * np.pi * np.cumsum(pitch) / RATE)
    sound += 0.01 * random.normal(size=len(pitch))
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes((32767 * sound).astype("<i2").tobytes())
