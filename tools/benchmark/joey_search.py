"""A program that translates with JoeyNMT's RNN model and beam search, when told to.

Needs JoeyNMT, and nothing of this project. Its argument is JSON: the fields of
`translation_decoding.Search`. Each line on standard input, ``{"batch": B, "batches":
N}``, is answered with the CPU seconds of N batches of B sources. The weights are
random, and the end is forbidden, so that all answers are as long as they may be.
"""

import json
import os
import sys
import time
from types import SimpleNamespace
from typing import Any

import torch
from joeynmt.model import Model
from joeynmt.model import build_model
from joeynmt.search import beam_search
from joeynmt.vocabulary import Vocabulary


def main(sizes: dict[str, Any]) -> None:
    """Answers requests until there are no more."""
    output = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.manual_seed(0)
    model = new_model(sizes)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    print(json.dumps({"parameters": parameters}), file=output)
    for line in sys.stdin:
        request = json.loads(line)
        started = time.process_time()
        for _ in range(request["batches"]):
            lengths = translate(model, sizes, request["batch"])
        seconds = time.process_time() - started
        print(json.dumps({"cpu_seconds": seconds, "lengths": lengths}), file=output)


def new_model(sizes: dict[str, Any]) -> Model:
    """LSTMs with additive attention, and encodings as wide as the decoder.

    All layers of the encoder read both ways, half as wide each: version 2.3 fails on
    one that only reads forward.
    """
    special = SimpleNamespace(
        **{"unk_token": "<unk>", "unk_id": 0, "pad_token": "<pad>", "pad_id": 1},
        **{"bos_token": "<s>", "bos_id": 2, "eos_token": "</s>", "eos_id": 3},
        **{"sep_token": None, "sep_id": None, "lang_tags": []},
    )
    words = [f"w{number}" for number in range(sizes["vocabulary_size"] - 4)]
    vocabulary = Vocabulary(words, special)
    width = sizes["width"]
    part = {
        "type": "recurrent",
        "rnn_type": "lstm",
        "embeddings": {"embedding_dim": width},
        "num_layers": sizes["num_layers"],
    }
    settings = {
        "encoder": {**part, "hidden_size": width // 2, "bidirectional": True},
        "decoder": {**part, "hidden_size": width, "attention": "bahdanau"},
    }
    return build_model(settings, vocabulary, vocabulary).eval()


def translate(model: Model, sizes: dict[str, Any], batch: int) -> list[int]:
    """Answers to some random sources; their shape."""
    length = sizes["length"]
    source = torch.randint(4, sizes["vocabulary_size"], (batch, length))
    mask = torch.ones(batch, 1, length, dtype=torch.bool)
    with torch.no_grad():
        encodings, last, _, _ = model(
            return_type="encode",
            src=source,
            src_length=torch.full([batch], length),
            src_mask=mask,
        )
        answers, _, _ = beam_search(
            model=model,
            beam_size=sizes["beam_width"],
            encoder_output=encodings,
            encoder_hidden=last,
            src_mask=mask,
            max_output_length=length,
            min_output_length=length,
            alpha=sizes["length_penalty"],
            n_best=1,
        )
    return list(answers.shape)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
