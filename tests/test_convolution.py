"""Cross-correlation against pencil numbers, SciPy and MXNet's own operator: values, gradients, shapes, errors."""

import contextlib
import re

import d2lhelpers  # noqa: F401
from d2lhelpers.convolution import (
    CrossCorrelation2D,
    conv2d,
    corr2d,
    corr2d_multi_in,
    corr2d_multi_in_out,
    flip_kernel,
)

import mxnet as mx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mxnet import autograd, gluon, nd, npx
from scipy.signal import convolve2d, correlate2d

examples = settings(deadline=None, derandomize=True, max_examples=60)
KINDS = {"nd": nd.array, "np": mx.np.array}


def arange(*shape):
    return nd.arange(int(np.prod(shape))).reshape(shape)


def random(seed, *shape):
    """Non-zero numbers: zeros could hide a wrong gradient."""
    return np.random.default_rng(seed).uniform(0.5, 2.0, shape).astype("float32")


def close(actual, expected):
    np.testing.assert_allclose(actual.asnumpy(), expected, rtol=1e-4, atol=1e-4)


@contextlib.contextmanager
def np_semantics(active):
    """Code that uses ``mx.np`` may or may not have called ``npx.set_np()``."""
    if active:
        npx.set_np()
    try:
        yield
    finally:
        npx.reset_np()


@st.composite
def convolutions(draw):
    """Shapes and options that ``nd.Convolution`` accepts."""
    groups = draw(st.integers(1, 3))
    pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))
    kernel, stride, dilation = draw(pairs), draw(pairs), draw(pairs)
    padding = draw(st.tuples(st.integers(0, 3), st.integers(0, 3)))
    least = [max(1, d * (k - 1) + 1 - 2 * p) for k, d, p in zip(kernel, dilation, padding)]
    size = [draw(st.integers(n, n + 6)) for n in least]
    batch, each_in, each_out = draw(st.tuples(*[st.integers(1, 3)] * 3))
    X = random(draw(st.integers(0, 99)), batch, groups * each_in, *size)
    K = random(draw(st.integers(0, 99)), groups * each_out, each_in, *kernel)
    bias = random(7, groups * each_out) if draw(st.booleans()) else None
    return X, K, bias, {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}


def by_scipy(X, K, bias, stride, padding, dilation, groups):
    (p, q), (d, e) = padding, dilation
    X = np.pad(X, ((0, 0), (0, 0), (p, p), (q, q)))
    wide = np.zeros((*K.shape[:2], d * (K.shape[2] - 1) + 1, e * (K.shape[3] - 1) + 1), "float32")
    wide[:, :, ::d, ::e] = K
    each_in, each_out = K.shape[1], K.shape[0] // groups
    rows = []
    for image in X:
        channels = []
        for o, kernels in enumerate(wide):
            first = o // each_out * each_in
            full = sum(correlate2d(image[first + c], kernel, "valid") for c, kernel in enumerate(kernels))
            channels.append(full[:: stride[0], :: stride[1]] + (0 if bias is None else bias[o]))
        rows.append(channels)
    return np.array(rows)


def by_mxnet(X, K, bias, stride, padding, dilation, groups):
    arrays = [X, K] if bias is None else [X, K, bias]
    sizes = {"kernel": K.shape[2:], "num_filter": K.shape[0], "num_group": groups}
    return nd.Convolution(*arrays, stride=stride, pad=padding, dilate=dilation, no_bias=bias is None, **sizes)


def with_gradients(function, arrays, head, **options):
    """The output, and the gradient of sum(output * head) with respect to each array."""
    for array in arrays:
        array.attach_grad()
    with autograd.record():
        Y = function(*arrays, *[None] * (3 - len(arrays)), **options)
    Y.backward(head)
    return Y, [array.grad.asnumpy() for array in arrays]


def test_worked_examples_of_the_tutorials():
    assert corr2d(arange(3, 3), arange(2, 2)).asnumpy().tolist() == [[19, 25], [37, 43]]
    assert corr2d_multi_in(arange(2, 3, 3), arange(2, 2, 2)).asnumpy().tolist() == [[268, 296], [352, 380]]
    one_by_one = corr2d_multi_in_out(arange(3, 3, 3), arange(2, 3, 1, 1)).asnumpy()
    assert one_by_one[0].tolist() == [[45, 48, 51], [54, 57, 60], [63, 66, 69]]
    assert one_by_one[1].tolist() == [[126, 138, 150], [162, 174, 186], [198, 210, 222]]
    padded = conv2d(arange(1, 1, 3, 3), arange(1, 1, 2, 2), padding=1)
    assert padded[0, 0].asnumpy().tolist() == [[0, 3, 8, 4], [9, 19, 25, 10], [21, 37, 43, 16], [6, 7, 8, 0]]
    assert conv2d(arange(1, 1, 4, 4), arange(1, 1, 2, 2), stride=2)[0, 0].asnumpy().tolist() == [[24, 36], [72, 84]]


