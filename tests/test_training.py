import textwrap
import types

from d2lhelpers import training
from d2lhelpers.graphs import ConvolveAndPool
from d2lhelpers.metrics import evaluate_accuracy
from d2lhelpers.seeding import seed_everything
from d2lhelpers.training import fit

import jupyter_client
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
            scores = output.asnumpy().astype("float64")
            scores -= np.log(np.exp(scores).sum(axis=1, keepdims=True))
            total -= scores[np.arange(len(y)), y.asnumpy()].sum()
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
    np.testing.assert_allclose(history.loss, losses, rtol=1e-7)
    np.testing.assert_allclose(history.train_accuracy, accuracies, rtol=1e-12)
    assert len(history.test_accuracy) == len(history.seconds) == 3 and not history.interrupted
    assert history.loss[2] < history.loss[0]


@pytest.mark.parametrize("loss", [None, gluon.loss.SoftmaxCrossEntropyLoss()])
def test_the_history_has_more_digits_than_the_cross_entropy_of_onednn(loss):
    net = nn.Dense(3, weight_initializer="zeros")
    net.initialize()
    if loss is not None:
        loss.hybridize()
    assert fit(net, batches()[:1], None, 1, lr=0.1, loss=loss).loss == [pytest.approx(np.log(3), rel=1e-12)]


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


def test_deferred_shapes_and_mx_np():
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


@pytest.mark.slow
@pytest.mark.parametrize("reader", [True, False])
def test_in_a_notebook_the_bar_is_for_readers_only(reader):
    """A front end says that it can ask its reader; what executes, records or compares notebooks says that it cannot."""
    code = """
        import d2lhelpers
        from mxnet import gluon, nd
        net = gluon.nn.Dense(3)
        net.initialize()
        d2lhelpers.fit(net, [(nd.ones((4, 5)), nd.zeros(4))], None, 2, lr=0.2).interrupted
    """
    shown = []
    with jupyter_client.run_kernel(kernel_name="python3") as client:
        reply = client.execute_interactive(textwrap.dedent(code), allow_stdin=reader, output_hook=shown.append)
    kinds = [message["msg_type"] for message in shown if message["msg_type"] not in ("status", "execute_input")]
    assert reply["content"]["status"] == "ok" and kinds[-1] == "execute_result"
    assert ("display_data" in kinds or "stream" in kinds) == reader


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


def copied(net):
    return [parameter.data().asnumpy() for parameter in net.collect_params().values()]


