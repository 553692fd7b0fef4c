from d2lhelpers.networks import cifar10_net, num_parameters
from d2lhelpers.seeding import seed_everything

import mxnet as mx
import numpy as np
import pytest
from mxnet.gluon import nn


@pytest.fixture
def images():
    return mx.nd.random.normal(shape=(8, 3, 32, 32))


@pytest.fixture(params=[False, True])
def net(request, images):
    seed_everything(0)
    net = cifar10_net(batch_norm=request.param)
    net.initialize()
    net(images)
    return net


def test_the_network_is_the_published_one_by_hand(images):
    net = cifar10_net()
    net.initialize()
    sizes, X = [], images
    for layer in net:
        X = layer(X)
        sizes.append(X.shape[1:])
    assert sizes == [(8, 28, 28), (8, 14, 14), (16, 12, 12), (16, 6, 6), (576,), (128,), (10,)]
    assert num_parameters(net) == (8 * 75 + 8) + (16 * 72 + 16) + (576 * 128 + 128) + (128 * 10 + 10) == 76_922


def test_the_normalised_network_trades_each_bias_for_a_scale_and_a_shift(images):
    net = cifar10_net(batch_norm=True)
    net.initialize()
    assert net(images).shape == (8, 10)
    assert num_parameters(net) == 76_922 + (8 + 16 + 128) == 77_074


def test_no_relu_stands_on_the_logits(net, images):
    assert (net(images).asnumpy() < 0).any()


def test_every_trained_parameter_gets_a_gradient(net, images):
    labels = mx.nd.array(range(8))
    with mx.autograd.record():
        loss = mx.gluon.loss.SoftmaxCrossEntropyLoss()(net(images), labels)
    loss.backward()
    for parameter in net.collect_params().values():
        if parameter.grad_req != "null":
            assert np.abs(parameter.grad().asnumpy()).max() > 1e-7, parameter.name


def test_the_normalised_network_does_not_see_how_an_image_is_scaled(images):
    net = cifar10_net(batch_norm=True)
    net.initialize()
    with mx.autograd.train_mode():
        logits, scaled = net(images).asnumpy(), net(images * 10).asnumpy()
    assert scaled == pytest.approx(logits, abs=1e-3)


def test_a_running_mean_is_not_counted():
    net = nn.BatchNorm()
    net.initialize()
    net(mx.nd.ones((2, 5)))
    assert num_parameters(net) == 10


def test_a_network_that_has_not_run_is_not_counted():
    net = cifar10_net()
    net.initialize()
    with pytest.raises(ValueError, match=r"conv\d+_weight has shape \(8, [-0]1?, 5, 5\): initialise"):
        num_parameters(net)
