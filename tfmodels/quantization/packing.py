"""Codes of 2, 3, 4 or 8 bits in bytes, and back, in NumPy and in a graph."""

from typing import Any

import numpy as np
import tensorflow as tf

from tfmodels.errors import ConfigError

# Codes that fill whole bytes together, by bits: 3 bytes hold 8 codes of 3 bits.
_CODES = {2: 4, 3: 8, 4: 2, 8: 1}


def stored_bits(bits: int) -> int:
    """Bits that a code takes in storage: 4 for 4, 8 for 5 to 7."""
    return next(size for size in sorted(_CODES) if size >= bits)


def packed_width(width: int, bits: int) -> int:
    """Bytes of a row of `width` codes."""
    codes = _unit(bits)
    return -(-width // codes) * (codes * bits // 8)


def pack(codes: np.ndarray, bits: int) -> np.ndarray:
    """Packs rows, the first code in the lowest bits; rows are filled up with 0.

    For 4 bits this is TFLite's INT4: element 2k in the low half of a byte.

    Args:
      codes: uint8 [R, n], less than 2^bits.
      bits: 2, 3, 4 or 8.

    Returns:
      uint8 [R, bytes].

    Raises:
      ConfigError: codes of so many bits have no packed form.
    """
    unit = _unit(bits)
    rows, width = codes.shape
    filled = np.zeros((rows, -(-width // unit) * unit), np.uint8)
    filled[:, :width] = codes
    places = np.arange(bits, dtype=np.uint8)
    ones = (filled[:, :, None] >> places) & 1
    return np.packbits(ones.reshape(rows, -1), axis=1, bitorder="little")


def unpack(packed: np.ndarray, bits: int, width: int) -> np.ndarray:
    """The inverse of `pack`: uint8 [R, `width`].

    Raises:
      ConfigError: codes of so many bits have no packed form, or a row has not as many.
    """
    if packed.shape[1] != packed_width(width, bits):
        raise ConfigError(
            f"packed weights are of another width. Expected {packed_width(width, bits)}"
            f" bytes for {width} codes of {bits} bits. Received {packed.shape[1]}."
        )
    ones = np.unpackbits(packed, axis=1, count=width * bits, bitorder="little")
    ones = ones.reshape(len(packed), width, bits)
    return np.packbits(ones, axis=2, bitorder="little")[:, :, 0]


def unpack_in_graph(packed: Any, bits: int, width: int) -> tf.Tensor:
    """Does what `unpack` does to a tensor uint8 [R, bytes]: uint8 [R, `width`]."""
    unit = _unit(bits)
    if bits == 8:
        return packed
    size = unit * bits // 8
    groups = tf.reshape(packed, [tf.shape(packed)[0], packed.shape[1] // size, size])
    mask = 2**bits - 1
    if bits == 3:
        groups = tf.cast(groups, tf.int32)
        word = groups[..., 0] + groups[..., 1] * 2**8 + groups[..., 2] * 2**16
        groups = word[..., None]
    shifts = tf.constant(np.arange(unit) * bits, groups.dtype)
    codes = tf.bitwise.bitwise_and(
        tf.bitwise.right_shift(groups, shifts), tf.constant(mask, groups.dtype)
    )
    codes = tf.reshape(codes, [tf.shape(packed)[0], groups.shape[1] * unit])
    return tf.cast(codes[:, :width], tf.uint8)


def _unit(bits: int) -> int:
    if bits not in _CODES:
        raise ConfigError(
            "bits: such codes have no packed form. Expected one of"
            f" {', '.join(map(str, _CODES))}. Received {bits}."
        )
    return _CODES[bits]
