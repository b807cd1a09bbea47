"""A program that makes steps of Tacotron 2's decoder in PyTorch, when told to.

Needs PyTorch and NumPy, and nothing of this project. Its arguments are JSON: the fields
of `synthesis_speed.Sizes`, and ``float32`` or ``int8``. Each line on standard input,
``{"steps": N}``, is answered with the CPU seconds that they took. It has one thread.

The step is that of NVIDIA's Tacotron 2, re-made from its published description: prenet
with dropout, LSTM cell, location-sensitive attention, LSTM cell, two projections.
``int8`` has the weights of both cells and all linear layers quantized dynamically.
"""

import json
import os
import sys
import time
from typing import Any

import torch
from torch import nn
from torch.nn import functional


class Decoder(nn.Module):
    """One step, arXiv 1712.05884; the state is a list of tensors."""

    def __init__(self, sizes: dict[str, Any]) -> None:
        super().__init__()
        mel, prenet, memory = (
            sizes["mel_bins"],
            sizes["prenet_dim"],
            sizes["memory_dim"],
        )
        hidden, width = sizes["hidden_dim"], sizes["attention_dim"]
        filters, kernel = sizes["filters"], sizes["kernel"]
        self.prenet = nn.ModuleList(
            [nn.Linear(mel, prenet, bias=False), nn.Linear(prenet, prenet, bias=False)]
        )
        self.first = nn.LSTMCell(prenet + memory, hidden)
        self.second = nn.LSTMCell(hidden + memory, hidden)
        self.query = nn.Linear(hidden, width, bias=False)
        self.key = nn.Linear(memory, width, bias=False)
        self.convolution = nn.Conv1d(
            2, filters, kernel, padding=(kernel - 1) // 2, bias=False
        )
        self.location = nn.Linear(filters, width, bias=False)
        self.score = nn.Linear(width, 1, bias=False)
        self.frame = nn.Linear(hidden + memory, mel)
        self.stop = nn.Linear(hidden + memory, 1)

    def forward(
        self,
        frame: torch.Tensor,
        state: list[torch.Tensor],
        memory: torch.Tensor,
        keys: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor, list[torch.Tensor]]:
        """The next frame, the stop logit and the next state."""
        h1, c1, h2, c2, context, last, total = state
        x = frame
        for layer in self.prenet:
            x = functional.dropout(torch.relu(layer(x)), 0.5, training=True)
        h1, c1 = self.first(torch.cat([x, context], -1), (h1, c1))
        seen = self.convolution(torch.stack([last, total], 1)).transpose(1, 2)
        hidden = torch.tanh(self.query(h1)[:, None] + keys + self.location(seen))
        last = self.score(hidden)[..., 0].softmax(-1)
        context = torch.bmm(last[:, None], memory)[:, 0]
        h2, c2 = self.second(torch.cat([h1, context], -1), (h2, c2))
        shown = torch.cat([h2, context], -1)
        after = [h1, c1, h2, c2, context, last, total + last]
        return self.frame(shown), self.stop(shown), after


def main(sizes: dict[str, Any], numbers: str) -> None:
    """Answers requests until there are no more."""
    output = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    decoder: Any = Decoder(sizes).eval()
    parameters = sum(each.numel() for each in decoder.parameters())
    keys_of = decoder.key
    if numbers == "int8":
        decoder = torch.ao.quantization.quantize_dynamic(
            decoder, {nn.Linear, nn.LSTMCell}, dtype=torch.qint8
        )
    symbols, memory_dim = sizes["symbols"], sizes["memory_dim"]
    memory = torch.randn(1, symbols, memory_dim)
    with torch.inference_mode():
        keys = keys_of(memory)
        print(json.dumps({"parameters": parameters}), file=output)
        for line in sys.stdin:
            zeros = [torch.zeros(1, sizes["hidden_dim"]) for _ in range(4)]
            state = [*zeros, torch.zeros(1, memory_dim)]
            state += [torch.zeros(1, symbols) for _ in range(2)]
            frame = torch.zeros(1, sizes["mel_bins"])
            started = time.process_time()
            for _ in range(json.loads(line)["steps"]):
                frame, _, state = decoder(frame, state, memory, keys)
            seconds = time.process_time() - started
            print(json.dumps({"cpu_seconds": seconds}), file=output)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), sys.argv[2])
