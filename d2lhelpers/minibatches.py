"""Minibatches as training and metrics take them: looked at before they are used, and divided over the devices."""

from __future__ import annotations

import contextlib
import types
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import mxnet as mx
from mxnet import autograd, gluon

from .checks import shown
from .context import move_to

__all__ = ["autograd_left_alone", "check_iterator", "divided", "pair_of", "scores"]


def check_iterator(iterator: Any, name: str, passes: int = 1) -> None:
    """Find what cannot give minibatches as often as needed, before time is spent. No pass is begun.

    Args:
        iterator: yields pairs ``(X, y)``; those of a list or tuple are looked at, all of them.
        name: what it is, for the sentence.
        passes: how often it will be iterated.

    Raises:
        ValueError: it cannot be iterated, or only once and ``passes`` is larger, or it holds no minibatch, or something
            that is none.
    """
    if isinstance(iterator, mx.io.DataIter):
        what = type(iterator).__name__
        raise ValueError(f"{name} must yield pairs (X, y), and {what} does not: give ArrayIterator(X, y, batch_size).")
    if isinstance(iterator, (str, bytes, mx.nd.NDArray)) or not hasattr(iterator, "__iter__"):
        raise ValueError(
            f"{name} must yield minibatches (X, y), not be {shown(iterator)}: give ArrayIterator(X, y, batch_size)."
        )
    if passes > 1 and _is_used_up_by_one_pass(iterator):
        raise ValueError(
            f"{name} must give minibatches that can be iterated again, got {type(iterator).__name__}, which is used up "
            "after one pass: give the data iterator itself, or train for one epoch."
        )
    if hasattr(iterator, "__len__") and len(iterator) == 0:
        raise ValueError(f"{name} yielded no batch: give one that is not empty.")
    if isinstance(iterator, (list, tuple)):
        for batch in iterator:
            pair_of(batch, name)


def _is_used_up_by_one_pass(iterator: Any) -> bool:
    """Whether it is one of Python's own iterators; one of a user's class may begin anew when it is iterated again."""
    return isinstance(iterator, Iterator) and not isinstance(type(iterator).__iter__, types.FunctionType)


def pair_of(batch: Any, name: str) -> tuple[mx.nd.NDArray, mx.nd.NDArray]:
    """Return a minibatch as ``(X, y)``.

    Args:
        batch: X and y, MXNet arrays; y of shape (N,), N at least 1.
        name: what it comes from, for the sentence.

    Returns:
        the two arrays, booleans in y as int32.

    Raises:
        ValueError: it is something else.
    """
    if not isinstance(batch, (tuple, list)) or len(batch) != 2:
        raise ValueError(
            f"{name} must yield pairs (X, y), not {shown(batch)}: give for example ArrayIterator(X, y, batch_size)."
        )
    for array in batch:
        if not isinstance(array, mx.nd.NDArray):
            what = type(array).__name__
            raise ValueError(f"{name}: expected MXNet arrays, got {what}: convert it with mx.nd.array.")
    X, y = batch
    if y.ndim != 1:
        one_hot = y.ndim == 2 and y.shape[1] > 1
        raise ValueError(
            f"{name} must yield y of shape (samples,), one class number a sample, not {y.shape}: "
            f"{'give y.argmax(axis=1) of one-hot rows' if one_hot else 'reshape it'}."
        )
    if y.shape[0] == 0:
        raise ValueError(f"{name} yielded a minibatch without samples: leave empty ones out.")
    return X, y.astype("int32") if y.dtype == bool else y


def divided(
    X: mx.nd.NDArray, y: mx.nd.NDArray, contexts: Sequence[mx.Context]
) -> list[tuple[mx.nd.NDArray, mx.nd.NDArray]]:
    """Divide a minibatch over devices as evenly as can be, in order.

    Args:
        X: the samples, shape (N, ...).
        y: their labels, shape (N,).
        contexts: the devices; none leaves the arrays where they are.

    Returns:
        ``(X, y)`` for each of the first N devices, at least one sample each.

    Raises:
        ValueError: X is to be divided and does not hold N samples along axis 0.
    """
    if not contexts:
        return [(X, y)]
    contexts = contexts[: y.shape[0]]
    if len(contexts) == 1:
        X, y = move_to(contexts[0], X, y)
        return [(X, y)]
    if X.shape[:1] != y.shape:
        raise ValueError(
            f"to be divided over {len(contexts)} devices X must hold as many samples as y along axis 0, not have shape "
            f"{X.shape} where y has {y.shape}: give one context, or samples along axis 0."
        )
    X_parts, y_parts = (gluon.utils.split_and_load(array, contexts, even_split=False) for array in (X, y))
    return list(zip(X_parts, y_parts))


def scores(net: Callable[[mx.nd.NDArray], mx.nd.NDArray], X: mx.nd.NDArray, num_samples: int) -> mx.nd.NDArray:
    """Run a network on a minibatch.

    Args:
        net: a Gluon block, or any callable.
        X: the samples.
        num_samples: how many there are.

    Returns:
        what the network returns, of shape (num_samples, classes).

    Raises:
        ValueError: MXNet cannot run it on these samples, or it returns something else.
    """
    try:
        output = net(X)
    except (mx.MXNetError, TypeError, ValueError) as error:
        words_of_mxnet = ("numpy ndarray", "Deferred initialization failed")
        if not isinstance(error, mx.MXNetError) and not any(words in str(error) for words in words_of_mxnet):
            raise
        kind = "mx.np" if isinstance(X, mx.np.ndarray) else "mx.nd"
        raise ValueError(
            f"the network does not take minibatches X of {kind} arrays of shape {X.shape} and dtype {_dtype(X)}: give "
            f"the kind, shape and dtype that its layers are made for, mostly float32 (MXNet: {reason(error)})."
        ) from error
    if not isinstance(output, mx.nd.NDArray):
        what = type(output).__name__
        raise ValueError(f"the network must return one array of shape (samples, classes), not a {what}: choose one.")
    if output.ndim != 2 or output.shape[0] != num_samples:
        raise ValueError(
            f"the network must return scores of shape (samples, classes), {num_samples} rows for {num_samples} labels, "
            f"not {output.shape}: check that X and y are of one length and that the last layer is a Dense."
        )
    return output


@contextlib.contextmanager
def autograd_left_alone() -> Iterator[None]:
    """Leave ``autograd`` as it was found, also where an interrupt falls into the entry or exit of its own scopes."""
    recording, training = autograd.is_recording(), autograd.is_training()
    try:
        yield
    finally:
        autograd.set_recording(recording)
        autograd.set_training(training)


def _dtype(array: mx.nd.NDArray) -> str:
    return str(getattr(array.dtype, "__name__", array.dtype))


def reason(error: BaseException) -> str:
    """Return what MXNet says of an error, on one line of at most 200 characters, without its source's file names."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said, failed, condition = (lines or [type(error).__name__])[-1].partition("Check failed: ")
    text = condition.rpartition(": ")[2] if failed else said.rpartition("MXNetError: ")[2]
    text = text.rstrip(".")
    return text if len(text) <= 200 else f"{text[:197]}..."
