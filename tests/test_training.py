from d2lhelpers import training
from d2lhelpers.graphs import ConvolveAndPool
from d2lhelpers.seeding import seed_everything
from d2lhelpers.training import fit

import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd, gluon, nd
from mxnet.gluon import nn


def batches(sizes=(4, 4, 3), seed=0):
    """Minibatches of 5 numbers a sample in 3 classes; the last one is smaller."""
    rng = np.random.default_rng(seed)
    result = []
    for size in sizes:
        y = rng.integers(0, 3, size)
        X = rng.standard_normal((size, 5)) + 2 * np.eye(3, 5)[y]
        result.append((nd.array(X), nd.array(y, dtype="int32")))
    return result


def network(kind=nn.Sequential):
    seed_everything(0)
    net = kind()
    with net.name_scope():
        net.add(nn.Dense(8, activation="relu", in_units=5), nn.Dense(3, in_units=8))
    net.initialize()
    return net


def weights(net):
    return np.concatenate([p.data().asnumpy().ravel() for p in net.collect_params().values()])


def by_hand(net, data, num_epochs, lr, divisor=None):
    """The same training, one line a step and no cleverness: the oracle."""
    loss_function = gluon.loss.SoftmaxCrossEntropyLoss()
    losses, accuracies = [], []
    for _ in range(num_epochs):
        total, correct, count = 0.0, 0, 0
        for X, y in data:
            with autograd.record():
                output = net(X)
                loss = loss_function(output, y)
            loss.backward()
            for parameter in net.collect_params().values():
                parameter.set_data(parameter.data() - lr * parameter.grad() / (divisor or len(y)))
            total += float(loss.sum().asscalar())
            correct += int((output.asnumpy().argmax(axis=1) == y.asnumpy()).sum())
            count += len(y)
        losses.append(total / count)
        accuracies.append(correct / count)
    return losses, accuracies


@pytest.mark.parametrize("kind", [nn.Sequential, nn.HybridSequential])
def test_it_is_the_training_done_by_hand(kind):
    """Also that a minibatch's gradient is divided by its own size: the last has 3 samples, not 4."""
    net, reference = network(kind), network(kind)
    history = fit(net, batches(), batches(), 3, lr=0.2)
    losses, accuracies = by_hand(reference, batches(), 3, 0.2)
    np.testing.assert_allclose(weights(net), weights(reference), rtol=0, atol=1e-6)
    np.testing.assert_allclose(history.loss, losses, rtol=1e-6)
    np.testing.assert_allclose(history.train_accuracy, accuracies, rtol=1e-12)
    assert len(history.test_accuracy) == len(history.seconds) == 3 and not history.interrupted
    assert history.loss[2] < history.loss[0]


def test_a_fixed_divisor_is_used_for_every_minibatch():
    net, reference = network(), network()
    fit(net, batches(), None, 3, lr=0.2, divisor=4)
    by_hand(reference, batches(), 3, 0.2, divisor=4)
    np.testing.assert_allclose(weights(net), weights(reference), rtol=0, atol=1e-6)
    rightly = network()
    fit(rightly, batches(), None, 3, lr=0.2)
    assert np.abs(weights(net) - weights(rightly)).max() > 1e-3


def test_the_same_seed_gives_the_same_loss_to_the_bit():
    runs = [fit(network(), batches(), None, 2, lr=0.2).loss for _ in range(2)]
    assert runs[0] == runs[1]
    assert fit(network(), batches(seed=1), None, 2, lr=0.2).loss != runs[0]


def test_the_net_stays_as_it_was_found():
    net = network()
    fit(net, batches(), None, 1, lr=0.2)
    assert [layer._active for layer in net] == [False, False]
    assert str(net).startswith("Sequential(")
    hybrid = network(nn.HybridSequential)
    hybrid.hybridize()
    fit(hybrid, batches(), None, 1, lr=0.2)
    assert hybrid._active


def test_a_block_that_cannot_be_traced_is_trained_too():
    class Doubled(gluon.Block):
        def __init__(self):
            super().__init__()
            self.layer = nn.Dense(3, in_units=5)

        def forward(self, x):
            return self.layer(x) * float(x.shape[0] / x.shape[0])

    net = Doubled()
    net.initialize()
    assert len(fit(net, batches(), batches(), 1, lr=0.2).test_accuracy) == 1


def test_any_trainer_and_any_loss():
    net = network()
    before = weights(net)
    trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.05})
    history = fit(net, batches(), None, 10, trainer=trainer, loss=gluon.loss.SoftmaxCrossEntropyLoss(weight=2.0))
    assert history.test_accuracy == [] and history.loss[-1] < history.loss[0] and np.any(weights(net) != before)


def test_deferred_shapes_and_mx_np(capsys):
    mx.npx.set_np()
    try:
        net = nn.HybridSequential()
        net.add(nn.Dense(3))
        net.initialize()
        data = [(X.as_np_ndarray(), y.as_np_ndarray()) for X, y in batches()]
        assert len(fit(net, data, data, 2, lr=0.1).loss) == 2
    finally:
        mx.npx.reset_np()


