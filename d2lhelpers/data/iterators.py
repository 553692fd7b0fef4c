"""Minibatches from arrays in memory, and the loaders that the notebooks call.

There are no worker processes: a batch is one gather from one array. A pass over 60,000 images of 28x28 takes some
0.06 s.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from ..checks import flag, pair, real_numbers, shown, whole
from .cifar10 import cifar10_arrays
from .mnist import fashion_mnist_arrays, mnist_arrays

if TYPE_CHECKING:
    import mxnet as mx

__all__ = ["ArrayIterator", "load_data_cifar10", "load_data_fashion_mnist", "load_data_mnist"]

_Transform = Callable[[np.ndarray], np.ndarray]


class ArrayIterator:
    """Minibatches ``(X, y)`` of two arrays, as often as asked.

    Each pass with ``shuffle`` draws a new order from NumPy's global generator when it begins, so ``seed_everything``
    fixes the batches; what a ``transform`` draws, it draws batch by batch. Batches are ``mx.nd`` arrays, or ``mx.np``
    arrays while ``npx.set_np()`` is in force. Every sample comes once; the last batch may be smaller.

    >>> batches = ArrayIterator(np.zeros((10, 1, 28, 28)), np.arange(10), batch_size=4)
    >>> [X.shape for X, y in batches]
    [(4, 1, 28, 28), (4, 1, 28, 28), (2, 1, 28, 28)]

    Attributes:
        batch_size: Samples in a batch, the last one excepted.
        y: All labels, NumPy, shape (N,): int32, or float32 where floating-point labels were given.
    """

    def __init__(
        self,
        X,
        y,
        batch_size: int,
        shuffle: bool = False,
        resize: int | tuple[int, int] | None = None,
        transform: _Transform | tuple[_Transform, ...] = (),
        copy: bool = True,
    ):
        """Take a copy of the arrays.

        Args:
            X: Samples along axis 0, shape (N, ...), NumPy or MXNet, finite real numbers; kept as float32.
            y: One label a sample, shape (N,), NumPy or MXNet; integers become int32, other finite numbers float32.
            batch_size: Samples in a batch, at least 1.
            shuffle: Whether each pass takes a new random order.
            resize: Side length, or (height, width), to which images (N, C, H, W) are scaled, batch by batch, by MXNet's
                ``contrib.BilinearResize2D`` (pixel centres aligned, no smoothing before making smaller).
            transform: A function such as ``random_flip``, or a tuple of them for one after the other, that each pass
                applies anew to the samples of a batch: a NumPy array (n, ...) of its own, to one of as many samples.
                They come before ``resize``; the labels stay, and so does ``X``.
            copy: False spares the memory of the copy: NumPy arrays that have these dtypes already are then shared with
                the caller, and what he writes into them the next batch holds.

        Raises:
            ValueError: Lengths differ or are zero, y is not one label a sample, a number is none (a text, a date), is
                not finite or does not fit its dtype, batch_size, resize or transform is not possible, or, in a pass, a
                transform gives another number of samples.
        """
        copy = flag(copy, "copy")
        X, y = real_numbers(X, "X"), real_numbers(y, "y")
        if X.ndim < 1 or y.ndim != 1 or len(X) != len(y) or len(X) == 0:
            raise ValueError(
                f"expected X of shape (N, ...) and y of shape (N,) with N of at least 1, got {X.shape} and {y.shape}; "
                "give one label for each sample"
            )
        self._X = _fitted(X, "X", np.float32, copy)
        self.y = _fitted(y, "y", np.int32 if y.dtype.kind in "iub" else np.float32, copy)
        self.batch_size = whole(batch_size, "batch_size", 1, example=256)
        self._shuffle = flag(shuffle, "shuffle")
        self._size = _height_and_width(resize)
        self._transforms = _transforms(transform)
        self._index, self._count = 0, 1
        if self._size is not None and X.ndim != 4:
            raise ValueError(f"resize needs images of shape (N, C, H, W), got {X.shape}; leave resize out")

    @property
    def X(self) -> np.ndarray:
        """All samples, NumPy float32, shape (N, ...); with ``resize`` they are scaled anew at each access."""
        if self._size is None:
            return self._X
        parts = (self._X[start : start + 1000] for start in range(0, len(self._X), 1000))
        return np.concatenate([self._scaled(part).asnumpy() for part in parts])

    def shard(self, index: int, count: int) -> ArrayIterator:
        """Return one worker's share: its part of each minibatch, so that every sample comes once over all workers.

        All workers draw the same order if their generators are seeded alike, and take equally many steps: those of one
        worker that has it all. Only a last minibatch of fewer samples than workers is joined to the one before.

        >>> halves = [ArrayIterator(np.zeros((10, 2)), np.arange(10), batch_size=5).shard(i, 2) for i in (0, 1)]
        >>> [[y.asnumpy().tolist() for X, y in half] for half in halves]
        [[[0, 1], [5, 6]], [[2, 3, 4], [7, 8, 9]]]

        Args:
            index: Which worker's, from 0.
            count: How many workers there are.

        Returns:
            An iterator over the same arrays.

        Raises:
            ValueError: There is no such share, or a minibatch would not give every worker a sample.
        """
        count = whole(count, "the number of shares", 1)
        index = whole(index, "the number of a share", 0, most=count - 1)
        least = min(self.batch_size, len(self._X))
        if least < count:
            raise ValueError(f"a minibatch of {least} samples cannot be shared by {count} workers: take larger ones.")
        if self._count > 1:
            raise ValueError("this is a share already: call shard of the whole iterator.")
        share = copy.copy(self)
        share._index, share._count = index, count
        return share

    @property
    def batch_sizes(self) -> list[int]:
        """How many samples each minibatch holds, in a share those of the whole."""
        sizes = [min(self.batch_size, len(self._X) - start) for start in range(0, len(self._X), self.batch_size)]
        if sizes[-1] < self._count:
            sizes[-2:] = [sum(sizes[-2:])]
        return sizes

    def __len__(self) -> int:
        """Return the number of batches."""
        return len(self.batch_sizes)

    def __iter__(self) -> Iterator[tuple[mx.nd.NDArray, mx.nd.NDArray]]:
        """Begin a pass: the order is drawn now, the batches are made one by one."""
        return self._batches(np.random.permutation(len(self._X)) if self._shuffle else None)

    def _batches(self, order):
        import mxnet as mx

        end = 0
        for size in self.batch_sizes:
            start, end = end, end + size
            rows = slice(start + size * self._index // self._count, start + size * (self._index + 1) // self._count)
            if order is None:
                X, y = self._X[rows], self.y[rows]
            else:
                # take() gathers whole rows; fancy indexing takes longer for images
                X, y = self._X.take(order[rows], axis=0), self.y.take(order[rows])
            X, y = self._scaled(self._transformed(X)), mx.nd.from_numpy(y, zero_copy=False)
            yield (X.as_np_ndarray(), y.as_np_ndarray()) if mx.util.is_np_array() else (X, y)

    def _transformed(self, X: np.ndarray) -> np.ndarray:
        if self._transforms and np.may_share_memory(X, self._X):
            X = X.copy()  # a transform may write into what it is given
        for transform in self._transforms:
            samples = len(X)
            X = np.ascontiguousarray(transform(X), dtype=np.float32)
            if X.ndim < 1 or len(X) != samples:
                raise ValueError(
                    f"a transform must return as many samples as it was given, not an array of shape {X.shape} for "
                    f"{samples} samples: change {getattr(transform, '__name__', transform)}."
                )
        return X

    def _scaled(self, X):
        # MXNet is imported where batches are made: data can be looked for, fetched and drawn without it.
        import mxnet as mx

        # A plain copy. nd.array(X) would do, but first asks SciPy for a name that it is about to drop, and so warns.
        X = mx.nd.from_numpy(X, zero_copy=False)
        if self._size is None:
            return X
        return mx.nd.contrib.BilinearResize2D(X, height=self._size[0], width=self._size[1], align_corners=False)


def load_data_fashion_mnist(
    batch_size: int,
    resize: int | tuple[int, int] | None = None,
    root: str | os.PathLike | None = None,
    transform: _Transform | tuple[_Transform, ...] = (),
) -> tuple[ArrayIterator, ArrayIterator]:
    """Return minibatches of Fashion-MNIST, as ``d2l.load_data_fashion_mnist`` does.

    Data: Xiao, Rasul, Vollgraf, "Fashion-MNIST", arXiv 1708.07747; the publication of 2017-08-31.

    Args:
        batch_size: Samples in a batch.
        resize: Side length, or (height, width), to scale the images to; None leaves them 28x28.
        root: The folder that holds ``fashion-mnist/``; None means ``$D2LHELPERS_DATA``, else MXNet's own data folder,
            into which missing files are downloaded. The word ``synthetic`` gives drawn garments instead of the real
            images.
        transform: What is done anew to the training images in each pass, as in ``ArrayIterator``.

    Returns:
        ``(train_iter, test_iter)``: batches X of shape (n, 1, 28, 28), float32 in [0, 1], and y of shape (n,), int32 in
        0…9; 60,000 samples in a new order each pass, 10,000 in file order.

    Raises:
        DataNotFoundError: The data are not there and cannot be had.
        DataCorruptError: A file is there but is not the published one.
        ValueError: batch_size, resize or transform is not possible.
    """
    return _iterators(fashion_mnist_arrays, batch_size, resize, root, transform)


def load_data_mnist(
    batch_size: int,
    resize: int | tuple[int, int] | None = None,
    root: str | os.PathLike | None = None,
    transform: _Transform | tuple[_Transform, ...] = (),
) -> tuple[ArrayIterator, ArrayIterator]:
    """Return minibatches of MNIST.

    Data: LeCun, Cortes, Burges, http://yann.lecun.com/exdb/mnist/.

    Args:
        batch_size: Samples in a batch.
        resize: Side length, or (height, width), to scale the images to; None leaves them 28x28.
        root: The folder that holds ``mnist/``; as in ``load_data_fashion_mnist``, but there is no drawn stand-in.
        transform: What is done anew to the training images in each pass, as in ``ArrayIterator``.

    Returns:
        ``(train_iter, test_iter)`` as ``load_data_fashion_mnist``.

    Raises:
        DataNotFoundError: The data are not there and cannot be had.
        DataCorruptError: A file is there but is not the published one.
        ValueError: batch_size, resize or transform is not possible.
    """
    return _iterators(mnist_arrays, batch_size, resize, root, transform)


def load_data_cifar10(
    batch_size: int,
    root: str | os.PathLike | None = None,
    normalize: bool = True,
    sample: bool | None = None,
    transform: _Transform | tuple[_Transform, ...] = (),
) -> tuple[ArrayIterator, ArrayIterator]:
    """Return minibatches of CIFAR-10.

    Data: Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.

    Args:
        batch_size: Samples in a batch.
        root: The folder that holds ``cifar10/`` or ``cifar-10-sample/``; None as in ``load_data_fashion_mnist``.
        normalize: Whether pixels are scaled from [0, 1] to [-1, 1] (mean 0.5, standard deviation 0.5).
        sample: True for the sample of 4,000 and 1,000 images, False for the full set, None for the full set unless only
            the sample is there; ``cifar10_source(root)`` says which that is.
        transform: What is done anew to the training images in each pass, as in ``ArrayIterator``.

    Returns:
        ``(train_iter, test_iter)``: batches X of shape (n, 3, 32, 32), float32, and y of shape (n,), int32 in 0…9;
        50,000 (sample: 4,000) samples in a new order each pass, 10,000 (1,000) in file order.

    Raises:
        DataNotFoundError: The data are not there and cannot be had.
        DataCorruptError: A file is there but is not the published one.
        ValueError: batch_size or transform is not possible.
    """
    _check_before_reading(batch_size, None, transform)
    X_train, y_train, X_test, y_test = cifar10_arrays(root, sample=sample)
    if normalize:
        for X in (X_train, X_test):
            X *= 2
            X -= 1
    return (
        ArrayIterator(X_train, y_train, batch_size, shuffle=True, transform=transform, copy=False),
        ArrayIterator(X_test, y_test, batch_size, copy=False),
    )


def _iterators(arrays, batch_size, resize, root, transform):
    _check_before_reading(batch_size, resize, transform)
    X_train, y_train, X_test, y_test = arrays(root)
    return (
        ArrayIterator(X_train, y_train, batch_size, shuffle=True, resize=resize, transform=transform, copy=False),
        ArrayIterator(X_test, y_test, batch_size, resize=resize, copy=False),
    )


def _fitted(array: np.ndarray, name: str, dtype: type, copy: bool) -> np.ndarray:
    """Return the array in another dtype, contiguous, or say which of its numbers does not fit."""
    if array.size:
        limits = np.iinfo(dtype) if np.dtype(dtype).kind == "i" else np.finfo(dtype)
        for extreme in (array.min(), array.max()):  # NaN is both
            if not limits.min <= extreme <= limits.max:
                raise ValueError(
                    f"{name} holds {extreme}, which {np.dtype(dtype).name} cannot hold as a finite number: clean or "
                    "scale the data."
                )
    return np.array(array, dtype=dtype, order="C") if copy else np.ascontiguousarray(array, dtype=dtype)


def _check_before_reading(batch_size, resize, transform):
    """Find wrong arguments before seconds are spent on reading."""
    whole(batch_size, "batch_size", 1, example=256)
    _height_and_width(resize)
    _transforms(transform)


def _height_and_width(resize) -> tuple[int, int] | None:
    # MXNet makes one pixel of a corner, not of all.
    return None if resize is None else pair(resize, "resize", 2)


def _transforms(transform) -> tuple[_Transform, ...]:
    transforms = (transform,) if callable(transform) else transform
    if not isinstance(transforms, (tuple, list)) or not all(map(callable, transforms)):
        raise ValueError(
            f"transform must be a function of samples or a tuple of functions, not {shown(transform)}: give, say, "
            "random_flip."
        )
    return tuple(transforms)
