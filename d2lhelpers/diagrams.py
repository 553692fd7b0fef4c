"""Drawings of a sliding window: convolution, padding, stride, dilation, groups, pooling.

One colour means one thing in every drawing: the input is blue, the kernel and the frame of its window are orange, the
output is green, padding is grey and hatched. Each function computes the numbers that it draws, so a drawing and the
equation below it cannot disagree. The number of every cell is a text of the axes named by grid and index, such as
``output[0, 1]`` (``get_gid()``), so it can be checked. Several panels have the same names, and so have the channels of
the input in ``draw_channels``. Each function returns the axes; it draws into ``ax`` if given.

The arithmetic of output sizes follows Dumoulin and Visin, "A guide to convolution arithmetic for deep learning"
(arXiv:1603.07285), and the conventions of MXNet's ``Convolution`` and ``Pooling`` operators.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Optional, Union

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle
from numpy.typing import ArrayLike

from .checks import Size, flag, one_of, pair, real_numbers, shown, text, whole
from .sizes import output_size

__all__ = [
    "COLORS",
    "draw_channels",
    "draw_convolution",
    "draw_groups",
    "draw_one_by_one",
    "draw_output_size",
    "draw_pooling",
]

COLORS = {
    "input": "#d6e6f6",
    "input_active": "#8fbce8",
    "input_edge": "#3f76ad",
    "kernel": "#fde3c4",
    "kernel_edge": "#d9730d",
    "output": "#dcf0dd",
    "output_active": "#86c98b",
    "output_edge": "#3c8a45",
    "padding": "#f7f7f7",
    "padding_active": "#e2e2e2",
    "padding_edge": "#c9c9c9",
    "unread": "#ffffff",
    "unread_edge": "#9db4cc",
    "text": "#1f2933",
}

# Lengths are in cells, and a cell is as large in one drawing as in the next, so that the drawings of a page look alike.
_CELL_INCHES, _DPI = 0.40, 110
_NUMBER, _WEIGHT, _LABEL, _EQUATION, _SIGN, _TITLE = 11, 7.5, 9.5, 10, 16, 12  # font sizes in points
_GAP = 1.3  # between two grids: room for a sign
_LABEL_HEIGHT, _LINE_HEIGHT = 0.75, 0.62
_CHARACTERS_PER_CELL = 5.3  # of an equation
_MOST_CELLS = 2000
_OUTSIDE: dict[str, Any] = {"facecolor": "none", "edgecolor": "#d4d4d4", "linewidth": 0.8, "zorder": 0.8}

_Pair = tuple[int, int]
_Point = tuple[float, float]
_Positions = Optional[Union[_Pair, Sequence[_Pair]]]


def _array(values: ArrayLike, ndim: int, name: str) -> np.ndarray:
    """Return ``values``, an array of MXNet or anything NumPy takes, as a NumPy array with ``ndim`` axes."""
    array = real_numbers(values, name).astype(float)
    if array.ndim != ndim or array.size == 0:
        raise ValueError(f"{name} must be a non-empty array with {ndim} axes, but its shape is {array.shape}.")
    _room(array.size, name)
    return array


def _room(cells: int, name: str) -> None:
    """Refuse what no page has room for: each cell is drawn for itself."""
    if cells > _MOST_CELLS:
        raise ValueError(f"{name} would fill {cells:,} cells, more than the {_MOST_CELLS:,} that are drawn: take less.")


def _position(position: Any, shape: tuple[int, int]) -> _Pair:
    row, column = pair(position, "position", 0)
    if row >= shape[0] or column >= shape[1]:
        raise ValueError(f"position {(row, column)} lies outside the output, whose size is {_size(shape)}.")
    return row, column


def _positions(positions: Any, shape: tuple[int, int]) -> list[_Pair]:
    """Return a list of output positions: one, several, or (``None``) all."""
    if positions is None:
        return list(np.ndindex(*shape))
    if not isinstance(positions, (tuple, list, np.ndarray)) or len(positions) == 0:
        raise ValueError(f"positions must be (row, column), a list of such or None, not {shown(positions)}: give one.")
    one = not isinstance(positions[0], (tuple, list, np.ndarray))
    return [_position(each, shape) for each in ([positions] if one else positions)]


def _number(value: float) -> str:
    return f"{value:.4g}".replace("-", "−")


def _factor(value: float) -> str:
    return f"({_number(value)})" if value < 0 else _number(value)


def _sum(values: Iterable[float]) -> str:
    return " + ".join(_factor(value) for value in values)


def _products(window: np.ndarray, weights: np.ndarray) -> str:
    return " + ".join(f"{_factor(a)}·{_factor(b)}" for a, b in zip(window.ravel(), weights.ravel()))


def _size(shape: Iterable[int]) -> str:
    return "×".join(str(n) for n in shape)


def _input_label(X: np.ndarray, padding: _Pair) -> str:
    ring = padding[0] if padding[0] == padding[1] else padding
    return f"input {_size(X.shape)}" + (f", padding {ring}" if any(padding) else "")


class _Board:
    """An axes measured in cells, y downwards, that knows how far its drawing reaches."""

    def __init__(self, title: str | None, ax: Axes | None):
        self.title = None if title is None else text(title, "title")
        self.figure: Figure | None = None
        if ax is None:
            self.figure = plt.figure(dpi=_DPI)
            self.ax = self.figure.add_axes((0, 0, 1, 1))
        elif isinstance(ax, Axes):
            self.ax = ax
        else:
            raise ValueError(f"ax must be matplotlib's axes, not {shown(ax)}: leave it out for a figure of its own.")
        self.ax.set_aspect("equal")
        self.ax.axis("off")
        self.width = self.height = 0.0

    def reach(self, x: float, y: float) -> None:
        self.width, self.height = max(self.width, x), max(self.height, y)

    def finish(self) -> Axes:
        """Fit the axes, and a figure of our own, to what was drawn."""
        self.ax.set_xlim(-0.15, self.width + 0.15)
        self.ax.set_ylim(self.height + 0.15, -0.15)
        if self.figure is not None:
            width, height = (self.width + 0.3) * _CELL_INCHES, (self.height + 0.3) * _CELL_INCHES
            head = 0.38 if self.title else 0.0
            self.figure.set_size_inches(width, height + head)
            self.ax.set_position((0, 0, 1, height / (height + head)))
        if self.title:
            self.ax.set_title(self.title, fontsize=_TITLE, color=COLORS["text"])
        return self.ax

    def box(self, x: float, y: float, width: float = 1.0, height: float = 1.0, **style: Any) -> None:
        self.ax.add_patch(Rectangle((x, y), width, height, **{"zorder": 1.0, **style}))
        self.reach(x + width, y + height)

    def text(self, x: float, y: float, text: str, size: float, **style: Any) -> None:
        style = {"ha": "center", "va": "center", "zorder": 5, "color": COLORS["text"], **style}
        self.ax.text(x, y, text, fontsize=size, **style)

    def arrow(self, start: _Point, end: _Point, kind: str, linewidth: float = 1.3) -> None:
        style: dict[str, Any] = {"arrowstyle": "-|>", "mutation_scale": 11, "shrinkA": 0, "shrinkB": 0}
        self.ax.add_patch(FancyArrowPatch(start, end, color=COLORS[f"{kind}_edge"], linewidth=linewidth, **style))

    def label(self, x: float, y: float, text: str, kind: str) -> None:
        """Write the name of a grid, centred at ``x``, above its upper edge ``y``."""
        self.text(x, y - 0.32, text, _LABEL, color=COLORS[f"{kind}_edge"], weight="bold")

    def sign(self, x: float, y: float, text: str) -> None:
        self.text(x, y, text, 26 if text in "⋆·" else _SIGN)  # these are small in the font

    def cell(
        self,
        x: float,
        y: float,
        kind: str,
        number: float | None = None,
        gid: str | None = None,
        weight: float | None = None,
    ) -> None:
        """Draw one cell with its number, and with the weight it is multiplied by in the lower corner."""
        style: dict[str, Any] = {
            "facecolor": COLORS[kind],
            "edgecolor": COLORS[f"{kind.split('_')[0]}_edge"],
            "linewidth": 0.9,
        }
        if kind.startswith("padding"):
            style.update(hatch="////", linewidth=0.6, zorder=0.9)  # below its neighbours, whose edges stay whole
        self.box(x, y, **style)
        shift = 0.0 if weight is None else 0.12
        if number is not None:
            text = _number(number)
            self.text(x + 0.5 - shift, y + 0.5 - shift, text, _NUMBER if len(text) < 4 else _LABEL, gid=gid)
        if weight is not None:
            style = {"ha": "right", "weight": "bold", "color": COLORS["kernel_edge"]}
            self.text(x + 0.93, y + 0.78, f"×{_number(weight)}", _WEIGHT, **style)

    def frame(self, x: float, y: float, width: float, height: float, kind: str) -> None:
        style = {"edgecolor": COLORS[f"{kind}_edge"], "linewidth": 2.6, "zorder": 4}
        self.box(x, y, width, height, gid=f"{kind} frame", facecolor="none", **style)

    def grid(self, x: float, y: float, values: np.ndarray, kind: str, name: str, until: _Pair | None = None) -> None:
        """Draw a grid of numbers; with ``until`` only up to that cell in reading order, and that cell strong."""
        for (i, j), value in np.ndenumerate(values):
            shown = until is None or (i, j) <= until
            strong = f"{kind}_active" if until == (i, j) else kind
            self.cell(x + j, y + i, strong, value if shown else None, f"{name}[{i}, {j}]")
        if until is not None:
            self.frame(x + until[1], y + until[0], 1, 1, kind)

    def input(
        self,
        x: float,
        y: float,
        X: np.ndarray,
        padding: _Pair,
        rows: list[int],
        columns: list[int],
        weights: np.ndarray | None = None,
        padding_number: float | None = None,
        outside: _Pair = (0, 0),
    ) -> None:
        """Draw the input with its padding, the cells under the window strong, the window's frame around them.

        ``rows`` and ``columns`` are where the window reads, counted from the corner of the padding; ``outside`` is the
        number of cells below and to the right of the padding into which a window of the convention "full" reaches.
        """
        height, width = X.shape[0] + 2 * padding[0], X.shape[1] + 2 * padding[1]
        for row, column in np.ndindex(height + outside[0], width + outside[1]):
            if row >= height or column >= width:
                self.box(x + column, y + row, **_OUTSIDE)
                continue
            i, j = row - padding[0], column - padding[1]
            active = row in rows and column in columns
            weight = weights[rows.index(row), columns.index(column)] if active and weights is not None else None
            inside = 0 <= i < X.shape[0] and 0 <= j < X.shape[1]
            kind, number = ("input", X[i, j]) if inside else ("padding", padding_number)
            self.cell(x + column, y + row, f"{kind}_active" if active else kind, number, f"{kind}[{i}, {j}]", weight)
        self.frame(x + columns[0], y + rows[0], columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1, "kernel")

    def equation(self, x: float, y: float, width: float, text: str) -> None:
        """Write an equation centred below a panel, on as many lines as it needs."""
        lines, room = [""], max(24, int(width * _CHARACTERS_PER_CELL))
        for part in text.replace(" + ", " + \n").replace(", ", ", \n").split("\n"):
            if lines[-1] and len(lines[-1]) + len(part.rstrip()) > room:
                lines.append("")
            lines[-1] += part
        for number, line in enumerate(lines):
            self.text(x + width / 2, y + (number + 0.5) * _LINE_HEIGHT, line.rstrip(), _EQUATION, gid="equation")
        self.reach(x + width, y + len(lines) * _LINE_HEIGHT)

    def panels(
        self, positions: list[_Pair], columns: int, width: float, draw: Callable[[float, float, _Pair], None]
    ) -> None:
        """Call ``draw(x, y, position)`` for each position, ``columns`` of them side by side."""
        y = 0.0
        for index, position in enumerate(positions):
            if index % columns == 0 and index:
                y = self.height + 0.5
            draw((index % columns) * (width + 1.4), y, position)


def draw_convolution(
    X: ArrayLike,
    K: ArrayLike,
    positions: _Positions = (0, 0),
    stride: Size = 1,
    padding: Size = 0,
    dilation: Size = 1,
    columns: int = 1,
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a kernel at work on one channel: input, kernel and output, one panel for each position of the window.

    The weight that a cell is multiplied by stands small and orange in its corner, and the sum of products below. Output
    numbers are shown up to the panel's position, in reading order.

    Args:
        X: the input, shape (height, width), an MXNet or NumPy array or nested lists.
        K: the kernel, shape (kernel height, kernel width).
        positions: (row, column) of the output cell to draw, or a list of such pairs, or None for all.
        stride: step of the window, one integer or (vertical, horizontal), at least 1.
        padding: zeros added on each side, one integer or (vertical, horizontal), at least 0.
        dilation: distance of neighbouring weights, one integer or (vertical, horizontal), at least 1.
        columns: number of panels side by side. Where there are several panels the kernel is left out: its weights are
            seen in the window.
        title: the title.
        ax: the axes to draw into; without it a figure of fitting size is made.

    Returns:
        The matplotlib axes.

    Raises:
        ValueError: where a rank, an option or a position is wrong, or the kernel does not fit.
    """
    X, K, columns = _array(X, 2, "X"), _array(K, 2, "K"), whole(columns, "columns", 1)
    steps, ring, gaps = pair(stride, "stride", 1), pair(padding, "padding", 0), pair(dilation, "dilation", 1)
    shape = (
        output_size(X.shape[0], K.shape[0], steps[0], ring[0], gaps[0]),
        output_size(X.shape[1], K.shape[1], steps[1], ring[1], gaps[1]),
    )
    shown_at = _positions(positions, shape)
    _room((X.shape[0] + 2 * ring[0]) * (X.shape[1] + 2 * ring[1]) * len(shown_at), "the drawing")

    padded = np.pad(X, [(p, p) for p in ring])
    taps = [[[n * steps[a] + t * gaps[a] for t in range(K.shape[a])] for n in range(shape[a])] for a in (0, 1)]
    windows = {(i, j): padded[np.ix_(taps[0][i], taps[1][j])] for i, j in np.ndindex(*shape)}
    Y = np.reshape([(window * K).sum() for window in windows.values()], shape)

    board = _Board(title, ax)
    kernel_shown = len(shown_at) == 1
    x_kernel = padded.shape[1] + _GAP
    x_output = x_kernel + (K.shape[1] + _GAP if kernel_shown else 0)
    height, width = max(padded.shape[0], shape[0]), x_output + shape[1]

    def panel(x: float, y: float, position: _Pair) -> None:
        middle = y + _LABEL_HEIGHT + height / 2
        top = middle - padded.shape[0] / 2
        board.label(x + padded.shape[1] / 2, top, _input_label(X, ring), "input")
        board.input(x, top, X, ring, taps[0][position[0]], taps[1][position[1]], K, padding_number=0)
        if kernel_shown:
            board.sign(x + x_kernel - _GAP / 2, middle, "⋆")
            top = middle - K.shape[0] / 2
            board.label(x + x_kernel + K.shape[1] / 2, top, f"kernel {_size(K.shape)}", "kernel")
            board.grid(x + x_kernel, top, K, "kernel", "kernel")
        board.sign(x + x_output - _GAP / 2, middle, "=")
        top = middle - shape[0] / 2
        board.label(x + x_output + shape[1] / 2, top, f"output {_size(shape)}", "output")
        board.grid(x + x_output, top, Y, "output", "output", position)
        equation = f"{_products(windows[position], K)} = {_number(Y[position])}"
        board.equation(x, middle + height / 2 + 0.2, width, equation)

    board.panels(shown_at, columns, width, panel)
    return board.finish()


