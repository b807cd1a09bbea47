"""tensorflow/nmt and NVIDIA's GNMT v2 in NumPy: weights, and what they compute."""

from typing import Any

import numpy as np

from tfmodels.gnmt.config import GNMTConfig

V, E, H, A = 11, 5, 4, 3
DECODER = "dynamic_seq2seq/decoder"
ENCODER = "dynamic_seq2seq/encoder"
BOTTOM = f"{DECODER}/multi_rnn_cell/cell_0_attention/attention"
ATTENTION = f"{BOTTOM}/bahdanau_attention"


def drawn(shapes: dict[str, tuple[int, ...]], seed: int = 0) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    return {
        name: random.normal(0, 0.8, shape).astype(np.float32)
        for name, shape in shapes.items()
    }


def nmt_weights(shared: bool, normed: bool) -> dict[str, np.ndarray]:
    cells = {
        f"{ENCODER}/bidirectional_rnn/fw": E,
        f"{ENCODER}/bidirectional_rnn/bw": E,
        f"{ENCODER}/rnn/multi_rnn_cell/cell_0": 2 * H,
        f"{ENCODER}/rnn/multi_rnn_cell/cell_1": H,
        f"{ENCODER}/rnn/multi_rnn_cell/cell_2": H,
        BOTTOM: E + H,
        f"{DECODER}/multi_rnn_cell/cell_1": 2 * H,
        f"{DECODER}/multi_rnn_cell/cell_2": 2 * H,
        f"{DECODER}/multi_rnn_cell/cell_3": 2 * H,
    }
    shapes: dict[str, tuple[int, ...]] = {
        f"{DECODER}/memory_layer/kernel": (H, A),
        f"{ATTENTION}/query_layer/kernel": (H, A),
        f"{ATTENTION}/attention_v": (A,),
        f"{DECODER}/output_projection/kernel": (H, V),
    }
    for name, width in cells.items():
        shapes[f"{name}/basic_lstm_cell/kernel"] = (width + H, 4 * H)
        shapes[f"{name}/basic_lstm_cell/bias"] = (4 * H,)
    if shared:
        shapes["embeddings/embedding_share"] = (V, E)
    else:
        shapes["embeddings/encoder/embedding_encoder"] = (V, E)
        shapes["embeddings/decoder/embedding_decoder"] = (V, E)
    if normed:
        shapes |= {f"{ATTENTION}/attention_g": (), f"{ATTENTION}/attention_b": (A,)}
    return drawn(shapes)


def nvidia_weights() -> dict[str, np.ndarray]:
    cells = {
        ("encoder.rnn_layers.0", ""): E,
        ("encoder.rnn_layers.0", "_reverse"): E,
        ("encoder.rnn_layers.1", ""): 2 * H,
        ("encoder.rnn_layers.2", ""): H,
        ("encoder.rnn_layers.3", ""): H,
        ("decoder.att_rnn.rnn", ""): E,
        ("decoder.rnn_layers.0", ""): 2 * H,
        ("decoder.rnn_layers.1", ""): 2 * H,
        ("decoder.rnn_layers.2", ""): 2 * H,
    }
    place = "decoder.att_rnn.attn"
    shapes: dict[str, tuple[int, ...]] = {
        "encoder.embedder.weight": (V, E),
        f"{place}.linear_q.weight": (A, H),
        f"{place}.linear_k.weight": (A, H),
        f"{place}.linear_att": (A,),
        f"{place}.normalize_scalar": (1,),
        f"{place}.normalize_bias": (A,),
        "decoder.classifier.classifier.weight": (V, H),
        "decoder.classifier.classifier.bias": (V,),
    }
    for (name, end), width in cells.items():
        shapes[f"{name}.weight_ih_l0{end}"] = (4 * H, width)
        shapes[f"{name}.weight_hh_l0{end}"] = (4 * H, H)
        shapes[f"{name}.bias_ih_l0{end}"] = shapes[f"{name}.bias_hh_l0{end}"] = (4 * H,)
    arrays = drawn(shapes)
    arrays["decoder.embedder.weight"] = arrays["encoder.embedder.weight"]
    return arrays


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-z))


def gated(enter: Any, candidate: Any, forget: Any, leave: Any, c: Any) -> Any:
    c = sigmoid(forget) * c + sigmoid(enter) * np.tanh(candidate)
    return sigmoid(leave) * np.tanh(c), c


