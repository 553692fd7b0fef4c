"""A network on several contexts is trained as on one, up to rounding; contexts of the CPU stand in for GPUs."""

import d2lhelpers
from d2lhelpers import ArrayIterator, evaluate_accuracy, fit

import mxnet as mx
import numpy as np
import pytest
from mxnet import nd
from mxnet.gluon import nn

# After 20 steps the largest difference of a weight was 1.2e-7 (weights up to 0.8), that of a mean loss 2.3e-8.
ROUNDING = 1e-6


def data(batch_size, num_samples):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 4, num_samples)
    X = rng.standard_normal((4, 1, 12, 12))[y] + 0.5 * rng.standard_normal((num_samples, 1, 12, 12))
    return ArrayIterator(X, y, batch_size, shuffle=True)


def trained(num_contexts, batch_size=32, num_samples=20 * 32, *more_layers):
    """20 steps; shapes are known only when the first minibatch comes."""
    d2lhelpers.seed_everything(3)
    net = nn.HybridSequential()
    net.add(nn.Conv2D(10, 3, activation="relu"), nn.MaxPool2D(2), *more_layers)
    net.add(nn.Conv2D(12, 3, activation="relu"), nn.MaxPool2D(2), nn.Dense(16, activation="relu"), nn.Dense(4))
    net.initialize(mx.init.Xavier(), ctx=[mx.cpu(i) for i in range(num_contexts)])
    batches = data(batch_size, num_samples)
    return net, fit(net, batches, batches, 1, lr=0.1)


def weights(net, context):
    return np.concatenate([p.data(context).asnumpy().ravel() for p in net.collect_params().values()])


@pytest.mark.parametrize(
    ("batch_size", "num_samples"),
    [(32, 20 * 32), (30, 19 * 30 + 1), (3, 19 * 3 + 2), (2, 39)],
    ids=["even", "ragged", "fewer samples than devices", "one sample at the end"],
)
def test_twenty_steps_are_those_of_one_context(batch_size, num_samples):
    net, history = trained(1, batch_size, num_samples)
    expected = weights(net, mx.cpu(0))
    for num_contexts in (2, 4):
        net, found = trained(num_contexts, batch_size, num_samples)
        for i in range(num_contexts):
            np.testing.assert_allclose(weights(net, mx.cpu(i)), expected, rtol=0, atol=ROUNDING)
        assert found.loss == pytest.approx(history.loss, abs=ROUNDING)
        assert found.train_accuracy == history.train_accuracy and found.test_accuracy == history.test_accuracy


@pytest.mark.parametrize("layers", [(), (nn.BatchNorm, nn.Dropout)], ids=["plain", "with statistics and chance"])
def test_a_run_repeats_to_the_bit(layers):
    def run():
        net, history = trained(2, 32, 20 * 32, *(layer(0.3) if layer is nn.Dropout else layer() for layer in layers))
        return [weights(net, mx.cpu(i)).tobytes() for i in (0, 1)], history.loss, history.test_accuracy

    first = run()
    assert all(run() == first for _ in range(5))


def test_the_first_step_waits_for_the_running_statistics_that_it_hands_to_all_devices():
    for _ in range(10):
        net = nn.HybridSequential()
        net.add(nn.BatchNorm(), nn.Dense(2))
        net.initialize(ctx=[mx.cpu(0), mx.cpu(1)])
        fit(net, [(nd.ones((4, 3)), nd.zeros(4))], None, 1, lr=0.1)
        for i in (0, 1):  # a tenth of the minibatch's mean 1, nine tenths of the mean 0 that was there
            np.testing.assert_allclose(net[0].running_mean.data(mx.cpu(i)).asnumpy(), 0.1, rtol=1e-6)


def test_accuracy_is_one_figure_over_all_devices():
    net, _ = trained(3)
    batches = data(7, 41)
    expected = np.mean(
        [net(X).argmax(axis=1).asnumpy() == y.asnumpy() for X, y in ArrayIterator(batches.X, batches.y, 1)]
    )
    for contexts in (None, mx.cpu(1), [mx.cpu(2), mx.cpu(0)]):
        assert evaluate_accuracy(batches, net, contexts) == pytest.approx(expected, abs=1e-12)
