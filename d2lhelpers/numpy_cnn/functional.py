"""Activations and losses on plain NumPy arrays.

Activations and their derivatives take an array of any shape and return one of that shape; scores and probabilities are
of shape (C,) or (N, C), one row a sample. Every function keeps the floating-point type that it is given: float32 stays
float32, float64 stays float64. Integers become float64. No function changes its arguments. What is no array of real
numbers, or an MXNet array, is refused with a ValueError.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from ..checks import real_numbers, shown, whole

__all__ = [
    "cross_entropy",
    "identity",
    "identity_grad",
    "log_softmax",
    "mean_squared_error",
    "one_hot",
    "relu",
    "relu_grad",
    "sigmoid",
    "sigmoid_grad",
    "softmax",
    "softmax_loss",
    "step",
    "step_grad",
]

# Keeps the logarithm of a probability of zero finite. It also caps the loss of one sample at -log(1e-7) = 16.1.
LOG_EPSILON = 1e-7


def as_float(x: ArrayLike) -> np.ndarray:
    """Return `x` as an array of floating-point numbers, unchanged where it is one already.

    Args:
        x: array or nested list of any shape and of real numbers.

    Returns:
        An array of the same shape: the dtype of `x` where that is a float, else float64.

    Raises:
        ValueError: if `x` does not hold real numbers, or is an MXNet array.
    """
    if hasattr(x, "asnumpy"):
        raise ValueError(f"expected a NumPy array, got MXNet's {type(x).__name__}: call .asnumpy()")
    x = real_numbers(x, "x")
    return x if x.dtype.kind == "f" else x.astype(np.float64)


def as_dtype(dtype: DTypeLike, kinds: str = "f") -> np.dtype:
    """Return a dtype of one of NumPy's kinds, by default a floating-point one: whole numbers cannot hold weights.

    Raises:
        ValueError: if it is of another kind, or none.
    """
    words = {"f": "a floating-point type"}.get(kinds, "a type of numbers")
    if isinstance(dtype, (type, str, np.dtype)):
        try:
            found = np.dtype(dtype)
        except TypeError:
            found = None
        if found is not None and found.kind in kinds:
            return found
    raise ValueError(f"dtype must be {words}, not {shown(dtype)}: give for example np.float32.")


def at_least_float32(dtype: np.dtype) -> np.dtype:
    """Return the dtype in which sums are taken: float16 holds no number above 65,504."""
    return np.promote_types(dtype, np.float32)


def identity(x: ArrayLike) -> np.ndarray:
    """Return x itself: the activation of a regression's output."""
    return as_float(x)


def identity_grad(x: ArrayLike) -> np.ndarray:
    """Return the derivative of `identity`: one everywhere."""
    return np.ones_like(as_float(x))


def step(x: ArrayLike) -> np.ndarray:
    """Return 1 where x is positive and 0 elsewhere: the activation of the first perceptron."""
    x = as_float(x)
    return (x > 0).astype(x.dtype)


def step_grad(x: ArrayLike) -> np.ndarray:
    """Return the derivative of `step`: zero (at 0 it has none), and so a step cannot be trained by its gradient."""
    return np.zeros_like(as_float(x))


def sigmoid(x: ArrayLike) -> np.ndarray:
    """Return 1 / (1 + exp(-x)), in [0, 1], without overflow for any x."""
    x = as_float(x)
    e = np.exp(-np.abs(x))  # never above 1, whatever the sign of x
    return np.where(x >= 0, 1 / (1 + e), e / (1 + e))


def sigmoid_grad(x: ArrayLike) -> np.ndarray:
    """Return the derivative of `sigmoid` at x, its input (not its output): s(x) (1 - s(x)), in [0, 0.25]."""
    y = sigmoid(x)
    return y * (1 - y)


def relu(x: ArrayLike) -> np.ndarray:
    """Return max(x, 0), element by element.

    >>> relu([-2.0, 0.0, 3.0])
    array([0., 0., 3.])
    """
    return np.maximum(as_float(x), 0)


def relu_grad(x: ArrayLike) -> np.ndarray:
    """Return the derivative of `relu` at x: 1 where x is positive, else 0 (also at 0, by convention)."""
    return step(x)


def softmax(x: ArrayLike) -> np.ndarray:
    """Return exp(x) / sum(exp(x)) over the last axis: scores to probabilities, each row adding up to 1.

    The largest score is subtracted first, so that nothing overflows.

    >>> softmax([1.0, 1.0, 1001.0])
    array([0., 0., 1.])
    """
    x = as_float(x)
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    total = e.sum(axis=-1, keepdims=True, dtype=at_least_float32(x.dtype))
    return (e / total).astype(x.dtype, copy=False)


def log_softmax(x: ArrayLike) -> np.ndarray:
    """Return log(softmax(x)) over the last axis, finite even where the probability itself is too small for a float."""
    x = as_float(x)
    below_largest = x - x.max(axis=-1, keepdims=True)
    total = np.exp(below_largest).sum(axis=-1, keepdims=True, dtype=at_least_float32(x.dtype))
    return (below_largest - np.log(total)).astype(x.dtype, copy=False)


