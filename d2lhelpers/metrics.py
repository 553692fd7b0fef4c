"""How good a classifier is. A fraction is in [0, 1]; every sample counts the same, whatever batch it came in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import mxnet as mx
import numpy as np
from mxnet import autograd
from numpy.typing import ArrayLike

from .checks import as_numpy, real_numbers, shown, whole
from .context import contexts_for
from .minibatches import autograd_left_alone, check_iterator, divided, pair_of, scores

__all__ = [
    "accuracy",
    "accuracy_by_class",
    "as_numpy",
    "confusion_matrix",
    "count_correct",
    "count_hits",
    "evaluate_accuracy",
]


def _check_pair(output: Any, label: Any) -> None:
    if not isinstance(output, mx.nd.NDArray) or not isinstance(label, mx.nd.NDArray):
        raise ValueError(
            f"output and label must be MXNet arrays (mx.nd or mx.np), not {type(output).__name__} and "
            f"{type(label).__name__}: convert them with mx.nd.array."
        )
    if output.ndim != 2 or label.ndim != 1:
        raise ValueError(
            f"output must have shape (samples, classes) and label (samples,), not {output.shape} and {label.shape}: "
            "reshape them."
        )
    if output.shape[0] != label.shape[0]:
        raise ValueError(
            f"output has {output.shape[0]} rows and label {label.shape[0]}: they must be of one minibatch."
        )
    if 0 in output.shape:
        raise ValueError(f"output has shape {output.shape}: there is nothing to count, give at least one sample.")


def count_correct(output: mx.nd.NDArray, label: mx.nd.NDArray) -> mx.nd.NDArray:
    """How many rows have their largest entry at the label.

    >>> scores = mx.nd.array([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7]])
    >>> count_correct(scores, mx.nd.array([1, 0, 0])).asscalar().item()
    2.0

    Args:
        output: MXNet array of shape (samples, classes); a row that holds NaN counts as wrong.
        label: MXNet array of shape (samples,), class numbers; one that is no class counts as wrong.

    Returns:
        an MXNet array that holds one float32, not yet waited for: counts can be added up without a stop.

    Raises:
        ValueError: as ``accuracy``.
    """
    _check_pair(output, label)
    # argmax, comparison and sum stay in the dtype they are given: float16 and int8 cannot count, float32 can, to 2**24.
    scores, label = output.as_nd_ndarray(), label.as_nd_ndarray()
    if scores.dtype not in (np.float32, np.float64):
        scores = scores.astype("float64")
    # argmax takes the first NaN for the largest entry.
    of_numbers = (scores == scores).min(axis=1)
    predicted, label, of_numbers = (a.astype("float32", copy=False) for a in (scores.argmax(axis=1), label, of_numbers))
    return ((predicted == label) * of_numbers).sum()


def accuracy(output: mx.nd.NDArray, label: mx.nd.NDArray) -> float:
    """The fraction of rows whose largest entry is at the label.

    >>> accuracy(mx.nd.array([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7], [0, 1]]), mx.nd.array([1, 0, 0, 1]))
    0.75

    Args:
        output: MXNet array (``mx.nd`` or ``mx.np``) of shape (samples, classes): scores, probabilities or logits.
        label: MXNet array of shape (samples,), class numbers, of integer or float type; one that is no class counts as
            wrong.

    Returns:
        a Python float in [0, 1].

    Raises:
        ValueError: something that is no MXNet array, a wrong rank, lengths that differ, or no sample.
    """
    return count_correct(output, label).asnumpy().item() / output.shape[0]


def evaluate_accuracy(
    data_iterator: Iterable[tuple[mx.nd.NDArray, mx.nd.NDArray]],
    net: Callable[[mx.nd.NDArray], mx.nd.NDArray],
    context: mx.Context | Sequence[mx.Context] | None = None,
) -> float:
    """The fraction of all samples of an iterator that a network classifies right.

    Samples are counted, not batches, so a last batch that is smaller weighs what it holds. The engine is waited for
    once, at the end. Nothing is recorded, and the network predicts, whatever ``autograd`` does outside.

    >>> minibatches = [(mx.nd.array([[0, 1], [1, 0]]), mx.nd.array([1, 1])), (mx.nd.array([[0, 1]]), mx.nd.array([1]))]
    >>> round(evaluate_accuracy(minibatches, net=lambda X: X), 3)
    0.667

    Args:
        data_iterator: yields ``(X, y)`` of MXNet arrays: X whatever the network takes, y of shape (samples,).
        net: a Gluon block or any callable that returns an array of shape (samples, classes).
        context: where to compute; by default where the network's parameters are. Over several contexts each minibatch
            is divided.

    Returns:
        a Python float in [0, 1].

    Raises:
        ValueError: the iterator is empty (a generator that was used up, say) or yields something else, the network
            cannot be run on it, returns something else or is not on the context, or the context is none.
        RuntimeError: the network is not initialised.
    """
    num_hits, num_samples = count_hits(data_iterator, net, context)
    return num_hits / num_samples


def count_hits(
    data_iterator: Iterable[tuple[mx.nd.NDArray, mx.nd.NDArray]],
    net: Callable[[mx.nd.NDArray], mx.nd.NDArray],
    context: mx.Context | Sequence[mx.Context] | None = None,
) -> tuple[float, int]:
    """How many samples of an iterator a network classifies right, and how many there are.

    Args:
        data_iterator: as in ``evaluate_accuracy``, like the others.
        net: the network.
        context: where to compute.

    Returns:
        two whole numbers, the first one as a float.

    Raises:
        ValueError: as ``evaluate_accuracy``.
        RuntimeError: likewise.
    """
    if not callable(net):
        raise ValueError(f"net must be a Gluon block or a function, not {shown(net)}: give the network.")
    check_iterator(data_iterator, "the data iterator")
    contexts = contexts_for(net, context, "context")
    hits: dict[mx.Context, mx.nd.NDArray] = {}
    num_samples = 0
    with autograd_left_alone(), autograd.pause():
        for batch in data_iterator:
            X, y = pair_of(batch, "the data iterator")
            for X_part, y_part in divided(X, y, contexts):
                count = count_correct(scores(net, X_part, y_part.shape[0]), y_part)
                hits[y_part.ctx] = count + hits.get(y_part.ctx, 0)
            num_samples += y.shape[0]
    if num_samples == 0:
        raise ValueError("the data iterator yielded no batch: give one that can be iterated again and is not empty.")
    return sum(count.asnumpy().item() for count in hits.values()), num_samples


def _class_numbers(values: ArrayLike, name: str, num_classes: int) -> np.ndarray:
    array = real_numbers(values, name)
    if array.ndim != 1:
        raise ValueError(f"{name} must have shape (samples,), not {array.shape}: pass one class number a sample.")
    wrong = array[~np.isin(array, np.arange(num_classes))]
    if wrong.size:
        raise ValueError(
            f"{name} must hold class numbers from 0 to {num_classes - 1}, not {wrong[0]}: check num_classes."
        )
    return array.astype(np.int64)


def confusion_matrix(label: ArrayLike, prediction: ArrayLike, num_classes: int) -> np.ndarray:
    """How often each class was taken for each class.

    >>> confusion_matrix(label=[0, 0, 0, 1], prediction=[0, 0, 1, 1], num_classes=2)
    array([[2, 1],
           [0, 1]])

    Args:
        label: true class numbers, shape (samples,): MXNet array, NumPy array or list.
        prediction: predicted class numbers, the same shape.
        num_classes: how many classes there are.

    Returns:
        int64 array of shape (num_classes, num_classes); row: the true class, column: the predicted one.

    Raises:
        ValueError: wrong ranks, lengths that differ, no sample, or a number that is no class.
    """
    num_classes = whole(num_classes, "num_classes", 1, example=10)
    true, taken_for = _class_numbers(label, "label", num_classes), _class_numbers(prediction, "prediction", num_classes)
    if len(true) != len(taken_for) or len(true) == 0:
        raise ValueError(f"there are {len(true)} labels and {len(taken_for)} predictions: give equally many, not none.")
    cells = np.bincount(true * num_classes + taken_for, minlength=num_classes**2)
    return cells.reshape(num_classes, num_classes)


def accuracy_by_class(label: ArrayLike, prediction: ArrayLike, num_classes: int) -> np.ndarray:
    """The fraction of each class's samples that was classified right (its recall).

    >>> accuracy_by_class(label=[0, 0, 0, 0, 1], prediction=[0, 0, 0, 1, 1], num_classes=2)
    array([0.75, 1.  ])

    Args:
        label: true class numbers, shape (samples,).
        prediction: predicted class numbers, the same shape.
        num_classes: how many classes there are.

    Returns:
        float64 array of shape (num_classes,), in [0, 1]; NaN for a class without samples.

    Raises:
        ValueError: as ``confusion_matrix``.
    """
    matrix = confusion_matrix(label, prediction, num_classes)
    with np.errstate(invalid="ignore"):
        return np.diag(matrix) / matrix.sum(axis=1)
