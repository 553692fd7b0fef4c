"""The drawings show the numbers that MXNet computes, in their places and colours."""

import re

import d2lhelpers  # noqa: F401  (makes MXNet importable)
from d2lhelpers import diagrams
from d2lhelpers.diagrams import COLORS

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import pyplot as plt
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle
from mxnet import autograd, nd

few = settings(max_examples=20, deadline=None, derandomize=True)
small = st.integers(1, 2)


@pytest.fixture(autouse=True)
def no_figure_is_left_open():
    yield
    plt.close("all")


def numbers(ax, name):
    """The numbers of the grid of this name: {(row, column): text}; the last panel wins."""
    pattern = re.compile(re.escape(name) + r"\[(-?\d+), (-?\d+)\]")
    matches = [(pattern.fullmatch(text.get_gid() or ""), text) for text in ax.texts]
    return {(int(m[1]), int(m[2])): text.get_text() for m, text in matches if m}


def shown(array):
    """What the grid of an array must read."""
    return {index: f"{value:.4g}".replace("-", "−") for index, value in np.ndenumerate(array)}


def equations(ax):
    """The equations below the panels; lines of one equation are joined."""
    lines = " ".join(text.get_text() for text in ax.texts if text.get_gid() == "equation")
    return re.sub(r"(= −?[\d.]+) ", r"\1\n", lines).replace("−", "-").split("\n")


def cells(ax, kind):
    """Lower left corners of the cells in a colour."""
    patches = [patch for patch in ax.patches if isinstance(patch, Rectangle)]
    return {patch.get_xy() for patch in patches if to_hex(patch.get_facecolor()) == COLORS[kind]}


def frames(ax, kind):
    return [patch for patch in ax.patches if patch.get_gid() == f"{kind} frame"]


def integers(data, *shape):
    seed = data.draw(st.integers(0, 2**16), label="seed")
    return np.random.default_rng(seed).integers(-9, 10, shape)


def convolve(X, K, **options):
    X, K = nd.array(X), nd.array(K)
    return nd.Convolution(X, K, nd.zeros(len(K)), kernel=K.shape[2:], num_filter=len(K), **options).asnumpy()


@given(data=st.data(), stride=st.tuples(small, small), dilation=st.tuples(small, small), padding=st.integers(0, 2))
@few
def test_a_convolution_is_drawn_with_mxnets_numbers(data, stride, dilation, padding):
    X, K = integers(data, 6, 5), integers(data, 2, 3)
    options = {"stride": stride, "dilate": dilation, "pad": (padding, padding)}
    Y = convolve(X[None, None], K[None, None], **options)[0, 0]
    last = (Y.shape[0] - 1, Y.shape[1] - 1)

    ax = diagrams.draw_convolution(X, K, last, stride=stride, padding=padding, dilation=dilation)
    assert numbers(ax, "output") == shown(Y)
    assert numbers(ax, "input") == shown(X)
    assert numbers(ax, "kernel") == shown(K)
    left, right = equations(ax)[0].split(" = ")
    assert eval(left.replace("·", "*")) == float(right) == Y[last]
    plt.close(ax.figure)


def test_output_numbers_appear_in_reading_order_up_to_the_position():
    X, K = np.arange(9).reshape(3, 3), np.arange(4).reshape(2, 2)
    ax = diagrams.draw_convolution(X, K, (1, 0))
    assert numbers(ax, "output") == {(0, 0): "19", (0, 1): "25", (1, 0): "37"}
    assert equations(ax) == ["3·0 + 4·1 + 6·2 + 7·3 = 37"]
    assert cells(ax, "output_active") == {frame.get_xy() for frame in frames(ax, "output")}


def test_all_positions_side_by_side_leave_the_kernel_out():
    X, K = np.arange(9).reshape(3, 3), np.arange(4).reshape(2, 2)
    ax = diagrams.draw_convolution(X, K, None, columns=2)
    assert [equation.split(" = ")[1] for equation in equations(ax)] == ["19", "25", "37", "43"]
    assert numbers(ax, "kernel") == {}
    assert len(frames(ax, "kernel")) == len(frames(ax, "output")) == 4
    labels = [text.get_position() for text in ax.texts if text.get_text() == "input 3×3"]
    assert labels[0][0] == labels[2][0] < labels[1][0] == labels[3][0]
    assert labels[0][1] == labels[1][1] < labels[2][1] == labels[3][1]


