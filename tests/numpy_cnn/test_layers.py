from d2lhelpers.numpy_cnn import (
    Affine,
    AveragePooling,
    BatchNormalization,
    Convolution,
    Dropout,
    MaxPooling,
    Relu,
    Sigmoid,
    SoftmaxWithLoss,
    layer_gradient_check,
    layers,
)

import mxnet as mx
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

X = np.array([[1, 2, 3, 0], [0, 1, 2, 3], [3, 0, 1, 2], [2, 3, 0, 1]], dtype="float64").reshape(1, 1, 4, 4)
K = np.array([[2, 0, 1], [0, 1, 2], [1, 0, 2]], dtype="float64").reshape(1, 1, 3, 3)


def make(kind, rng, dtype="float64"):
    """A layer with random parameters, and the shape of an input for it."""

    def draw(*shape):
        return rng.normal(size=shape).astype(dtype)

    return {
        "relu": lambda: (Relu(), (3, 4)),
        "sigmoid": lambda: (Sigmoid(), (3, 4)),
        "affine": lambda: (Affine(draw(4, 5), draw(4)), (3, 5)),
        "affine-images": lambda: (Affine(draw(4, 12), draw(4)), (3, 3, 2, 2)),
        "dropout": lambda: (Dropout(0.4, seed=1), (3, 4)),
        "batchnorm-2d": lambda: (BatchNormalization(draw(4), draw(4)), (5, 4)),
        "batchnorm-4d": lambda: (BatchNormalization(draw(3), draw(3)), (4, 3, 2, 3)),
        "convolution": lambda: (Convolution(draw(3, 2, 3, 2), draw(3)), (2, 2, 5, 5)),
        "convolution-all": lambda: (
            Convolution(draw(3, 2, 3, 2), draw(3), stride=(2, 1), padding=(1, 2), dilation=(1, 2)),
            (2, 2, 6, 5),
        ),
        "max": lambda: (MaxPooling(2), (2, 3, 4, 4)),
        "max-overlap": lambda: (MaxPooling(3, stride=2, padding=1), (2, 3, 6, 5)),
        "average": lambda: (AveragePooling(2), (2, 3, 4, 4)),
        "average-overlap": lambda: (AveragePooling(3, stride=2, padding=1), (2, 3, 6, 5)),
        "average-real": lambda: (AveragePooling(3, stride=2, padding=1, count_include_pad=False), (2, 3, 6, 5)),
    }[kind]()


KINDS = (
    "relu sigmoid affine affine-images dropout batchnorm-2d batchnorm-4d convolution convolution-all "
    "max max-overlap average average-overlap average-real"
).split()


@pytest.mark.parametrize("kind", KINDS)
def test_backward_agrees_with_numerical_gradients(kind, rng):
    layer, shape = make(kind, rng)
    errors = layer_gradient_check(layer, rng.normal(size=shape))
    assert set(errors) == {"x", *layer.params}
    assert max(errors.values()) < 1e-7, errors


@pytest.mark.parametrize("labels", [np.array([2, 0, 1]), np.eye(4)[[2, 0, 1]], np.full((3, 4), 0.25)])
def test_softmax_with_loss_agrees_with_numerical_gradients(labels, rng):
    assert layer_gradient_check(SoftmaxWithLoss(), rng.normal(size=(3, 4)), labels)["x"] < 1e-7


def test_softmax_with_loss_of_one_sample(rng):
    assert layer_gradient_check(SoftmaxWithLoss(), rng.normal(size=4), 2)["x"] < 1e-7


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtype_is_kept_and_nobodys_argument_is_written_to(kind, dtype, rng, frozen):
    layer, shape = make(kind, rng, dtype)
    out = layer.forward(frozen(*shape, dtype=dtype))
    dout = frozen(*out.shape, dtype=dtype)
    dx = layer.backward(dout)
    assert {a.dtype for a in (out, dx, *layer.params.values(), *layer.grads.values(), *layer.state.values())} == {
        np.dtype(dtype)
    }
    assert dx.shape == shape and {k: v.shape for k, v in layer.grads.items()} == {
        k: v.shape for k, v in layer.params.items()
    }
    assert not np.shares_memory(dx, dout)
    assert layer.forward(frozen(*shape, dtype=dtype), train=False).dtype == dtype


def test_a_layer_trains_a_copy_of_the_weights_it_was_given():
    for layer_type, weight in ((Affine, np.ones((2, 3))), (Convolution, np.ones((2, 1, 2, 2)))):
        layer = layer_type(weight, np.zeros(2))
        layer.params["weight"] -= 1
        assert (weight == 1).all()