def test_edges_have_a_sign_and_a_direction():
    X = nd.ones((6, 8))
    X[:, 2:6] = 0
    assert (corr2d(X, nd.array([[-1, 1]])).asnumpy() == [0, -1, 0, 0, 0, 1, 0]).all()
    assert (corr2d(X, nd.array([[1, -1]])).asnumpy() == [0, 1, 0, 0, 0, -1, 0]).all()
    assert not corr2d(X.T, nd.array([[1, -1]])).asnumpy().any()


@examples
@given(convolutions())
def test_conv2d_is_what_scipy_computes(case):
    X, K, bias, options = case
    Y = conv2d(nd.array(X), nd.array(K), None if bias is None else nd.array(bias), **options)
    close(Y, by_scipy(X, K, bias, **options))


@pytest.mark.parametrize("kind", KINDS)
@examples
@given(case=convolutions())
def test_conv2d_and_its_gradients_are_what_mxnet_computes(kind, case):
    X, K, bias, options = case
    arrays = [array for array in (X, K, bias) if array is not None]
    theirs = by_mxnet(*map(nd.array, arrays), *[None] * (3 - len(arrays)), **options)
    head = random(3, *theirs.shape)
    theirs, their_gradients = with_gradients(by_mxnet, [nd.array(array) for array in arrays], nd.array(head), **options)
    ours, our_gradients = with_gradients(conv2d, [KINDS[kind](a) for a in arrays], KINDS[kind](head), **options)
    close(ours, theirs.asnumpy())
    for our, their in zip(our_gradients, their_gradients):
        np.testing.assert_allclose(our, their, rtol=1e-3, atol=1e-3)


@examples
@given(st.tuples(*[st.integers(1, 4)] * 2), st.tuples(*[st.integers(0, 4)] * 2), st.integers(0, 99))
def test_loops_product_and_scipy_agree_with_gradients(kernel, more, seed):
    X, K = random(seed, *(k + m for k, m in zip(kernel, more))), random(seed + 1, *kernel)
    head = random(2, *(m + 1 for m in more))
    found = []
    for function in (corr2d, lambda x, k: conv2d(x.expand_dims(0).expand_dims(0), k.reshape((1, 1, *kernel)))[0, 0]):
        x, k = nd.array(X), nd.array(K)
        x.attach_grad(), k.attach_grad()
        with autograd.record():
            Y = function(x, k)
        Y.backward(nd.array(head))
        close(Y, correlate2d(X, K, "valid"))
        found.append([x.grad.asnumpy(), k.grad.asnumpy()])
    for loops, product in zip(*found):
        np.testing.assert_allclose(loops, product, rtol=1e-4)
    np.testing.assert_allclose(found[0][0], convolve2d(head, K), rtol=1e-4)  # the known closed form


