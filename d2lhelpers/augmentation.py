"""Random flips and crops of image minibatches: more pictures of the same things from the same data.

``ArrayIterator(..., transform=(random_flip, random_crop))`` applies them to each minibatch. Each image draws for
itself, all at once in NumPy. MXNet's own ``nd.image.random_flip_left_right`` takes
one image (H, W, C) at a time, and leaves the middle column of an odd width unset.
"""

from __future__ import annotations

import mxnet as mx
import numpy as np

from .checks import as_numpy, whole

__all__ = ["random_crop", "random_flip"]


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
    padding = whole(padding, "padding", 0, example=4)
    # random() in [0, 1) is the one method that both of NumPy's kinds of generators have.
    down, right = (_generator(rng).random((2, len(images))) * (2 * padding + 1)).astype(np.int64)
    padded = np.pad(images, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, images.shape[2:], axis=(2, 3))
    return _like(X, windows[np.arange(len(images)), :, down, right])


def _images(X) -> np.ndarray:
    images = as_numpy(X)
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
