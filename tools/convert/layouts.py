"""How other programs name and order the weights of GNMT.

tensorflow/nmt: ``gnmt_model.py``, with the attention ``bahdanau`` or
``normed_bahdanau``. NVIDIA's GNMT v2: ``DeepLearningExamples``, PyTorch/Translation.
Both have LSTMs with biases and a tanh at their output, our cell `standard`.
"""

import enum
from collections.abc import Callable
from typing import Any
from typing import NamedTuple

import numpy as np

from tfmodels.gnmt.config import GNMTConfig
from tools.convert.weights import Weights

Arrays = dict[str, np.ndarray]
"""Ours, by their names in checkpoints."""


class Layout(enum.StrEnum):
    """Programs whose weights can be read."""

    TENSORFLOW_NMT = "tensorflow_nmt"
    NVIDIA = "nvidia"


class Reader(NamedTuple):
    """One of them."""

    read: Callable[[Weights, GNMTConfig, float], Arrays]
    """Takes the forget bias that is added at run time."""
    settings: dict[str, tuple[Any, ...]]
    """What the model's configuration may be, by key."""


class Shapes(NamedTuple):
    """Input widths of layers by our names."""

    encoder: dict[str, int]
    decoder: dict[str, int]


def widths(config: GNMTConfig) -> Shapes:
    """What each layer sees, without its own last output."""
    embedding, hidden = config.embedding_dim, config.hidden_dim
    fed = hidden if config.wiring != "bottom_query" else 0
    encoder = {"encoder1_forward": embedding, "encoder1_backward": embedding}
    for number in range(2, config.encoder_layers + 1):
        encoder[f"encoder{number}"] = 2 * hidden if number == 2 else hidden
    decoder = {"decoder1": embedding + fed}
    for number in range(2, config.decoder_layers + 1):
        decoder[f"decoder{number}"] = 2 * hidden
    return Shapes(encoder, decoder)


def from_kernel(kernel: np.ndarray, bias: np.ndarray, forget_bias: float) -> Arrays:
    """An LSTM of TensorFlow 1 in our order of gates.

    Args:
      kernel: float32 [D + H, 4 H], of inputs and then of outputs before; columns of
        the gate i, the candidate j, the gates f and o.
      bias: float32 [4 H], in the same order.
      forget_bias: what was added to the sums of f at run time.
    """
    width = len(bias) // 4
    enter, candidate, forget, leave = np.split(np.vstack([kernel, bias]), 4, axis=1)
    both = np.concatenate([candidate, enter, forget, leave], axis=1)
    both[-1, 2 * width : 3 * width] += np.float32(forget_bias)
    return {
        "kernel": both[: -width - 1],
        "recurrent_kernel": both[-width - 1 : -1],
        "bias": both[-1],
    }


def from_torch(
    kernel: np.ndarray,
    recurrent: np.ndarray,
    bias: np.ndarray,
    second_bias: np.ndarray,
) -> Arrays:
    """An LSTM of PyTorch or cuDNN in our order of gates.

    Args:
      kernel: float32 [4 H, D], rows of the gates i and f, the candidate g, the gate o.
      recurrent: float32 [4 H, H].
      bias: float32 [4 H].
      second_bias: float32 [4 H].
    """

    def ordered(rows: np.ndarray) -> np.ndarray:
        enter, forget, candidate, leave = np.split(rows, 4)
        return np.concatenate([candidate, enter, forget, leave])

    return {
        "kernel": ordered(kernel).T,
        "recurrent_kernel": ordered(recurrent).T,
        "bias": ordered(bias),
        "second_bias": ordered(second_bias),
    }