@settings(examples, max_examples=20)
@given(convolutions())
def test_channels_by_loops_are_channels_by_the_product(case):
    X, K, _, _ = case
    X, K = X[0], np.tile(K, (1, X.shape[1] // K.shape[1], 1, 1))[:, :, : X.shape[2], : X.shape[3]]
    expected = conv2d(nd.array(X[None]), nd.array(K))[0].asnumpy()
    close(corr2d_multi_in_out(nd.array(X), nd.array(K)), expected)
    close(corr2d_multi_in(nd.array(X), nd.array(K[0])), expected[0])


@pytest.mark.parametrize("active", [False, True], ids=["legacy", "set_np"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_kind_and_dtype_of_array_that_came_goes(kind, active):
    with np_semantics(active):
        for dtype in ("float32", "float64", "int32"):
            X, K = (KINDS[kind](np.ones(shape), dtype=dtype) for shape in ((2, 4, 5), (3, 2, 2, 2)))
            results = [corr2d(X[0], K[0, 0]), corr2d_multi_in(X, K[0]), corr2d_multi_in_out(X, K), flip_kernel(K)]
            if dtype != "int32":
                results.append(conv2d(X.reshape((1, 2, 4, 5)), K, padding=1))
            for Y in results:
                assert type(Y) is type(X) and Y.dtype == X.dtype
            assert results[0].asnumpy().tolist() == [[4] * 4] * 3 and results[2].shape == (3, 3, 4)


@pytest.mark.parametrize("active", [False, True], ids=["legacy", "set_np"])
def test_loops_are_recorded_for_mx_np_arrays(active):
    with np_semantics(active):
        X, K = mx.np.array(random(0, 4, 5)), mx.np.array(random(1, 2, 3))
        K.attach_grad()
        with autograd.record():
            Y = corr2d(X, flip_kernel(K))
        Y.backward()
        np.testing.assert_allclose(
            K.grad.asnumpy(), correlate2d(X.asnumpy(), np.ones(Y.shape), "valid")[::-1, ::-1], 1e-5
        )


def test_convolution_is_cross_correlation_with_the_kernel_turned():
    X, K = random(0, 6, 7), random(1, 3, 2)
    assert flip_kernel(nd.array([[1, 2], [3, 4]])).asnumpy().tolist() == [[4, 3], [2, 1]]
    close(corr2d(nd.array(X), flip_kernel(nd.array(K))), convolve2d(X, K, "valid"))
    batch = nd.array(random(2, 2, 3, 4, 5))
    assert (flip_kernel(batch).asnumpy() == batch.asnumpy()[:, :, ::-1, ::-1]).all()
    assert (flip_kernel(flip_kernel(batch)) == batch).asnumpy().all()


@pytest.mark.parametrize("use_bias", [True, False])
def test_block_is_gluons_convolution_of_one_channel(use_bias):
    ours = CrossCorrelation2D((2, 3), use_bias=use_bias)
    theirs = gluon.nn.Conv2D(1, (2, 3), in_channels=1, use_bias=use_bias)
    ours.initialize(mx.init.Constant(0.5)), theirs.initialize()
    theirs.weight.set_data(nd.array(random(0, 1, 1, 2, 3)))
    ours.weight.set_data(theirs.weight.data().reshape((2, 3)))
    if use_bias:
        assert ours.bias.data().asnumpy().tolist() == [0]
        ours.bias.set_data(nd.array([0.3])), theirs.bias.set_data(nd.array([0.3]))
    X = nd.array(random(1, 5, 6))
    X.attach_grad()
    with autograd.record():
        Y = ours(X)
    Y.backward()
    gradient = X.grad.copy()
    with autograd.record():
        expected = theirs(X.reshape((1, 1, 5, 6)))
    expected.backward()
    close(Y, expected[0, 0].asnumpy())
    close(gradient, X.grad.asnumpy())
    close(ours.weight.grad(), theirs.weight.grad()[0, 0].asnumpy())
    assert len(ours.collect_params().keys()) == 1 + use_bias
    assert repr(ours) == f"CrossCorrelation2D(kernel_size=(2, 3), use_bias={use_bias})"


@pytest.mark.parametrize("active", [False, True], ids=["legacy", "set_np"])
def test_block_learns_a_kernel(active):
    array = KINDS["np" if active else "nd"]
    with np_semantics(active):
        X = array(random(0, 6, 8) - 1.25)
        target = corr2d(X, array([[0.5, -1.5]])) + 0.25
        net = CrossCorrelation2D((1, 2))
        net.initialize(mx.init.One())
        trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.005})
        for _ in range(200):
            with autograd.record():
                loss = (net(X) - target) ** 2
            loss.backward()
            trainer.step(1)
        np.testing.assert_allclose(net.weight.data().asnumpy(), [[0.5, -1.5]], atol=1e-2)
        np.testing.assert_allclose(net.bias.data().asnumpy(), [0.25], atol=1e-2)


X2, X3, X4 = nd.ones((3, 4)), nd.ones((2, 3, 4)), nd.ones((1, 2, 3, 4))
K4 = nd.ones((4, 2, 2, 2))


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: corr2d(np.ones((3, 4)), X2), "X is an mx.nd or mx.np array of shape (H, W), not a ndarray"),
        (lambda: corr2d(X2, [[1.0]]), "K is an mx.nd or mx.np array of shape (h, w), not a list"),
        (lambda: corr2d(X4, X2), "X has shape (H, W), each size at least 1, not (1, 2, 3, 4)"),
        (lambda: corr2d(X2, nd.ones(2)), "K has shape (h, w), each size at least 1, not (2,)"),
        (
            lambda: corr2d(X2, nd.ones((4, 1))),
            "spans 4 does not fit into an input of 3 with padding 0 on each side: pad 1",
        ),
        (lambda: corr2d(X2, mx.np.ones((2, 2))), "X and K are both mx.nd or both mx.np arrays"),
        (lambda: corr2d(X2, X2.astype("float64")), "X and K have one dtype, not float32 and float64"),
        (lambda: corr2d_multi_in(X2, X2), "X has shape (C, H, W), each size at least 1, not (3, 4)"),
        (lambda: corr2d_multi_in(X3, X2), "K has shape (C, h, w), each size at least 1, not (3, 4)"),
        (lambda: corr2d_multi_in(X3, nd.ones((3, 2, 2))), "The image has 2 channels, and the kernel is for 3: give"),
        (lambda: corr2d_multi_in_out(X3, X3), "K has shape (O, C, h, w), each size at least 1, not (2, 3, 4)"),
        (
            lambda: corr2d_multi_in_out(X3, nd.ones((1, 3, 2, 2))),
            "The image has 2 channels, and the kernel is for 3: give",
        ),
        (lambda: conv2d(X3, K4), "X has shape (N, C, H, W), each size at least 1, not (2, 3, 4)"),
        (lambda: conv2d(X4, X3), "K has shape (O, C / groups, h, w), each size at least 1, not (2, 3, 4)"),
        (lambda: conv2d(X4.astype("int32"), K4.astype("int32")), "X is float32 or float64, not int32"),
        (lambda: conv2d(X4.astype("float16"), K4.astype("float16")), "X is float32 or float64, not float16"),
        (
            lambda: conv2d(X4, nd.ones((4, 3, 2, 2))),
            "The image has 2 channels, and the kernel is for 3: give the kernel 2.",
        ),
        (lambda: conv2d(X4, K4, groups=2), "the kernel is for 2 in each of 2 groups: give the kernel 1."),
        (
            lambda: conv2d(X4, K4, groups=3),
            "The image's 2 channels do not fall into 3 equal groups: groups must divide 2.",
        ),
        (lambda: conv2d(X4, nd.ones((3, 1, 2, 2)), groups=2), "3 kernels do not fall into 2 equal groups"),
        (lambda: conv2d(X4, nd.ones((4, 2, 4, 2))), "A kernel that spans 4 does not fit into an input of 3"),
        (
            lambda: conv2d(X4, nd.ones((4, 2, 7, 2)), padding=1),
            "an input of 3 with padding 1 on each side: pad 2 or more",
        ),
        (lambda: conv2d(X4, K4, dilation=(1, 4)), "A kernel that spans 5 does not fit into an input of 4"),
        (
            lambda: conv2d(X4, K4, stride=0),
            "stride must be one whole number of at least 1 or two (rows, columns), not 0",
        ),
        (
            lambda: conv2d(X4, K4, stride=(1, 1.0)),
            "stride must be one whole number of at least 1 or two (rows, columns), not (1, 1.0)",
        ),
        (lambda: conv2d(X4, K4, stride=(1, 1, 1)), "or two (rows, columns), not (1, 1, 1)"),
        (
            lambda: conv2d(X4, K4, padding=-1),
            "padding must be one whole number of at least 0 or two (rows, columns), not -1",
        ),
        (lambda: conv2d(X4, K4, dilation=0), "dilation must be one whole number of at least 1 or two"),
        (lambda: conv2d(X4, K4, groups=0), "groups must be a whole number of at least 1, not 0: give for example 1."),
        (lambda: conv2d(X4, K4, groups=True), "groups must be a whole number of at least 1, not True"),
        (lambda: conv2d(X4, K4, nd.ones((4, 1))), "bias has shape (O,), each size at least 1, not (4, 1)"),
        (lambda: conv2d(X4, K4, nd.ones(3)), "The bias has one number for each of the 4 kernels, not shape (3,)"),
        (lambda: flip_kernel(nd.ones(3)), "A kernel is of rank 2 or more, not of shape (3,): reshape it"),
        (
            lambda: flip_kernel(np.ones((2, 2))),
            "A kernel is an MXNet array of rank 2 or more, not a ndarray: make it one by nd.array.",
        ),
        (lambda: flip_kernel([[1, 2]]), "A kernel is an MXNet array of rank 2 or more, not a list"),
        (
            lambda: CrossCorrelation2D(0),
            "kernel_size must be one whole number of at least 1 or two (rows, columns), not 0",
        ),
        (lambda: initialized((2, 2))(X3), "X has shape (H, W), each size at least 1, not (2, 3, 4)"),
        (lambda: initialized((4, 2))(X2), "A kernel that spans 4 does not fit into an input of 3"),
        (lambda: initialized((2, 2))(np.ones((3, 4))), "X is an mx.nd or mx.np array of shape (H, W), not a ndarray"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(call, message):
    with pytest.raises(ValueError, match=re.escape(message)) as raised:
        call()
    assert "\n" not in str(raised.value) and str(raised.value).endswith(".")


def test_an_empty_array_is_refused():
    with np_semantics(True), pytest.raises(ValueError, match=r"each size at least 1, not \(0, 4\)"):
        corr2d(mx.np.zeros((0, 4)), mx.np.ones((1, 1)))


def initialized(kernel_size):
    net = CrossCorrelation2D(kernel_size)
    net.initialize()
    return net