class Nmt:
    """tensorflow/nmt, from its own arrays."""

    def __init__(self, arrays: dict[str, np.ndarray], config: GNMTConfig) -> None:
        self.arrays, self.config = arrays, config
        self.stacks = [
            [
                f"{ENCODER}/bidirectional_rnn/fw",
                f"{ENCODER}/bidirectional_rnn/bw",
                *(f"{ENCODER}/rnn/multi_rnn_cell/cell_{n}" for n in range(3)),
            ],
            [BOTTOM, *(f"{DECODER}/multi_rnn_cell/cell_{n}" for n in (1, 2, 3))],
        ]

    def cell(self, name: str, x: Any, h: Any, c: Any) -> Any:
        kernel = self.arrays[f"{name}/basic_lstm_cell/kernel"]
        bias = self.arrays[f"{name}/basic_lstm_cell/bias"]
        i, j, f, o = np.split(np.concatenate([x, h]) @ kernel + bias, 4)
        return gated(i, j, f + 1.0, o, c)

    def embedded(self, side: str, token: int) -> np.ndarray:
        shared = self.arrays.get("embeddings/embedding_share")
        own = f"embeddings/{side}/embedding_{side}"
        return (self.arrays[own] if shared is None else shared)[token]

    def scores(self, query: np.ndarray, encodings: np.ndarray) -> np.ndarray:
        v = self.arrays[f"{ATTENTION}/attention_v"]
        hidden = query @ self.arrays[f"{ATTENTION}/query_layer/kernel"]
        hidden = hidden + encodings @ self.arrays[f"{DECODER}/memory_layer/kernel"]
        if self.config.normed_attention:
            hidden = hidden + self.arrays[f"{ATTENTION}/attention_b"]
            v = self.arrays[f"{ATTENTION}/attention_g"] * v / np.sqrt(np.sum(v * v))
        return np.tanh(hidden) @ v

    def logits(self, x: np.ndarray) -> np.ndarray:
        return x @ self.arrays[f"{DECODER}/output_projection/kernel"]


class Nvidia(Nmt):
    """NVIDIA's GNMT v2, from its own arrays."""

    def __init__(self, arrays: dict[str, np.ndarray], config: GNMTConfig) -> None:
        super().__init__(arrays, config)
        self.stacks = [
            [
                "encoder.rnn_layers.0",
                "encoder.rnn_layers.0_reverse",
                *(f"encoder.rnn_layers.{n}" for n in (1, 2, 3)),
            ],
            ["decoder.att_rnn.rnn", *(f"decoder.rnn_layers.{n}" for n in range(3))],
        ]

    def cell(self, name: str, x: Any, h: Any, c: Any) -> Any:
        end = "_reverse" if name.endswith("_reverse") else ""
        name = name.removesuffix("_reverse")
        w = {
            part: self.arrays[f"{name}.{part}_l0{end}"]
            for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        }
        z = w["weight_ih"] @ x + w["bias_ih"] + w["weight_hh"] @ h + w["bias_hh"]
        i, f, g, o = np.split(z, 4)
        return gated(i, g, f, o, c)

    def embedded(self, side: str, token: int) -> np.ndarray:
        return self.arrays[f"{side}.embedder.weight"][token]

    def scores(self, query: np.ndarray, encodings: np.ndarray) -> np.ndarray:
        w = {k.rsplit("attn.")[-1]: x for k, x in self.arrays.items() if "attn." in k}
        hidden = w["linear_q.weight"] @ query + encodings @ w["linear_k.weight"].T
        v = w["linear_att"] / np.linalg.norm(w["linear_att"]) * w["normalize_scalar"]
        return np.tanh(hidden + w["normalize_bias"]) @ v

    def logits(self, x: np.ndarray) -> np.ndarray:
        place = "decoder.classifier.classifier"
        return self.arrays[f"{place}.weight"] @ x + self.arrays[f"{place}.bias"]


def translated(theirs: Nmt, source: list[int], target: list[int]) -> np.ndarray:
    """Logits [T, V] of their model, one token and one layer at a time."""
    finals = []

    def layer(name: str, inputs: Any) -> list[np.ndarray]:
        state, outputs = (np.zeros(H), np.zeros(H)), []
        for x in inputs:
            state = theirs.cell(name, x, *state)
            outputs.append(state[0])
        finals.append(state)
        return outputs

    forward, backward, *upper = theirs.stacks[0]
    embedded = [theirs.embedded("encoder", token) for token in source]
    ahead = layer(forward, embedded)
    back = layer(backward, embedded[::-1])[::-1]
    x: Any = [np.concatenate(pair) for pair in zip(ahead, back, strict=True)]
    for number, name in enumerate(upper):
        made = layer(name, x)
        x = np.add(made, x) if number else made
    encodings = np.array(x)
    states: list[Any] = [(np.zeros(H), np.zeros(H))] * 4
    if theirs.config.init_state == "encoder_final":
        states = finals[1:]
    context, logits = np.zeros(H), []
    for token in target:
        x = theirs.embedded("decoder", token)
        if theirs.config.wiring != "bottom_query":
            x = np.concatenate([x, context])
        bottom, *upper = theirs.stacks[1]
        states[0] = theirs.cell(bottom, x, *states[0])
        x, seen = states[0][0], context
        shares = np.exp(theirs.scores(x, encodings))
        context = shares @ encodings / shares.sum()
        if theirs.config.wiring != "paper":
            seen = context
        for number, name in enumerate(upper, 1):
            states[number] = theirs.cell(
                name, np.concatenate([x, seen]), *states[number]
            )
            x = states[number][0] + (x if number > 1 else 0)
        logits.append(theirs.logits(x))
    return np.array(logits)