X, y = nd.ones((4, 5)), nd.array([0, 1, 2, 0], dtype="int32")
GENERATOR = "test_iter must give minibatches that can be iterated again, got generator"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"net": 5}, "net must be a Gluon block, not 5"),
        ({"net": lambda X: X}, "net must be a Gluon block, not <function"),
        ({"net": nn.Flatten()}, "there is nothing to train"),
        ({"lr": None}, "give exactly one"),
        ({"trainer": object()}, "give exactly one"),
        ({"lr": None, "trainer": "sgd"}, "trainer must be a gluon.Trainer, not 'sgd'"),
        *[
            ({"lr": lr}, "lr must be a finite number above 0, not")
            for lr in (0, -1, "0.1", [0.1], np.nan, np.inf, True)
        ],
        *[
            ({"num_epochs": n}, "num_epochs must be a whole number of at least 1, not")
            for n in (0, 1.5, "2", None, True)
        ],
        *[({"divisor": n}, "divisor must be a whole number of at least 1, not") for n in (0, np.nan, 2.5, "4")],
        *[({"ctx": ctx}, "ctx must be an mx.Context or a list of") for ctx in ("cpu", 0, [], [mx.cpu(), "cpu"])],
        ({"ctx": mx.cpu(1)}, r"parameters are on \[cpu\(0\)\], and ctx is cpu\(1\)"),
        ({"ctx": [mx.cpu(0), mx.cpu(1)]}, r"parameters are on \[cpu\(0\)\], and ctx is \[cpu"),
        ({"loss": "softmax"}, "loss must be a Gluon loss or a function, not 'softmax'"),
        ({"loss": gluon.loss.L2Loss()}, r"the loss does not take scores of shape \(4, 3\) and class numbers"),
        (
            {"loss": lambda a, b: gluon.loss.SoftmaxCELoss()(a, b).mean()},
            r"one number a sample, of shape \(4,\), not \(1,\)",
        ),
        ({"loss": lambda a, b: 0.5}, "one number a sample, of shape .* not float"),
        ({"print_epochs": "no"}, "print_epochs must be True or False, not 'no'"),
        ({"progress": 3}, "progress must be True or False, not 3"),
        ({"test_iter": None, "print_epochs": True}, "give test_iter, or print_epochs=False"),
        ({"train_iter": []}, "train_iter yielded no batch"),
        ({"test_iter": []}, "test_iter yielded no batch"),
        ({"train_iter": iter([])}, "train_iter yielded no batch"),
        ({"train_iter": 3}, "train_iter must yield minibatches"),
        ({"train_iter": mx.io.NDArrayIter(X, y, 2)}, "train_iter must yield pairs .* NDArrayIter does not: give Array"),
        ({"test_iter": mx.io.NDArrayIter(X, y, 2)}, "test_iter must yield pairs .* NDArrayIter does not: give Array"),
        ({"num_epochs": 2, "test_iter": (batch for batch in batches())}, GENERATOR),
        (
            {"num_epochs": 2, "train_iter": iter(batches())},
            "train_iter must give .* got list_iterator, which is used up",
        ),
        ({"num_epochs": 2, "train_iter": zip([X], [y])}, "train_iter must give .* got zip, which is used up"),
        ({"train_iter": [X]}, r"train_iter must yield pairs \(X, y\), not"),
        ({"train_iter": iter([X])}, r"train_iter must yield pairs \(X, y\), not"),
        ({"train_iter": [(X, y, y)]}, r"train_iter must yield pairs \(X, y\), not"),
        ({"train_iter": [(np.ones((4, 5), np.float32), y)]}, "train_iter: expected MXNet arrays, got ndarray"),
        ({"test_iter": [(X, [0, 1, 2, 0])]}, "test_iter: expected MXNet arrays, got list"),
        ({"train_iter": [(X, nd.one_hot(y, 3))]}, "give y.argmax"),
        ({"train_iter": [(X, y.reshape((4, 1)))]}, r"not \(4, 1\): reshape it"),
        ({"train_iter": [(X, y[:2])]}, "check that X and y are of one length"),
        *[
            ({"train_iter": [(X.astype(dtype), y)]}, f"dtype {dtype}: give")
            for dtype in ("float64", "float16", "int32")
        ],
        ({"train_iter": [(X.as_np_ndarray(), y)]}, "does not take minibatches X of mx.np arrays of shape"),
        ({"train_iter": [(nd.ones((4, 6)), y)]}, r"X of mx.nd arrays of shape \(4, 6\)"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence_before_anything_is_trained(change, message):
    net = network()
    before = copied(net)
    call = {"net": net, "train_iter": batches(), "test_iter": batches(), "num_epochs": 1, "lr": 0.1, **change}
    with pytest.raises(ValueError, match=message) as raised:
        fit(**call)
    assert "\n" not in str(raised.value) and str(raised.value).endswith(".")
    assert all((old == new).all() for old, new in zip(before, copied(net)))


@pytest.mark.parametrize("wrong", [X, X.as_np_ndarray(), nd.ones((4, 1, 2, 2))])
def test_a_layer_that_waits_for_its_shape_and_cannot_have_it_is_one_sentence_too(wrong):
    net = nn.Sequential()
    net.add(nn.Conv2D(3, 5), nn.Dense(3))
    net.initialize()
    for use in (lambda: fit(net, [(wrong, y)], None, 1, lr=0.1), lambda: evaluate_accuracy([(wrong, y)], net)):
        with pytest.raises(ValueError, match="the network does not take minibatches X of mx") as raised:
            use()
        assert "\n" not in str(raised.value) and str(raised.value).endswith(").")


def test_minibatches_that_can_be_had_only_once_do_for_one_epoch():
    history = fit(network(), (batch for batch in batches()), iter(batches()), 1, lr=0.1)
    assert len(history.loss) == len(history.test_accuracy) == 1


def test_a_network_that_gives_more_than_scores_is_refused():
    class Two(gluon.Block):
        def __init__(self):
            super().__init__()
            self.layer = nn.Dense(3)

        def forward(self, X):
            return self.layer(X), X

    net = Two()
    net.initialize()
    with pytest.raises(ValueError, match="must return one array of shape .* not a tuple"):
        fit(net, batches(), None, 1, lr=0.1)


def frozen(net):
    net.collect_params().setattr("grad_req", "null")
    return net


def test_a_trainer_must_be_of_this_network_and_have_something_to_train():
    trainer = gluon.Trainer(network().collect_params(), "sgd", {"learning_rate": 0.1})
    with pytest.raises(ValueError, match="the trainer is to train .*dense.*, which is no parameter of this network"):
        fit(network(), batches(), None, 1, trainer=trainer)
    with pytest.raises(ValueError, match="there is nothing to train"):
        fit(frozen(network()), batches(), None, 1, lr=0.1)
    net = frozen(network())
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
    with pytest.raises(ValueError, match="there is nothing to train"):
        fit(net, batches(), None, 1, trainer=trainer)


def test_a_trainer_may_train_a_part_of_the_network_and_the_loss_as_well():
    class Scaled(gluon.loss.SoftmaxCrossEntropyLoss):
        def __init__(self):
            super().__init__()
            self.scale = self.params.get("scale", shape=(1,), init="ones")

        def hybrid_forward(self, F, pred, label, scale, sample_weight=None):
            return super().hybrid_forward(F, F.broadcast_mul(pred, scale.reshape((1, 1))), label)

    net, loss = network(), Scaled()
    loss.initialize()
    before = copied(net)
    parameters = {**net[1].collect_params(), **loss.collect_params()}
    fit(net, batches(), None, 1, trainer=gluon.Trainer(parameters, "sgd", {"learning_rate": 0.1}), loss=loss)
    assert [bool((old != new).any()) for old, new in zip(before, copied(net))] == [False, False, True, True]
    assert loss.scale.data().asscalar() != 1


def test_gradients_that_add_up_begin_anew_with_each_minibatch():
    net, expected = network(), network()
    net.collect_params().setattr("grad_req", "add")
    with autograd.record():
        left_over = net(X).sum()
    left_over.backward()
    histories = [fit(each, batches(), None, 2, lr=0.2) for each in (net, expected)]
    assert histories[0].loss == histories[1].loss
    assert all((ours == theirs).all() for ours, theirs in zip(copied(net), copied(expected)))


def test_yes_and_no_are_labels_too():
    mx.npx.set_np()
    try:
        net = network()
        data = [(batch.as_np_ndarray(), labels.as_np_ndarray() > 1) for batch, labels in batches()]
        assert len(fit(net, data, data, 1, lr=0.1).loss) == 1
    finally:
        mx.npx.reset_np()


def test_an_error_of_the_engine_does_not_come_again_in_the_next_training():
    def failing(y_hat, y):
        nd.linalg.potrf(-nd.ones((2, 2)))  # the engine will find that this matrix has no root
        return y_hat

    with pytest.raises(ValueError, match="one number a sample"):
        fit(network(), batches(), None, 1, lr=0.1, loss=failing)
    nd.waitall()


@pytest.mark.parametrize("spoil", [lambda X: X * np.nan, lambda X: X * np.inf])
def test_a_network_that_is_no_longer_of_numbers_is_said_at_the_end_of_the_epoch(spoil):
    data = batches()
    data[1] = (spoil(data[1][0]), data[1][1])
    with pytest.raises(
        FloatingPointError, match="after epoch 0 the mean loss is .*dense0_weight holds NaN or infinity: take a"
    ):
        fit(network(), data, None, 3, lr=0.1)


def test_a_training_that_diverges_is_said_even_where_the_loss_looks_alive():
    net = nn.Sequential()
    net.add(nn.Conv2D(3, 3, activation="relu"), nn.Dense(3))
    net.initialize()
    images = nd.random.normal(shape=(8, 1, 6, 6))
    images[3, 0, 2, 2] = np.nan  # MXNet's ReLU makes zero of it
    with pytest.raises(FloatingPointError, match="holds NaN or infinity"):
        fit(net, [(images, nd.zeros(8))], None, 1, lr=0.1)


def test_a_forward_pass_put_on_the_network_itself_is_the_one_that_is_trained():
    for place in (lambda net: net, lambda net: net[0]):
        net = network()
        block = place(net)
        plain = block.forward
        block.forward = types.MethodType(lambda self, X, plain=plain: plain(X) * 0, block)
        if block is net:
            # oneDNN's logarithm is right to some 3e-6.
            assert fit(net, batches(), None, 1, lr=0.1).loss[0] == pytest.approx(np.log(3), rel=1e-5)
        else:
            reference = network()
            reference[0].forward = types.MethodType(lambda self, X: nd.zeros((len(X), 8)), reference[0])
            expected = by_hand_of(reference)
            assert fit(net, batches(), None, 1, lr=0.1).loss == pytest.approx(expected)


def by_hand_of(net):
    """The mean loss of an epoch by `by_hand`, of which the first layer's parameters are no part."""
    return by_hand(net, batches(), 1, 0.1)[0]


class InterruptsAt:
    """Interrupts when autograd is switched for the n-th time, as a key press may."""

    def __init__(self, monkeypatch, number):
        self.left, self.real = number, autograd.set_recording

        def switch(value):
            was = self.real(value)
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt
            return was

        monkeypatch.setattr(autograd, "set_recording", switch)


@pytest.mark.parametrize("number", range(1, 11))
@pytest.mark.parametrize("outside", [False, True])
def test_an_interrupt_leaves_autograd_as_it_was(monkeypatch, number, outside):
    autograd.set_recording(outside)
    try:
        net, data = network(), batches()
        with monkeypatch.context() as patch:
            InterruptsAt(patch, number)
            assert fit(net, data, data, 1, lr=0.2).interrupted
        assert autograd.is_recording() == outside and not autograd.is_training()
    finally:
        autograd.set_recording(False)


def test_an_interrupt_between_two_lists_leaves_whole_epochs(monkeypatch):
    class Interrupted(list):
        def append(self, value):
            super().append(value)
            if len(self) == 2:
                raise KeyboardInterrupt

    history = training.History()
    monkeypatch.setattr(training, "History", lambda: history)
    history.loss = Interrupted()
    assert fit(network(), batches(), batches(), 3, lr=0.2).interrupted
    assert [len(x) for x in (history.loss, history.train_accuracy, history.test_accuracy, history.seconds)] == [1] * 4


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
