from __future__ import annotations

import gzip

from d2lhelpers.data import DataCorruptError
from d2lhelpers.data.idx import parse_idx

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .tiny import idx_bytes

FEW = settings(max_examples=40, deadline=None, derandomize=True)


@FEW
@given(
    st.sampled_from(["u1", "i1", "i2", "i4", "f4", "f8"]),
    st.lists(st.integers(0, 4), min_size=1, max_size=4),
    st.booleans(),
    st.integers(0, 99),
)
def test_what_was_written_is_read(dtype, shape, compressed, seed):
    array = np.random.default_rng(seed).integers(0, 100, shape).astype(dtype)
    data = idx_bytes(array)
    result = parse_idx(gzip.compress(data) if compressed else data)
    assert result.dtype == np.dtype(dtype)  # in this machine's byte order
    assert result.shape == array.shape
    assert np.array_equal(result, array)


def test_bytes_by_hand():
    assert parse_idx(bytes([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 255])).tolist() == [
        [1, 2, 3],
        [4, 5, 255],
    ]


GOOD = idx_bytes(np.arange(12, dtype=np.uint8).reshape(3, 4))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", r"begins with the bytes \(none\)"),
        (b"<!DOCTYPE html>", "begins with the bytes 3c 21 44 4f"),
        (b"\0\0\x07\x01" + GOOD[4:], "not an IDX file"),
        (b"\1\0" + GOOD[2:], "not an IDX file"),
        (GOOD[:10], "ends inside its head"),
        (GOOD[:-1], r"announces shape \(3, 4\), which is 24 bytes, but has 23"),
        (GOOD + b"\0", "but has 25"),
        (b"\0\0\x08\x03" + b"\xff" * 12, "announces shape"),  # the product of the lengths overflows 64 bits
        (b"\0\0\x08\x04" + b"\0" * 4 + b"\xff" * 12, "announces an impossible shape"),  # no bytes, but no array either
        (b"\0\0\x08\x41" + b"\0\0\0\1" * 65 + b"7", "announces an impossible shape"),  # 65 axes
        (gzip.compress(GOOD, mtime=0)[:-9], "x.gz is a damaged gzip file"),
        (gzip.compress(GOOD, mtime=0)[:-8] + b"\0" * 8, "damaged gzip file"),
        (b"\x1f\x8b" + b"\0" * 20, "damaged gzip file"),
    ],
)
def test_what_is_not_idx_is_refused(data, message):
    with pytest.raises(DataCorruptError, match=message):
        parse_idx(data, "x.gz")
