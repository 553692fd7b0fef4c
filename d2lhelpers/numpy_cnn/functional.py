"""Activations and losses on plain NumPy arrays.

Every function keeps the floating-point type that it is given: float32 stays float32, float64 stays float64. Integers
become float64. No function changes its arguments.
"""

from __future__ import annotations

import numpy as np

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


def as_float(x) -> np.ndarray:
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
    x = np.asarray(x)
    if x.dtype.kind == "f":
        return x
    if x.dtype.kind not in "iub":
        raise ValueError(f"expected an array of real numbers, got dtype {x.dtype}: convert it to float32 or float64")
    return x.astype(np.float64)


def identity(x) -> np.ndarray:
    """Return x itself, the activation of a regression's output.

    Args:
        x: array of any shape.

    Returns:
        An array of the same shape and values.
    """
    return as_float(x)


def identity_grad(x) -> np.ndarray:
    """Return the derivative of `identity`: one everywhere.

    Args:
        x: array of any shape.

    Returns:
        Ones of the shape and dtype of `x`.
    """
    return np.ones_like(as_float(x))


def step(x) -> np.ndarray:
    """Return 1 where x is positive and 0 elsewhere, the activation of the first perceptron.

    Args:
        x: array of any shape.

    Returns:
        An array of zeros and ones of the shape and dtype of `x`.
    """
    x = as_float(x)
    return (x > 0).astype(x.dtype)


def step_grad(x) -> np.ndarray:
    """Return the derivative of `step`: zero (at 0 it has none), which is why a step cannot be trained by its gradient.

    Args:
        x: array of any shape.

    Returns:
        Zeros of the shape and dtype of `x`.
    """
    return np.zeros_like(as_float(x))


def sigmoid(x) -> np.ndarray:
    """Return 1 / (1 + exp(-x)), without overflow for any x.

    Args:
        x: array of any shape.

    Returns:
        An array of the shape and dtype of `x`, values in [0, 1].
    """
    x = as_float(x)
    e = np.exp(-np.abs(x))  # never above 1, whatever the sign of x
    return np.where(x >= 0, 1 / (1 + e), e / (1 + e))


def sigmoid_grad(x) -> np.ndarray:
    """Return the derivative of `sigmoid` at x: s(x) (1 - s(x)).

    Args:
        x: array of any shape, the input of the sigmoid (not its output).

    Returns:
        An array of the shape and dtype of `x`, values in [0, 0.25].
    """
    y = sigmoid(x)
    return y * (1 - y)


def relu(x) -> np.ndarray:
    """Return max(x, 0), element by element.

    Args:
        x: array of any shape.

    Returns:
        An array of the shape and dtype of `x`, values at least 0.
    """
    return np.maximum(as_float(x), 0)


def relu_grad(x) -> np.ndarray:
    """Return the derivative of `relu` at x: 1 where x is positive, else 0 (also at 0, by convention).

    Args:
        x: array of any shape, the input of the ReLU.

    Returns:
        An array of zeros and ones of the shape and dtype of `x`.
    """
    return step(x)


def softmax(x) -> np.ndarray:
    """Return exp(x) / sum(exp(x)) over the last axis. The largest score is subtracted first, so that nothing overflows.

    Args:
        x: scores, of shape (C,) or (N, C).

    Returns:
        Probabilities of the shape and dtype of `x`, each row adding up to 1.
    """
    x = as_float(x)
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def log_softmax(x) -> np.ndarray:
    """Return log(softmax(x)) over the last axis, finite even where the probability itself is too small for a float.

    Args:
        x: scores, of shape (C,) or (N, C).

    Returns:
        Logarithms of probabilities, of the shape and dtype of `x`, values at most 0.
    """
    x = as_float(x)
    x = x - x.max(axis=-1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))


def as_whole(labels) -> np.ndarray:
    """Return class numbers as an array of integers.

    Args:
        labels: whole numbers of integer or floating type, of any shape.

    Returns:
        An array of the same shape: `labels` itself where it is one of integers.

    Raises:
        ValueError: if a label is not a whole number.
    """
    labels = np.asarray(labels)
    if labels.dtype.kind in "iu":
        return labels
    if labels.dtype.kind != "f" or not (labels == np.floor(labels)).all():
        raise ValueError(f"labels must be class numbers, got {labels.dtype} values that are not whole numbers")
    return labels.astype(np.int64)


def one_hot(labels, num_classes: int, dtype=np.float32) -> np.ndarray:
    """Turn class numbers into rows with a single 1.

    Args:
        labels: whole numbers in [0, num_classes), of any shape.
        num_classes: C, the number of classes.
        dtype: dtype of the result.

    Returns:
        An array of shape `labels.shape + (C,)`.

    Raises:
        ValueError: if a label is not a whole number in the range.
    """
    labels = as_whole(labels)
    if labels.size and (labels.min() < 0 or labels.max() >= num_classes):
        raise ValueError(
            f"labels must lie in 0..{num_classes - 1}, got {labels.min()}..{labels.max()}: "
            "check the number of classes and the order of images and labels"
        )
    return np.eye(num_classes, dtype=dtype)[labels]


def as_targets(y: np.ndarray, t) -> np.ndarray:
    """Return labels of either form as one row of target probabilities for each row of `y`.

    Args:
        y: scores or probabilities, of shape (C,) or (N, C).
        t: class numbers of shape () or (N,), or one-hot rows of the shape of `y`.

    Returns:
        An array of the shape and dtype of `y`, each row adding up to 1.

    Raises:
        ValueError: if the shapes do not fit, a label is out of range, or a row is not a distribution.
    """
    t = np.asarray(t)
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


def mean_squared_error(y, t) -> float:
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
    return float(np.square(y - t).mean())


def cross_entropy(y, t) -> float:
    """Return the mean of -log(y[label] + 1e-7) over the minibatch, for probabilities y.

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


def softmax_loss(x, t) -> float:
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