def draw_channels(
    X: ArrayLike, K: ArrayLike, position: _Pair = (0, 0), title: str | None = None, ax: Axes | None = None
) -> Axes:
    """Draw how one output channel is made of several input channels: a kernel for each, and the results are added.

    Args:
        X: the input, shape (channels, height, width), an MXNet or NumPy array or nested lists.
        K: the kernels of one output channel, shape (channels, kernel height, kernel width).
        position: (row, column) of the output cell to draw.
        title: the title.
        ax: the axes to draw into; without it a figure of fitting size is made.

    Returns:
        The matplotlib axes.

    Raises:
        ValueError: where a rank or the position is wrong, the channels differ in number, or the kernel does not fit.
    """
    X, K = _array(X, 3, "X"), _array(K, 3, "K")
    if len(X) != len(K):
        raise ValueError(f"X and K must have the same number of channels, but have {len(X)} and {len(K)}.")
    (height, width), (kernel_height, kernel_width) = X.shape[1:], K.shape[1:]
    shape = (output_size(height, kernel_height), output_size(width, kernel_width))
    position = i, j = _position(position, shape)
    rows, columns = list(range(i, i + kernel_height)), list(range(j, j + kernel_width))
    windows = np.lib.stride_tricks.sliding_window_view(X, K.shape[1:], axis=(1, 2))
    parts = np.einsum("cijhw,chw->cij", windows, K)

    board = _Board(title, ax)
    x_kernel = width + _GAP
    x_part = x_kernel + kernel_width + _GAP
    x_output = x_part + shape[1] + 1.9
    pitch = _LABEL_HEIGHT + height + _LINE_HEIGHT + 0.45
    center = _LABEL_HEIGHT + height / 2 + (len(X) - 1) * pitch / 2
    for channel in range(len(X)):
        top = channel * pitch + _LABEL_HEIGHT
        middle = top + height / 2
        board.label(width / 2, top, f"input channel {channel}", "input")
        board.input(0, top, X[channel], (0, 0), rows, columns, K[channel])
        board.sign(x_kernel - _GAP / 2, middle, "⋆")
        board.label(x_kernel + kernel_width / 2, middle - kernel_height / 2, f"kernel {channel}", "kernel")
        board.grid(x_kernel, middle - kernel_height / 2, K[channel], "kernel", f"kernel {channel}")
        board.sign(x_part - _GAP / 2, middle, "=")
        board.grid(x_part, middle - shape[0] / 2, parts[channel], "output", f"part {channel}", position)
        equation = f"{_products(windows[channel, i, j], K[channel])} = {_number(parts[channel, i, j])}"
        board.equation(0, top + height + 0.15, x_part + shape[1], equation)
        end = (x_output - 0.2, center + (channel - (len(X) - 1) / 2) * 0.4)
        board.arrow((x_part + shape[1] + 0.2, middle), end, "output")
    top, bottom = center - shape[0] / 2, center + shape[0] / 2
    board.sign(x_output - 1.1, center, "+")
    board.label(x_output + shape[1] / 2, top, f"output {_size(shape)}", "output")
    board.grid(x_output, top, parts.sum(axis=0), "output", "output", position)
    board.equation(x_output - 1, bottom + 0.15, shape[1] + 2, _sum(parts[:, i, j]))
    board.equation(x_output - 1, bottom + 0.15 + _LINE_HEIGHT, shape[1] + 2, f"= {_number(parts[:, i, j].sum())}")
    return board.finish()


def draw_one_by_one(
    X: ArrayLike, W: ArrayLike, position: _Pair = (0, 0), title: str | None = None, ax: Axes | None = None
) -> Axes:
    """Draw a 1x1 convolution: at each pixel the channels form a vector, and the weight is a matrix that multiplies it.

    Args:
        X: the input, shape (channels, height, width), an MXNet or NumPy array or nested lists.
        W: the weight without its two axes of length one, shape (num_filter, channels).
        position: (row, column) of the pixel to draw.
        title: the title.
        ax: the axes to draw into; without it a figure of fitting size is made.

    Returns:
        The matplotlib axes.

    Raises:
        ValueError: where a rank or the position is wrong, or the channels differ in number.
    """
    X, W = _array(X, 3, "X"), _array(W, 2, "W")
    if len(X) != W.shape[1]:
        raise ValueError(f"X has {len(X)} channels, but W multiplies {W.shape[1]}: they must agree.")
    channels, height, width = X.shape
    i, j = _position(position, (height, width))
    Y = np.einsum("fc,chw->fhw", W, X)

    board = _Board(title, ax)
    pitch = _LABEL_HEIGHT + height + 0.5
    for row, (name, grids) in enumerate([("input", X), ("output", Y)]):
        for channel, grid in enumerate(grids):
            x, y = channel * (width + 0.8), row * pitch + _LABEL_HEIGHT
            board.label(x + width / 2, y, f"{name} channel {channel}", name)
            for (r, c), value in np.ndenumerate(grid):
                kind = f"{name}_active" if (r, c) == (i, j) else name
                board.cell(x + c, y + r, kind, value, f"{name} {channel}[{r}, {c}]")
            board.frame(x + j, y + i, 1, 1, "kernel" if name == "input" else "output")

    x_weight, middle = board.width + 1.4, (2 * pitch - 0.5 + _LABEL_HEIGHT) / 2 - len(W) * _LINE_HEIGHT / 2
    x_pixel = x_weight + channels + 1
    board.label(x_weight + channels / 2, middle - len(W) / 2, f"weight {_size(W.shape)}", "kernel")
    board.grid(x_weight, middle - len(W) / 2, W, "kernel", "kernel")
    board.sign(x_pixel - 0.5, middle, "·")
    board.label(x_pixel + 0.5, middle - channels / 2, "pixel", "input")
    for channel in range(channels):
        board.cell(x_pixel, middle - channels / 2 + channel, "input_active", X[channel, i, j], f"pixel[{channel}]")
    board.frame(x_pixel, middle - channels / 2, 1, channels, "kernel")
    board.sign(x_pixel + 1.6, middle, "=")
    for f in range(len(W)):
        board.cell(x_pixel + 2.2, middle - len(W) / 2 + f, "output_active", Y[f, i, j], f"result[{f}]")
        equation = f"{_products(X[:, i, j], W[f])} = {_number(Y[f, i, j])}"
        y = middle + max(channels, len(W)) / 2 + 0.3 + f * _LINE_HEIGHT
        board.equation(x_weight - 0.6, y, channels + 4.8, equation)
    board.frame(x_pixel + 2.2, middle - len(W) / 2, 1, len(W), "output")
    return board.finish()


