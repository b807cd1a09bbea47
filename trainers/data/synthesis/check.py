"""Reads every recording of voices, to find the bad ones before training does."""

from collections.abc import Callable

import numpy as np

from tfmodels.errors import DataError
from trainers.data.speech.check import SplitReport
from trainers.data.speech.check import listen
from trainers.data.speech.manifest import Utterance
from trainers.data.synthesis.config import SynthesisData
from trainers.data.synthesis.manifests import read_manifests
from trainers.data.synthesis.source import SynthesisSource

# Deviations of the pace from the mean beyond which text and sound are of two things.
_ODD = 4.0


def check_synthesis(
    config: SynthesisData, progress: Callable[[str, int], None]
) -> dict[str, SplitReport]:
    """Reads all splits; varieties are pairs of speaker and language.

    Utterances that are said much faster or slower than the others of their language are
    problems: pairs of a text and another sound are why synthesisers do not stop.

    Args:
      config: the section `data`.
      progress: called with a split and the number of utterances read since the last
        call.

    Raises:
      DataError: a manifest or a table cannot be read at all, or a split is empty.
    """
    reports = {s: SplitReport() for s in ("train", *config.held_out_splits())}
    splits = read_manifests(config, reports["train"].problems.append)
    source = SynthesisSource(config, splits, write=False)
    heard = {entry.speaker for entry in splits["train"]}
    for split, report in reports.items():
        paces: dict[str, list[tuple[str, float]]] = {}
        for entry in splits[split]:
            problems, seconds = _problems(source, entry, report)
            report.problems += [f"{entry.utt}: {problem}" for problem in problems]
            if not problems:
                report.utterances += 1
                report.varieties[f"{entry.speaker} {entry.lang}"] += 1
                pace = len(entry.text) / seconds
                paces.setdefault(str(entry.lang), []).append((entry.utt, pace))
            progress(split, 1)
        for pairs in paces.values():
            report.problems += _odd(pairs)
        if split != "train":
            report.also_in_training = len({e.speaker for e in splits[split]} & heard)
    return reports


def _problems(
    source: SynthesisSource, entry: Utterance, report: SplitReport
) -> tuple[list[str], float]:
    """What is wrong with an utterance, and how long it is."""
    problems = []
    for key, names in (("speaker", source.speakers), ("lang", source.languages)):
        if getattr(entry, key) not in names:
            problems.append(
                f"unknown {key}. Expected one of {', '.join(names)}. Received"
                f" {getattr(entry, key)!r}."
            )
    units = 0
    try:
        encoded = source.encode(entry)
        units = len(encoded.ids)
        if encoded.unknown:
            problems.append(
                "symbols that the table does not have. Expected those of the training"
                f" split. Received {' '.join(map(repr, encoded.unknown))}."
            )
    except DataError as error:
        problems.append(str(error))
    largest = source.config.buckets[-1]
    seconds = 0.0
    try:
        largest_size = (largest.frames, largest.symbols)
        seconds = listen(entry, report, source.front_end, units, largest_size)
    except DataError as error:
        problems.append(str(error))
    return problems, seconds


def _odd(pairs: list[tuple[str, float]]) -> list[str]:
    paces = np.log([max(pace, 1e-3) for _, pace in pairs])
    far = np.abs(paces - paces.mean()) / max(paces.std(), 1e-9)
    return [
        f"{name}: an odd pace. Expected about {np.exp(paces.mean()):.1f} characters a"
        f" second, as others of its language. Received {pace:.1f}; compare text and"
        " recording."
        for (name, pace), distance in zip(pairs, far, strict=True)
        if distance > _ODD
    ]