def test_the_window_lies_where_it_reads_and_only_read_cells_are_strong():
    X, K = np.arange(25).reshape(5, 5), np.arange(4).reshape(2, 2)
    ax = diagrams.draw_convolution(X, K, (1, 1), stride=2, padding=1, dilation=2)
    x, y = min(cells(ax, "padding"))  # the corner of the padding
    (frame,) = frames(ax, "kernel")
    assert (frame.get_x() - x, frame.get_y() - y) == (2, 2)
    assert (frame.get_width(), frame.get_height()) == (3, 3)
    assert {(i - x, j - y) for i, j in cells(ax, "input_active")} == {(2, 2), (4, 2), (2, 4), (4, 4)}
    assert len(cells(ax, "input")) == 25 - 4
    assert len(cells(ax, "padding")) == 7 * 7 - 25


def test_padding_is_hatched_and_nothing_else_is():
    ax = diagrams.draw_convolution(np.ones((3, 3)), np.ones((2, 2)), padding=1)
    hatched = {patch.get_xy() for patch in ax.patches if patch.get_hatch()}
    assert hatched == cells(ax, "padding") | cells(ax, "padding_active")
    assert len(hatched) == 16 and len(cells(ax, "padding_active")) == 3


def test_weights_stand_in_the_cells_they_multiply():
    ax = diagrams.draw_convolution(np.ones((3, 3)), [[5, 6], [7, -8]], (0, 0))
    weights = {text.get_text(): tuple(np.floor(text.get_position())) for text in ax.texts}
    (x, y), (x_right, y_below) = weights["×5"], weights["×−8"]
    assert (x_right - x, y_below - y) == (1, 1)
    assert weights["×6"] == (x_right, y) and weights["×7"] == (x, y_below)


@given(data=st.data(), channels=st.integers(1, 3))
@few
def test_channels_are_drawn_apart_and_added(data, channels):
    X, K = integers(data, channels, 4, 3), integers(data, channels, 2, 2)
    ax = diagrams.draw_channels(nd.array(X), nd.array(K), (2, 1))
    assert numbers(ax, "output") == shown(convolve(X[None], K[None])[0, 0])
    for channel in range(channels):
        alone = convolve(X[None, channel : channel + 1], K[None, channel : channel + 1])[0, 0]
        assert numbers(ax, f"part {channel}") == shown(alone)
        assert numbers(ax, f"kernel {channel}") == shown(K[channel])
    assert len(equations(ax)) == channels + 1
    for equation in equations(ax):
        left, right = equation.split(" = ")
        assert eval(left.replace("·", "*")) == float(right)
    plt.close(ax.figure)


@given(data=st.data(), channels=st.integers(1, 3), num_filter=st.integers(1, 3))
@few
def test_a_1x1_convolution_is_drawn_with_mxnets_numbers(data, channels, num_filter):
    X, W = integers(data, channels, 2, 3), integers(data, num_filter, channels)
    Y = convolve(X[None], W[:, :, None, None])[0]
    ax = diagrams.draw_one_by_one(X, W, (1, 2))
    for channel in range(channels):
        assert numbers(ax, f"input {channel}") == shown(X[channel])
    for f in range(num_filter):
        assert numbers(ax, f"output {f}") == shown(Y[f])
        left, right = equations(ax)[f].split(" = ")
        assert eval(left.replace("·", "*")) == float(right) == Y[f, 1, 2]
    assert numbers(ax, "kernel") == shown(W)
    plt.close(ax.figure)


@given(
    data=st.data(),
    kind=st.sampled_from(["max", "avg"]),
    kernel=st.tuples(st.integers(2, 3), st.integers(2, 3)),
    stride=st.integers(1, 2),
    convention=st.sampled_from(["valid", "full"]),
    counted=st.booleans(),
)
@few
def test_pooling_is_drawn_with_mxnets_numbers(data, kind, kernel, stride, convention, counted):
    X = integers(data, 6, 5)
    padding = data.draw(st.integers(0, min(kernel) - stride), label="padding")
    options = {"kernel": kernel, "stride": (stride, stride), "pad": (padding, padding), "pool_type": kind}
    options.update(pooling_convention=convention, count_include_pad=counted)
    Y = nd.Pooling(nd.array(X[None, None]), **options)[0, 0].asnumpy()

    last = (Y.shape[0] - 1, Y.shape[1] - 1)
    ax = diagrams.draw_pooling(X, kernel, kind, last, stride, padding, convention, counted)
    drawn = {index: float(text.replace("−", "-")) for index, text in numbers(ax, "output").items()}
    assert drawn == {index: pytest.approx(value, rel=1e-3, abs=1e-6) for index, value in np.ndenumerate(Y)}
    left, right = equations(ax)[0].split(" = ")
    assert eval(left.replace("max(", "max(-99, ")) == pytest.approx(float(right), rel=1e-3)
    assert float(right) == drawn[last]
    plt.close(ax.figure)


