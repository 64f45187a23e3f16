"""CRC-32C (Castagnoli) as TensorFlow stores it, in NumPy.

The CRC of bytes ``d`` is a register that takes one byte after the other,

    state <- table[(state ^ d) & 255] ^ (state >> 8),

which is linear in state and data over GF(2).  So long data are cut into equal pieces that all run
at once, from 0, and ``state <- zeros(state) ^ piece`` joins them, ``zeros`` being the (linear)
effect of as many zero bytes as a piece has, computed from its effect on each of the 32 bits.
"""

from __future__ import annotations

import math

import numpy as np

__all__ = ["crc32c", "masked_crc32c"]

_POLYNOMIAL = 0x82F63B78  # reflected
_MASK_DELTA = 0xA282EAD8


def _effect(register: int) -> int:
    """Shift 8 bits of 0 through the register."""
    for _ in range(8):
        register = register >> 1 ^ (register & 1) * _POLYNOMIAL
    return register


_TABLE_OF_INTS = [_effect(byte) for byte in range(256)]
_TABLE = np.array(_TABLE_OF_INTS, np.uint32)


def crc32c(data: bytes) -> int:
    """Compute the CRC-32C of some bytes.

    Parameters
    ----------
    data : bytes
        The bytes.

    Returns
    -------
    int
        Their CRC, 32 bits.
    """
    length = math.isqrt(len(data))  # of a piece: as many pieces as steps
    pieces = 0 if length < 32 else len(data) // length
    first = len(data) - pieces * length
    state = 0xFFFFFFFF
    for byte in data[:first]:
        state = _TABLE_OF_INTS[(state ^ byte) & 0xFF] ^ (state >> 8)
    if pieces:
        columns = np.frombuffer(data, np.uint8, offset=first).reshape(pieces, length).T
        registers = np.zeros(pieces, np.uint32)
        bits = np.left_shift(np.uint32(1), np.arange(32, dtype=np.uint32))
        for column in np.ascontiguousarray(columns):
            registers = _TABLE[(registers ^ column) & 0xFF] ^ (registers >> 8)
            bits = _TABLE[bits & 0xFF] ^ (bits >> 8)
        effect: list[int] = bits.tolist()
        for register in registers.tolist():
            joined = register
            for bit, moved in enumerate(effect):
                if state >> bit & 1:
                    joined ^= moved
            state = joined
    return state ^ 0xFFFFFFFF


def masked_crc32c(data: bytes) -> int:
    """Compute the CRC-32C as LevelDB and TensorFlow store it.

    Parameters
    ----------
    data : bytes
        The bytes.

    Returns
    -------
    int
        Their CRC, rotated by 15 bits, plus a constant: a CRC that lies among the data it is of
        would do harm otherwise.
    """
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF
