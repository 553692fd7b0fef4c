"""The pictures that the notebooks share: one call each, drawn once, the axes returned."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from .checks import flag, number, real_numbers, shown, text, whole

__all__ = ["plot_confusion_matrix", "plot_curves", "show_filters", "show_images"]


def _grid(count: int, num_cols: int, cell_width: float, cell_height: float) -> np.ndarray:
    num_cols = min(num_cols, count)
    num_rows = math.ceil(count / num_cols)
    _, axes = plt.subplots(
        num_rows, num_cols, figsize=(cell_width * num_cols, cell_height * num_rows), squeeze=False, layout="constrained"
    )
    for axis in axes.flat:
        axis.set_axis_off()
    return axes


def _texts(values: Iterable[object], name: str) -> list[str]:
    if not hasattr(values, "__iter__"):
        raise ValueError(f"{name} must be texts, not {shown(values)}: give a list of them.")
    return [text(value, name) for value in values]


def _finite(array: np.ndarray, name: str) -> np.ndarray:
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite numbers, and some are NaN or infinite: look where they come from.")
    return array


def _as_pictures(images: ArrayLike) -> np.ndarray:
    """Return images as an array (N, H, W, 1 or 3)."""
    pictures = real_numbers(images, "images")
    shape = pictures.shape
    if pictures.ndim == 3:
        pictures = pictures[:, None]
    if pictures.ndim != 4 or pictures.shape[1] not in (1, 3) or pictures.size == 0:
        raise ValueError(
            f"images must have shape (N, H, W), (N, 1, H, W) or (N, 3, H, W) with N at least 1, not {shape}: reshape "
            "them."
        )
    return _finite(pictures.transpose(0, 2, 3, 1), "images")


def _ends(pictures: np.ndarray, vmin: float | None, vmax: float | None) -> tuple[float, float]:
    """The values drawn black and white."""
    lowest, highest = float(pictures.min()), float(pictures.max())
    white = 255.0 if pictures.dtype.kind in "iu" and highest > 1 else 1.0
    rounding = 0.01 if white == 1 else 0
    if vmin is None and vmax is None and not -rounding <= lowest <= highest <= white + rounding:
        raise ValueError(
            f"images must be numbers from 0 to 1, or whole ones to 255, where vmin and vmax are left out, not from "
            f"{lowest:g} to {highest:g}: give both."
        )
    vmin = 0.0 if vmin is None else number(vmin, "vmin", example=0)
    vmax = white if vmax is None else number(vmax, "vmax", example=1)
    if vmin >= vmax:
        raise ValueError(f"vmin, drawn black, must be below vmax, drawn white, not {vmin:g} and {vmax:g}: change one.")
    return vmin, vmax


def show_images(
    images: ArrayLike,
    titles: Sequence[str] | None = None,
    num_cols: int = 8,
    suptitle: str | None = None,
    vmin: float | None = None,
    vmax: float | None = None,
) -> np.ndarray:
    """Show images in a grid, each with its title.

    Args:
        images: MXNet or NumPy array of shape (N, H, W), (N, 1, H, W) or, in colour, (N, 3, H, W).
        titles: N texts, the names of the classes for example.
        num_cols: images in a row, at most.
        suptitle: the figure's title.
        vmin: the value drawn black, and below; by default 0.
        vmax: the value drawn white, and above; by default 1, or 255 for whole numbers of which one is above 1.

    Returns:
        array of matplotlib axes, shape (rows, columns).

    Raises:
        ValueError: another shape, a number that is not finite, numbers outside the range where it is left out, a range
            of nothing, titles of another number, or a title that is no formula.
    """
    num_cols = whole(num_cols, "num_cols", 1, example=8)
    pictures = _as_pictures(images)
    vmin, vmax = _ends(pictures, vmin, vmax)
    pictures = np.clip((pictures.astype(np.float64) - vmin) / (vmax - vmin), 0, 1)
    if titles is not None:
        titles = _texts(titles, "titles")
        if len(titles) != len(pictures):
            raise ValueError(f"there are {len(pictures)} images and {len(titles)} titles: give one title an image.")
    if suptitle is not None:
        suptitle = text(suptitle, "suptitle")
    axes = _grid(len(pictures), num_cols, 1.3, 1.55 if titles is not None else 1.3)
    for i, (axis, picture) in enumerate(zip(axes.flat, pictures)):
        axis.imshow(picture.squeeze(-1) if picture.shape[-1] == 1 else picture, cmap="gray", vmin=0, vmax=1)
        if titles is not None:
            axis.set_title(titles[i], fontsize=9)
    if suptitle is not None:
        axes[0, 0].figure.suptitle(suptitle)
    return axes


def show_filters(weight: ArrayLike, num_cols: int = 10, suptitle: str | None = None) -> np.ndarray:
    """Show a convolution's kernels, all on one grey scale whose middle is 0.

    Args:
        weight: MXNet or NumPy array of shape (num_filter, channels, kernel_h, kernel_w); of several channels the mean
            is shown.
        num_cols: kernels in a row, at most.
        suptitle: the figure's title.

    Returns:
        array of matplotlib axes, shape (rows, columns).

    Raises:
        ValueError: another rank, or a number that is not finite.
    """
    kernels = real_numbers(weight, "weight")
    if kernels.ndim != 4 or kernels.size == 0:
        raise ValueError(
            f"weight must have shape (num_filter, channels, kernel_h, kernel_w), not {kernels.shape}: pass a "
            "convolution's weight."
        )
    kernels = _finite(kernels, "weight").mean(axis=1)
    bound = float(np.abs(kernels).max()) or 1.0
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
        ValueError: no curve, a curve that is not as long as ``xs`` or has no finite number, ends that are none, or a
            text that is no formula.
    """
    points = _numbers(xs, "xs")
    if not isinstance(curves, Mapping) or not curves:
        raise ValueError(f"curves must map at least one name to numbers, not be {shown(curves)}: give a dict.")
    lines = {text(name, "a curve's name"): _numbers(ys, f"the curve {name!r}") for name, ys in curves.items()}
    for name, ys in lines.items():
        if len(ys) != len(points):
            raise ValueError(
                f"the curve {name!r} has {len(ys)} points and xs has {len(points)}: give one number for each of xs."
            )
    labels = {name: text(words, name) for name, words in (("xlabel", xlabel), ("ylabel", ylabel), ("title", title))}
    if ylim is not None:
        if not isinstance(ylim, (tuple, list)) or len(ylim) != 2:
            raise ValueError(f"ylim must be two numbers, not {shown(ylim)}: give for example (0, 1).")
        ylim = (number(ylim[0], "ylim's lower end", example=0), number(ylim[1], "ylim's upper end", example=1))
        if ylim[0] == ylim[1]:
            raise ValueError(f"ylim must be two different numbers, not {ylim}: give for example (0, 1).")
    _, axis = plt.subplots(figsize=(6, 3.6), layout="constrained")
    for style, (name, ys) in zip(_styles(), lines.items()):
        axis.plot(points, ys, style, label=name)
    if all(float(x).is_integer() for x in points):
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set(**labels)
    if ylim is not None:
        axis.set_ylim(ylim)
    axis.grid(alpha=0.3)
    if len(lines) > 1:
        axis.legend()
    return axis