@pytest.mark.parametrize(("kind", "counted", "zeros"), [("max", True, 0), ("avg", True, 16), ("avg", False, 0)])
def test_padding_shows_zeros_where_it_counts(kind, counted, zeros):
    ax = diagrams.draw_pooling(np.ones((3, 3)), 2, kind, padding=1, count_include_pad=counted)
    assert list(numbers(ax, "padding").values()) == ["0"] * zeros


@pytest.mark.parametrize(
    ("options", "equation"),
    [
        ({"kind": "max"}, "max(1, 2, 4, 5) = 5"),
        ({"kind": "avg"}, "(1 + 2 + 4 + 5) / 4 = 3"),
        ({"kind": "avg", "padding": 1}, "(0 + 0 + 0 + 1) / 4 = 0.25"),
        ({"kind": "avg", "padding": 1, "count_include_pad": False}, "1 / 1 = 1"),
        ({"kind": "max", "stride": 2, "convention": "full", "positions": (1, 1)}, "max(9) = 9"),
        ({"kind": "avg", "stride": 2, "convention": "full", "positions": (0, 1)}, "(3 + 6) / 2 = 4.5"),
    ],
)
def test_equations_of_pooling(options, equation):
    ax = diagrams.draw_pooling(np.arange(1, 10).reshape(3, 3), 2, **options)
    assert equations(ax) == [equation]


@given(
    size=st.integers(1, 12),
    kernel=st.integers(1, 4),
    stride=st.integers(1, 3),
    padding=st.integers(0, 2),
    dilation=small,
)
@few
def test_the_windows_along_an_axis_are_those_of_a_convolution(size, kernel, stride, padding, dilation):
    if size + 2 * padding < dilation * (kernel - 1) + 1:
        return
    x, w = nd.ones((1, 1, size)), nd.ones((1, 1, kernel))
    x.attach_grad()
    with autograd.record():
        y = nd.Convolution(
            x, w, nd.zeros(1), kernel=(kernel,), num_filter=1, stride=(stride,), pad=(padding,), dilate=(dilation,)
        )
    y.backward()

    ax = diagrams.draw_output_size(size, kernel, stride, padding, dilation)
    gids = [text.get_gid() for text in ax.texts]
    assert sum(str(gid).startswith("output[") for gid in gids) == y.shape[2]
    assert sum(str(patch.get_gid()).startswith("window ") for patch in ax.patches) == kernel * y.shape[2]
    assert equations(ax)[0].endswith(f"= {y.shape[2]}")
    met = {left - padding for left, _ in cells(ax, "input")}
    assert met == set(np.flatnonzero(x.grad.asnumpy()))
    plt.close(ax.figure)


