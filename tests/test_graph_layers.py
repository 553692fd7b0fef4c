"""Every layer of Gluon in the graph that `fit` trains: outputs, losses and gradients as layer by layer."""

import inspect

from d2lhelpers.graphs import as_one_graph
from d2lhelpers.seeding import seed_everything

import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd, gluon, nd
from mxnet.gluon import nn
from mxnet.gluon.contrib import nn as contrib

C = 4  # channels of all inputs
VECTOR, SEQUENCE, IMAGE, VOLUME, WORDS = (C,), (C, 6), (C, 6, 6), (C, 4, 4, 4), "words"
SHAPES = {"1D": SEQUENCE, "2D": IMAGE, "3D": VOLUME}


def row(*layers):
    net = nn.HybridSequential()
    net.add(*layers)
    return net


def side_by_side(*layers, kind=contrib.HybridConcurrent):
    net = kind(axis=1)
    net.add(*layers)
    return net


# Name: how the layer is made, and the shape of one sample.
LAYERS = {
    **{f"Activation {kind}": (lambda kind=kind: nn.Activation(kind), IMAGE) for kind in ("relu", "sigmoid", "tanh")},
    **{f"Activation {kind}": (lambda kind=kind: nn.Activation(kind), IMAGE) for kind in ("softrelu", "softsign")},
    "Dense": (lambda: nn.Dense(C, activation="relu"), VECTOR),
    "Dense, not flattened": (lambda: nn.Dense(6, flatten=False, use_bias=False), SEQUENCE),
    "Dropout": (lambda: nn.Dropout(0.5), IMAGE),
    "Dropout of channels": (lambda: nn.Dropout(0.5, axes=(2, 3)), IMAGE),
    "BatchNorm": (lambda: nn.BatchNorm(), IMAGE),
    "BatchNorm of vectors": (lambda: nn.BatchNorm(scale=False, center=False), VECTOR),
    "BatchNorm by all data": (lambda: nn.BatchNorm(use_global_stats=True), IMAGE),
    "BatchNormReLU": (lambda: nn.BatchNormReLU(), IMAGE),
    "SyncBatchNorm": (lambda: contrib.SyncBatchNorm(num_devices=1), IMAGE),
    "InstanceNorm": (lambda: nn.InstanceNorm(), IMAGE),
    "LayerNorm": (lambda: nn.LayerNorm(axis=1), IMAGE),
    "GroupNorm": (lambda: nn.GroupNorm(2), IMAGE),
    "ELU": (lambda: nn.ELU(0.7), IMAGE),
    "SELU": (lambda: nn.SELU(), IMAGE),
    "GELU": (lambda: nn.GELU(), IMAGE),
    "Swish": (lambda: nn.Swish(1.3), IMAGE),
    "LeakyReLU": (lambda: nn.LeakyReLU(0.3), IMAGE),
    "PReLU": (lambda: nn.PReLU(), IMAGE),
    "PReLU of channels": (lambda: nn.PReLU(in_channels=C), VECTOR),
    "Flatten": (lambda: nn.Flatten(), IMAGE),
    "Embedding": (lambda: nn.Embedding(7, 5), WORDS),
    "Identity": (lambda: contrib.Identity(), IMAGE),
    "ReflectionPad2D": (lambda: nn.ReflectionPad2D(1), IMAGE),
    "PixelShuffle1D": (lambda: contrib.PixelShuffle1D(2), SEQUENCE),
    "PixelShuffle2D": (lambda: contrib.PixelShuffle2D(2), IMAGE),
    "PixelShuffle3D": (lambda: contrib.PixelShuffle3D((1, 2, 2)), VOLUME),
    "Sequential": (lambda: nn.Sequential(), IMAGE),
    "HybridSequential": (lambda: row(nn.Conv2D(C, 3, padding=1, activation="relu"), nn.BatchNorm()), IMAGE),
    "Concurrent": (lambda: side_by_side(nn.Dense(2), nn.Dense(3), kind=contrib.Concurrent), VECTOR),
    "HybridConcurrent": (lambda: side_by_side(nn.Conv2D(2, 1), nn.Conv2D(2, 3, padding=1)), IMAGE),
    "Lambda": (lambda: nn.Lambda("relu"), IMAGE),
    "HybridLambda": (lambda: nn.HybridLambda("relu"), IMAGE),
}
for dimensions, shape in SHAPES.items():
    for name, options in {
        "": {"activation": "relu"},
        ", in groups": {"groups": 2, "activation": "tanh"},
        ", dilated": {"dilation": 2, "padding": 2, "use_bias": False},
        ", with steps": {"strides": 2},
    }.items():
        options = {"padding": 1, **options}
        kind = getattr(nn, f"Conv{dimensions}")
        LAYERS[f"Conv{dimensions}{name}"] = (lambda kind=kind, options=options: kind(C, 3, **options), shape)
    for name, options in {"": {"activation": "relu"}, ", with steps": {"strides": 2, "output_padding": 1}}.items():
        kind = getattr(nn, f"Conv{dimensions}Transpose")
        LAYERS[f"Conv{dimensions}Transpose{name}"] = (
            lambda kind=kind, options=options: kind(C, 3, padding=1, **options),
            shape,
        )
    for way in ("Max", "Avg"):
        kind = getattr(nn, f"{way}Pool{dimensions}")
        LAYERS[f"{way}Pool{dimensions}"] = (kind, shape)
        LAYERS[f"{way}Pool{dimensions}, padded"] = (lambda kind=kind: kind(3, 1, 1), shape)
        LAYERS[f"{way}Pool{dimensions}, rounded up"] = (lambda kind=kind: kind(3, 2, ceil_mode=True), shape)
        LAYERS[f"Global{way}Pool{dimensions}"] = (getattr(nn, f"Global{way}Pool{dimensions}"), shape)
    kind = getattr(nn, f"AvgPool{dimensions}")
    LAYERS[f"AvgPool{dimensions} of what is there"] = (lambda kind=kind: kind(3, 1, 1, count_include_pad=False), shape)