def draw_pooling(
    X: ArrayLike,
    kernel: Size,
    kind: str = "max",
    positions: _Positions = (0, 0),
    stride: Size = 1,
    padding: Size = 0,
    convention: str = "valid",
    count_include_pad: bool = True,
    columns: int = 1,
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a pooling window at work on one channel: input and output, one panel for each position of the window.

    Args:
        X: the input, shape (height, width), an MXNet or NumPy array or nested lists.
        kernel: size of the window, one integer or (vertical, horizontal), at least 1.
        kind: ``"max"`` or ``"avg"``.
        positions: (row, column) of the output cell to draw, or a list of such pairs, or None for all.
        stride: step of the window, one integer or (vertical, horizontal), at least 1.
        padding: cells added on each side, one integer or (vertical, horizontal), smaller than the kernel.
        convention: ``"valid"`` rounds the output size down; ``"full"`` rounds it up and cuts the last windows at the
            edge of the padding.
        count_include_pad: whether an average counts the padding as zeros.
        columns: number of panels side by side.
        title: the title.
        ax: the axes to draw into; without it a figure of fitting size is made.

    Returns:
        The matplotlib axes.

    Raises:
        ValueError: where a rank, an option or a position is wrong, or a window would lie outside the input.
    """
    one_of(kind, "kind", ("max", "avg"))
    one_of(convention, "convention", ("valid", "full"))
    X, columns = _array(X, 2, "X"), whole(columns, "columns", 1)
    sizes, steps, ring = pair(kernel, "kernel", 1), pair(stride, "stride", 1), pair(padding, "padding", 0)
    shape = (
        output_size(X.shape[0], sizes[0], steps[0], ring[0], 1, convention),
        output_size(X.shape[1], sizes[1], steps[1], ring[1], 1, convention),
    )
    last = [(shape[a] - 1) * steps[a] for a in (0, 1)]
    if any(ring[a] >= sizes[a] or last[a] >= X.shape[a] + ring[a] for a in (0, 1)):
        raise ValueError("A window would lie outside the input: choose a larger kernel, or less padding or stride.")
    shown_at = _positions(positions, shape)
    _room((X.shape[0] + 2 * ring[0]) * (X.shape[1] + 2 * ring[1]) * len(shown_at), "the drawing")

    include = flag(count_include_pad, "count_include_pad") and kind == "avg"
    padded = np.pad(X, [(p, p) for p in ring], constant_values=0 if include else np.nan)
    rows, taps = ([[n * steps[a] + t for t in range(sizes[a])] for n in range(shape[a])] for a in (0, 1))
    windows: dict[tuple[int, ...], np.ndarray] = {}
    for i, j in np.ndindex(*shape):
        window = padded[rows[i][0] : rows[i][-1] + 1, taps[j][0] : taps[j][-1] + 1]
        windows[i, j] = window[~np.isnan(window)]
    pool = np.max if kind == "max" else np.mean
    Y = np.reshape([pool(window) for window in windows.values()], shape)
    outside = max(0, last[0] + sizes[0] - padded.shape[0]), max(0, last[1] + sizes[1] - padded.shape[1])

    board = _Board(title, ax)
    drawn = (padded.shape[0] + outside[0], padded.shape[1] + outside[1])
    height, x_output = max(drawn[0], shape[0]), drawn[1] + 1.9
    width = x_output + shape[1]

    def panel(x: float, y: float, position: _Pair) -> None:
        middle = y + _LABEL_HEIGHT + height / 2
        top = middle - drawn[0] / 2
        board.label(x + padded.shape[1] / 2, top, _input_label(X, ring), "input")
        number = 0 if include else None
        board.input(x, top, X, ring, rows[position[0]], taps[position[1]], None, number, outside)
        board.arrow((x + drawn[1] + 0.25, middle), (x + x_output - 0.25, middle), "kernel")
        board.label(x + x_output - 0.95, middle, kind, "kernel")
        top = middle - shape[0] / 2
        board.label(x + x_output + shape[1] / 2, top, f"output {_size(shape)}", "output")
        board.grid(x + x_output, top, Y, "output", "output", position)
        values = windows[position]
        if kind == "max":
            text = f"max({', '.join(_number(value) for value in values)})"
        else:
            text = f"({_sum(values)}) / {len(values)}" if len(values) > 1 else f"{_sum(values)} / 1"
        board.equation(x, middle + height / 2 + 0.2, width, f"{text} = {_number(Y[position])}")

    board.panels(shown_at, columns, width, panel)
    return board.finish()


def draw_output_size(
    size: int,
    kernel: int,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    convention: str = "valid",
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw where the windows lie along one axis, and so why the output has the size it has.

    Each row of orange weights is one window and gives one green output cell. Cells that no weight meets are white.

    Args:
        size: number of input cells, at least 1.
        kernel: number of weights, at least 1.
        stride: step of the window, at least 1.
        padding: cells added on each side, at least 0.
        dilation: distance of neighbouring weights, at least 1.
        convention: ``"valid"`` rounds the output size down; ``"full"`` (pooling only) rounds it up.
        title: the title.
        ax: the axes to draw into; without it a figure of fitting size is made.

    Returns:
        The matplotlib axes.

    Raises:
        ValueError: where an option is out of range, or the kernel does not fit.
    """
    one_of(convention, "convention", ("valid", "full"))
    size, kernel, stride = whole(size, "size", 1), whole(kernel, "kernel", 1), whole(stride, "stride", 1)
    padding, dilation = whole(padding, "padding", 0), whole(dilation, "dilation", 1)
    num_windows = output_size(size, kernel, stride, padding, dilation, convention)
    _room(size + 2 * padding + num_windows * kernel, "the drawing")
    taps = [[n * stride + t * dilation for t in range(kernel)] for n in range(num_windows)]
    met = {cell for window in taps for cell in window}
    padded, extent = size + 2 * padding, taps[0][-1] + 1
    length = max(padded, taps[-1][-1] + 1)
    x_output = length + 1.6

    board = _Board(title, ax)
    board.label(padded / 2, _LABEL_HEIGHT, f"input {size}" + (f", padding {padding}" if padding else ""), "input")
    board.label(x_output + 0.5, _LABEL_HEIGHT, f"output {num_windows}", "output")
    for cell in range(length):
        index = cell - padding
        if 0 <= index < size:
            board.cell(cell, _LABEL_HEIGHT, "input" if cell in met else "unread", index, f"input[{index}]")
        elif cell < padded:
            board.cell(cell, _LABEL_HEIGHT, "padding" if cell in met else "unread", gid=f"padding[{index}]")
        else:
            board.box(cell, _LABEL_HEIGHT, **_OUTSIDE)
    edge = COLORS["kernel_edge"]
    y = _LABEL_HEIGHT + 1.7
    for number, window in enumerate(taps):
        board.ax.plot([window[0] + 0.5, window[-1] + 0.5], [y, y], color=edge, linewidth=1.3, zorder=1)
        for cell in window:
            style = {"facecolor": COLORS["kernel"], "edgecolor": edge, "zorder": 2, "gid": f"window {number}"}
            board.box(cell + 0.07, y - 0.35, 0.86, 0.7, **style)
        board.arrow((window[-1] + 1.15, y), (x_output - 0.15, y), "output", 0.8)
        board.cell(x_output, y - 0.5, "output", number, f"output[{number}]")
        y += 1.0
    left, right = ("⌊", "⌋") if convention == "valid" else ("⌈", "⌉")
    equation = f"{left}({size} + 2·{padding} − {extent}) / {stride}{right} + 1 = {num_windows}"
    board.equation(0, y - 0.3, x_output + 1.4, equation)
    return board.finish()


def draw_groups(
    channels: int, num_filter: int, num_groups: Sequence[int], title: str | None = None, ax: Axes | None = None
) -> Axes:
    """Draw which input channels each output channel reads, one panel for each number of groups.

    Args:
        channels: number of input channels, at least 1.
        num_filter: number of output channels, at least 1.
        num_groups: list of numbers of groups; each must divide both.
        title: the title.
        ax: the axes to draw into; without it a figure of fitting size is made.

    Returns:
        The matplotlib axes.

    Raises:
        ValueError: where a number is none, or a number of groups does not divide the channels.
    """
    channels, num_filter = whole(channels, "channels", 1), whole(num_filter, "num_filter", 1)
    if not isinstance(num_groups, (tuple, list, np.ndarray)) or len(num_groups) == 0:
        raise ValueError(f"num_groups must be numbers of groups, not {shown(num_groups)}: give for example [1, 2].")
    _room(channels * num_filter * len(num_groups), "the drawing")
    if any(whole(groups, "num_group", 1) and (channels % groups or num_filter % groups) for groups in num_groups):
        raise ValueError(
            f"num_groups must divide the channels in ({channels}) and out ({num_filter}), but is {num_groups}."
        )
    board = _Board(title, ax)
    pitch, distance, top = 1.25, 4.6, 1.9
    height = max(channels, num_filter) * pitch - 0.25
    y_input, y_output = (top + (height + 0.25 - n * pitch) / 2 for n in (channels, num_filter))
    for panel, groups in enumerate(num_groups):
        x = panel * (distance + 3.0) + 0.25
        center = x + (distance + 1) / 2
        board.text(center, 0.4, f"num_group = {groups}", _EQUATION, weight="bold")
        board.label(x + 0.5, y_input, "input", "input")
        board.label(x + distance + 0.5, y_output, "output", "output")
        for channel in range(channels):
            board.cell(x, y_input + channel * pitch, "input", channel, f"input {groups}[{channel}]")
        for f in range(num_filter):
            y = y_output + f * pitch
            board.cell(x + distance, y, "output", f, f"output {groups}[{f}]")
            first = f // (num_filter // groups) * (channels // groups)
            for channel in range(first, first + channels // groups):
                ends = [y_input + channel * pitch + 0.5, y + 0.5]
                gid = f"kernel {groups}[{f}, {channel}]"
                board.ax.plot([x + 1, x + distance], ends, c=COLORS["kernel_edge"], lw=1.4, zorder=0, gid=gid)
        style = {"color": COLORS["kernel_edge"], "weight": "bold"}
        board.text(center, top + height + 0.5, f"{num_filter * channels // groups} kernels", _LABEL, **style)
        board.reach(x + distance + 1.25, top + height + 0.8)
    return board.finish()
