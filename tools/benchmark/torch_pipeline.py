"""A program that trains a Transformer with torch.distributed.pipelining, when told to.

Needs PyTorch and NumPy, and nothing of this project. Its argument is JSON: the sizes of
`pipeline_model.Sizes` and ``cores``, one for each of the two ranks. Each line on
standard input, ``{"steps": N}``, is answered with the seconds they took.
"""

import json
import math
import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.pipelining import PipelineStage
from torch.distributed.pipelining import Schedule1F1B
from torch.nn import functional

_EPSILON = 1e-6
_IGNORED = -100


class Block(nn.Module):
    """A pre-normalised block of causal attention and a feed-forward network."""

    def __init__(self, width: int, num_heads: int, hidden: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.norm_1 = nn.LayerNorm(width, eps=_EPSILON)
        self.query, self.key, self.value, self.output = (
            nn.Linear(width, width) for _ in range(4)
        )
        self.norm_2 = nn.LayerNorm(width, eps=_EPSILON)
        self.feed_forward = nn.Sequential(
            nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, width)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """From float32 [B, T, d] to the same."""
        inner = self.norm_1(x)
        rows, length, width = x.shape
        query, key, value = (
            part(inner).view(rows, length, self.num_heads, -1).transpose(1, 2)
            for part in (self.query, self.key, self.value)
        )
        context = functional.scaled_dot_product_attention(
            query, key, value, is_causal=True
        )
        x = x + self.output(context.transpose(1, 2).reshape(rows, length, width))
        return x + self.feed_forward(self.norm_2(x))


class Embedding(nn.Module):
    """Tokens and learned positions."""

    def __init__(self, vocabulary_size: int, length: int, width: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary_size, width)
        self.positions = nn.Parameter(0.02 * torch.randn(length, width))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """From int64 [B, T] to float32 [B, T, d]."""
        return self.tokens(tokens) + self.positions


def main(settings: dict[str, Any]) -> None:
    """Starts both ranks and passes requests on to them."""
    output = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    spawning = multiprocessing.get_context("spawn")
    pipes = []
    for rank in range(2):
        ours, theirs = spawning.Pipe()
        arguments = (rank, settings, theirs)
        spawning.Process(target=_serve, args=arguments, daemon=True).start()
        theirs.close()
        pipes.append(ours)
    print(json.dumps({"parameters": sum(pipe.recv() for pipe in pipes)}), file=output)
    for line in sys.stdin:
        started = time.perf_counter()
        for pipe in pipes:
            pipe.send(json.loads(line)["steps"])
        losses = [pipe.recv() for pipe in pipes]
        seconds = time.perf_counter() - started
        print(json.dumps({"seconds": seconds, "loss": losses[-1]}), file=output)


def _serve(rank: int, settings: dict[str, Any], pipe: Connection) -> None:
    """One rank on one core with one thread."""
    os.sched_setaffinity(0, [settings["cores"][rank]])
    torch.set_num_threads(1)
    torch.set_num_interop_threads(1)
    torch.manual_seed(rank)
    dist.init_process_group(
        "gloo", init_method=settings["address"], rank=rank, world_size=2
    )
    step, parameters = _trainer(rank, settings)
    step()
    pipe.send(parameters)
    try:
        while True:
            pipe.send([step() for _ in range(pipe.recv())][-1])
    except EOFError:  # The main process is gone.
        return


def _trainer(rank: int, sizes: dict[str, Any]) -> tuple[Callable[[], float], int]:
    """A function that makes a step and returns its loss; the rank's weights."""
    module = _stage(rank, sizes)
    stage = PipelineStage(module, rank, 2, torch.device("cpu"))
    batch, length = sizes["batch_size"], sizes["num_tokens"]
    num_scored = batch * sizes["length"]

    def loss(logits: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        total = functional.cross_entropy(
            logits.flatten(0, 1), label.flatten(), reduction="sum"
        )
        return total / num_scored

    schedule = Schedule1F1B(
        stage, sizes["microbatches"], loss_fn=loss, scale_grads=False
    )
    optimizer = torch.optim.Adam(module.parameters(), lr=0.001, fused=True)

    def step() -> float:
        optimizer.zero_grad()
        losses: list[torch.Tensor] = []
        if rank:
            schedule.step(target=_labels(sizes), losses=losses)
        else:
            schedule.step(torch.randint(sizes["vocabulary_size"], (batch, length)))
        optimizer.step()
        return sum(float(loss.detach()) for loss in losses)

    return step, sum(math.prod(p.shape) for p in module.parameters())


def _stage(rank: int, sizes: dict[str, Any]) -> nn.Module:
    width, vocabulary_size = sizes["model_dim"], sizes["vocabulary_size"]
    blocks = [
        Block(width, sizes["num_heads"], sizes["feed_forward_dim"])
        for _ in range(sizes["num_layers"] // 2)
    ]
    if rank == 0:
        embedding = Embedding(vocabulary_size, sizes["num_tokens"], width)
        return nn.Sequential(embedding, *blocks)
    norm = nn.LayerNorm(width, eps=_EPSILON)
    return nn.Sequential(*blocks, norm, nn.Linear(width, vocabulary_size))


def _labels(sizes: dict[str, Any]) -> torch.Tensor:
    """Of the second half of each sequence, int64 [B, T]; none of the first."""
    shape = (sizes["batch_size"], sizes["num_tokens"])
    labels = torch.randint(sizes["symbols"], shape)
    labels[:, : -sizes["length"]] = _IGNORED
    return labels


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
