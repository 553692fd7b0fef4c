"""Class names for labels."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ..checks import real_numbers

__all__ = ["names_of"]


def names_of(y: Iterable[int], classes: tuple[str, ...]) -> list[str]:
    """Return the class name of every label.

    Args:
        y: Labels in 0…len(classes)-1, shape (N,): a list, a NumPy or an MXNet array; whole numbers of any dtype.
        classes: The names, by label.

    Returns:
        N names.

    Raises:
        ValueError: A label is not a whole number in range, or y is not one-dimensional.
    """
    labels = real_numbers(y, "y")
    if labels.ndim != 1:
        raise ValueError(
            f"expected labels of shape (N,), got shape {labels.shape}; pass a list or a flat array of labels"
        )
    whole = np.isin(labels, np.arange(len(classes)))
    if not whole.all():
        position = int(np.argmin(whole))
        raise ValueError(
            f"expected labels that are whole numbers in 0…{len(classes) - 1}, got {labels[position]!s} at position "
            f"{position}; "
            "check that these are labels and not pixels or probabilities"
        )
    return [classes[int(label)] for label in labels]
