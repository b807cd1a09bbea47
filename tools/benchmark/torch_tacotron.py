"""A program that trains Tacotron of Multilingual_Text_to_Speech, when told to.

Needs PyTorch, NumPy and that code, and nothing of this project. Its arguments are the
folder of the code and JSON: the fields of `synthesis_model.Sizes`. Each line on
standard input, ``{"steps": N}``, is answered with the CPU seconds that they took and
the loss of the last one. It has a thread for each core, or as many as OMP_NUM_THREADS
says. The frames of one step of the decoder are one wide frame. There is no padding.
"""

import itertools
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

_NUM_BATCHES = 5


def main(folder: str, sizes: dict[str, Any]) -> None:
    """Answers requests until there are no more."""
    output = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    num_cores = len(os.sched_getaffinity(0))
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", num_cores)))
    torch.manual_seed(0)
    sys.path.insert(0, folder)
    model, loss = _made(sizes)
    step = trainer(model, loss, sizes)
    step()
    parameters = sum(parameter.numel() for parameter in model.parameters())
    print(json.dumps({"parameters": parameters}), file=output)
    for line in sys.stdin:
        started = time.process_time()
        losses = [step() for _ in range(json.loads(line)["steps"])]
        seconds = time.process_time() - started
        print(json.dumps({"cpu_seconds": seconds, "loss": losses[-1]}), file=output)


def _made(sizes: dict[str, Any]) -> tuple[nn.Module, nn.Module]:
    """The peer's model of some sizes, and its loss."""
    # Its packages import each other; this is the way in.
    import utils  # type: ignore[import-not-found]  # noqa: F401
    from modules.tacotron2 import Tacotron  # type: ignore[import-not-found]
    from modules.tacotron2 import TacotronLoss
    from params.params import Params  # type: ignore[import-not-found]

    values = {
        # Padding, the end and what is unknown are the model's own.
        "characters": "x" * (sizes["num_symbols"] - 3),
        "use_punctuation": False,
        "embedding_dimension": sizes["encoder_dim"],
        "encoder_dimension": sizes["encoder_dim"],
        "prenet_dimension": sizes["prenet_dim"],
        "attention_dimension": sizes["attention_dim"],
        "attention_kernel_size": sizes["kernel"],
        "attention_location_dimension": sizes["filters"],
        "decoder_dimension": sizes["decoder_dim"],
        "decoder_regularization": "zoneout",
        "postnet_dimension": sizes["postnet_filters"],
        "num_mels": sizes["mel_bins"] * sizes["frames_per_step"],
        "multi_speaker": True,
        "multi_language": True,
        "speaker_number": sizes["num_speakers"],
        "language_number": sizes["num_languages"],
        "languages": [f"l{number}" for number in range(sizes["num_languages"])],
        "speaker_embedding_dimension": sizes["speaker_dim"],
        "language_embedding_dimension": sizes["language_dim"],
        "reversal_classifier": True,
        "reversal_classifier_dim": sizes["classifier_dim"],
    }
    Params.load_state_dict(values)
    guided = (
        *(Params.guided_attention_steps, Params.guided_attention_toleration),
        Params.guided_attention_gain,
    )
    return Tacotron(), TacotronLoss(*guided)


def trainer(model: Any, criterion: Any, sizes: dict[str, Any]) -> Callable[[], float]:
    """A function that makes a step and returns its loss; batches wait in memory."""
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001, fused=True)
    batches = itertools.cycle([_batch(sizes) for _ in range(_NUM_BATCHES)])
    rows, steps = sizes["batch_size"], sizes["frames"] // sizes["frames_per_step"]
    letters = torch.full((rows,), sizes["symbols"])
    frames = torch.full((rows,), steps)
    stops = torch.zeros(rows, steps)
    stops[:, -1] = 1.0
    model.train()

    def step() -> float:
        text, mel, speakers, languages = next(batches)
        optimizer.zero_grad()
        after, before, stop, alignment, told, encoded = model(
            *(text, letters, mel, frames, speakers, languages, 1.0)
        )
        loss, _ = criterion(
            *(letters, frames, before, mel, after, mel, stop, stops, alignment),
            *(speakers, told, encoded, model._reversal_classifier),
        )
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), sizes["clip_global_norm"])
        optimizer.step()
        criterion.update_states()
        return float(loss.detach())

    return step


def _batch(sizes: dict[str, Any]) -> tuple[torch.Tensor, ...]:
    rows, together = sizes["batch_size"], sizes["frames_per_step"]
    mel = (rows, sizes["mel_bins"] * together, sizes["frames"] // together)
    return (
        torch.randint(1, sizes["num_symbols"], (rows, sizes["symbols"])),
        torch.randn(mel),
        torch.randint(sizes["num_speakers"], (rows,)),
        torch.randint(sizes["num_languages"], (rows,)),
    )


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
