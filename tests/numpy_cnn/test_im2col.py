from d2lhelpers.numpy_cnn import col2im, im2col, windows

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st


def im2col_by_loops(x, kernel, stride, padding, dilation):
    x = np.pad(x, ((0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2))
    spans = [d * (k - 1) + 1 for k, d in zip(kernel, dilation)]
    rows = []
    for image in x:
        for i in range(0, x.shape[2] - spans[0] + 1, stride[0]):
            for j in range(0, x.shape[3] - spans[1] + 1, stride[1]):
                rows.append(image[:, i : i + spans[0] : dilation[0], j : j + spans[1] : dilation[1]].ravel())
    return np.array(rows)


def pairs(low, high):
    return st.tuples(st.integers(low, high), st.integers(low, high))


@st.composite
def cases(draw):
    kernel, stride, padding, dilation = draw(pairs(1, 3)), draw(pairs(1, 3)), draw(pairs(0, 2)), draw(pairs(1, 2))
    shape = (draw(st.integers(1, 2)), draw(st.integers(1, 3)), *draw(pairs(1, 7)))
    assume(all(n + 2 * p > d * (k - 1) for n, p, d, k in zip(shape[2:], padding, dilation, kernel)))
    window = {"kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation}
    return np.random.default_rng(draw(st.integers(0, 99))).normal(size=shape), window


@settings(deadline=None, derandomize=True, max_examples=60)
@given(cases())
def test_im2col_agrees_with_loops(case):
    x, window = case
    np.testing.assert_array_equal(im2col(x, **window), im2col_by_loops(x, **window))


@settings(deadline=None, derandomize=True, max_examples=60)
@given(cases())
def test_col2im_is_the_adjoint_of_im2col(case):
    x, window = case
    matrix = im2col(x, **window)
    y = np.random.default_rng(1).normal(size=matrix.shape)
    back = col2im(y, x.shape, **window)
    assert back.shape == x.shape
    assert np.vdot(matrix, y) == pytest.approx(np.vdot(x, back), rel=1e-10, abs=1e-10)


def test_the_published_shape():
    assert im2col(np.zeros((1, 3, 7, 7)), 5).shape == (9, 75)


def test_one_row_for_each_position_by_hand():
    x = np.arange(9.0).reshape(1, 1, 3, 3)
    np.testing.assert_array_equal(im2col(x, 2), [[0, 1, 3, 4], [1, 2, 4, 5], [3, 4, 6, 7], [4, 5, 7, 8]])


def test_col2im_counts_how_many_windows_see_a_pixel():
    x = np.ones((1, 1, 3, 3))
    np.testing.assert_array_equal(col2im(im2col(x, 2), x.shape, 2)[0, 0], [[1, 2, 1], [2, 4, 2], [1, 2, 1]])


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_dtype_is_kept_and_the_argument_is_not_written_to(dtype, frozen):
    x = frozen(2, 2, 5, 5, dtype=dtype)
    matrix = im2col(x, 3, padding=1)
    assert matrix.dtype == dtype and col2im(matrix, x.shape, 3, padding=1).dtype == dtype
    matrix[:] = 0  # without padding too, the matrix is a copy
    im2col(x.copy(), 1)[:] = 0


def test_windows_are_a_view():
    x = np.zeros((1, 1, 4, 4))
    view = windows(x, 2, stride=2)
    assert view.shape == (1, 1, 2, 2, 2, 2) and np.shares_memory(x, view)
    view[0, 0, 1, 0] = 7
    np.testing.assert_array_equal(x[0, 0], [[0, 0, 0, 0], [0, 0, 0, 0], [7, 7, 0, 0], [7, 7, 0, 0]])
    x.flags.writeable = False
    assert not windows(x, 2).flags.writeable


@pytest.mark.parametrize(
    "options, message",
    [
        ({"kernel": 0}, "kernel must be one whole number of at least 1"),
        ({"kernel": (2, 2, 2)}, "kernel must be one whole number of at least 1 or two"),
        ({"kernel": 2, "stride": 0}, "stride must be one whole number of at least 1"),
        ({"kernel": 2, "stride": 1.5}, "stride must be"),
        ({"kernel": 2, "padding": -1}, "padding must be one whole number of at least 0"),
        ({"kernel": 2, "dilation": 0}, "dilation must be"),
        ({"kernel": 5}, "A kernel that spans 5 does not fit into an input of 4 with padding 0 on each side"),
    ],
)
def test_bad_windows(options, message):
    with pytest.raises(ValueError, match=message):
        im2col(np.zeros((1, 1, 4, 4)), **options)


def test_bad_shapes():
    for function in (im2col, windows):
        with pytest.raises(ValueError, match=r"expected images of shape \(N, C, H, W\), got \(4, 4\)"):
            function(np.zeros((4, 4)), 2)
    with pytest.raises(ValueError, match=r"expected a matrix of shape \(9, 4\) .* got \(4, 9\)"):
        col2im(np.zeros((4, 9)), (1, 1, 4, 4), 2)


@pytest.mark.parametrize(
    ("dtype", "kept"), [("int8", "int64"), ("uint8", "uint64"), ("bool", "int64"), ("int64", "int64")]
)
def test_sums_of_small_integers_do_not_overflow(dtype, kept):
    x = np.full((1, 1, 3, 3), 1 if dtype == "bool" else 100, dtype)
    back = col2im(im2col(x, 2), x.shape, 2)
    assert back.dtype == kept and back[0, 0, 1, 1] == 4 * x[0, 0, 0, 0].astype("int64")


def test_sums_of_float16_may_pass_what_it_cannot_hold():
    matrix = np.zeros((4, 4), np.float16)
    matrix[[0, 1, 2, 3], [3, 2, 1, 0]] = [60_000, 60_000, -60_000, -60_000]  # as each window sees the middle
    back = col2im(matrix, (1, 1, 3, 3), 2)
    assert back.dtype == np.float16 and back[0, 0, 1, 1] == 0


@pytest.mark.parametrize("shape", [(1, 3, 3), 9, (1, 1, 3, 3.0), (1, 1, -3, 3)])
def test_a_shape_is_of_four_whole_numbers(shape):
    with pytest.raises(ValueError, match="shape"):
        col2im(np.ones((4, 4)), shape, 2)
