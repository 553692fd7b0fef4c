"""CIFAR-10 as arrays: the full set of 50,000 + 10,000 images, or a real sample of 4,000 + 1,000.

Format: https://www.cs.toronto.edu/~kriz/cifar.html, the binary version. A record is one label byte and 3,072 pixel
bytes: the 32x32 red plane, then green, then blue, each row by row.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable

import numpy as np

from .download import ensure
from .errors import DataCorruptError, DataNotFoundError
from .labels import names_of
from .registry import data_set
from .sources import best_folder, data_root, find, missing_files, not_found_sentence, read_verified

__all__ = ["CIFAR10_CLASSES", "cifar10_arrays", "cifar10_labels", "cifar10_source", "parse_cifar10"]

CIFAR10_CLASSES = ("plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

_PIXELS = 3 * 32 * 32
_RECORD = 1 + _PIXELS


def cifar10_labels(y: Iterable[int]) -> list[str]:
    """Return the class names of CIFAR-10 labels.

    Args:
        y: Labels in 0…9, shape (N,): a list, a NumPy or an MXNet array; whole numbers of any dtype.

    Returns:
        N names such as ``frog``.

    Raises:
        ValueError: A label is not a whole number in 0…9, or y is not one-dimensional.
    """
    return names_of(y, CIFAR10_CLASSES)


def cifar10_source(root: str | os.PathLike | None = None) -> str:
    """Say which CIFAR-10 ``load_data_cifar10(…, sample=None)`` reads from a root. Nothing is read or downloaded.

    Args:
        root: As in ``load_data_cifar10``.

    Returns:
        ``full`` or ``sample``.

    Raises:
        DataNotFoundError: Neither is there, or the full set is there in part only.
    """
    if find("cifar10", root) is not None:
        return "full"
    entry, chosen = data_set("cifar10"), data_root(root)
    if chosen.path is not None:
        folder = best_folder(entry, chosen.path)
        missing = missing_files(entry, folder)
        if len(missing) < len(entry.files):
            raise DataNotFoundError(f"{not_found_sentence(entry, chosen)}, or ask for the sample with sample=True")
        if find("cifar-10-sample", root) is not None:
            return "sample"
    raise DataNotFoundError(not_found_sentence(entry, chosen))


def cifar10_arrays(
    root: str | os.PathLike | None = None, sample: bool | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return CIFAR-10 whole, as NumPy arrays.

    Args:
        root: As in ``load_data_cifar10``.
        sample: True for the sample, cut from the full set in memory where only that is there; False for the full set;
            None for the full set unless only the sample is there.

    Returns:
        ``(X_train, y_train, X_test, y_test)``: X of shape (N, 3, 32, 32), float32 in [0, 1]; y of shape (N,), int32 in
        0…9.

    Raises:
        DataNotFoundError: The data are not there and cannot be had.
        DataCorruptError: A file is there but is not the published one.
    """
    has_sample = find("cifar-10-sample", root) is not None
    if sample is None:
        sample = has_sample and cifar10_source(root) == "sample"
    name = "cifar-10-sample" if sample else "cifar10"
    entry, folder = data_set(name), ensure(name, root)
    if sample and not has_sample:
        batches = _cut_sample(folder)
    else:
        batches = [(str(folder / file.name), read_verified(entry, folder, file)) for file in entry.files]
    images, labels = zip(*(parse_cifar10(data, source) for source, data in batches))
    X_train = np.concatenate([part / np.float32(255) for part in images[:-1]])
    return X_train, np.concatenate(labels[:-1]), images[-1] / np.float32(255), labels[-1]


def parse_cifar10(data: bytes, source: str = "the data") -> tuple[np.ndarray, np.ndarray]:
    """Turn the bytes of a CIFAR-10 batch into arrays.

    Args:
        data: The file's bytes.
        source: The file's name, for the error.

    Returns:
        ``(images, labels)``: shape (N, 3, 32, 32), uint8, read-only; shape (N,), int32 in 0…9.

    Raises:
        DataCorruptError: There is no record, a record is not whole, or a label is above 9.
    """
    if not data or len(data) % _RECORD:
        raise DataCorruptError(
            f"{source} has {len(data):,} bytes, expected a multiple of {_RECORD:,} (one label and {_PIXELS:,} pixels "
            "a record); "
            "fetch it again"
        )
    records = np.frombuffer(data, np.uint8).reshape(-1, _RECORD)
    labels = records[:, 0].astype(np.int32)
    if labels.max() > 9:
        raise DataCorruptError(
            f"{source} has label {labels.max()} in record {labels.argmax()}, expected 0…9; give CIFAR-10 in its "
            "binary version, not "
            "CIFAR-100 or the Python version"
        )
    return records[:, 1:].reshape(-1, 3, 32, 32), labels


def _cut_sample(folder):
    """Cut the sample from the full set in ``folder``; its SHA-256 proves that it is the same sample."""
    full = {file.name: file for file in data_set("cifar10").files}
    batches = []
    for part in data_set("cifar-10-sample").files:
        data = read_verified(data_set("cifar10"), folder, full[part.name])[: part.size]
        if hashlib.sha256(data).hexdigest() != part.sha256:
            raise DataCorruptError(
                f"the first {part.size // _RECORD:,} records of {folder / part.name} are not the published sample; "
                "fetch cifar10 again"
            )
        batches.append((str(folder / part.name), data))
    return batches
