"""Makes a run folder of NVIDIA's public Tacotron 2, whose voice is that of LJSpeech."""

from pathlib import Path
from typing import Any

import numpy as np

from tfmodels.errors import ConfigError
from tfmodels.tacotron.config import AttentionConfig
from tfmodels.tacotron.config import TacotronConfig
from tfmodels.text.symbols import Symbols
from tools.convert.layouts import Arrays
from tools.convert.layouts import from_torch
from tools.convert.weights import Weights
from trainers.experiment import Experiment

_SIGNS = "_-!'(),.:;? ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ARPABET = 84
NUM_SYMBOLS = len(_SIGNS) + _ARPABET
"""Of theirs: padding, marks, letters, phonemes of English that texts seldom have."""
_EPSILON = 1e-5


def convert_tacotron(path: Path, experiment: Experiment, workdir: Path) -> None:
    """Writes a run of step 0, with which training, evaluation and export go on.

    Args:
      path: a .npz file of the checkpoint's ``state_dict`` under its own names.
      experiment: of characters, with a model of the same sizes.
      workdir: a folder without a run.

    Raises:
      ConfigError: the configuration describes another model, or the folder holds a
        run.
      DataError: the file is damaged, or arrays are missing, left over or misshapen.
    """
    from tools.convert.runs import new_folder
    from tools.convert.runs import write_run
    from trainers.data.synthesis.source import open_synthesis

    folder = new_folder(workdir)
    model: Any = experiment.model
    check_settings(model)
    data: Any = experiment.data
    if data.front_end != "public22k":
        raise ConfigError(
            "these weights are for spectra of another kind. Expected data.front_end:"
            f" public22k. Received {data.front_end}."
        )
    table = open_synthesis(data, write=False).symbols
    arrays = read_tacotron(Weights.read(path), model, table)
    write_run(folder, experiment, lambda: arrays)


def check_settings(config: Any) -> None:
    """Whether a model computes what theirs does.

    Raises:
      ConfigError: it does not; the message has all keys to change.
    """
    if not isinstance(config, TacotronConfig):
        raise ConfigError(
            "these weights are of a synthesiser. Expected model.kind: tacotron."
            f" Received model.kind: {config.kind}."
        )
    norm, decoder = config.batch_norm, config.decoder
    is_location = isinstance(config.attention, AttentionConfig)
    inputs = getattr(config.attention, "location_inputs", None)
    wanted = {
        "num_tones": (config.num_tones, None),
        "speaker_dim and language_dim": (config.condition_dim, 0),
        "residual": (config.residual, None),
        "classifier": (config.classifier, None),
        "num_biases": (config.num_biases, 2),
        "frames_per_step": (config.frames_per_step, 1),
        "attention.kind: location": (is_location, True),
        "attention.location_inputs": (inputs, "both"),
        "attention.bias": (getattr(config.attention, "bias", False), False),
        "decoder.regulariser": (decoder.regulariser, "dropout"),
        "encoder.zoneout_rate": (config.encoder.zoneout_rate, 0.0),
        "batch_norm.epsilon": (norm.epsilon, _EPSILON),
        "batch_norm.scale": (norm.scale, True),
    }
    wrong = [
        f"model.{key}: {expected} expected, {received} received"
        for key, (received, expected) in wanted.items()
        if received != expected
    ]
    if wrong:
        raise ConfigError(
            "NVIDIA's Tacotron 2 is built otherwise. Change these keys of the"
            f" configuration: {'; '.join(wrong)}."
        )


