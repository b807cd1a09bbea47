"""Recognition of speech on one core: front end, whole recordings, and as one speaks."""

import os
import statistics
import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from typing import NamedTuple

from tools.benchmark.recognition_model import FSDD
from tools.benchmark.recognition_model import Sizes
from tools.benchmark.timing import machine
from tools.benchmark.timing import rates
from tools.quiet import load_tensorflow

_CHUNK_FRAMES = 24
_NEVER = -1e4
_BANDS = {"8 kHz, 40 bands": (8000, 40), "16 kHz, 80 bands": (16_000, 80)}


class Recogniser(NamedTuple):
    """A model that hears a configuration's kind of speech."""

    signatures: Any
    task: Any
    model: Any

    def programs(self, *names: str) -> dict[str, Any]:
        """Some of its functions, run by TensorFlow and, once converted, by LiteRT."""
        from export.lite_runtime import LiteProgram
        from export.runtime import KerasProgram
        from export.tflite import convert

        def chosen(model: Any) -> dict[str, Any]:
            made = self.signatures.device(model)
            return {name: made[name] for name in names}

        with TemporaryDirectory() as folder:
            path = Path(folder) / "model.tflite"
            path.write_bytes(convert(self.model, chosen, "float32"))
            lite = LiteProgram(path, num_threads=1)
        return {"tensorflow": KerasProgram(chosen(self.model)), "tflite": lite}


def recognition_speed(
    rounds: int = 9, seconds: float = 10.0, sizes: Sizes = FSDD
) -> dict[str, Any]:
    """Seconds of sound per second of computing, and milliseconds of parts of a stream.

    All on one core, one recording of noise at a time, as models for devices have it.
    `front_end` is samples to features (asked: 200). `real_time_factor` is time over
    length of the whole recognition, front end, encoder that reads both ways and beam
    search of width 4, in a graph and as a file for a device (asked: below 0.1).
    `chunk_milliseconds` is what passes between 240 ms of sound and a new answer, with
    an encoder that reads forward: front end and encoder alone in `encode`, with the
    search in all that has been heard in `median` and `percentile_95`, over the chunks
    of recordings of that length.

    The weights are fresh ones and never let an answer end, nor is anything pruned, so
    that each has a unit for each encoding of 60 ms, 16.7 a second; English has about
    15 letters a second. Reading of files, tracing and conversion are not measured.

    Args:
      rounds: turns each rival gets.
      seconds: length of each recording.
      sizes: of the model.
    """
    with one_core(), TemporaryDirectory() as name:
        from export.stepping import ATTEND
        from export.stepping import LOWEST
        from export.stepping import UPPER
        from export.transcribing import CHUNK

        folder = Path(name)
        sizes.write_sound(folder)
        both_ways = _recogniser(sizes, folder, bidirectional=True)
        forward = _recogniser(sizes, folder, bidirectional=False)
        sound, factors, units = _whole(both_ways, rounds, seconds)
        spoken_to = forward.programs(CHUNK, LOWEST, ATTEND, UPPER)
        return {
            "benchmark": "recognition_speed",
            "sizes": sizes.plain,
            "beam_width": both_ways.task.config.search.beam_width,
            "seconds_of_sound": seconds,
            "rounds": rounds,
            "threads": 1,
            "front_end": _front_ends(rounds, seconds),
            "real_time_factor": factors,
            "units_of_an_answer": units,
            "chunk_milliseconds": {
                f"{place} {name}": figure
                for place, program in spoken_to.items()
                for name, figure in _chunks(forward, program, sound, rounds).items()
            },
            "machine": machine(),
        }


@contextmanager
def one_core() -> Iterator[None]:
    """Has TensorFlow use one core, if it has not begun before."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, [min(allowed)])
    try:
        load_tensorflow()
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def _recogniser(sizes: Sizes, folder: Path, bidirectional: bool) -> Recogniser:
    from export.signatures.speech_recognition import SpeechRecognitionSignatures
    from trainers.configuration import load_experiment
    from trainers.stages import open_task

    search = {
        "beam_width": 4,
        "length_penalty": 0.0,
        "coverage_penalty": 0.0,
        "pruning_margin": None,
        "max_length_factor": 1.0,
        "max_length_extra": 1,
    }
    changes: Mapping[str, Any] = {
        "model": sizes.model(bidirectional),
        "task.search": search,
    }
    experiment: Any = load_experiment(
        "multidialect_asr/fsdd", sizes.overrides(folder, changes)
    )
    task: Any = open_task(experiment, experiment.data)
    signatures = SpeechRecognitionSignatures(
        experiment, SpeechRecognitionSignatures.files_of(task)
    )
    model = task.build_model()
    _never_end(model)
    return Recogniser(signatures, task, model)


def _never_end(model: Any) -> None:
    """Makes a recogniser's answers as long as they may be, whatever its weights."""
    import numpy as np

    from tfmodels.decoding.step import END

    bias = np.zeros(model.config.vocabulary_size, np.float32)
    bias[END] = _NEVER
    model.bias.assign(bias)


