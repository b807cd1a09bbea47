"""Training of a synthesiser against Multilingual_Text_to_Speech in PyTorch."""

import json
import os
import subprocess
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tfmodels.errors import ConfigError
from tools.benchmark.rivals import Rival
from tools.benchmark.rivals import speeds
from tools.benchmark.rivals import two_cores
from tools.benchmark.synthesis_model import TINY
from tools.benchmark.synthesis_model import Sizes
from tools.benchmark.timing import machine
from tools.benchmark.torch_peer import torch_python
from tools.benchmark.torch_peer import torch_version
from tools.benchmark.training_worker import WAYS

_PROGRAM = Path(__file__).with_name("torch_tacotron.py")
_VARIABLE = "TFMODELS_MULTILINGUAL_TTS"
_PEERS = {"torch": {}, "torch_one_thread": {"OMP_NUM_THREADS": "1"}}
_WORKER = ["-m", "tools.benchmark.training_worker", "multilingual_tts/tiny"]


def synthesis_training(
    rounds: int = 9, num_steps: int = 10, sizes: Sizes = TINY
) -> dict[str, Any]:
    """Frames per second of each, some steps a turn, and ours over the faster peer's.

    A step is the squared errors before and after the post-net, those of the end, of the
    adversary and of guided attention, their gradient, clipped, and Adam. The peer is
    the public code itself, its model and its loss. It says one frame at once: those
    that a step of ours says are one wide frame of it, so that both decoders make as
    many steps; its post-net then sees fewer, wider frames, which is less work. All have
    two cores and as many threads, but for `torch_one_thread`. Ours reads its batches,
    whose features are in memory; its `WAYS` are measured apart. The peer has its
    batches ready. No utterance and no text has padding. The variable
    TFMODELS_TORCH_PYTHON names a Python that has PyTorch, TFMODELS_MULTILINGUAL_TTS the
    folder of a clone of Tomiinek's Multilingual_Text_to_Speech.

    Raises:
      ConfigError: one of them is not there.
    """
    interpreter = torch_python()
    torch = torch_version(interpreter, "torch")
    folder, commit = _clone()
    cores = two_cores()
    program = [str(_PROGRAM), folder, json.dumps(sizes.plain)]
    with TemporaryDirectory() as name, ExitStack() as stack:
        sound, enter = Path(name), stack.enter_context
        sizes.write_sound(sound)
        rivals = {
            name: enter(Rival(program, cores, environment, interpreter))
            for name, environment in _PEERS.items()
        }
        for rival, way in WAYS.items():
            arguments = [*_WORKER, *sizes.overrides(sound), *way]
            rivals[rival] = enter(Rival(arguments, cores))
        ready = {name: rival.answer() for name, rival in rivals.items()}
        frames = num_steps * sizes.batch_size * sizes.frames
        found = speeds(rivals, frames, rounds, tuple(_PEERS), steps=num_steps)
    return {
        "benchmark": "synthesis_training",
        "peer": f"Multilingual_Text_to_Speech {commit}, PyTorch {torch}",
        "sizes": sizes.plain,
        "parameters": {name: one["parameters"] for name, one in ready.items()},
        "rounds": rounds,
        "steps_per_turn": num_steps,
        "threads": len(cores),
        **found,
        "machine": machine(),
    }


def _clone() -> tuple[str, str]:
    """The folder of the peer's code, and its commit."""
    folder = os.environ.get(_VARIABLE, "")
    if not (Path(folder) / "modules" / "tacotron2.py").is_file():
        raise ConfigError(
            f"{_VARIABLE}: no Multilingual_Text_to_Speech to compare with. Expected the"
            " folder of a clone of Tomiinek's repository of that name. Received"
            f" {folder!r}."
        )
    command = ["git", "-C", folder, "rev-parse", "--short", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return folder, done.stdout.strip() or "of an unknown commit"
