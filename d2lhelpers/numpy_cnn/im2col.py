"""Images to columns and back: a convolution becomes one matrix product.

The idea is from Chellapilla, Puri, Simard, "High Performance Convolutional Neural Networks for Document Processing",
2006. Here the windows are a *view* of the padded image (no element is copied until the matrix is built), and the only
Python loop is over the elements of the kernel.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike

from ..checks import Size, pair, real_numbers, shown, whole
from ..sizes import output_size

__all__ = ["col2im", "im2col", "windows"]


def _image_shape(x: np.ndarray) -> tuple[int, int, int, int]:
    if not isinstance(x, np.ndarray):
        raise ValueError(f"expected images as a NumPy array, got {shown(x)}: convert them with np.asarray")
    if x.ndim != 4:
        raise ValueError(f"expected images of shape (N, C, H, W), got {x.shape}: reshape them to four axes")
    n, c, h, w = x.shape
    return n, c, h, w


def pad(x: np.ndarray, padding: tuple[int, int], value: float = 0) -> np.ndarray:
    """Return x with `padding` rows and columns of `value` at each side.

    Args:
        x: array of shape (N, C, H, W).
        padding: rows at top and bottom, columns at left and right.
        value: what to fill them with.

    Returns:
        An array of shape (N, C, H + 2 rows, W + 2 columns): `x` itself where nothing is to be added.
    """
    n, c, h, w = _image_shape(x)
    rows, columns = padding
    if rows == columns == 0:
        return x
    padded = np.full((n, c, h + 2 * rows, w + 2 * columns), value, dtype=x.dtype)
    padded[:, :, rows : rows + h, columns : columns + w] = x
    return padded


def windows(x: np.ndarray, kernel: Size, stride: Size = 1, dilation: Size = 1) -> np.ndarray:
    """Return all windows of x as a view: nothing is copied, and writing to the view writes to x.

    Args:
        x: array of shape (N, C, H, W), padded already.
        kernel: size of the window, a whole number or (rows, columns).
        stride: step of the window, likewise.
        dilation: step between two elements of a window, likewise.

    Returns:
        A view of shape (N, C, OH, OW, KH, KW): element [n, c, i, j] is the window at position (i, j).

    Raises:
        ValueError: if x has not four axes or the window does not fit.
    """
    _, _, h, w = _image_shape(x)
    (kh, kw), (sh, sw) = pair(kernel, "kernel", 1), pair(stride, "stride", 1)
    dh, dw = pair(dilation, "dilation", 1)
    output_size(h, kh, sh, 0, dh)  # says so in a sentence if the window does not fit
    output_size(w, kw, sw, 0, dw)
    spans = (dh * (kh - 1) + 1, dw * (kw - 1) + 1)
    view = sliding_window_view(x, spans, axis=(2, 3), writeable=x.flags.writeable)
    return view[:, :, ::sh, ::sw, ::dh, ::dw]


def taps(x: np.ndarray, kernel: Size, stride: Size = 1, dilation: Size = 1) -> Iterator[np.ndarray]:
    """Yield, for each element of the kernel in row-major order, what that element sees at all positions.

    Args:
        x: array of shape (N, C, H, W), padded already.
        kernel: as for `windows`.
        stride: as for `windows`.
        dilation: as for `windows`.

    Yields:
        KH·KW views of x, each of shape (N, C, OH, OW).
    """
    view = windows(x, kernel, stride, dilation)
    for i, j in np.ndindex(*view.shape[4:]):
        yield view[..., i, j]


def im2col(x: ArrayLike, kernel: Size, stride: Size = 1, padding: Size = 0, dilation: Size = 1) -> np.ndarray:
    """Lay every window of x out as one row of a matrix.

    >>> image = np.arange(9).reshape(1, 1, 3, 3)
    >>> im2col(image, kernel=2)
    array([[0, 1, 3, 4],
           [1, 2, 4, 5],
           [3, 4, 6, 7],
           [4, 5, 7, 8]])

    Args:
        x: array of shape (N, C, H, W).
        kernel: size of the window, a whole number or (rows, columns).
        stride: step of the window, likewise.
        padding: zeros added at *each* side, likewise.
        dilation: step between two elements of a window, likewise.

    Returns:
        A matrix of shape (N·OH·OW, C·KH·KW) and the dtype of `x`. In memory its columns are contiguous: a row of an
        output image is copied in one piece, and the matrix product reads either order equally fast.

    Raises:
        ValueError: if x has not four axes or the window does not fit.
    """
    view = windows(pad(real_numbers(x, "x"), pair(padding, "padding", 0)), kernel, stride, dilation)
    n, c, oh, ow, kh, kw = view.shape
    return view.transpose(1, 4, 5, 0, 2, 3).reshape(c * kh * kw, n * oh * ow).T


def col2im(
    matrix: ArrayLike,
    shape: Sequence[int],
    kernel: Size,
    stride: Size = 1,
    padding: Size = 0,
    dilation: Size = 1,
) -> np.ndarray:
    """Add every element of the matrix back to the pixel it came from: the adjoint of `im2col`, not its inverse.

    A pixel that lies in several windows receives the sum of its copies, which is what its gradient is.

    >>> ones = np.ones((1, 1, 3, 3))
    >>> col2im(im2col(ones, kernel=2), ones.shape, kernel=2)[0, 0]  # the number of windows that see each pixel
    array([[1., 2., 1.],
           [2., 4., 2.],
           [1., 2., 1.]])

    Args:
        matrix: of shape (N·OH·OW, C·KH·KW), as `im2col` makes it.
        shape: (N, C, H, W) of the images.
        kernel: as for `im2col`.
        stride: as for `im2col`.
        padding: as for `im2col`.
        dilation: as for `im2col`.

    Returns:
        An array of shape (N, C, H, W) and the dtype of the matrix; int64 or uint64 for integers, as `numpy.sum` gives.

    Raises:
        ValueError: if the matrix has not the shape that `im2col` gives for these images.
    """
    matrix = real_numbers(matrix, "matrix")
    if not isinstance(shape, (tuple, list, np.ndarray)) or len(shape) != 4:
        raise ValueError(f"shape must be (N, C, H, W) of the images, not {shown(shape)}: give four whole numbers.")
    n, c, h, w = (whole(size, "each number of shape", 0) for size in shape)
    (kh, kw), (ph, pw) = pair(kernel, "kernel", 1), pair(padding, "padding", 0)
    (sh, sw), (dh, dw) = pair(stride, "stride", 1), pair(dilation, "dilation", 1)
    oh, ow = output_size(h, kh, sh, ph, dh), output_size(w, kw, sw, pw, dw)
    if matrix.shape != (n * oh * ow, c * kh * kw):
        raise ValueError(
            f"expected a matrix of shape {(n * oh * ow, c * kh * kw)} for images of shape {tuple(shape)}, "
            f"got {matrix.shape}: use the kernel, stride, padding and dilation that im2col was given"
        )
    # Small numbers cannot hold the sums: int8 ends at 127, float16 at 65,504.
    wide = {"f": np.promote_types(matrix.dtype, np.float32), "u": np.dtype(np.uint64)}
    padded = np.zeros((n, c, h + 2 * ph, w + 2 * pw), wide.get(matrix.dtype.kind, np.dtype(np.int64)))
    by_tap = matrix.T.reshape(c, kh * kw, n, oh, ow)
    for k, tap in enumerate(taps(padded, kernel, stride, dilation)):
        tap += by_tap[:, k].swapaxes(0, 1)
    images = padded[:, :, ph : ph + h, pw : pw + w]
    return images.astype(matrix.dtype, copy=False) if matrix.dtype.kind == "f" else images
