"""Encodings of speech that comes in chunks."""

from collections.abc import Sequence

import tensorflow as tf

from tfmodels.errors import ConfigError
from tfmodels.las.attention import Memory
from tfmodels.las.config import LASConfig


def frames_per_encoding(config: LASConfig) -> int:
    """Frames that become one encoding: a chunk has a multiple of them."""
    return config.stride * 2 ** len(config.encoder.pair_after)


def streams(config: LASConfig) -> bool:
    """Whether the encoder sees nothing but what is spoken already."""
    return not (config.encoder.bidirectional or config.encoder.convolutions)


def check_chunk(config: LASConfig, num_frames: int | None) -> None:
    """Refuses what cannot be encoded chunk by chunk.

    Args:
      config: the model's.
      num_frames: of a chunk; not looked at if None.

    Raises:
      ConfigError: see `LAS.encode_chunk`.
    """
    encoder = config.encoder
    if not streams(config):
        raise ConfigError(
            "the encoder sees what is not spoken yet. Expected encoder.bidirectional:"
            " false and no encoder.convolutions. Received encoder.bidirectional:"
            f" {encoder.bidirectional}, encoder.convolutions:"
            f" {list(encoder.convolutions)}."
        )
    group = frames_per_encoding(config)
    if num_frames is not None and num_frames % group:
        raise ConfigError(
            f"a chunk is of whole groups of frames. Expected a multiple of {group}"
            " frames, the last chunk padded. Received features of"
            f" {num_frames} frames."
        )


def joined(chunks: Sequence[Memory]) -> Memory:
    """The memory of an utterance from those of its chunks, in order."""
    parts = {name: [chunk[name] for chunk in chunks] for name in chunks[0]}
    return {
        "keys": tf.concat(parts["keys"], 2),
        "values": tf.concat(parts["values"], 2),
        "mask": tf.concat(parts["mask"], 1),
        "variety": parts["variety"][-1],
    }
