"""Synthesis on one core: whole texts, and a decoder's steps against PyTorch's."""

import json
import os
from contextlib import ExitStack
from dataclasses import asdict
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tools.benchmark.recognition_speed import one_core
from tools.benchmark.rivals import Rival
from tools.benchmark.rivals import speeds
from tools.benchmark.timing import machine
from tools.benchmark.timing import rates
from tools.benchmark.torch_peer import torch_python
from tools.benchmark.torch_peer import torch_version

_TINY = "multilingual_tts/tiny"
_PROGRAM = Path(__file__).with_name("torch_decoder_step.py")
_WORKER = "tools.benchmark.synthesis_worker"
_NUMBERS = {"float32": "float32", "int8": "dynamic"}
# The logit of the end, and symbols of a text.
_NEVER = -1e4
_SYMBOLS = 24


@dataclass(frozen=True)
class Sizes:
    """Of a decoder; those of the public Tacotron 2 of 22 kHz."""

    mel_bins: int = 80
    prenet_dim: int = 256
    hidden_dim: int = 1024
    memory_dim: int = 512
    attention_dim: int = 128
    filters: int = 32
    kernel: int = 31
    symbols: int = 100
    """Of the text that attention sees."""

    @property
    def model(self) -> dict[str, Any]:
        """The section ``model``, without what the public model does not have."""
        return {
            "num_symbols": 148,
            "num_tones": None,
            "num_speakers": None,
            "num_languages": None,
            "residual": None,
            "classifier": None,
            "mel_bins": self.mel_bins,
            "encoder": {"dim": self.memory_dim},
            "attention": {
                "dim": self.attention_dim,
                "filters": self.filters,
                "kernel": self.kernel,
            },
            "decoder": {"prenet_dim": self.prenet_dim, "hidden_dim": self.hidden_dim},
        }


def synthesis_speed(
    rounds: int = 9, steps: int = 50, sizes: Sizes = Sizes()
) -> dict[str, Any]:
    """Seconds of computing for a second of speech, and steps of a decoder per second.

    `real_time_factor` (asked: below 0.1) is that of ``multilingual_tts/tiny``, a text
    of 24 symbols on one core, encoder, decoder, post-net and 40 iterations of Griffin
    and Lim's algorithm: in a graph, and with the parts of a file for a device around
    which a host loops, the vocoder in a graph. Weights are fresh ones but for those
    that end a text: it lasts as long as one may, 580 frames.

    `decoder_step` is that of the public Tacotron 2's sizes, one thread each: our TFLite
    files in float32 and with int8 weights, and NVIDIA's step re-made in PyTorch in
    float32 and quantized dynamically (asked: 1.5 times its steps, each). The variable
    TFMODELS_TORCH_PYTHON names a Python that has PyTorch.

    Args:
      rounds: turns each rival gets.
      steps: of a decoder, in a turn.
      sizes: of the decoder.

    Raises:
      ConfigError: there is no PyTorch.
    """
    interpreter = torch_python()
    version = torch_version(interpreter, "torch")
    core = min(os.sched_getaffinity(0))
    with one_core(), TemporaryDirectory() as name:
        folder = Path(name)
        factors, seconds = _whole(folder, rounds)
        files = _steps(folder, sizes)
        plain = json.dumps(asdict(sizes))
        results = {}
        with ExitStack() as stack:
            rivals = {
                numbers: {
                    "ours": stack.enter_context(
                        Rival(["-m", _WORKER, str(file), plain], [core])
                    ),
                    "torch": stack.enter_context(
                        Rival(
                            [str(_PROGRAM), plain, numbers],
                            [core],
                            interpreter=interpreter,
                        )
                    ),
                }
                for numbers, file in files.items()
            }
            for numbers, two in rivals.items():
                ready = {each: rival.answer() for each, rival in two.items()}
                found = speeds(two, steps, rounds, ("torch",), steps=steps)
                results[numbers] = {**found, "bytes": ready["ours"]["bytes"]}
    return {
        "benchmark": "synthesis_speed",
        "peer": f"a step of NVIDIA's Tacotron 2, re-made in PyTorch {version}",
        "sizes": asdict(sizes),
        "rounds": rounds,
        "threads": 1,
        "seconds_of_speech": seconds,
        "real_time_factor": factors,
        "decoder_step": results,
        "machine": machine(),
    }


def _whole(folder: Path, rounds: int) -> tuple[dict[str, float], float]:
    """Time over length of whole texts, and the length."""
    import numpy as np
    import tensorflow as tf

    from export.lite_runtime import LiteProgram
    from export.speaking import DeviceSynthesizer
    from export.speaking import said
    from export.synthesis import Synthesis
    from export.tflite import convert
    from tfmodels import catalog
    from tfmodels.audio.griffin_lim import GriffinLim
    from trainers.configuration import load_experiment
    from trainers.tasks.speaking import sayer

    experiment: Any = load_experiment(_TINY)
    config, preset = experiment.model, experiment.data.preset
    model: Any = catalog.build(config)
    # Neither the stop nor attention, which stays on the first symbol, ends the text.
    model.decoder.stop_bias.assign([_NEVER])
    score = model.decoder.attention.score_kernel
    score.assign(tf.zeros_like(score))
    vocoder = GriffinLim(preset)
    source = {
        "symbols": np.arange(3, 3 + _SYMBOLS, dtype=np.int32)[None],
        "tones": np.zeros([1, _SYMBOLS], np.int32),
        "symbol_lengths": np.array([_SYMBOLS], np.int32),
        "speaker": np.eye(config.num_speakers, dtype=np.float32)[:1],
        "language": np.eye(config.num_languages, dtype=np.float32)[:1],
    }
    seed = np.array([[0, 0]])
    say = tf.function(sayer(model, vocoder), autograph=False)
    path = folder / "whole.tflite"
    path.write_bytes(convert(model, lambda m: Synthesis(m, 1).parts(), "float32"))
    device = DeviceSynthesizer(LiteProgram(path, num_threads=1), config)
    sound = tf.function(vocoder, autograph=False)
    tensors = {n: tf.constant(x) for n, x in {**source, "seed": seed}.items()}

    def in_graph() -> float:
        made = say(tensors)
        return float(made["audio_len"][0]) / preset.sample_rate

    def on_device() -> float:
        made = said(device, device.steps(source, seed))
        energies, lengths = made["energies"], made["lengths"]
        samples = sound(tf.constant(energies), tf.constant(lengths)).numpy()
        return float(samples.shape[1]) / preset.sample_rate

    rivals = {"tensorflow": in_graph, "tflite": on_device}
    per_second = rates(rivals, rounds)
    return {name: 1 / rate for name, rate in per_second.items()}, in_graph()


def _steps(folder: Path, sizes: Sizes) -> dict[str, Path]:
    """TFLite files of a decoder's step."""
    from export.synthesis import STEP
    from export.synthesis import Synthesis
    from export.tflite import convert
    from tfmodels import catalog
    from tfmodels.tacotron.config import TacotronConfig

    model = catalog.build(TacotronConfig.parse(sizes.model))

    def step(model: Any) -> dict[str, Any]:
        return {STEP: Synthesis(model, 1).parts()[STEP]}

    files = {}
    for name, numbers in _NUMBERS.items():
        files[name] = folder / f"{name}.tflite"
        files[name].write_bytes(convert(model, step, numbers))  # type: ignore[arg-type]
    return files
