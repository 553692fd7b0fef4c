"""The pictures that the notebooks share: one call each, drawn once, the axes returned."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from .checks import as_numpy

__all__ = ["plot_confusion_matrix", "plot_curves", "show_filters", "show_images"]


def _grid(count: int, num_cols: int, cell_width: float, cell_height: float) -> np.ndarray:
    num_cols = max(1, min(num_cols, count))
    num_rows = math.ceil(count / num_cols)
    _, axes = plt.subplots(
        num_rows, num_cols, figsize=(cell_width * num_cols, cell_height * num_rows), squeeze=False, layout="constrained"
    )
    for axis in axes.flat:
        axis.set_axis_off()
    return axes


def _as_pictures(images) -> np.ndarray:
    pictures = as_numpy(images).astype(np.float64)
    if pictures.ndim == 3:
        pictures = pictures[:, None]
    if pictures.ndim != 4 or pictures.shape[1] not in (1, 3) or len(pictures) == 0:
        raise ValueError(
            f"images must have shape (N, H, W), (N, 1, H, W) or (N, 3, H, W) with N at least 1, not "
            f"{as_numpy(images).shape}: reshape them."
        )
    return pictures.transpose(0, 2, 3, 1)


def show_images(
    images,
    titles: Sequence[str] | None = None,
    num_cols: int = 8,
    suptitle: str | None = None,
    vmin: float = 0.0,
    vmax: float = 1.0,
) -> np.ndarray:
    """Show images in a grid, each with its title.

    Args:
        images: MXNet or NumPy array of shape (N, H, W), (N, 1, H, W) or, in colour, (N, 3, H, W).
        titles: N texts, the names of the classes for example.
        num_cols: images in a row, at most.
        suptitle: the figure's title.
        vmin: the value drawn black.
        vmax: the value drawn white.

    Returns:
        array of matplotlib axes, shape (rows, columns).

    Raises:
        ValueError: another shape, or titles of another number.
    """
    pictures = np.clip((_as_pictures(images) - vmin) / (vmax - vmin), 0, 1)
    if titles is not None and len(titles) != len(pictures):
        raise ValueError(f"there are {len(pictures)} images and {len(titles)} titles: give one for one.")
    axes = _grid(len(pictures), num_cols, 1.3, 1.55 if titles is not None else 1.3)
    for i, (axis, picture) in enumerate(zip(axes.flat, pictures)):
        axis.imshow(picture.squeeze(-1) if picture.shape[-1] == 1 else picture, cmap="gray", vmin=0, vmax=1)
        if titles is not None:
            axis.set_title(titles[i], fontsize=9)
    if suptitle is not None:
        axes[0, 0].figure.suptitle(suptitle)
    return axes


def show_filters(weight, num_cols: int = 10, suptitle: str | None = None) -> np.ndarray:
    """Show a convolution's kernels, all on one grey scale whose middle is 0.

    Args:
        weight: MXNet or NumPy array of shape (num_filter, channels, kernel_h, kernel_w); of several channels the mean
            is shown.
        num_cols: kernels in a row, at most.
        suptitle: the figure's title.

    Returns:
        array of matplotlib axes, shape (rows, columns).

    Raises:
        ValueError: another rank.
    """
    kernels = as_numpy(weight)
    if kernels.ndim != 4:
        raise ValueError(
            f"weight must have shape (num_filter, channels, kernel_h, kernel_w), not {kernels.shape}: pass a "
            "convolution's weight."
        )
    kernels = kernels.mean(axis=1)
    bound = np.abs(kernels).max() or 1.0
    return show_images(kernels, num_cols=num_cols, suptitle=suptitle, vmin=-bound, vmax=bound)


def plot_curves(
    xs: Sequence[float],
    curves: Mapping[str, Sequence[float]],
    xlabel: str,
    ylabel: str,
    title: str,
    ylim: tuple[float, float] | None = None,
) -> Axes:
    """Draw curves over one common axis, with a legend if they are several.

    Args:
        xs: the common abscissa, n numbers; whole numbers (epochs) get whole ticks.
        curves: name to n numbers.
        xlabel: name of the abscissa.
        ylabel: name of the ordinate.
        title: the figure's title.
        ylim: the ends of the ordinate; by default as the curves need it.

    Returns:
        the matplotlib axes.

    Raises:
        ValueError: no curve, or a curve that is not as long as ``xs``.
    """
    if not curves:
        raise ValueError("curves holds no curve: give a mapping from name to numbers with at least one entry.")
    for name, ys in curves.items():
        if len(ys) != len(xs):
            raise ValueError(f"the curve {name!r} has {len(ys)} points and xs has {len(xs)}: give one for one.")
    _, axis = plt.subplots(figsize=(6, 3.6), layout="constrained")
    for style, (name, ys) in zip(_styles(), curves.items()):
        axis.plot(xs, ys, style, label=name)
    if all(float(x).is_integer() for x in xs):
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set(xlabel=xlabel, ylabel=ylabel, title=title)
    if ylim is not None:
        axis.set_ylim(ylim)
    axis.grid(alpha=0.3)
    if len(curves) > 1:
        axis.legend()
    return axis


def _styles():
    """Line styles that differ in print too; the colours are matplotlib's cycle."""
    while True:
        yield from ("o-", "s--", "^-.", "d:")


def plot_confusion_matrix(
    matrix, class_names: Sequence[str], title: str = "Confusion matrix", numbers: bool = True
) -> Axes:
    """Draw a confusion matrix: each row in fractions of its true class.

    Args:
        matrix: array of counts, shape (classes, classes); row: the true class, column: the predicted one.
        class_names: one name a class.
        title: the figure's title.
        numbers: whether the fraction is written in each field of at least 0.005.

    Returns:
        the matplotlib axes.

    Raises:
        ValueError: a matrix that is not square, or names of another number.
    """
    matrix = as_numpy(matrix)
    if matrix.shape != (len(class_names), len(class_names)):
        raise ValueError(f"matrix must have shape {(len(class_names),) * 2} for these names, not {matrix.shape}.")
    fractions = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    _, axis = plt.subplots(figsize=(6.4, 5.6), layout="constrained")
    image = axis.imshow(fractions, cmap="Blues", vmin=0, vmax=1)
    for (row, column), fraction in np.ndenumerate(fractions):
        if numbers and fraction >= 0.005:
            colour = "white" if fraction > 0.5 else "black"
            axis.text(column, row, f"{fraction:.2f}", ha="center", va="center", fontsize=8, color=colour)
    axis.set_xticks(range(len(class_names)), class_names, rotation=45, ha="right")
    axis.set_yticks(range(len(class_names)), class_names)
    axis.set(xlabel="predicted", ylabel="true", title=title)
    axis.figure.colorbar(image, ax=axis, label="fraction of the true class", shrink=0.8)
    return axis