def _front_ends(rounds: int, seconds: float) -> dict[str, float]:
    """Seconds of sound per second, at rates and numbers of bands."""
    import tensorflow as tf

    from tfmodels.audio.log_mel import LogMel

    def prepared(rate: int, bands: int) -> Callable[[], float]:
        log_mel = LogMel(rate, bands, 60.0, 0.475 * rate)
        compute = tf.function(log_mel, autograph=False)
        samples = tf.random.stateless_uniform([1, round(seconds * rate)], [0, 0], -1, 1)

        def work() -> float:
            compute(samples).numpy()
            return seconds

        return work

    return rates({name: prepared(*bands) for name, bands in _BANDS.items()}, rounds)


def _whole(
    recogniser: Recogniser, rounds: int, seconds: float
) -> tuple[Any, dict[str, float], int]:
    """The sound; time over its length of each program; units that it is given."""
    import numpy as np

    from export.recognition import RECOGNIZE

    rate = recogniser.task.front_end.sample_rate
    sound = np.random.default_rng(0).normal(0, 0.1, round(seconds * rate))
    sound = sound.astype(np.float32)
    inputs = {
        "audio": sound[None],
        "audio_len": np.array([len(sound)], np.int32),
        "variety": recogniser.task.listener.beliefs.at(0)[None],
    }

    def recognise(program: Any) -> float:
        program(RECOGNIZE, inputs)
        return seconds

    programs = recogniser.programs(RECOGNIZE)
    speeds = rates({n: partial(recognise, p) for n, p in programs.items()}, rounds)
    (lengths,) = {
        tuple(program(RECOGNIZE, inputs)["lengths"][0].tolist())
        for program in programs.values()
    }
    factors = {name: 1 / speed for name, speed in speeds.items()}
    return sound, factors, min(lengths)


def _chunks(
    recogniser: Recogniser, program: Any, sound: Any, rounds: int
) -> dict[str, float]:
    """Milliseconds of parts of a stream, of all turns but the first."""
    import numpy as np

    from export.transcribing import CHUNK
    from export.transcribing import Chunks
    from export.transcribing import Transcriber

    task = recogniser.task
    count, hop = task.front_end.num_samples, task.front_end.log_mel.hop
    size = int(count(_CHUNK_FRAMES))
    chunks = Chunks(size, _CHUNK_FRAMES * hop, int(count(1)))
    units = np.ones(task.graphemes.size, bool)
    past = {
        name: np.zeros([n or 1 for n in shape], np.float32)
        for name, shape in program.inputs(CHUNK).items()
        if name.startswith("past_")
    }
    inputs = {
        "audio": sound[None, :size],
        "audio_len": np.array([size], np.int32),
        "variety": task.listener.beliefs.at(0)[None],
        **past,
    }
    encoding, answering = [], []
    for turn in range(rounds + 1):
        transcriber = Transcriber(
            *(program, task.graphemes, task.config.search, chunks),
            *(lambda _: task.listener.beliefs.at(0), units),
        )
        transcriber.feed(sound[: size - chunks.hop])
        for start in range(size - chunks.hop, len(sound) - chunks.hop, chunks.hop):
            part = sound[start : start + chunks.hop]
            answering.append(_milliseconds(partial(transcriber.feed, part)))
            encoding.append(_milliseconds(partial(program, CHUNK, inputs)))
        if not turn:
            encoding.clear()
            answering.clear()
    return {
        "encode": statistics.median(encoding),
        "median": statistics.median(answering),
        "percentile_95": float(np.percentile(answering, 95)),
    }


def _milliseconds(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return 1e3 * (time.perf_counter() - started)
