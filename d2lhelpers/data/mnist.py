"""Fashion-MNIST and MNIST as arrays, and the names of Fashion-MNIST's classes."""

from __future__ import annotations

import os
from collections.abc import Iterable

import numpy as np

from .download import ensure
from .errors import DataCorruptError
from .idx import parse_idx
from .labels import names_of
from .registry import data_set
from .sources import is_synthetic, read_verified
from .synthetic import synthetic_fashion_mnist

__all__ = ["FASHION_MNIST_CLASSES", "fashion_mnist_arrays", "fashion_mnist_labels", "mnist_arrays"]

FASHION_MNIST_CLASSES = (
    "t-shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)

# Enough for the LeNet of notebook 05, from its seed, to pass 90 % in ten epochs, few enough to be drawn in seconds.
_STAND_IN = {"num_train": 12000, "num_test": 2000, "seed": 0}


def fashion_mnist_labels(y: Iterable[int]) -> list[str]:
    """Return the class names of Fashion-MNIST labels.

    Args:
        y: Labels in 0…9, shape (N,): a list, a NumPy or an MXNet array; whole numbers of any dtype.

    Returns:
        N names such as ``ankle boot``.

    Raises:
        ValueError: A label is not a whole number in 0…9, or y is not one-dimensional.
    """
    return names_of(y, FASHION_MNIST_CLASSES)


def fashion_mnist_arrays(
    root: str | os.PathLike | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return Fashion-MNIST whole, as NumPy arrays.

    Args:
        root: As in ``load_data_fashion_mnist``; the word ``synthetic`` gives 12,000 and 2,000 drawn garments.

    Returns:
        ``(X_train, y_train, X_test, y_test)``: X of shape (N, 1, 28, 28), float32 in [0, 1]; y of shape (N,), int32 in
        0…9.

    Raises:
        DataNotFoundError: The data are not there and cannot be had.
        DataCorruptError: A file is there but is not the published one.
    """
    if is_synthetic(root):
        return synthetic_fashion_mnist(**_STAND_IN)
    return _idx_arrays("fashion-mnist", root)


def mnist_arrays(
    root: str | os.PathLike | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return MNIST whole, as NumPy arrays.

    Args:
        root: As in ``load_data_mnist``.

    Returns:
        ``(X_train, y_train, X_test, y_test)`` as ``fashion_mnist_arrays``.

    Raises:
        DataNotFoundError: The data are not there and cannot be had.
        DataCorruptError: A file is there but is not the published one.
    """
    return _idx_arrays("mnist", root)


def _idx_arrays(name, root):
    folder = ensure(name, root)
    entry = data_set(name)
    raw = [parse_idx(read_verified(entry, folder, file), str(folder / file.name)) for file in entry.files]
    arrays = []
    for (images, labels), file in zip((raw[:2], raw[2:]), entry.files[::2]):
        if images.ndim != 3 or labels.shape != images.shape[:1]:
            raise DataCorruptError(
                f"{folder / file.name} has images of shape {images.shape} for labels of shape {labels.shape}, "
                "expected (N, H, W) and "
                "(N,); fetch both again"
            )
        arrays += [images[:, np.newaxis] / np.float32(255), labels.astype(np.int32)]
    return tuple(arrays)
