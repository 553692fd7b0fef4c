"""Random flips and crops of image minibatches: more pictures of the same things from the same data.

Each image of a minibatch draws for itself, all at once in NumPy. MXNet's own ``nd.image.random_flip_left_right`` takes
one image (H, W, C) at a time, and leaves the middle column of an odd width unset.
"""

from __future__ import annotations

import mxnet as mx
import numpy as np

__all__ = ["AugmentedIterator", "random_crop", "random_flip"]


def random_flip(X, rng=None):
    """Mirror each image left to right with a probability of one half.

    Args:
        X: Images, shape (N, C, H, W), any dtype: a NumPy or an MXNet array; it is left as it is.
        rng: Where the chance comes from: a ``numpy.random.Generator`` or ``RandomState``; by default NumPy's global
            generator, which ``seed_everything`` seeds.

    Returns:
        the images, of the same kind, shape and dtype.

    Raises:
        ValueError: X has another rank, or rng is no generator.
    """
    images = _images(X)
    mirrored = _generator(rng).random(len(images)) < 0.5
    return _like(X, np.where(mirrored[:, None, None, None], images[..., ::-1], images))


def random_crop(X, padding: int = 4, rng=None):
    """Move each image by up to ``padding`` pixels in each direction: pad it with zeros, cut it out at a random place.

    After He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", arXiv 1512.03385, section 4.2: 4 pixels
    on each side of a CIFAR-10 image. Zero is grey in images scaled to [-1, 1].

    Args:
        X: Images, shape (N, C, H, W), any dtype: a NumPy or an MXNet array; it is left as it is.
        padding: Pixels of zeros on each side, at least 0.
        rng: As in ``random_flip``.

    Returns:
        the images, of the same kind, shape and dtype.

    Raises:
        ValueError: X has another rank, padding is no whole number of at least 0, or rng is no generator.
    """
    images = _images(X)
    if isinstance(padding, bool) or not isinstance(padding, (int, np.integer)) or padding < 0:
        raise ValueError(f"padding must be a whole number of at least 0, not {padding!r}: give pixels for each side.")
    # random() in [0, 1) is the one method that both of NumPy's kinds of generators have.
    down, right = (_generator(rng).random((2, len(images))) * (2 * padding + 1)).astype(np.int64)
    padded = np.pad(images, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, images.shape[2:], axis=(2, 3))
    return _like(X, windows[np.arange(len(images)), :, down, right])


class AugmentedIterator:
    """Minibatches of another iterator, their images changed anew in each pass; the labels stay."""

    def __init__(self, iterator, *steps):
        """Hold the iterator and the steps.

        Args:
            iterator: Yields ``(X, y)`` anew each time it is iterated, and has a length.
            steps: Functions from images to images, such as ``random_flip``, applied to X from left to right.

        Raises:
            ValueError: The iterator can be used only once.
        """
        if iter(iterator) is iterator:
            raise ValueError(
                f"expected minibatches that can be iterated again, got {type(iterator).__name__}, which is used up "
                "after one pass: give the data iterator itself."
            )
        self._iterator = iterator
        self._steps = steps

    def __len__(self) -> int:
        """Return the number of minibatches."""
        return len(self._iterator)

    def __iter__(self):
        """Begin a pass."""
        for X, y in self._iterator:
            for step in self._steps:
                X = step(X)
            yield X, y


def _images(X) -> np.ndarray:
    images = X.asnumpy() if isinstance(X, mx.nd.NDArray) else np.asarray(X)
    if images.ndim != 4:
        raise ValueError(f"images must have shape (N, C, H, W), not {images.shape}: add the axes that are missing.")
    return images


def _generator(rng):
    if rng is None:
        return np.random
    if not hasattr(rng, "random"):
        raise ValueError(f"rng must be one of NumPy's generators, not {rng!r}: pass np.random.default_rng({rng!r}).")
    return rng


def _like(X, images: np.ndarray):
    """``images`` as the kind of array that X is."""
    if not isinstance(X, mx.nd.NDArray):
        return np.ascontiguousarray(images)
    copy = mx.nd.from_numpy(np.ascontiguousarray(images), zero_copy=False).as_in_context(X.ctx)
    return copy.as_np_ndarray() if isinstance(X, mx.np.ndarray) else copy