def test_the_full_convention_adds_a_window():
    assert equations(diagrams.draw_output_size(5, 2, 2)) == ["⌊(5 + 2·0 - 2) / 2⌋ + 1 = 2"]
    assert equations(diagrams.draw_output_size(5, 2, 2, convention="full")) == ["⌈(5 + 2·0 - 2) / 2⌉ + 1 = 3"]


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_each_line_between_groups_is_a_kernel_that_is_really_there(groups):
    """An output channel depends on an input channel exactly where a line is drawn."""
    ax = diagrams.draw_groups(4, 8, [groups])
    drawn = {tuple(map(int, re.findall(r"\[(\d), (\d)\]", line.get_gid())[0])) for line in ax.lines}
    x = nd.one_hot(nd.arange(4), 4).reshape((4, 4, 1, 1))
    options = {"kernel": (1, 1), "num_filter": 8, "num_group": groups}
    y = nd.Convolution(x, nd.ones((8, 4 // groups, 1, 1)), nd.zeros(8), **options)[:, :, 0, 0].asnumpy()
    assert drawn == {(f, channel) for channel, f in np.argwhere(y)}
    assert f"{len(drawn)} kernels" in [text.get_text() for text in ax.texts]


CALLS = {
    "draw_convolution": lambda **options: diagrams.draw_convolution(np.ones((3, 3)), np.ones((2, 2)), **options),
    "draw_channels": lambda **options: diagrams.draw_channels(np.ones((2, 3, 3)), np.ones((2, 2, 2)), **options),
    "draw_one_by_one": lambda **options: diagrams.draw_one_by_one(np.ones((2, 3, 3)), np.ones((3, 2)), **options),
    "draw_pooling": lambda **options: diagrams.draw_pooling(np.ones((3, 3)), 2, **options),
    "draw_output_size": lambda **options: diagrams.draw_output_size(8, 3, **options),
    "draw_groups": lambda **options: diagrams.draw_groups(2, 4, [1, 2], **options),
}


def test_every_drawing_is_tested_here():
    assert set(CALLS) == set(diagrams.__all__) - {"COLORS"}


@pytest.mark.parametrize("name", CALLS)
def test_a_drawing_returns_its_axes_with_the_title_and_cells_of_one_size(name):
    ax = CALLS[name](title="What it shows")
    assert ax.get_title() == "What it shows"
    assert ax.get_aspect() == 1 and not ax.axison
    ax.figure.canvas.draw()
    cell = ax.transData.transform((1, 0)) - ax.transData.transform((0, 0))
    assert cell[0] == pytest.approx(0.40 * ax.figure.dpi, rel=0.01)
    title, figure = ax.title.get_window_extent(), ax.figure.bbox
    assert ax.bbox.y1 < title.y0 and title.y1 <= figure.y1


@pytest.mark.parametrize("name", CALLS)
def test_a_drawing_fits_into_axes_that_are_given(name):
    figure, ax = plt.subplots()
    size = tuple(figure.get_size_inches())
    assert CALLS[name](ax=ax) is ax
    assert tuple(figure.get_size_inches()) == size and plt.get_fignums() == [figure.number]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: diagrams.draw_convolution(np.ones(3), np.ones((2, 2))), r"X must be .* 2 axes.*\(3,\)"),
        (lambda: diagrams.draw_convolution(np.ones((3, 3)), np.ones((0, 2))), r"K must be a non-empty array"),
        (lambda: diagrams.draw_convolution(np.ones((3, 3)), np.ones((4, 4))), "spans 4 does not fit"),
        (lambda: CALLS["draw_convolution"](positions=(2, 0)), r"\(2, 0\) lies outside the output.*2×2"),
        (
            lambda: CALLS["draw_convolution"](positions=(0, 1, 0)),
            "position must be one whole number of at least 0 or two",
        ),
        (
            lambda: CALLS["draw_convolution"](stride=0),
            "stride must be one whole number of at least 1 or two .*, not 0",
        ),
        (lambda: CALLS["draw_convolution"](padding=1.5), "padding must be one whole number of at least 0"),
        (lambda: CALLS["draw_convolution"](columns=0), "columns must be"),
        (lambda: diagrams.draw_channels(np.ones((2, 3, 3)), np.ones((3, 2, 2))), "but have 2 and 3"),
        (lambda: diagrams.draw_one_by_one(np.ones((2, 3, 3)), np.ones((3, 3))), "2 channels, but W multiplies 3"),
        (lambda: CALLS["draw_pooling"](kind="min"), "kind must be one of 'max', 'avg', not 'min'"),
        (lambda: CALLS["draw_pooling"](convention="same"), "convention must be one of 'valid', 'full'"),
        (lambda: CALLS["draw_pooling"](padding=2), "A window would lie outside the input"),
        (lambda: diagrams.draw_pooling(np.ones((4, 4)), 1, stride=2, convention="full"), "outside the input"),
        (lambda: CALLS["draw_output_size"](convention="same"), "convention must be one of"),
        (lambda: diagrams.draw_groups(4, 6, [1, 4]), r"divide the channels in \(4\) and out \(6\), but is \[1, 4\]"),
    ],
)
def test_bad_input_is_refused_in_a_sentence(call, message):
    with pytest.raises(ValueError, match=message):
        call()
    assert plt.get_fignums() == []