def test_the_line_of_an_epoch_is_the_tutorials(capsys):
    history = fit(network(), batches(), batches(), 2, lr=0.2, print_epochs=True)
    out, err = capsys.readouterr()
    assert err == "" and out.splitlines() == [
        f"Epoch {epoch}. Loss : {loss:f}, Train acc : {train_accuracy:f}, Test acc : {test_accuracy:f}"
        for epoch, (loss, train_accuracy, test_accuracy) in enumerate(
            zip(history.loss, history.train_accuracy, history.test_accuracy)
        )
    ]


def test_the_bar_is_shown_when_asked_for(capsys):
    fit(network(), batches(), None, 2, lr=0.2, progress=True)
    out, err = capsys.readouterr()
    assert out == "" and "6/6" in err and "loss=" in err


class Interrupts:
    """Data that stop the run, as a key press would, in the middle of the second epoch."""

    def __init__(self):
        self.epoch = 0

    def __iter__(self):
        self.epoch += 1
        for i, batch in enumerate(batches()):
            if self.epoch == 2 and i == 1:
                raise KeyboardInterrupt
            yield batch


def test_an_interrupted_run_returns_its_whole_epochs():
    net = network()
    history = fit(net, Interrupts(), batches(), 5, lr=0.2)
    assert history.interrupted
    assert [len(x) for x in (history.loss, history.train_accuracy, history.test_accuracy, history.seconds)] == [1] * 4
    assert [layer._active for layer in net] == [False, False]


def test_the_loop_waits_for_old_minibatches_only(monkeypatch):
    """Never for a loss it has just computed; but it may not run ahead of the engine without end either."""
    waited = []
    original = nd.NDArray.wait_to_read
    monkeypatch.setattr(nd.NDArray, "wait_to_read", lambda self: (waited.append(self), original(self)))
    monkeypatch.setattr(nd.NDArray, "asscalar", None)
    fit(network(), batches([4] * 40), None, 1, lr=0.1)
    assert len(waited) == 40 - training._MAX_AHEAD


@pytest.mark.parametrize(
    "change, message",
    [
        ({"lr": None}, "give exactly one"),
        ({"trainer": object()}, "give exactly one"),
        ({"num_epochs": 0}, "at least 1, not 0"),
        ({"divisor": 0}, "divisor must be at least 1, not 0"),
        ({"train_iter": []}, "train_iter yielded no batch"),
        ({"test_iter": []}, "the data iterator yielded no batch"),
        ({"test_iter": None, "print_epochs": True}, "give test_iter, or print_epochs=False"),
    ],
)
def test_bad_calls_are_refused(change, message):
    call = {"net": network(), "train_iter": batches(), "test_iter": batches(), "num_epochs": 1, "lr": 0.1, **change}
    with pytest.raises(ValueError, match=message):
        fit(**call)


def test_minibatches_that_can_be_had_only_once_are_refused_for_more_than_one_epoch():
    with pytest.raises(ValueError, match="minibatches that can be iterated again, got generator"):
        fit(network(), (batch for batch in batches()), None, 2, lr=0.1)
    assert len(fit(network(), (batch for batch in batches()), None, 1, lr=0.1).loss) == 1


def test_a_pass_is_begun_once_an_epoch_since_each_may_draw_a_new_order():
    class Counted:
        begun = 0

        def __iter__(self):
            self.begun, self.left = self.begun + 1, list(batches())
            return self

        def __next__(self):
            if not self.left:
                raise StopIteration
            return self.left.pop()

    counted = Counted()
    fit(network(), counted, counted, 3, lr=0.1)
    assert counted.begun == 6


def test_minibatches_of_numpys_arrays_are_refused():
    with pytest.raises(ValueError, match="expected MXNet arrays, got ndarray"):
        fit(network(), [(np.ones((4, 5), np.float32), np.zeros(4))], None, 1, lr=0.1)


def test_an_uninitialised_net_is_refused():
    with pytest.raises(RuntimeError, match="call net.initialize"):
        fit(nn.Dense(3), batches(), None, 1, lr=0.1)


@pytest.mark.parametrize("kind", [nn.Sequential, nn.HybridSequential])
def test_training_and_test_run_one_graph_with_merged_layers(kind, monkeypatch):
    calls = {ConvolveAndPool: [], nn.Dense: []}

    def watch(block):
        forward = block.hybrid_forward
        monkeypatch.setattr(
            block, "hybrid_forward", lambda self, F, *x, **p: calls[block].append(F) or forward(self, F, *x, **p)
        )

    for block in calls:
        watch(block)
    net = kind()
    net.add(nn.Conv2D(4, 3, activation="relu"), nn.MaxPool2D(2), nn.Dense(3))
    net.initialize()
    data = [(nd.ones((size, 1, 8, 8)), nd.zeros(size)) for size in (4, 4, 3)]
    fit(net, data, data, 2, lr=0.1)
    assert calls[ConvolveAndPool] == [mx.sym]  # traced once
    assert calls[nn.Dense] == [mx.sym] * 2  # for its shape and in the graph; never by itself
