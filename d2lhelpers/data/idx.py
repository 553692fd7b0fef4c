"""The IDX format: the file format of MNIST and Fashion-MNIST.

Format: http://yann.lecun.com/exdb/mnist/ — two zero bytes, a type code, the number of axes, the length of each axis as
a big-endian 32-bit integer, then the elements, row-major and big-endian.
"""

from __future__ import annotations

import gzip
import math
import zlib

import numpy as np

from .errors import DataCorruptError

__all__ = ["parse_idx"]

_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def parse_idx(data: bytes, source: str = "the data") -> np.ndarray:
    """Turn the bytes of an IDX file into an array.

    Args:
        data: The file's bytes, gzip-compressed or not.
        source: The file's name, for the error.

    Returns:
        An array of the shape and type that the file's head states, in this machine's byte order. It may be read-only.

    Raises:
        DataCorruptError: The bytes are not IDX, fewer or more than the head announces, or of a shape that no array can
            have.
    """
    if data[:2] == b"\x1f\x8b":
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise DataCorruptError(f"{source} is a damaged gzip file ({error}); fetch it again") from error
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in _TYPES:
        raise DataCorruptError(
            f"{source} is not an IDX file: it begins with the bytes {data[:4].hex(' ') or '(none)'}, expected 00 00, "
            "a type code and the number of axes; fetch it again"
        )
    dtype, ndim = np.dtype(_TYPES[data[2]]), data[3]
    head = 4 + 4 * ndim
    if len(data) < head:
        raise DataCorruptError(f"{source} ends inside its head ({len(data)} bytes of {head}); fetch it again")
    shape = tuple(int(n) for n in np.frombuffer(data, ">u4", ndim, 4))
    expected = head + math.prod(shape) * dtype.itemsize
    if len(data) != expected:
        raise DataCorruptError(
            f"{source} announces shape {shape}, which is {expected:,} bytes, but has {len(data):,}; fetch it again"
        )
    try:
        array = np.frombuffer(data, dtype, offset=head).reshape(shape)
    except ValueError as error:  # more axes, or longer ones, than an array can have, with nothing in them
        raise DataCorruptError(f"{source} announces an impossible shape ({error}); fetch it again") from error
    return array.astype(dtype.newbyteorder("="), copy=False)