def before(shape):
    """A layer that learns, and keeps the shape."""
    dimensions = {shape: name for name, shape in SHAPES.items()}
    return getattr(nn, f"Conv{dimensions[shape]}")(C, 3, padding=1) if shape in dimensions else nn.Dense(C)


def twice(layer):
    return [layer, nn.Activation("tanh"), layer]


def arrangements(name, make, shape):
    """Layers in rows, in which the one that is looked at stands alone, among others, and in two places."""
    yield [make()]
    if isinstance(make(), gluon.HybridBlock) and "Transpose" not in name:
        # MXNet cannot add up the gradients of a weight that a Deconvolution uses twice.
        layer = make()
        yield [side_by_side(layer, layer), nn.LeakyReLU(0.2), nn.Dense(3)]
    if keeps_the_shape(make(), shape):
        yield [before(shape), make(), nn.Activation("relu"), before(shape), make(), nn.Dense(3)]
        if "Transpose" not in name:
            yield [before(shape), *twice(make()), nn.Dense(3)]
    elif shape != WORDS:
        yield [before(shape), make(), nn.Dense(3)]


def keeps_the_shape(layer, shape):
    layer.initialize()
    X = samples(shape, 2, 0)
    return layer(X).shape == X.shape


def samples(shape, count, seed):
    rng = np.random.default_rng(seed)
    return nd.array(rng.integers(0, 7, (count, C)) if shape == WORDS else rng.normal(size=(count, *shape)))


def training(layers, shape, graph):
    """Outputs, losses and all gradients of two minibatches, and the predictions for a third."""
    seed_everything(0)
    net = nn.Sequential()
    net.add(*layers)
    net.initialize(mx.init.Uniform(0.6))
    net(samples(shape, 2, 0))
    parameters = list(net.collect_params().values())
    rng = np.random.default_rng(1)
    for parameter in parameters:  # not zero: zeros could hide a wrong gradient
        signs = 1 if "gamma" in parameter.name or "var" in parameter.name else rng.choice([-1, 1], parameter.shape)
        parameter.set_data(nd.array(rng.uniform(0.3, 1, parameter.shape) * signs))
    results = []
    with as_one_graph(net) as function:
        function = function if graph else net
        for seed, count in ((2, 3), (3, 2)):
            X = samples(shape, count, seed)
            if shape != WORDS:
                X.attach_grad()
            mx.random.seed(seed)
            with autograd.record():
                Y = function(X)
                weight = nd.array(np.random.default_rng(4).uniform(0.5, 1.5, Y.shape))
                losses = (weight * nd.sin(Y + 1)).reshape((count, -1)).sum(axis=1)
            losses.backward()
            trained = [parameter for parameter in parameters if parameter.grad_req != "null"]
            gradients = [parameter.grad() for parameter in trained]
            moved = [parameter.data() for parameter in parameters if parameter.grad_req == "null"]
            if shape != WORDS:
                gradients.append(X.grad)
            results += [array.asnumpy() for array in (Y, losses, *gradients, *moved)]
        results.append(function(samples(shape, 3, 5)).asnumpy())
    return results


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_in_the_graph_is_the_layer(name):
    make, shape = LAYERS[name]
    for rows in zip(arrangements(name, make, shape), arrangements(name, make, shape)):
        plain, ours = (training(layers, shape, graph) for layers, graph in zip(rows, (False, True)))
        assert len(plain) == len(ours)
        for a, b in zip(plain, ours):
            assert a.shape == b.shape and np.isfinite(a).all()
            assert np.abs(a - b).max() <= 1e-5 * max(np.abs(a).max(), 1), (rows[1], np.abs(a - b).max())


def test_every_layer_of_gluon_is_looked_at():
    kinds = {
        name
        for module in (nn, contrib)
        for name, kind in vars(module).items()
        if inspect.isclass(kind) and issubclass(kind, gluon.Block) and not name.startswith("_")
    }
    looked_at = {name.split(",")[0].split()[0] for name in LAYERS}
    # What layers are made of; and one that needs a trainer of its own, and is no part of a graph (below).
    assert kinds - looked_at == {"Block", "HybridBlock", "SymbolBlock", "SparseEmbedding"}


def test_the_graph_leaves_out_what_it_would_get_wrong():
    for layers in ([nn.PReLU()], [nn.Dense(2), row(nn.Dense(2), nn.PReLU())], [contrib.SparseEmbedding(7, 5)]):
        net = nn.Sequential()
        net.add(*layers)
        with as_one_graph(net) as function:
            assert function is net


def test_a_convolution_and_its_pooling_may_stand_in_two_places():
    def layers():
        pair = [nn.Conv2D(C, 3, padding=1, activation="relu"), nn.MaxPool2D(2, 1, 1)]
        return [*pair, *pair, nn.Dense(3)]

    plain, ours = (training(layers(), IMAGE, graph) for graph in (False, True))
    assert all(np.abs(a - b).max() <= 1e-5 * max(np.abs(a).max(), 1) for a, b in zip(plain, ours))
