"""Wordpieces: how long they take to learn, and how many sentences they segment."""

import gzip
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tools.benchmark.timing import machine
from tools.benchmark.timing import rates
from tools.quiet import load_tensorflow

_SYLLABLES = ["ka", "le", "mi", "no", "ter", "an", "ge", "ein", "lich", "ing", "the"]


def wordpieces(
    rounds: int = 5,
    num_pieces: int = 4000,
    num_lines: int = 58_000,
    folder: str = "data/multi30k",
) -> dict[str, Any]:
    """Seconds to learn a vocabulary; sentences per second that it segments.

    Lines are those of both sides of Multi30k's training text where `folder` holds it,
    and otherwise made up. `seconds_to_learn` and its CPU seconds are the medians of
    three times, reading left out. `python` is the segmentation of whole corpora,
    without what it remembers of words from one turn to the next; `graph` the one of
    input pipelines.

    Args:
      rounds: turns of segmentation each way gets.
      num_pieces: ids of the vocabulary.
      num_lines: lines of text.
      folder: where ``train.en.gz`` and ``train.de.gz`` are.
    """
    load_tensorflow()
    import tensorflow as tf

    from tfmodels.text.in_graph import GraphSegmenter
    from tfmodels.text.learning import count_words
    from tfmodels.text.learning import learn_vocabulary
    from tfmodels.text.segmentation import Segmenter

    source, lines = _lines(Path(folder), num_lines)
    seconds, cpu, vocabulary = _timed(
        lambda: learn_vocabulary(count_words(lines), num_pieces)
    )
    texts = tf.constant(lines)
    encode = tf.function(GraphSegmenter(vocabulary).encode)

    def python() -> float:
        segmenter = Segmenter(vocabulary)
        return float(len([segmenter.encode(line) for line in lines]))

    def graph() -> float:
        return float(encode(texts).nrows())

    return {
        "benchmark": "wordpieces",
        "text": source,
        "lines": len(lines),
        "pieces": vocabulary.size,
        "seconds_to_learn": seconds,
        "cpu_seconds_to_learn": cpu,
        "rounds": rounds,
        "sentences_per_second": rates({"python": python, "graph": graph}, rounds),
        "machine": machine(),
    }


def _timed(work: Callable[[], Any], times: int = 3) -> tuple[float, float, Any]:
    """Median seconds and CPU seconds, and the last result."""
    seconds, cpu = [], []
    for _ in range(times):
        started, worked = time.perf_counter(), time.process_time()
        result = work()
        seconds.append(time.perf_counter() - started)
        cpu.append(time.process_time() - worked)
    return statistics.median(seconds), statistics.median(cpu), result


def _lines(folder: Path, most: int) -> tuple[str, list[str]]:
    """What the text is, and its lines."""
    files = [folder / f"train.{language}.gz" for language in ("en", "de")]
    if not all(file.exists() for file in files):
        return "generated", _generated(most)
    lines: list[str] = []
    for path in files:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            lines += [line.rstrip("\n") for line in file][: most // len(files)]
    return "Multi30k", lines


def _generated(most: int) -> list[str]:
    """Lines of 12 words of syllables, of which few are frequent."""
    import numpy as np

    random = np.random.default_rng(0)
    words = [
        "".join(random.choice(_SYLLABLES, size))
        for size in random.integers(1, 6, 30000)
    ]
    ranks = np.minimum(random.zipf(1.3, (most, 12)), len(words)) - 1
    return [" ".join(words[rank] for rank in row) for row in ranks]