@pytest.mark.parametrize("kind", KINDS)
def test_backward_needs_a_forward_pass_in_training(kind, rng):
    layer, shape = make(kind, rng)
    name = type(layer).__name__
    for passes in (0, 1):
        if passes:
            layer.forward(np.ones(shape), train=False)
        with pytest.raises(RuntimeError, match=f"{name}.backward needs {name}.forward"):
            layer.backward(np.ones(shape))
    layer.forward(np.ones(shape))
    with pytest.raises(ValueError, match=f"{name}.backward expects a gradient of the output's shape"):
        layer.backward(np.ones((7, 7)))


# The same on MXNet's side: (forward pass of MXNet on x and the parameters).
def in_mxnet(kind, layer):
    nd = mx.nd
    if kind.startswith("affine"):
        return lambda x, w, b: nd.FullyConnected(x, w, b, num_hidden=len(layer.params["bias"]))
    if kind.startswith("convolution"):
        window = {"kernel": layer.window["kernel"], "stride": layer.window["stride"]}
        window.update(pad=layer.window["padding"], dilate=layer.window["dilation"])
        return lambda x, w, b: nd.Convolution(x, w, b, num_filter=len(layer.params["bias"]), **window)
    if kind.startswith(("max", "average")):
        options = {"kernel": layer.kernel, "stride": layer.stride, "pad": layer.padding}
        pool_type = "max" if kind.startswith("max") else "avg"
        include = getattr(layer, "count_include_pad", True)
        return lambda x: nd.Pooling(x, pool_type=pool_type, count_include_pad=include, **options)
    if kind.startswith("batchnorm"):
        return lambda x, gamma, beta: nd.BatchNorm(
            x, gamma, beta, nd.zeros_like(gamma), nd.ones_like(gamma), eps=layer.epsilon, fix_gamma=False
        )
    return {"relu": nd.relu, "sigmoid": nd.sigmoid}[kind]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "dropout"])
def test_both_passes_agree_with_mxnet(kind, rng, autograd):
    layer, shape = make(kind, rng)
    x = rng.normal(size=shape)
    out = layer.forward(x)
    dout = rng.normal(size=out.shape)
    dx = layer.backward(dout)
    expected, gradients = autograd(in_mxnet(kind, layer), dout, x, *layer.params.values())
    np.testing.assert_allclose(out, expected, rtol=1e-9, atol=1e-9)
    for ours, theirs in zip((dx, *layer.grads.values()), gradients):
        np.testing.assert_allclose(ours, theirs, rtol=1e-8, atol=1e-9)


def test_softmax_with_loss_agrees_with_mxnet(rng, autograd):
    x, t = rng.normal(size=(5, 4)), np.array([0, 1, 2, 3, 1])
    labels = mx.nd.array(t)
    layer = SoftmaxWithLoss()
    loss, (gradient,) = autograd(lambda x: mx.gluon.loss.SoftmaxCrossEntropyLoss()(x, labels).mean(), None, x)
    assert layer.forward(x, t) == pytest.approx(loss.item(), rel=1e-12)
    np.testing.assert_allclose(layer.backward(), gradient, rtol=1e-10)


numbers = st.integers


