"""The graph that `fit` trains is the network: the same outputs, gradients and first values."""

import contextlib
import warnings

from d2lhelpers import graphs
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
from mxnet.gluon.model_zoo import vision


def outputs_and_gradients(function, parameters, X):
    with autograd.record():
        output = function(X)
        slopes = nd.array(np.linspace(-1, 1, output.size).reshape(output.shape), dtype=output.dtype)
        loss = (output * slopes).sum()
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


def row(*layers):
    net = nn.HybridSequential()
    net.add(*layers)
    return net


def pairs_of(channels, kernels, windows, bias, **options):
    pairs = []
    for count, kernel, window in zip(channels, kernels, windows):
        pairs.append((nn.Conv2D(count, kernel, activation="relu", use_bias=bias, **options), nn.MaxPool2D(window)))
    net = row(*(layer for pair in pairs for layer in pair))
    net.initialize()
    return net, pairs


@settings(max_examples=25, deadline=None)
@given(
    channels=st.lists(st.integers(1, 40), min_size=1, max_size=2),
    kernels=st.tuples(st.integers(1, 5), st.integers(1, 3)),
    windows=st.tuples(st.integers(1, 3), st.integers(1, 2)),
    bias=st.booleans(),
    inputs=st.integers(1, 3),
    options=st.fixed_dictionaries(
        {"strides": st.integers(1, 2), "padding": st.integers(0, 2), "dilation": st.integers(1, 2)}
    ),
    hybridize=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_convolve_and_pool(channels, kernels, windows, bias, inputs, options, hybridize, seed):
    seed_everything(seed)
    net, pairs = pairs_of(channels, kernels, windows, bias, **options)
    net.cast("float64")  # where sums cancel, float32 leaves more than rounding
    X = images((2, inputs, 64, 64), seed).astype("float64")
    parameters = net.collect_params().values()
    net(X)
    expected = outputs_and_gradients(net, parameters, X)
    for size in (1, 8, 16):
        block = ConvolveAndPool(pairs, size)
        if hybridize:
            block.hybridize(static_alloc=True, static_shape=True)
        ours = outputs_and_gradients(block, parameters, X)
        assert close(ours, expected)
        if size == 1:  # the ReLU behind the pooling changes nothing at all
            assert all((a == b).all() for a, b in zip(ours, expected))
        assert set(block.collect_params()) == set(net.collect_params())


@pytest.mark.parametrize(
    ("block", "filled"),
    [
        (16, {(20, 50): (32, 64), (8, 16): (8, 16), (10, 33): (16, 48)}),
        (8, {(20, 50): (24, 56), (8, 16): (8, 16), (10, 33): (16, 40)}),
        (1, {(20, 50): (20, 50)}),
    ],
)
def test_channels_are_filled_up_to_whole_blocks_where_that_is_not_much(block, filled, monkeypatch):
    seen = []
    real = nd.Convolution
    monkeypatch.setattr(nd, "Convolution", lambda *a, **k: seen.append((a[1].shape, k["num_filter"])) or real(*a, **k))
    for channels, (first, second) in filled.items():
        net, pairs = pairs_of(channels, (3, 3), (2, 2), bias=True)
        net(images((1, 1, 20, 20)))
        seen.clear()
        ConvolveAndPool(pairs, block)(images((1, 1, 20, 20)))
        assert seen == [((first, 1, 3, 3), first), ((second, first, 3, 3), second)]


@pytest.mark.parametrize(
    ("flags", "limit", "expected"),
    [
        ("sse4_1 avx avx2 avx512f", None, 16),
        ("sse4_1 avx avx2 avx512f", "AVX512_CORE_VNNI", 16),
        ("sse4_1 avx avx2 avx512f", "avx2", 8),
        ("sse4_1 avx avx2 avx512f", "AVX", 1),
        ("sse4_1 avx avx2 avx512f", "SSE41", 1),
        ("sse4_1 avx avx2", None, 8),
        ("sse4_1 avx", "ALL", 1),
        (None, None, 1),
    ],
)
def test_blocks_are_those_of_the_processor_and_of_the_limit(flags, limit, expected, tmp_path, monkeypatch):
    cpuinfo = tmp_path / "cpuinfo"
    if flags is not None:
        cpuinfo.write_text(f"processor : 0\nflags\t\t: fpu {flags}\nbugs : none\n", encoding="utf-8")
    monkeypatch.delenv("DNNL_MAX_CPU_ISA", raising=False)
    if limit:
        monkeypatch.setenv("DNNL_MAX_CPU_ISA", limit)
    assert graphs._channels_at_once.__wrapped__(str(cpuinfo)) == expected


def test_only_a_convolution_with_relu_before_a_max_pooling_is_merged():
    relu = nn.Conv2D(4, 3, activation="relu")
    assert ConvolveAndPool.pools_after_relu(relu, nn.MaxPool2D())
    for pair in [
        (relu, nn.AvgPool2D()),
        (relu, relu),
        (relu, nn.MaxPool2D(ceil_mode=True)),
        (relu, type("OwnPooling", (nn.MaxPool2D,), {})()),
        (type("OwnConvolution", (nn.Conv2D,), {})(4, 3, activation="relu"), nn.MaxPool2D()),
        (nn.Conv2D(4, 3), nn.MaxPool2D()),
        (nn.Conv2D(4, 3, activation="tanh"), nn.MaxPool2D()),
        (nn.Conv2D(4, 3, groups=2, in_channels=2, activation="relu"), nn.MaxPool2D()),
        (nn.Conv2D(4, 3, activation="relu", layout="NHWC"), nn.MaxPool2D(layout="NHWC")),
        (nn.Conv1D(4, 3, activation="relu"), nn.MaxPool2D()),
        (nn.Dense(4, activation="relu"), nn.MaxPool2D()),
    ]:
        assert not ConvolveAndPool.pools_after_relu(*pair)


def test_another_pair_is_refused():
    with pytest.raises(ValueError, match="expected convolutions with a ReLU and max poolings, got Conv2D.* AvgPool2D"):
        ConvolveAndPool([(nn.Conv2D(4, 3, activation="relu"), nn.AvgPool2D())])


def test_pairs_may_come_one_by_one():
    pair = nn.Conv2D(4, 3, activation="relu", in_channels=1), nn.MaxPool2D()
    net = ConvolveAndPool(pairs for pairs in [pair])
    net.initialize()
    assert net(images((1, 1, 8, 8))).shape == (1, 4, 3, 3)


def test_other_layers_stay_in_their_order_and_the_net_as_it_was_found():
    unmerged = nn.Conv2D(5, 3), nn.BatchNorm(), nn.Activation("relu"), nn.MaxPool2D(2)
    pair = nn.Conv2D(20, 3, activation="relu"), nn.MaxPool2D(2)
    net = row(*unmerged, *pair, nn.Conv2D(7, 3, activation="relu"), nn.Dense(3))
    net.initialize()
    X = images((2, 1, 28, 28))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with as_one_graph(net) as graph:
            ours = graph(X).asnumpy()
    assert np.allclose(ours, net(X).asnumpy(), atol=1e-6)
    assert not net._active and not any(layer._active for layer in net)


def test_a_row_may_end_in_a_pair():
    net = row(nn.BatchNorm(), nn.Conv2D(4, 3, activation="relu"), nn.MaxPool2D(2))
    net.initialize()
    X = images()
    with as_one_graph(net) as graph:
        ours = graph(X).asnumpy()
    assert ours.shape == (4, 4, 13, 13) and np.allclose(ours, net(X).asnumpy(), atol=1e-6)


class Python(gluon.Block):
    def forward(self, X):
        return X + 1


class Decides(gluon.HybridBlock):
    def hybrid_forward(self, F, X):
        return X * 3 if autograd.is_training() else -X


class OwnRow(nn.HybridSequential):
    def forward(self, X):
        return -super().forward(X)


def hybridised(net):
    net.hybridize()
    return net


def watched(register):
    net = cifar10_net()
    getattr(net[0], register)(lambda *_: None)
    return net


@pytest.mark.parametrize(
    "net",
    [
        Python(),
        row(nn.Dense(2), Decides()),
        row(row(nn.Dense(2), Decides())),
        row(nn.HybridLambda("relu")),
        OwnRow(),
        watched("register_forward_hook"),
        watched("register_forward_pre_hook"),
        hybridised(cifar10_net()),
        row(nn.Dense(2), row(hybridised(nn.Dense(2)), nn.Dense(3))),
    ],
)
def test_what_a_graph_could_change_is_given_back(net):
    active = [block._active for block in blocks(net)]
    with as_one_graph(net) as graph:
        assert graph is net
    assert [block._active for block in blocks(net)] == active


def blocks(net):
    found = []
    net.apply(lambda block: found.append(block) if isinstance(block, gluon.HybridBlock) else None)
    return found


def test_rows_in_rows_and_networks_of_the_model_zoo_become_graphs():
    for net in (row(nn.Dense(2), row(nn.Dense(3))), vision.squeezenet1_0()):
        with as_one_graph(net) as graph:
            assert graph is not net


def test_sizes_unknown_in_numpys_way_are_unknown():
    net = row(nn.Dropout(0.5), nn.Dense(3, in_units=2), nn.Dense(4))
    for numpys in (False, True):
        with mx.util.np_shape(numpys):  # an unknown size is -1, not 0
            assert graphs._deferred(list(net)) == [net[2].weight]


@pytest.mark.parametrize("known", [True, False])
def test_a_dropout_before_layers_without_values_draws_when_it_would_have(known):
    parameters, X = [], images()
    for graph in (True, False):
        net = row(nn.Flatten(), nn.Dense(8, in_units=784), nn.Dropout(0.5), nn.Dense(5, in_units=8 if known else 0))
        seed_everything(1)
        net.initialize()
        trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
        with as_one_graph(net) as function:
            for _ in range(3):
                with autograd.record():
                    loss = ((function if graph else net)(X) ** 2).sum()
                loss.backward()
                trainer.step(4)
        parameters.append([parameter.data().asnumpy() for parameter in net.collect_params().values()])
    assert close(*parameters)


def test_a_kernel_that_does_not_fit_is_named_as_gluon_names_it():
    net = row(nn.Conv2D(3, 50))
    net.initialize()
    with as_one_graph(net) as graph, pytest.raises(ValueError, match="shape cannot be inferred"):
        graph(images())
