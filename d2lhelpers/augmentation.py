"""Random flips and crops of image minibatches: more pictures of the same things from the same data.

``ArrayIterator(..., transform=(random_flip, random_crop))`` applies them to each minibatch. Each image draws for
itself, all at once in NumPy. MXNet's own ``nd.image.random_flip_left_right`` takes
one image (H, W, C) at a time, and leaves the middle column of an odd width unset.
"""

from __future__ import annotations

from typing import Any, TypeVar, Union

import mxnet as mx
import numpy as np

from .checks import real_numbers, shown, whole

__all__ = ["random_crop", "random_flip"]

_Images = TypeVar("_Images", np.ndarray, mx.nd.NDArray)
_Generator = Union[np.random.Generator, np.random.RandomState]


def random_flip(X: _Images, rng: _Generator | None = None) -> _Images:
    """Mirror each image left to right with a probability of one half.

    >>> image = np.array([[[[1, 2, 3]]]])
    >>> random_flip(np.repeat(image, 4, axis=0), np.random.default_rng(0))[:, 0, 0]
    array([[1, 2, 3],
           [3, 2, 1],
           [3, 2, 1],
           [3, 2, 1]])

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


def random_crop(X: _Images, padding: int = 4, rng: _Generator | None = None) -> _Images:
    """Move each image by up to ``padding`` pixels in each direction: pad it with zeros, cut it out at a random place.

    >>> image = np.array([[[[1, 2], [3, 4]]]])
    >>> random_crop(image, padding=1, rng=np.random.default_rng(0))[0, 0]
    array([[0, 1],
           [0, 3]])

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
    padding = whole(padding, "padding", 0, example=4)
    # random() in [0, 1) is the one method that both of NumPy's kinds of generators have.
    down, right = (_generator(rng).random((2, len(images))) * (2 * padding + 1)).astype(np.int64)
    padded = np.pad(images, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, images.shape[2:], axis=(2, 3))
    return _like(X, windows[np.arange(len(images)), :, down, right])


def _images(X: _Images) -> np.ndarray:
    images = real_numbers(X, "images")
    if images.ndim != 4:
        raise ValueError(f"images must have shape (N, C, H, W), not {images.shape}: add the axes that are missing.")
    return images


def _generator(rng: _Generator | None) -> Any:
    if rng is None:
        return np.random
    if not hasattr(rng, "random"):
        seed = shown(rng)
        raise ValueError(f"rng must be one of NumPy's generators, not {seed}: pass np.random.default_rng({seed}).")
    return rng


def _like(X: _Images, images: np.ndarray) -> _Images:
    """``images`` as the kind of array that X is."""
    if not isinstance(X, mx.nd.NDArray):
        return np.ascontiguousarray(images)
    copy = mx.nd.from_numpy(np.ascontiguousarray(images), zero_copy=False).as_in_context(X.ctx)
    return copy.as_np_ndarray() if isinstance(X, mx.np.ndarray) else copy