def _read_nmt(weights: Weights, config: GNMTConfig, forget_bias: float) -> Arrays:
    hidden, units = config.hidden_dim, config.attention_dim
    size, shapes = config.vocabulary_size, widths(config)
    top = "dynamic_seq2seq"
    stack = f"{top}/encoder/rnn/multi_rnn_cell"
    bottom = f"{top}/decoder/multi_rnn_cell/cell_0_attention/attention"
    places = {
        "encoder1_forward": f"{top}/encoder/bidirectional_rnn/fw",
        "encoder1_backward": f"{top}/encoder/bidirectional_rnn/bw",
        "decoder1": bottom,
    }
    for number in range(2, config.encoder_layers + 1):
        # A single cell stands by itself.
        alone = config.encoder_layers == 2
        place = f"{top}/encoder/rnn" if alone else f"{stack}/cell_{number - 2}"
        places[f"encoder{number}"] = place
    for number in range(2, config.decoder_layers + 1):
        place = f"{top}/decoder/multi_rnn_cell/cell_{number - 1}"
        places[f"decoder{number}"] = place
    arrays: Arrays = {}
    for name, width in {**shapes.encoder, **shapes.decoder}.items():
        place = f"{places[name]}/basic_lstm_cell"
        kernel = weights.take(f"{place}/kernel", width + hidden, 4 * hidden)
        bias = weights.take(f"{place}/bias", 4 * hidden)
        arrays |= _under(name, from_kernel(kernel, bias, forget_bias))
    table = size, config.embedding_dim
    if config.share_embedding:
        embedding = weights.take("embeddings/embedding_share", *table)
        arrays["gnmt/source_embedding"] = embedding
    else:
        # Older versions had them elsewhere.
        old = weights.has(f"{top}/encoder/embedding_encoder")
        where = top if old else "embeddings"
        for ours, theirs in (("source", "encoder"), ("target", "decoder")):
            name = f"{where}/{theirs}/embedding_{theirs}"
            arrays[f"gnmt/{ours}_embedding"] = weights.take(name, *table)
    place = f"{bottom}/bahdanau_attention"
    arrays |= {
        "attention/key_kernel": weights.take(
            f"{top}/decoder/memory_layer/kernel", hidden, units
        ),
        "attention/query_kernel": weights.take(
            f"{place}/query_layer/kernel", hidden, units
        ),
        "attention/score": weights.take(f"{place}/attention_v", units)[:, None],
        "gnmt/softmax": weights.take(
            f"{top}/decoder/output_projection/kernel", hidden, size
        ).T,
    }
    if config.normed_attention:
        arrays["attention/length"] = weights.take(f"{place}/attention_g")
        arrays["attention/bias"] = weights.take(f"{place}/attention_b", units)
    return arrays


def _read_nvidia(weights: Weights, config: GNMTConfig, _: float) -> Arrays:
    hidden, units = config.hidden_dim, config.attention_dim
    size, shapes = config.vocabulary_size, widths(config)
    arrays: Arrays = {}
    places = [
        ("encoder1_forward", "encoder.rnn_layers.0", ""),
        ("encoder1_backward", "encoder.rnn_layers.0", "_reverse"),
        *(
            (f"encoder{number}", f"encoder.rnn_layers.{number - 1}", "")
            for number in range(2, config.encoder_layers + 1)
        ),
        ("decoder1", "decoder.att_rnn.rnn", ""),
        *(
            (f"decoder{number}", f"decoder.rnn_layers.{number - 2}", "")
            for number in range(2, config.decoder_layers + 1)
        ),
    ]
    for name, place, end in places:
        width = {**shapes.encoder, **shapes.decoder}[name]
        arrays |= _under(
            name,
            from_torch(
                weights.take(f"{place}.weight_ih_l0{end}", 4 * hidden, width),
                weights.take(f"{place}.weight_hh_l0{end}", 4 * hidden, hidden),
                weights.take(f"{place}.bias_ih_l0{end}", 4 * hidden),
                weights.take(f"{place}.bias_hh_l0{end}", 4 * hidden),
            ),
        )
    table = size, config.embedding_dim
    source = weights.take("encoder.embedder.weight", *table)
    if config.share_embedding:
        weights.take_equal("decoder.embedder.weight", source)
    else:
        target = weights.take("decoder.embedder.weight", *table)
        arrays["gnmt/target_embedding"] = _reordered(target)
    place, classifier = "decoder.att_rnn.attn", "decoder.classifier.classifier"
    return arrays | {
        "gnmt/source_embedding": _reordered(source),
        "attention/key_kernel": weights.take(
            f"{place}.linear_k.weight", units, hidden
        ).T,
        "attention/query_kernel": weights.take(
            f"{place}.linear_q.weight", units, hidden
        ).T,
        "attention/score": weights.take(f"{place}.linear_att", units)[:, None],
        "attention/length": weights.take(f"{place}.normalize_scalar", 1)[0],
        "attention/bias": weights.take(f"{place}.normalize_bias", units),
        "gnmt/softmax": _reordered(weights.take(f"{classifier}.weight", size, hidden)),
        "gnmt/bias": _reordered(weights.take(f"{classifier}.bias", size)),
    }


def _under(name: str, arrays: Arrays) -> Arrays:
    return {f"{name}/{part}": array for part, array in arrays.items()}


def _reordered(rows: np.ndarray) -> np.ndarray:
    """Padding, unknown, start, end as our padding, start, end, unknown."""
    return np.concatenate([rows[[0, 2, 3, 1]], rows[4:]])


_COMMON: dict[str, tuple[Any, ...]] = {
    "cell": ("standard",),
    "tie_softmax": (False,),
    "clip": (None,),
    "logits_clip": (None,),
}
READERS = {
    Layout.TENSORFLOW_NMT: Reader(
        _read_nmt,
        {
            **_COMMON,
            "biases": (1,),
            "wiring": ("paper", "gnmt_v2"),
            "first_context": ("zeros",),
            "softmax_bias": (False,),
        },
    ),
    Layout.NVIDIA: Reader(
        _read_nvidia,
        {
            **_COMMON,
            "biases": (2,),
            "wiring": ("bottom_query",),
            "init_state": ("zeros",),
            "normed_attention": (True,),
            "softmax_bias": (True,),
        },
    ),
}
