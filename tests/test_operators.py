"""MXNet's convolution and pooling against SciPy and NumPy: what notebooks 01 to 03 rest on."""

import d2lhelpers  # noqa: F401  (makes MXNet importable)

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mxnet import autograd, nd
from mxnet.base import MXNetError
from scipy.signal import correlate2d

few = settings(max_examples=60, deadline=None, derandomize=True)
pairs = {
    "stride": st.tuples(st.integers(1, 3), st.integers(1, 3)),
    "padding": st.tuples(st.integers(0, 2), st.integers(0, 2)),
    "dilation": st.tuples(st.integers(1, 3), st.integers(1, 3)),
}


def draw_normal(data, *shape):
    seed = data.draw(st.integers(0, 2**16), label="seed")
    return np.random.default_rng(seed).standard_normal(shape).astype("float32")


def convolve(X, W, bias, stride, padding, dilation, groups):
    """The whole operator by SciPy's 2-D cross-correlation of one channel with one kernel."""
    X = np.pad(X, ((0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2))
    spread = np.zeros((*W.shape[:2], *(d * (k - 1) + 1 for d, k in zip(dilation, W.shape[2:]))), dtype="float32")
    spread[:, :, :: dilation[0], :: dilation[1]] = W
    filters_in_group, channels_in_group = len(W) // groups, W.shape[1]
    images = []
    for image in X:
        filters = []
        for f, kernels in enumerate(spread):
            first = f // filters_in_group * channels_in_group
            parts = [correlate2d(image[first + c], kernel, mode="valid") for c, kernel in enumerate(kernels)]
            filters.append(sum(parts) + bias[f])
        images.append(filters)
    return np.array(images)[:, :, :: stride[0], :: stride[1]]


@given(data=st.data(), groups=st.integers(1, 3), **pairs)
@few
def test_convolution_is_scipys_correlation_padded_spread_strided_and_grouped(data, groups, stride, padding, dilation):
    n, c, f = (data.draw(st.integers(1, 2)) for _ in range(3))
    kernel = data.draw(st.tuples(st.integers(1, 4), st.integers(1, 4)), label="kernel")
    spans = [d * (k - 1) + 1 for d, k in zip(dilation, kernel)]
    height, width = (max(1, span - 2 * p) + data.draw(st.integers(0, 5)) for span, p in zip(spans, padding))
    X, W = draw_normal(data, n, c * groups, height, width), draw_normal(data, f * groups, c, *kernel)
    bias = draw_normal(data, f * groups)

    options = {"kernel": kernel, "num_filter": f * groups, "num_group": groups}
    options.update(stride=stride, pad=padding, dilate=dilation)
    Y = nd.Convolution(nd.array(X), nd.array(W), nd.array(bias), **options).asnumpy()

    expected = convolve(X, W, bias, stride, padding, dilation, groups)
    assert Y.shape == expected.shape
    np.testing.assert_allclose(Y, expected, rtol=1e-4, atol=1e-4)


@given(data=st.data(), groups=st.integers(1, 2), **pairs)
@few
def test_convolution_gradients_are_those_of_a_bilinear_function(data, groups, stride, padding, dilation):
    """<conv(X', W), G> = <X', dX> and <conv(X, W'), G> = <W', dW> for all X', W': this determines dX and dW."""
    c, f, kernel = 2, 2, data.draw(st.tuples(st.integers(1, 3), st.integers(1, 3)), label="kernel")
    X, other_X = (nd.array(draw_normal(data, 2, c * groups, 8, 7)) for _ in range(2))
    W, other_W = (nd.array(draw_normal(data, f * groups, c, *kernel)) for _ in range(2))
    options = {"kernel": kernel, "num_filter": f * groups, "num_group": groups, "no_bias": True}
    options.update(stride=stride, pad=padding, dilate=dilation)

    X.attach_grad()
    W.attach_grad()
    with autograd.record():
        Y = nd.Convolution(X, W, **options)
    G = nd.array(draw_normal(data, *Y.shape))
    Y.backward(G)

    for probe, gradient, output in [
        (other_X, X.grad, nd.Convolution(other_X, W, **options)),
        (other_W, W.grad, nd.Convolution(X, other_W, **options)),
    ]:
        by_output = (output.asnumpy() * G.asnumpy()).sum()
        by_gradient = (probe.asnumpy() * gradient.asnumpy()).sum()
        np.testing.assert_allclose(by_gradient, by_output, rtol=1e-3, atol=1e-2)


@given(data=st.data(), n=st.integers(1, 3), c=st.integers(1, 5), f=st.integers(1, 5), size=st.integers(1, 6))
@few
def test_a_1x1_convolution_is_a_dense_layer_on_every_pixel(data, n, c, f, size):
    X, W, bias = draw_normal(data, n, c, size, size + 1), draw_normal(data, f, c, 1, 1), draw_normal(data, f)
    Y = nd.Convolution(nd.array(X), nd.array(W), nd.array(bias), kernel=(1, 1), num_filter=f).asnumpy()

    rows = np.moveaxis(X, 1, -1).reshape(-1, c)
    dense = nd.FullyConnected(nd.array(rows), nd.array(W.reshape(f, c)), nd.array(bias), num_hidden=f).asnumpy()
    np.testing.assert_allclose(np.moveaxis(Y, 1, -1).reshape(-1, f), dense, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(dense, rows @ W.reshape(f, c).T + bias, rtol=1e-4, atol=1e-4)


REDUCE = {
    "max": lambda pixels, area: pixels.max(axis=(2, 3)),
    "avg": lambda pixels, area: pixels.sum(axis=(2, 3)) / area,
    "sum": lambda pixels, area: pixels.sum(axis=(2, 3)),
    "lp": lambda pixels, area: np.sqrt((pixels**2).sum(axis=(2, 3))),
}
EMPTY = {"max": np.finfo("float32").min, "avg": 0.0, "sum": 0.0, "lp": 0.0}


def pool(X, kind, kernel, stride, padding, convention, counted):
    """Window by window. A window is cut at the far edge of the padding, and its pixels are those in the image."""
    (height, width), reduce = X.shape[2:], REDUCE[kind]
    shape = []
    for n, k, s, p in zip(X.shape[2:], kernel, stride, padding):
        room = n + 2 * p - k
        shape.append((room // s if convention == "valid" else -(-room // s)) + 1)
    Y = np.empty((*X.shape[:2], *shape), dtype="float32")
    for i, j in np.ndindex(*shape):
        top, left = i * stride[0] - padding[0], j * stride[1] - padding[1]
        bottom, right = min(top + kernel[0], height + padding[0]), min(left + kernel[1], width + padding[1])
        pixels = X[:, :, max(top, 0) : max(min(bottom, height), 0), max(left, 0) : max(min(right, width), 0)]
        area = (bottom - top) * (right - left) if counted else pixels[0, 0].size
        Y[:, :, i, j] = reduce(pixels, area) if pixels.size else EMPTY[kind]
    return Y


@given(
    data=st.data(),
    kind=st.sampled_from(sorted(REDUCE)),
    convention=st.sampled_from(["valid", "full"]),
    counted=st.booleans(),
    kernel=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    stride=pairs["stride"],
)
@settings(few, max_examples=200)
def test_pooling_is_numpys_reduction_window_by_window(data, kind, convention, counted, kernel, stride):
    padding = tuple(data.draw(st.integers(0, k - 1), label="padding") for k in kernel)
    height, width = (max(1, k - 2 * p) + data.draw(st.integers(0, 6)) for k, p in zip(kernel, padding))
    X = draw_normal(data, 2, 3, height, width)
    options = {"kernel": kernel, "stride": stride, "pad": padding, "pool_type": kind}
    options.update(pooling_convention=convention, count_include_pad=counted)
    Y = nd.Pooling(nd.array(X), p_value=2, **options).asnumpy()

    expected = pool(X, kind, kernel, stride, padding, convention, counted)
    assert Y.shape == expected.shape
    np.testing.assert_allclose(Y, expected, rtol=1e-4, atol=1e-5)


@given(data=st.data(), kind=st.sampled_from(["max", "avg", "sum"]), shape=st.tuples(*[st.integers(1, 6)] * 4))
@few
def test_global_pooling_ignores_window_stride_and_padding(data, kind, shape):
    X = draw_normal(data, *shape)
    options = {"kernel": (2, 2), "stride": (2, 2), "pad": (1, 1), "pool_type": kind}
    Y = nd.Pooling(nd.array(X), global_pool=True, **options).asnumpy()
    expected = REDUCE[kind](X, shape[2] * shape[3])[:, :, np.newaxis, np.newaxis]
    np.testing.assert_allclose(Y, expected, rtol=1e-4, atol=1e-5)


def test_an_average_counts_padding_unless_told_otherwise():
    X = nd.arange(1, 10).reshape((1, 1, 3, 3))
    options = {"kernel": (2, 2), "pad": (1, 1), "pool_type": "avg"}
    assert nd.Pooling(X, **options)[0, 0, 0, :2].asnumpy().tolist() == [0.25, 0.75]
    assert nd.Pooling(X, count_include_pad=False, **options)[0, 0, 0, :2].asnumpy().tolist() == [1.0, 1.5]


def test_a_window_larger_than_the_padded_input_is_refused():
    X, W = nd.ones((1, 1, 3, 3)), nd.ones((1, 1, 4, 4))
    with pytest.raises(MXNetError, match="kernel size"):
        nd.Convolution(X, W, nd.zeros(1), kernel=(4, 4), num_filter=1).wait_to_read()
    with pytest.raises(MXNetError, match="kernel size"):
        nd.Pooling(X, kernel=(4, 4), pool_type="max").wait_to_read()
    with pytest.raises(MXNetError, match="kernel size"):
        nd.Convolution(X, nd.ones((1, 1, 2, 2)), nd.zeros(1), kernel=(2, 2), dilate=(3, 3), num_filter=1).wait_to_read()
