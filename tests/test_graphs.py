"""The graph that `fit` trains is the network: the same outputs, gradients and first values."""

import contextlib
import warnings

from d2lhelpers.graphs import ConvolveAndPool, as_one_graph
from d2lhelpers.networks import cifar10_net, lenet
from d2lhelpers.seeding import seed_everything

import mxnet as mx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mxnet import autograd, gluon, nd
from mxnet.gluon import nn


def outputs_and_gradients(function, parameters, X):
    with autograd.record():
        output = function(X)
        loss = (output * nd.array(np.linspace(-1, 1, output.size).reshape(output.shape))).sum()
    loss.backward()
    return [output.asnumpy(), *(parameter.grad().asnumpy().copy() for parameter in parameters)]


def images(shape=(4, 1, 28, 28), seed=0):
    return nd.array(np.random.default_rng(seed).normal(size=shape))


def close(ours, theirs):
    """Largest difference, in parts of the largest value: 1e-6 is some rounding steps of float32."""
    return all(np.abs(a - b).max() <= 3e-6 * np.abs(b).max() for a, b in zip(ours, theirs))


@pytest.mark.parametrize(("build", "shape"), [(lenet, (4, 1, 28, 28)), (cifar10_net, (4, 3, 32, 32))])
def test_it_is_the_network_up_to_rounding_from_the_first_values_on(build, shape):
    results, X = [], images(shape)
    for graph in (True, False):
        seed_everything(3)
        net = build()
        net.initialize()
        with as_one_graph(net) as function:
            function = function if graph else net
            function(X)  # the parameters get their shapes and values
            results.append(outputs_and_gradients(function, net.collect_params().values(), X))
    assert close(*results)
    assert [array.shape for array in results[0]] == [array.shape for array in results[1]]


@pytest.mark.parametrize("kind", ["float64", "arrays of NumPy's kind"])
def test_doubles_and_numpys_arrays_train_as_they_would_without_the_graph(kind):
    cast = kind == "float64"
    with contextlib.nullcontext() if cast else mx.util.np_array(True):
        results, X = [], images().astype("float64") if cast else images().as_np_ndarray()
        for graph in (True, False):
            seed_everything(3)
            net = lenet()
            net.cast("float64" if cast else "float32")
            net.initialize()
            with as_one_graph(net) as function, autograd.record():
                output = (function if graph else net)(X)
                loss = (output * output).sum()
            loss.backward()
            gradients = (parameter.grad().asnumpy() for parameter in net.collect_params().values())
            results.append([output.asnumpy(), *gradients])
        assert type(output) is type(X)
        assert all(array.dtype == X.dtype for array in results[0])
        assert close(*results)


def pairs_of(channels, kernels, windows, bias):
    pairs = []
    for count, kernel, window in zip(channels, kernels, windows):
        pairs.append((nn.Conv2D(count, kernel, activation="relu", use_bias=bias), nn.MaxPool2D(window)))
    net = nn.HybridSequential()
    net.add(*(layer for pair in pairs for layer in pair))
    net.initialize()
    return net, pairs


@settings(max_examples=25, deadline=None)
@given(
    channels=st.lists(st.integers(1, 40), min_size=1, max_size=2),
    kernels=st.tuples(st.integers(1, 5), st.integers(1, 3)),
    windows=st.tuples(st.integers(1, 3), st.integers(1, 2)),
    bias=st.booleans(),
    inputs=st.integers(1, 3),
    hybridize=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_convolve_and_pool(channels, kernels, windows, bias, inputs, hybridize, seed):
    seed_everything(seed)
    net, pairs = pairs_of(channels, kernels, windows, bias)
    X = images((2, inputs, 20, 20), seed)
    parameters = net.collect_params().values()
    net(X)
    expected = outputs_and_gradients(net, parameters, X)
    for pad in (False, True):
        block = ConvolveAndPool(pairs, pad=pad)
        if hybridize:
            block.hybridize(static_alloc=True, static_shape=True)
        ours = outputs_and_gradients(block, parameters, X)
        assert close(ours, expected)
        if not pad:  # the ReLU behind the pooling changes nothing at all
            assert all((a == b).all() for a, b in zip(ours, expected))
        assert set(block.collect_params()) == set(net.collect_params())


def test_channels_are_filled_up_to_whole_blocks_where_that_is_not_much(monkeypatch):
    seen = []
    real = nd.Convolution
    monkeypatch.setattr(nd, "Convolution", lambda *a, **k: seen.append((a[1].shape, k["num_filter"])) or real(*a, **k))
    for channels in ((20, 50), (8, 16), (10, 33)):
        net, pairs = pairs_of(channels, (3, 3), (2, 2), bias=True)
        net(images((1, 1, 20, 20)))
        seen.clear()
        ConvolveAndPool(pairs)(images((1, 1, 20, 20)))
        first, second = {20: (32, 64), 8: (8, 16), 10: (16, 48)}[channels[0]]
        assert seen == [((first, 1, 3, 3), first), ((second, first, 3, 3), second)]


def test_only_a_convolution_with_relu_before_a_max_pooling_is_merged():
    relu = nn.Conv2D(4, 3, activation="relu")
    assert ConvolveAndPool.pools_after_relu(relu, nn.MaxPool2D())
    for pair in [
        (relu, nn.AvgPool2D()),
        (relu, relu),
        (nn.Conv2D(4, 3), nn.MaxPool2D()),
        (nn.Conv2D(4, 3, activation="tanh"), nn.MaxPool2D()),
        (nn.Conv2D(4, 3, groups=2, in_channels=2, activation="relu"), nn.MaxPool2D()),
        (nn.Conv2D(4, 3, activation="relu", layout="NHWC"), nn.MaxPool2D(layout="NHWC")),
        (nn.Conv1D(4, 3, activation="relu"), nn.MaxPool2D()),
        (nn.Dense(4, activation="relu"), nn.MaxPool2D()),
    ]:
        assert not ConvolveAndPool.pools_after_relu(*pair)


def test_other_layers_stay_in_their_order_and_the_net_as_it_was_found():
    net = nn.HybridSequential()
    net.add(nn.Conv2D(5, 3), nn.BatchNorm(), nn.Activation("relu"), nn.MaxPool2D(2))
    net.add(nn.Conv2D(20, 3, activation="relu"), nn.MaxPool2D(2), nn.Conv2D(7, 3, activation="relu"), nn.Dense(3))
    net.initialize()
    X = images((2, 1, 28, 28))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with as_one_graph(net) as graph:
            ours = graph(X).asnumpy()
    assert np.allclose(ours, net(X).asnumpy(), atol=1e-6)
    assert not net._active and not any(layer._active for layer in net)


class Python(gluon.Block):
    def forward(self, X):
        return X + 1


def test_what_cannot_be_traced_is_watched_or_is_hybridised_already_is_given_back():
    hybridised = cifar10_net()
    hybridised.hybridize()
    row = nn.Sequential()
    row.add(nn.Dense(2), Python())
    watched = lenet()
    watched[0].register_forward_hook(lambda layer, inputs, outputs: None)
    for net in (hybridised, row, Python(), watched):
        with as_one_graph(net) as graph:
            assert graph is net
    assert hybridised._active
