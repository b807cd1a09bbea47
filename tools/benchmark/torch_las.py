"""A program that trains LAS in PyTorch, when told to.

Needs PyTorch and NumPy, and nothing of this project. Its argument is JSON: the fields
of `recognition_model.Sizes`. Each line on standard input, ``{"steps": N}``, is answered
with the CPU seconds that they took and the loss of the last one. It has a thread for
each core, or as many as OMP_NUM_THREADS says.

The encoder's layers run over whole sequences, as `torch.nn.LSTM`; the decoder step by
step, and both heads over all steps at once. There is no padding, and no mask.
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
from torch.nn import functional

_NUM_BATCHES = 5


class Encoder(nn.Module):
    """Two layers that read both ways, told the variety; frames in pairs between them
    (Chan et al., arXiv 1508.01211, eq 7)."""

    def __init__(self, sizes: dict[str, Any]) -> None:
        super().__init__()
        self.left, self.stride = sizes["left"], sizes["stride"]
        width, told = sizes["hidden_dim"], sizes["num_varieties"]
        stacked = sizes["feature_dim"] * (self.left + 1)
        self.lower = nn.LSTM(stacked + told, width, bidirectional=True)
        self.upper = nn.LSTM(4 * width + told, width, bidirectional=True)

    def forward(self, features: torch.Tensor, variety: torch.Tensor) -> torch.Tensor:
        """From float32 [b, T, D] and [b, K] to float32 [S, b, 2 H]."""
        first = features[:, :1].expand(-1, self.left, -1)
        windows = torch.cat([first, features], 1).unfold(1, self.left + 1, self.stride)
        x, _ = self.lower(_told(windows.flatten(2).transpose(0, 1), variety))
        x, _ = self.upper(_told(torch.cat([x[0::2], x[1::2]], -1), variety))
        return x


class Attention(nn.Module):
    """Additive, of several heads side by side (Chiu et al., arXiv 1712.01769)."""

    def __init__(self, sizes: dict[str, Any]) -> None:
        super().__init__()
        self.heads, width = sizes["heads"], sizes["attention_width"]
        seen = 2 * sizes["hidden_dim"]
        self.query = nn.Linear(sizes["decoder_dim"], self.heads * width, bias=False)
        self.key = nn.Linear(seen, self.heads * width)
        self.value = nn.Linear(seen, sizes["context_dim"], bias=False)
        self.score = nn.Parameter(torch.randn(self.heads, 1, width) * width**-0.5)

    def split(self, x: torch.Tensor) -> torch.Tensor:
        """From [b, S, M A] to [b, M, S, A]."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def memory(self, encodings: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys and values of encodings, float32 [b, S, 2 H], for each head."""
        return (
            self.split(self.key(encodings)).contiguous(),
            self.split(self.value(encodings)).contiguous(),
        )

    def forward(
        self, query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor
    ) -> torch.Tensor:
        """The context, float32 [b, C], of a query [b, Q]."""
        asked = self.split(self.query(query)[:, None])
        shares = (torch.tanh(keys + asked) * self.score).sum(-1).softmax(-1)
        return torch.matmul(shares[:, :, None], values).flatten(1)


class LAS(nn.Module):
    """Chan et al., arXiv 1508.01211, with a head for varieties (US12254865B2)."""

    def __init__(self, sizes: dict[str, Any]) -> None:
        super().__init__()
        width, context = sizes["decoder_dim"], sizes["context_dim"]
        units, told = sizes["vocabulary_size"], sizes["num_varieties"]
        self.embedding = nn.Embedding(units, sizes["embedding_dim"])
        self.encoder = Encoder(sizes)
        self.attention = Attention(sizes)
        self.cell = nn.LSTMCell(sizes["embedding_dim"] + context + told, width)
        self.units = nn.Linear(width + context, units)
        self.varieties = nn.Linear(width + context, told)

    def forward(
        self, features: torch.Tensor, variety: torch.Tensor, target: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Scores of units and of varieties, float32 [U, b, V] and [U, b, K].

        Args:
          features: float32 [b, T, D].
          variety: float32 [b, K].
          target: int64 [U, b], units before those that are scored.
        """
        encodings = self.encoder(features, variety).transpose(0, 1).contiguous()
        keys, values = self.attention.memory(encodings)
        h = c = features.new_zeros(len(features), self.cell.hidden_size)
        context = features.new_zeros(len(features), self.units.in_features - h.shape[1])
        made = []
        for x in _told(self.embedding(target), variety).unbind():
            h, c = self.cell(torch.cat([x, context], -1), (h, c))
            context = self.attention(h, keys, values)
            made.append(torch.cat([h, context], -1))
        seen = torch.stack(made)
        return self.units(seen), self.varieties(seen)


def _told(x: torch.Tensor, variety: torch.Tensor) -> torch.Tensor:
    """[T, b, D] with the variety, [b, K], beside each."""
    return torch.cat([x, variety.expand(len(x), -1, -1)], -1)


def main(sizes: dict[str, Any]) -> None:
    """Answers requests until there are no more."""
    output = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    num_cores = len(os.sched_getaffinity(0))
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", num_cores)))
    torch.manual_seed(0)
    model = LAS(sizes)
    step = trainer(model, sizes)
    step()
    parameters = sum(parameter.numel() for parameter in model.parameters())
    print(json.dumps({"parameters": parameters}), file=output)
    for line in sys.stdin:
        started = time.process_time()
        losses = [step() for _ in range(json.loads(line)["steps"])]
        seconds = time.process_time() - started
        print(json.dumps({"cpu_seconds": seconds, "loss": losses[-1]}), file=output)


def trainer(model: LAS, sizes: dict[str, Any]) -> Callable[[], float]:
    """A function that makes a step and returns its loss; batches wait in memory."""
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001, fused=True)
    batches = itertools.cycle([_batch(sizes) for _ in range(_NUM_BATCHES)])

    def step() -> float:
        features, spoken, target, label = next(batches)
        optimizer.zero_grad()
        variety = functional.one_hot(spoken, sizes["num_varieties"]).float()
        units, varieties = model(features, variety, target)
        loss = functional.cross_entropy(units.flatten(0, 1), label.flatten())
        of_varieties = functional.cross_entropy(
            varieties.flatten(0, 1), spoken.expand_as(label).flatten()
        )
        loss = loss + sizes["variety_weight"] * of_varieties
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), sizes["clip_global_norm"])
        optimizer.step()
        return float(loss.detach())

    return step


def _batch(sizes: dict[str, Any]) -> tuple[torch.Tensor, ...]:
    rows, shape = sizes["batch_size"], (sizes["units"], sizes["batch_size"])
    return (
        torch.randn(rows, sizes["frames"], sizes["feature_dim"]),
        torch.randint(sizes["num_varieties"], (rows,)),
        *torch.randint(sizes["vocabulary_size"], (2, *shape)),
    )


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