def read_tacotron(
    weights: Weights, config: TacotronConfig, table: Symbols
) -> dict[str, np.ndarray]:
    """Our arrays, float32, by their names in checkpoints.

    Rows of symbols are put where the table has them: theirs have no end, which takes
    the full stop's, and nothing unknown, which takes the space's. Spectra are not
    normalised.

    Raises:
      ConfigError: the table is not of characters that theirs has.
      DataError: arrays are missing, left over or misshapen.
    """
    config_of: Any = config.attention
    encoder, hidden = config.encoder, config.decoder.hidden_dim
    dim, bins, prenet = encoder.dim, config.mel_bins, config.decoder.prenet_dim
    attention = "decoder.attention_layer"
    location = f"{attention}.location_layer"
    embedding = weights.take("embedding.weight", NUM_SYMBOLS, dim)
    # torch counts batches; nothing depends on it.
    _pass_over_counters(weights, encoder.convolutions, config.postnet.convolutions)
    made: Arrays = {
        "tacotron/mel_mean": np.zeros(bins, np.float32),
        "tacotron/mel_std": np.ones(bins, np.float32),
        "encoder/symbols": embedding[_rows(table)],
    }
    for number in range(encoder.convolutions):
        theirs = f"encoder.convolutions.{number}"
        ours = f"encoder_convolution{number + 1}"
        made |= _convolution(weights, theirs, ours, dim, dim, encoder.kernel)
    for way, end in (("forward", ""), ("backward", "_reverse")):
        made |= _lstm(
            weights, "encoder.lstm", f"encoder_lstm_{way}", dim, dim // 2, f"_l0{end}"
        )
    for number, width in enumerate((bins, prenet)):
        name = f"decoder.prenet.layers.{number}.linear_layer.weight"
        made[f"decoder/prenet{number + 1}_kernel"] = weights.take(name, prenet, width).T
    for number, (name, width) in enumerate(
        (("attention_rnn", prenet), ("decoder_rnn", hidden)), 1
    ):
        made |= _lstm(
            weights, f"decoder.{name}", f"decoder_lstm{number}", width + dim, hidden
        )
    shapes = {
        "query_kernel": (f"{attention}.query_layer", config_of.dim, hidden),
        "key_kernel": (f"{attention}.memory_layer", config_of.dim, dim),
        "score_kernel": (f"{attention}.v", 1, config_of.dim),
        "location_kernel": (
            f"{location}.location_dense",
            config_of.dim,
            config_of.filters,
        ),
    }
    for ours, (theirs, *shape) in shapes.items():
        kernel = weights.take(f"{theirs}.linear_layer.weight", *shape).T
        made[f"attention/{ours}"] = kernel
    filters = weights.take(
        f"{location}.location_conv.conv.weight", config_of.filters, 2, config_of.kernel
    )
    made["attention/filter_kernel"] = filters.transpose(2, 1, 0)
    for ours, theirs, width in (
        ("frame", "linear_projection", bins),
        ("stop", "gate_layer", 1),
    ):
        place = f"decoder.{theirs}.linear_layer"
        kernel = weights.take(f"{place}.weight", width, hidden + dim)
        made[f"decoder/{ours}_kernel"] = kernel.T
        made[f"decoder/{ours}_bias"] = weights.take(f"{place}.bias", width)
    postnet, width = config.postnet, bins
    for number in range(postnet.convolutions):
        last = number == postnet.convolutions - 1
        made |= _convolution(
            weights,
            f"postnet.convolutions.{number}",
            f"postnet_convolution{number + 1}",
            width,
            bins if last else postnet.filters,
            postnet.kernel,
        )
        width = postnet.filters
    weights.finish()
    return made


def _rows(table: Symbols) -> list[int]:
    """Their row of each of our symbols."""
    unknown = [sign for sign in table.inventory if sign not in _SIGNS[1:]]
    if table.kind != "characters" or unknown:
        raise ConfigError(
            "the public model reads letters and marks of English. Expected"
            " data.symbols: characters, and texts of"
            f" {_SIGNS[1:]!r} alone. Received {table.kind}"
            f"{', with ' + ' '.join(unknown) if unknown else ''}."
        )
    end, other = _SIGNS.index("."), _SIGNS.index(" ")
    return [0, end, other, *(_SIGNS.index(sign) for sign in table.inventory)]


def _convolution(
    weights: Weights, theirs: str, ours: str, width: int, filters: int, kernel: int
) -> Arrays:
    """A convolution and the normalisation behind it."""
    place, norm = f"{theirs}.0.conv", f"{theirs}.1"
    names = {
        "gamma": "weight",
        "beta": "bias",
        "moving_mean": "running_mean",
        "moving_variance": "running_var",
    }
    filters_first = weights.take(f"{place}.weight", filters, width, kernel)
    return {
        f"{ours}/kernel": filters_first.transpose(2, 1, 0),
        f"{ours}/bias": weights.take(f"{place}.bias", filters),
        **{
            f"{ours}_norm/{name}": weights.take(f"{norm}.{other}", filters)
            for name, other in names.items()
        },
    }


def _lstm(
    weights: Weights, theirs: str, ours: str, width: int, units: int, end: str = ""
) -> Arrays:
    """An LSTM of two biases."""
    arrays = from_torch(
        weights.take(f"{theirs}.weight_ih{end}", 4 * units, width),
        weights.take(f"{theirs}.weight_hh{end}", 4 * units, units),
        weights.take(f"{theirs}.bias_ih{end}", 4 * units),
        weights.take(f"{theirs}.bias_hh{end}", 4 * units),
    )
    return {f"{ours}/{name}": array for name, array in arrays.items()}


def _pass_over_counters(weights: Weights, encoder: int, postnet: int) -> None:
    for name, count in (("encoder", encoder), ("postnet", postnet)):
        for number in range(count):
            weights.pass_over(f"{name}.convolutions.{number}.1.num_batches_tracked")