def _numbers(values: ArrayLike, name: str) -> np.ndarray:
    """Return the points of a curve; NaN is a gap in it."""
    array = real_numbers(values, name)
    if array.ndim != 1 or not np.isfinite(array).any():
        raise ValueError(
            f"{name} must be a list of numbers, of which at least one is finite, not {shown(values)}: give one number "
            "for each point."
        )
    return array


def _styles() -> Iterator[str]:
    """Line styles that differ in print too; the colours are matplotlib's cycle."""
    while True:
        yield from ("o-", "s--", "^-.", "d:")


def plot_confusion_matrix(
    matrix: ArrayLike, class_names: Sequence[str], title: str = "Confusion matrix", numbers: bool = True
) -> Axes:
    """Draw a confusion matrix: each row in fractions of its true class.

    Args:
        matrix: array of counts, or of fractions, shape (classes, classes); row: the true class, column: the predicted
            one.
        class_names: one name a class.
        title: the figure's title.
        numbers: whether the fraction is written in each field of at least 0.005.

    Returns:
        the matplotlib axes.

    Raises:
        ValueError: a matrix that is not square or holds a number that is none or below 0, names of another number, or a
            text that is no formula.
    """
    class_names, title = _texts(class_names, "class_names"), text(title, "title")
    counts = _finite(real_numbers(matrix, "matrix"), "matrix")
    if counts.shape != (len(class_names), len(class_names)):
        raise ValueError(
            f"matrix must have shape {(len(class_names),) * 2} for these names, not {counts.shape}: give one row and "
            "one column a name."
        )
    if counts.size and counts.min() < 0:
        raise ValueError(f"matrix must hold counts of at least 0, not {counts.min()}: give confusion_matrix(...).")
    numbers = flag(numbers, "numbers")
    totals = counts.sum(axis=1, keepdims=True)
    fractions = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    figure, axis = plt.subplots(figsize=(6.4, 5.6), layout="constrained")
    image = axis.imshow(fractions, cmap="Blues", vmin=0, vmax=1)
    for (row, column), fraction in np.ndenumerate(fractions):
        if numbers and fraction >= 0.005:
            colour = "white" if fraction > 0.5 else "black"
            axis.text(column, row, f"{fraction:.2f}", ha="center", va="center", fontsize=8, color=colour)
    axis.set_xticks(range(len(class_names)), class_names, rotation=45, ha="right")
    axis.set_yticks(range(len(class_names)), class_names)
    axis.set(xlabel="predicted", ylabel="true", title=title)
    figure.colorbar(image, ax=axis, label="fraction of the true class", shrink=0.8)
    return axis
