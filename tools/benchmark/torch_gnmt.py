"""A program that trains GNMT in PyTorch, when told to.

Needs PyTorch and NumPy, and nothing of this project. Its argument is JSON: the fields
of `translation_model.Sizes`. Each line on standard input, ``{"steps": N}``, is answered
with the CPU seconds that they took and the loss of the last one.

The layers above the decoder's lowest one run over whole sequences, as `torch.nn.LSTM`;
that one and attention step by step. There is no padding, and no mask.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional


class Stack(nn.Module):
    """Layers that read forward, with residual connections from some layer on.

    Args:
      inputs: width of what the lowest layer sees.
      shown: width of what all layers see besides.
      width: cells of each layer.
      num_layers: how many there are.
      first_residual: number of the first layer whose input is added to its output.
    """

    def __init__(
        self, inputs: int, shown: int, width: int, num_layers: int, first_residual: int
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.LSTM((width if number else inputs) + shown, width)
            for number in range(num_layers)
        )
        self.first_residual = first_residual

    def forward(self, x: torch.Tensor, context: torch.Tensor | None) -> torch.Tensor:
        """From float32 [T, b, D] and [T, b, H] to float32 [T, b, H]."""
        for number, layer in enumerate(self.layers):
            seen = x if context is None else torch.cat([x, context], -1)
            made, _ = layer(seen)
            x = made + x if number >= self.first_residual else made
        return x


class Attending(nn.Module):
    """The decoder's lowest layer with additive attention, one step after another."""

    def __init__(self, embedding: int, width: int) -> None:
        super().__init__()
        self.cell = nn.LSTMCell(embedding + width, width)
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, width, bias=False)
        self.score = nn.Linear(width, 1, bias=False)

    def forward(
        self, x: torch.Tensor, encodings: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Outputs, and the contexts before each, float32 [T, b, H].

        Args:
          x: float32 [T, b, E].
          encodings: float32 [b, S, H].
        """
        keys = self.key(encodings)
        h = c = torch.zeros_like(encodings[:, 0])
        context = self.attend(h, keys, encodings)
        outputs, contexts = [], []
        for inputs in x.unbind():
            contexts.append(context)
            h, c = self.cell(torch.cat([inputs, context], -1), (h, c))
            outputs.append(h)
            context = self.attend(h, keys, encodings)
        return torch.stack(outputs), torch.stack(contexts)

    def attend(
        self, query: torch.Tensor, keys: torch.Tensor, encodings: torch.Tensor
    ) -> torch.Tensor:
        """The context, float32 [b, H], of a query [b, H]."""
        scores = self.score(torch.tanh(self.query(query)[:, None] + keys))
        return torch.bmm(scores.softmax(1).transpose(1, 2), encodings)[:, 0]


class GNMT(nn.Module):
    """Wu et al., arXiv 1609.08144, section 3 and figure 1."""

    def __init__(self, sizes: dict[str, Any]) -> None:
        super().__init__()
        width, num_layers = sizes["width"], sizes["num_layers"]
        self.embedding = nn.Embedding(sizes["vocabulary_size"], width)
        self.both_ways = nn.LSTM(width, width, bidirectional=True)
        self.encoder = Stack(2 * width, 0, width, num_layers - 1, first_residual=1)
        self.lowest = Attending(width, width)
        self.decoder = Stack(width, width, width, num_layers - 1, first_residual=1)
        self.softmax = nn.Linear(width, sizes["vocabulary_size"], bias=False)

    def forward(self, source: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """From int64 [S, b] and [T, b] to logits float32 [T, b, V]."""
        x, _ = self.both_ways(self.embedding(source))
        encodings = self.encoder(x, None).transpose(0, 1).contiguous()
        x, contexts = self.lowest(self.embedding(target), encodings)
        return self.softmax(self.decoder(x, contexts))


def main(sizes: dict[str, Any]) -> None:
    """Answers requests until there are no more."""
    output = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.manual_seed(0)
    model = GNMT(sizes)
    step = trainer(model, sizes)
    step()
    parameters = sum(parameter.numel() for parameter in model.parameters())
    print(json.dumps({"parameters": parameters}), file=output)
    for line in sys.stdin:
        started = time.process_time()
        losses = [step() for _ in range(json.loads(line)["steps"])]
        seconds = time.process_time() - started
        print(json.dumps({"cpu_seconds": seconds, "loss": losses[-1]}), file=output)


def trainer(model: GNMT, sizes: dict[str, Any]) -> Callable[[], float]:
    """A function that makes a step and returns its loss."""
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001, fused=True)
    shape = (sizes["length"], sizes["batch_size"])

    def step() -> float:
        source, target, label = torch.randint(sizes["vocabulary_size"], (3, *shape))
        optimizer.zero_grad()
        logits = model(source, target)
        loss = functional.cross_entropy(logits.flatten(0, 1), label.flatten())
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), sizes["clip_global_norm"])
        optimizer.step()
        return float(loss.detach())

    return step


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
