"""Cross-correlation from scratch on MXNet arrays: by loops, to be read, and by one matrix product, to be used.

The functions on arrays take ``mx.nd`` or ``mx.np`` arrays, return the same kind, and can be recorded by ``autograd``.
Layouts are Gluon's: images N, C, H, W; kernels (output channels, input channels / groups, kernel height, kernel width).
Padding counts each side. What deep learning calls a convolution is a cross-correlation: the kernel is not turned (see
`flip_kernel`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mxnet as mx
import numpy as np
from mxnet import nd
from mxnet.gluon import nn

from .checks import Size, flag, pair, whole
from .sizes import output_size, receptive_field

__all__ = [
    "CrossCorrelation2D",
    "conv2d",
    "corr2d",
    "corr2d_multi_in",
    "corr2d_multi_in_out",
    "flip_kernel",
    "output_size",
    "receptive_field",
]

_Pair = tuple[int, int]


def corr2d(X: nd.NDArray, K: nd.NDArray) -> nd.NDArray:
    """Cross-correlate one image with one kernel, window by window.

    Y[i, j] is the sum of K times the part of X that lies under K when its top left corner is at (i, j).
    Written to be read: two Python loops. `conv2d` gives the same numbers, up to rounding, hundreds of times faster for
    one small image and tens of thousands of times for a minibatch.

    >>> corr2d(nd.array([[0, 1, 2], [3, 4, 5], [6, 7, 8]]), nd.array([[0, 1], [2, 3]])).asnumpy()
    array([[19., 25.],
           [37., 43.]], dtype=float32)

    Args:
        X: image, shape (H, W).
        K: kernel, shape (h, w), of the same dtype, in which the sums are taken, not larger than X.

    Returns:
        Array of shape (H - h + 1, W - w + 1), dtype and device of X.

    Raises:
        ValueError: a rank is not 2, the kernel is larger than the image, or the two are not of one kind and dtype.

    Source: Zhang et al., Dive into Deep Learning, section 7.2.1 (https://d2l.ai/chapter_convolutional-neural-networks/).
    """
    _check_arrays(X=(X, 2, "(H, W)"), K=(K, 2, "(h, w)"))
    x, k = _to_nd(X), _to_nd(K)
    (h, w), (out_h, out_w) = k.shape, map(output_size, x.shape, k.shape)
    # The sums are collected and joined, not written into an array: autograd cannot record an assignment.
    sums = [(x[i : i + h, j : j + w] * k).sum() for i in range(out_h) for j in range(out_w)]
    return _like(nd.concat(*sums, dim=0).reshape((out_h, out_w)), X)


def corr2d_multi_in(X: nd.NDArray, K: nd.NDArray) -> nd.NDArray:
    """Cross-correlate an image of several channels with a kernel of as many: one `corr2d` a channel, then added.

    Args:
        X: image, shape (C, H, W).
        K: kernel, shape (C, h, w).

    Returns:
        Array of shape (H - h + 1, W - w + 1).

    Raises:
        ValueError: a rank is not 3, the numbers of channels differ, or what `corr2d` refuses.

    Source: Dive into Deep Learning, section 7.4.1.
    """
    _check_arrays(X=(X, 3, "(C, H, W)"), K=(K, 3, "(C, h, w)"))
    _check_channels(X.shape[0], K.shape[0])
    Y = corr2d(X[0], K[0])
    for c in range(1, X.shape[0]):
        Y = Y + corr2d(X[c], K[c])
    return Y


def corr2d_multi_in_out(X: nd.NDArray, K: nd.NDArray) -> nd.NDArray:
    """Cross-correlate an image with several kernels: one output channel a kernel.

    Args:
        X: image, shape (C, H, W).
        K: kernels, shape (O, C, h, w).

    Returns:
        Array of shape (O, H - h + 1, W - w + 1).

    Raises:
        ValueError: X is not of rank 3 or K not of rank 4, the numbers of channels differ, or what `corr2d` refuses.

    Source: Dive into Deep Learning, section 7.4.2.
    """
    _check_arrays(X=(X, 3, "(C, H, W)"), K=(K, 4, "(O, C, h, w)"))
    return _like(nd.stack(*(_to_nd(corr2d_multi_in(X, K[o])) for o in range(K.shape[0])), axis=0), X)


def conv2d(
    X: nd.NDArray,
    K: nd.NDArray,
    bias: nd.NDArray | None = None,
    stride: Size = 1,
    padding: Size = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> nd.NDArray:
    """Cross-correlate a minibatch with a set of kernels, by one matrix product: what ``nd.Convolution`` computes.

    >>> images, kernels = nd.ones((8, 3, 28, 28)), nd.ones((4, 3, 5, 5))
    >>> conv2d(images, kernels, stride=2, padding=2).shape
    (8, 4, 14, 14)

    The pixels that a window covers, gathered in a row, make a matrix with one row a window and one column a weight. The
    flattened kernels multiply it: a dense layer that is applied to every window. The matrix takes h * w times the
    memory of the images at stride 1.

    Args:
        X: images, shape (N, C, H, W), float32 or float64.
        K: kernels, shape (O, C / groups, h, w), the same dtype.
        bias: None, or one number an output channel, shape (O,).
        stride: rows and columns from one window to the next: an integer or a pair, at least 1.
        padding: rows and columns of zeros added on each side: an integer or a pair, at least 0.
        dilation: rows and columns from one kernel weight to the next: an integer or a pair, at least 1.
        groups: the channels are cut into this many groups, convolved apart; divides C and O.

    Returns:
        Array of shape (N, O, out_h, out_w), with the sizes that `output_size` gives.

    Raises:
        ValueError: a wrong rank, dtype, number of channels, stride, padding, dilation or number of groups, or a kernel
            that is larger than the padded image.

    Source: Chellapilla et al., High Performance Convolutional Neural Networks for Document Processing, 2006
    (https://inria.hal.science/inria-00112631): convolution unrolled to a matrix product.
    """
    options = _checked(X, K, bias, stride, padding, dilation, groups)
    x, k = _to_nd(X), _to_nd(K)
    if groups == 1:
        y = _one_group(x, k, *options)
    else:
        parts = zip(nd.split(x, groups, axis=1), nd.split(k, groups, axis=0))
        y = nd.concat(*(_one_group(*part, *options) for part in parts), dim=1)
    if bias is not None:
        y = nd.broadcast_add(y, _to_nd(bias).reshape((1, -1, 1, 1)))
    return _like(y, X)


def flip_kernel(K: nd.NDArray) -> nd.NDArray:
    """Turn a kernel by 180 degrees: cross-correlation with the turned kernel is convolution with the kernel.

    Args:
        K: array whose last two axes are the kernel's height and width, rank 2 or more.

    Returns:
        Array of the same shape, rows and columns in reversed order.

    Raises:
        ValueError: the rank is below 2, or K is no MXNet array.
    """
    if not isinstance(K, nd.NDArray):
        what = type(K).__name__
        raise ValueError(f"A kernel is an MXNet array of rank 2 or more, not a {what}: make it one by nd.array.")
    if K.ndim < 2:
        raise ValueError(f"A kernel is of rank 2 or more, not of shape {K.shape}: reshape it to (h, w).")
    k = _to_nd(K)
    return _like(nd.flip(k, axis=(k.ndim - 2, k.ndim - 1)), K)


class CrossCorrelation2D(nn.Block):
    """A layer that cross-correlates one image with one kernel and adds one bias; both are learned.

    Initialise it as any Gluon block, record its call under ``autograd``, give its parameters to a ``gluon.Trainer``.

    Args:
        kernel_size: height and width of the kernel: an integer or a pair, at least 1.
        use_bias: whether there is a bias.
        weight_initializer: initializer of the weight; None takes the one that ``net.initialize`` is called with.

    Attributes:
        weight: parameter of shape kernel_size.
        bias: parameter of shape (1,), zero at the start; None without bias.

    Raises:
        ValueError: a kernel size below 1.

    Source: Dive into Deep Learning, section 7.2.2.
    """

    def __init__(
        self,
        kernel_size: Size,
        use_bias: bool = True,
        weight_initializer: str | mx.init.Initializer | None = None,
        **kwargs: Any,
    ):
        """Make the parameters; see the class for the arguments."""
        super().__init__(**kwargs)
        shape = pair(kernel_size, "kernel_size", 1)
        with self.name_scope():
            self.weight = self.params.get("weight", shape=shape, init=weight_initializer)
            has_bias = flag(use_bias, "use_bias")
            self.bias = self.params.get("bias", shape=(1,), init="zeros") if has_bias else None

    def __repr__(self) -> str:
        """Name the block by its arguments, as Gluon's layers do."""
        return f"CrossCorrelation2D(kernel_size={self.weight.shape}, use_bias={self.bias is not None})"

    def forward(self, X: nd.NDArray) -> nd.NDArray:
        """Cross-correlate one image.

        Args:
            X: image, shape (H, W), float32.

        Returns:
            Array of shape (H - h + 1, W - w + 1).

        Raises:
            ValueError: X is not of rank 2, or smaller than the kernel.
        """
        _check_arrays(X=(X, 2, "(H, W)"))
        x, K = _to_nd(X), _to_nd(self.weight.data(X.ctx))
        bias = None if self.bias is None else _to_nd(self.bias.data(X.ctx))
        y = conv2d(x.reshape((1, 1, *x.shape)), K.reshape((1, 1, *K.shape)), bias)
        return _like(y.reshape(y.shape[2:]), X)


def _one_group(x: nd.NDArray, k: nd.NDArray, stride: _Pair, padding: _Pair, dilation: _Pair) -> nd.NDArray:
    """`conv2d` of a single group, without bias: one gather and one matrix product."""
    if any(padding):
        p, q = padding
        x = nd.pad(x, mode="constant", pad_width=(0, 0, 0, 0, p, p, q, q))
    (n, channels, *size), (num_out, _, *kernel) = x.shape, k.shape
    out = [output_size(*sizes) for sizes in zip(size, kernel, stride, (0, 0), dilation)]
    pixels = x.transpose((0, 2, 3, 1)).reshape((-1, channels))
    seen = nd.array(_pixels_seen(n, size, kernel, out, stride, dilation), ctx=x.ctx, dtype="int32")
    windows = nd.take(pixels, seen, axis=0).reshape((-1, k.size // num_out))
    weights = k.transpose((0, 2, 3, 1)).reshape((num_out, -1))
    # The dense layer is MXNet's fastest product of two matrices on a CPU.
    y = nd.FullyConnected(windows, weights, num_hidden=num_out, no_bias=True)
    return y.reshape((n, *out, num_out)).transpose((0, 3, 1, 2))


def _pixels_seen(
    n: int, size: Sequence[int], kernel: Sequence[int], out: Sequence[int], stride: _Pair, dilation: _Pair
) -> np.ndarray:
    """The numbers of the pixels under each window, window by window; the pixels of all images are counted through."""
    rows, columns = (
        stride[axis] * np.arange(out[axis], dtype=np.int32)[:, None]
        + dilation[axis] * np.arange(kernel[axis], dtype=np.int32)
        for axis in (0, 1)
    )
    in_one_image = rows[:, None, :, None] * np.int32(size[1]) + columns[None, :, None, :]
    first_pixels = np.arange(0, n * size[0] * size[1], size[0] * size[1], dtype=np.int32)
    return (first_pixels[:, None] + in_one_image.ravel()).ravel()


def _to_nd(array: nd.NDArray) -> nd.NDArray:
    """The same data as an ``mx.nd`` array, still on autograd's tape."""
    return array.as_nd_ndarray() if isinstance(array, mx.np.ndarray) else array


def _like(array: nd.NDArray, model: nd.NDArray) -> nd.NDArray:
    return array.as_np_ndarray() if isinstance(model, mx.np.ndarray) else array


def _check_arrays(**named: tuple[Any, int, str]) -> None:
    """Each of name=(array, rank, shape in words) is an MXNet array of that rank; all are of one kind and one dtype."""
    for name, (array, rank, shape) in named.items():
        if not isinstance(array, nd.NDArray):
            what = type(array).__name__
            raise ValueError(
                f"{name} is an mx.nd or mx.np array of shape {shape}, not a {what}: make it one by nd.array."
            )
        if array.ndim != rank or not array.size:
            raise ValueError(f"{name} has shape {shape}, each size at least 1, not {array.shape}: reshape it.")
    (x_name, (x, *_)), *others = named.items()
    for name, (array, *_) in others:
        if isinstance(array, mx.np.ndarray) != isinstance(x, mx.np.ndarray):
            raise ValueError(
                f"{x_name} and {name} are both mx.nd or both mx.np arrays: convert one by as_nd_ndarray()."
            )
        if array.dtype != x.dtype:
            dtypes = f"{_dtype(x)} and {_dtype(array)}"
            raise ValueError(f"{x_name} and {name} have one dtype, not {dtypes}: convert one by astype.")


def _check_channels(channels: int, kernel_channels: int, groups: int = 1) -> None:
    if channels % groups:
        raise ValueError(
            f"The image's {channels} channels do not fall into {groups} equal groups: groups must divide {channels}."
        )
    if channels != kernel_channels * groups:
        each = f" in each of {groups} groups" if groups > 1 else ""
        raise ValueError(
            f"The image has {channels} channels, and the kernel is for {kernel_channels}{each}: "
            f"give the kernel {channels // groups}."
        )


def _checked(
    X: nd.NDArray, K: nd.NDArray, bias: nd.NDArray | None, stride: Size, padding: Size, dilation: Size, groups: int
) -> tuple[_Pair, _Pair, _Pair]:
    """The arguments of `conv2d` checked; stride, padding and dilation as pairs."""
    _check_arrays(X=(X, 4, "(N, C, H, W)"), K=(K, 4, "(O, C / groups, h, w)"))
    if _dtype(X) not in ("float32", "float64"):
        raise ValueError(f"X is float32 or float64, not {_dtype(X)}: convert it by astype.")
    stride, padding = pair(stride, "stride", 1), pair(padding, "padding", 0)
    dilation, groups = pair(dilation, "dilation", 1), whole(groups, "groups", 1)
    _check_channels(X.shape[1], K.shape[1], groups)
    num_out = K.shape[0]
    if num_out % groups:
        raise ValueError(f"{num_out} kernels do not fall into {groups} equal groups: take a multiple of {groups}.")
    if bias is not None:
        _check_arrays(X=(X, 4, "(N, C, H, W)"), bias=(bias, 1, "(O,)"))
        if bias.shape != (num_out,):
            raise ValueError(f"The bias has one number for each of the {num_out} kernels, not shape {bias.shape}.")
    for sizes in zip(X.shape[2:], K.shape[2:], stride, padding, dilation):
        output_size(*sizes)
    return stride, padding, dilation


def _dtype(array: nd.NDArray) -> str:
    return np.dtype(array.dtype).name