def as_whole(labels: ArrayLike) -> np.ndarray:
    """Return class numbers, of integer or floating type and of any shape, as an array of integers.

    Raises:
        ValueError: if a label is not a whole number.
    """
    labels = real_numbers(labels, "labels")
    if labels.dtype.kind in "iu":
        return labels
    if labels.dtype.kind != "f" or not (np.isfinite(labels) & (labels == np.floor(labels))).all():
        raise ValueError(f"labels must be class numbers, got {labels.dtype} values that are not whole numbers")
    return labels.astype(np.int64)


def one_hot(labels: ArrayLike, num_classes: int, dtype: DTypeLike = np.float32) -> np.ndarray:
    """Turn class numbers into rows with a single 1.

    >>> one_hot([2, 0], 3)
    array([[0., 0., 1.],
           [1., 0., 0.]], dtype=float32)

    Args:
        labels: whole numbers in [0, num_classes), of any shape.
        num_classes: C, the number of classes, at least 1.
        dtype: dtype of the result.

    Returns:
        An array of shape `labels.shape + (C,)`.

    Raises:
        ValueError: if a label is not a whole number in the range.
    """
    labels, num_classes = as_whole(labels), whole(num_classes, "num_classes", 1, example=10)
    if labels.size and (labels.min() < 0 or labels.max() >= num_classes):
        raise ValueError(
            f"labels must lie in 0..{num_classes - 1}, got {labels.min()}..{labels.max()}: "
            "check the number of classes and the order of images and labels"
        )
    rows = np.zeros((*labels.shape, num_classes), as_dtype(dtype, "fiub"))
    np.put_along_axis(rows, labels[..., np.newaxis], 1, axis=-1)
    return rows


def as_targets(y: np.ndarray, t: ArrayLike) -> np.ndarray:
    """Return labels of either form as one row of target probabilities for each row of `y`.

    Args:
        y: scores or probabilities, of shape (C,) or (N, C).
        t: class numbers of shape () or (N,), or one-hot rows of the shape of `y`.

    Returns:
        An array of the shape and dtype of `y`, each row adding up to 1.

    Raises:
        ValueError: if the shapes do not fit, a label is out of range, or a row is not a distribution.
    """
    t = real_numbers(t, "labels")
    if y.ndim not in (1, 2) or y.size == 0:
        raise ValueError(f"expected scores of shape (C,) or (N, C) with at least one element, got {y.shape}")
    if t.shape == y.shape[:-1]:
        return one_hot(t, y.shape[-1], y.dtype)
    if t.shape != y.shape:
        raise ValueError(
            f"labels of shape {t.shape} do not fit scores of shape {y.shape}: "
            f"give class numbers of shape {y.shape[:-1]} or one-hot rows of shape {y.shape}"
        )
    t = t.astype(y.dtype)
    if t.min() < 0 or not np.allclose(t.sum(axis=-1), 1):
        raise ValueError("one-hot labels must be at least 0 and add up to 1 in each row: one 1, zeros elsewhere")
    return t


def mean_squared_error(y: ArrayLike, t: ArrayLike) -> float:
    """Return the mean of (y - t)² over all elements. Gluon's `L2Loss` is half of it.

    Args:
        y: predictions, array of any shape.
        t: targets, of the same shape.

    Returns:
        The mean as a Python float, at least 0.

    Raises:
        ValueError: if the shapes differ: broadcasting would compare every prediction with every target.
    """
    y, t = as_float(y), as_float(t)
    if y.shape != t.shape:
        raise ValueError(f"predictions of shape {y.shape} and targets of shape {t.shape} must have the same shape")
    dtype = at_least_float32(y.dtype)
    return float(np.square(y.astype(dtype, copy=False) - t.astype(dtype, copy=False)).mean())


def cross_entropy(y: ArrayLike, t: ArrayLike) -> float:
    """Return the mean of -log(y[label] + 1e-7) over the minibatch, for probabilities y.

    >>> round(cross_entropy([0.25, 0.75], 1), 4)  # -log(0.75)
    0.2877

    Args:
        y: probabilities, of shape (C,) or (N, C), each row adding up to 1.
        t: class numbers of shape () or (N,), or one-hot rows of the shape of `y`.

    Returns:
        The mean over the rows as a Python float, at most 16.12 (the 1e-7 sees to that).

    Raises:
        ValueError: if labels and probabilities do not fit (see `as_targets`).
    """
    y = as_float(y)
    return float(-(as_targets(y, t) * np.log(y + LOG_EPSILON)).sum(axis=-1).mean())


def softmax_loss(x: ArrayLike, t: ArrayLike) -> float:
    """Return the mean cross-entropy of softmax(x), for scores x, computed from `log_softmax` without any epsilon.

    Args:
        x: scores, of shape (C,) or (N, C).
        t: class numbers of shape () or (N,), or one-hot rows of the shape of `x`.

    Returns:
        The mean over the rows as a Python float, at least 0 and not bounded above.

    Raises:
        ValueError: if labels and scores do not fit (see `as_targets`).
    """
    x = as_float(x)
    return float(-(as_targets(x, t) * log_softmax(x)).sum(axis=-1).mean())