@settings(deadline=None, derandomize=True, max_examples=40)
@given(
    st.tuples(numbers(1, 2), numbers(1, 3), numbers(2, 7), numbers(2, 7)),
    st.tuples(numbers(1, 3), numbers(1, 3)),
    st.tuples(numbers(1, 3), numbers(1, 3)),
    st.tuples(numbers(0, 2), numbers(0, 2)),
    numbers(1, 2),
)
def test_convolution_agrees_with_mxnet_for_many_windows(autograd, shape, kernel, stride, padding, dilation):
    assume(all(n + 2 * p > dilation * (k - 1) for n, p, k in zip(shape[2:], padding, kernel)))
    rng = np.random.default_rng(3)
    layer = Convolution(rng.normal(size=(2, shape[1], *kernel)), rng.normal(size=2), stride, padding, dilation)
    x = rng.normal(size=shape)
    out = layer.forward(x)
    dout = rng.normal(size=out.shape)
    dx = layer.backward(dout)
    expected, gradients = autograd(in_mxnet("convolution", layer), dout, x, *layer.params.values())
    np.testing.assert_allclose(out, expected, rtol=1e-9, atol=1e-9)
    for ours, theirs in zip((dx, *layer.grads.values()), gradients):
        np.testing.assert_allclose(ours, theirs, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize(
    "options, expected",
    [
        ({}, [[15, 16], [6, 15]]),
        ({"padding": 1}, [[7, 12, 10, 2], [4, 15, 16, 10], [10, 6, 15, 6], [8, 10, 4, 3]]),
        ({"padding": 1, "stride": 3}, [[7, 2], [8, 3]]),
    ],
)
def test_the_published_convolution(options, expected):
    np.testing.assert_array_equal(Convolution(K, [0.0], **options).forward(X)[0, 0], expected)


def test_the_published_max_pooling_put_right():
    np.testing.assert_array_equal(MaxPooling(2).forward(X)[0, 0], [[2, 3], [3, 2]])


def test_pooling_counts_its_padding():
    assert MaxPooling(3, stride=1, padding=1).forward(X).shape == (1, 1, 4, 4)
    assert (MaxPooling(2, padding=1).forward(-1 - X) < 0).all()  # the padding never wins
    np.testing.assert_array_equal(AveragePooling(2, padding=1).forward(X)[0, 0, 0], [0.25, 1.25, 0])
    real = AveragePooling(2, padding=1, count_include_pad=False).forward(X)
    np.testing.assert_array_equal(real[0, 0, 0], [1, 2.5, 0])


def test_of_equal_elements_the_first_gets_the_gradient():
    layer = MaxPooling(2)
    layer.forward(np.ones((1, 1, 2, 2)))
    np.testing.assert_array_equal(layer.backward(np.full((1, 1, 1, 1), 5.0))[0, 0], [[5, 0], [0, 0]])


def test_a_window_of_more_than_256_elements():
    layer = MaxPooling(20)
    assert layer.forward(np.arange(400.0).reshape(1, 1, 20, 20)).item() == 399
    assert layer.backward(np.ones((1, 1, 1, 1))).ravel().argmax() == 399


def test_poolings_pass_nan_on():
    x = np.array([[[[1.0, np.nan], [2.0, 3.0]]]])
    assert np.isnan(MaxPooling(2).forward(x)) and np.isnan(AveragePooling(2).forward(x))


def test_batch_normalization_has_one_mean_for_each_channel(rng):
    x = rng.normal(size=(8, 3, 5, 5)) * np.array([1, 10, 100]).reshape(1, 3, 1, 1) + 7
    layer = BatchNormalization(np.ones(3), np.zeros(3))
    out = layer.forward(x)
    np.testing.assert_allclose(out.mean(axis=(0, 2, 3)), 0, atol=1e-12)
    np.testing.assert_allclose(out.var(axis=(0, 2, 3)), 1, atol=1e-4)
    assert layer.state["running_mean"].shape == (3,)
    # Within a channel one pixel may well be larger on average than another: only the channel is normalised.
    assert np.abs(out.mean(axis=0)).max() > 0.1


def test_running_statistics(rng):
    x = rng.normal(size=(50, 2)) * 3 + 5
    layer = BatchNormalization(np.ones(2), np.zeros(2), momentum=0.5)
    layer.forward(x)
    np.testing.assert_allclose(layer.state["running_mean"], 0.5 * x.mean(axis=0))
    np.testing.assert_allclose(layer.state["running_var"], 0.5 + 0.5 * x.var(axis=0))
    for _ in range(60):
        layer.forward(x)
    before = {name: array.copy() for name, array in layer.state.items()}
    np.testing.assert_allclose(layer.forward(x, train=False), layer.forward(x), atol=1e-9)
    layer.forward(x + 100, train=False)
    np.testing.assert_allclose(layer.state["running_mean"], before["running_mean"])


def test_running_statistics_agree_with_gluon(rng):
    x = rng.normal(size=(6, 3, 4, 4)) * 2 + 1
    layer, gluon = BatchNormalization(np.ones(3), np.zeros(3)), mx.gluon.nn.BatchNorm()
    gluon.initialize()
    for _ in range(3):
        layer.forward(x)
        with mx.autograd.record():
            out = gluon(mx.nd.array(x))
        out.backward()  # where MXNet moves its running statistics
    np.testing.assert_allclose(layer.state["running_mean"], gluon.running_mean.data().asnumpy(), rtol=1e-5)
    np.testing.assert_allclose(layer.state["running_var"], gluon.running_var.data().asnumpy(), rtol=1e-5)
    np.testing.assert_allclose(layer.forward(x, train=False), gluon(mx.nd.array(x)).asnumpy(), atol=1e-4)


def test_dropout_keeps_the_expected_value():
    x = np.ones((200, 500))
    layer = Dropout(0.3, seed=0)
    out = layer.forward(x)
    assert set(np.unique(out)) == {0.0, 1 / 0.7}
    assert (out == 0).mean() == pytest.approx(0.3, abs=0.01)
    assert out.mean() == pytest.approx(1, abs=0.01)
    np.testing.assert_array_equal(layer.backward(x), out)
    np.testing.assert_array_equal(layer.forward(x, train=False), x)
    assert (layer.forward(x) != out).any()  # a new mask each time


def test_the_mean_of_large_float16s_is_no_infinity():
    x = np.full((1, 1, 4, 4), 60_000, np.float16)
    for count_include_pad in (True, False):
        layer = AveragePooling(4, count_include_pad=count_include_pad)
        out = layer.forward(x)
        assert out.dtype == np.float16 and out.tolist() == [[[[60_000 // 32 * 32]]]]
        assert layer.backward(np.ones((1, 1, 1, 1), np.float16)).dtype == np.float16


@pytest.mark.parametrize(
    "build, message",
    [
        (lambda: Dropout("half"), "ratio must be a finite number"),
        (lambda: Dropout(0.5, seed=-1), "seed must be a whole number of at least 0, not -1"),
        (
            lambda: BatchNormalization(np.ones(3), np.zeros(3), epsilon=-1),
            "epsilon must be a finite number of at least 0",
        ),
        (lambda: AveragePooling(2, count_include_pad="no"), "count_include_pad must be True or False"),
        (lambda: Affine(np.zeros(3), np.zeros(3)), r"expected a weight of shape \(outputs, inputs\)"),
        (lambda: Affine(np.zeros((3, 2)), np.zeros(2)), r"got \(3, 2\) and \(2,\)"),
        (lambda: Convolution(np.zeros((3, 3)), np.zeros(3)), r"expected a weight of shape \(filters, C, KH, KW\)"),
        (lambda: Convolution(np.zeros((3, 1, 2, 2)), np.zeros(1)), r"got \(3, 1, 2, 2\) and \(1,\)"),
        (lambda: Convolution(np.zeros((3, 1, 2, 2)), np.zeros(3), stride=0), "stride must be"),
        (lambda: BatchNormalization(np.ones(3), np.zeros(2)), "expected gamma and beta"),
        (lambda: BatchNormalization(np.ones(3), np.zeros(3), momentum=1.5), "at least 0 and at most 1, not 1.5"),
        (lambda: BatchNormalization(np.ones(3), np.zeros(3), momentum=-0.1), "momentum .* not -0.1"),
        (lambda: Dropout(1), r"ratio must be .* at least 0 and below 1, not 1"),
        (lambda: MaxPooling(2, padding=2), r"padding \(2, 2\) must be smaller than the kernel"),
        (lambda: AveragePooling(0), "kernel must be"),
        (lambda: Affine(np.zeros((3, 2)), np.zeros(3)).forward(np.zeros((4, 3))), "2 numbers in each sample"),
        (lambda: Affine(np.zeros((3, 2)), np.zeros(3)).forward(np.zeros(2)), "expected a minibatch"),
        (
            lambda: Convolution(np.zeros((3, 2, 2, 2)), np.zeros(3)).forward(np.zeros((4, 1, 5, 5))),
            r"expected images of shape \(N, 2, H, W\), got \(4, 1, 5, 5\)",
        ),
        (lambda: Convolution(np.zeros((3, 1, 2, 2)), np.zeros(3)).forward(np.zeros((4, 1, 1, 5))), "does not fit"),
        (lambda: MaxPooling(2).forward(np.zeros((4, 4))), r"expected images of shape \(N, C, H, W\)"),
        (lambda: AveragePooling(5).forward(np.zeros((1, 1, 4, 4))), "A kernel that spans 5 does not fit"),
        (lambda: BatchNormalization(np.ones(3), np.zeros(3)).forward(np.zeros((4, 2))), r"expected shape \(N, 3\)"),
        (lambda: BatchNormalization(np.ones(3), np.zeros(3)).forward(np.zeros(3)), r"got \(3,\)"),
        (lambda: SoftmaxWithLoss().forward(np.zeros((2, 3)), [0, 3]), r"labels must lie in 0\.\.2"),
    ],
)
def test_bad_shapes_and_numbers(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_every_layer_is_named():
    assert set(layers.__all__) == {
        name
        for name, kind in vars(layers).items()
        if isinstance(kind, type) and issubclass(kind, layers.Layer) and not name.startswith("_")
    }
