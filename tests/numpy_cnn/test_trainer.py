from d2lhelpers.numpy_cnn import Affine, Network, Relu, SimpleConvNet, Trainer, create_optimizer

import numpy as np
import pytest


@pytest.fixture
def data(rng):
    """Stripes, upright (0) or level (1), with noise: a first layer of filters can tell them apart."""
    y = np.arange(60) % 2
    X = rng.normal(scale=0.3, size=(60, 1, 8, 8)).astype("float32")
    X[y == 0, :, :, ::2] += 1
    X[y == 1, :, ::2, :] += 1
    return X[:47], y[:47], X[47:], y[47:]


def small_net(seed=0):
    return SimpleConvNet((1, 8, 8), num_filters=4, kernel=3, hidden=8, num_classes=2, weight_std=0.1, seed=seed)


def test_it_learns_and_records(data):
    trainer = Trainer(small_net(), *data, num_epochs=15, batch_size=10, optimizer_options={"lr": 0.01})
    history = trainer.train()
    assert len(history.loss) == 15 * 5  # 47 samples are four minibatches of 10 and one of 7
    assert len(history.train_accuracy) == len(history.test_accuracy) == 15
    assert history.loss[0] == pytest.approx(np.log(2), abs=0.05) and history.loss[-1] < 0.1
    assert history.final_test_accuracy == history.test_accuracy[-1] == 1.0


@pytest.mark.parametrize("batch_size, sizes", [(10, [10, 10, 10, 10, 7]), (47, [47]), (100, [47]), (1, [1] * 47)])
def test_every_sample_is_seen_once_an_epoch(data, batch_size, sizes):
    X, y, X_test, y_test = data
    X = np.arange(len(X), dtype="float32").reshape(-1, 1, 1, 1) + np.zeros_like(X)  # each image is its own number
    seen = []

    class Watched(Trainer):
        def train_step(self, x, t):
            seen.append(x[:, 0, 0, 0].astype(int).tolist())
            np.testing.assert_array_equal(t, y[seen[-1]])

        def _end_epoch(self, steps):
            assert steps == len(sizes)

    Watched(small_net(), X, y, X_test, y_test, num_epochs=2, batch_size=batch_size).train()
    assert [len(batch) for batch in seen] == sizes * 2
    first, second = (sum(seen[i * len(sizes) : (i + 1) * len(sizes)], []) for i in (0, 1))
    assert sorted(first) == sorted(second) == list(range(47)) and first != second


def test_a_partial_minibatch_counts_as_it_is(data):
    X, y, X_test, y_test = data
    one, two = small_net(), small_net()
    Trainer(one, X[:7], y[:7], X_test, y_test, 1, batch_size=10, optimizer="sgd", optimizer_options={"lr": 0.5}).train()
    optimizer = create_optimizer("sgd", lr=0.5)
    optimizer.update(two.params, two.gradient(X[:7], y[:7]))  # the mean over 7, not a sum over 7 divided by 10
    for name, array in one.params.items():
        np.testing.assert_allclose(array, two.params[name], atol=1e-6)


def test_the_same_seed_repeats_bit_for_bit(data):
    runs = []
    for seed in (3, 3, 4):
        net = small_net()
        runs.append(Trainer(net, *data, num_epochs=2, batch_size=10, seed=seed).train().loss)
    assert runs[0] == runs[1] != runs[2]


@pytest.mark.parametrize("num_evaluate, expected", [(5, 1.0), (10, 0.5), (None, 5 / 47)])
def test_accuracy_on_the_first_samples_only(num_evaluate, expected, data):
    class Standing(Trainer):
        def train_step(self, x, t):
            pass

    X, _, X_test, y_test = data
    net = small_net()
    labels = net.predict(X).argmax(axis=1)
    labels[5:] = 1 - labels[5:]
    trainer = Standing(net, X, labels, X_test, y_test, num_epochs=1, num_evaluate=num_evaluate)
    assert trainer.train().train_accuracy == [expected]


def test_labels_may_be_one_hot(data):
    X, y, X_test, y_test = data
    numbers = Trainer(small_net(), *data, num_epochs=1).train()
    rows = Trainer(small_net(), X, np.eye(2)[y], X_test, np.eye(2)[y_test], num_epochs=1).train()
    assert numbers == rows


def test_an_epoch_is_one_line(data, capsys):
    history = Trainer(small_net(), *data, num_epochs=2, batch_size=10, print_epochs=True).train()
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == (
        f"Epoch 1. Loss : {np.mean(history.loss[5:]):f}, "
        f"Train acc : {history.train_accuracy[1]:f}, Test acc : {history.test_accuracy[1]:f}"
    )
    assert len(lines) == 2


def test_silent_unless_asked(data, capsys):
    Trainer(small_net(), *data, num_epochs=1).train()
    assert capsys.readouterr() == ("", "")


def test_a_second_call_trains_on(data):
    trainer = Trainer(small_net(), *data, num_epochs=2, batch_size=10)
    trainer.train()
    assert len(trainer.train().train_accuracy) == 4


@pytest.mark.parametrize("name", ["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam"])
def test_any_optimizer_by_name(name, data):
    options = {"lr": 0.01 if name in ("rmsprop", "adam", "adagrad") else 0.1}
    history = Trainer(
        small_net(), *data, num_epochs=20, batch_size=10, optimizer=name, optimizer_options=options
    ).train()
    assert history.final_test_accuracy > 0.9


def test_other_networks_can_be_trained(data):
    rng = np.random.default_rng(0)
    net = Network(
        {
            "hidden": Affine(rng.normal(scale=0.1, size=(16, 64)), np.zeros(16)),
            "relu": Relu(),
            "out": Affine(rng.normal(scale=0.1, size=(2, 16)), np.zeros(2)),
        }
    )
    history = Trainer(net, *data, num_epochs=10, optimizer=create_optimizer("adam", lr=0.02)).train()
    assert history.final_test_accuracy == 1.0


def test_divergence_is_said_aloud(data):
    X, y, X_test, y_test = data
    with np.errstate(all="ignore"), pytest.raises(FloatingPointError, match="take a smaller learning rate"):
        Trainer(
            small_net(), X * 1e20, y, X_test, y_test, num_epochs=50, optimizer="sgd", optimizer_options={"lr": 1e20}
        ).train()


@pytest.mark.parametrize(
    "change, message",
    [
        ({"num_epochs": 0}, "num_epochs must be a whole number of at least 1, not 0"),
        ({"batch_size": 0}, "batch_size must be a whole number of at least 1, not 0"),
        ({"num_evaluate": 0}, "num_evaluate must be a whole number of at least 1, not 0"),
        ({"num_epochs": 1.5}, "num_epochs must be a whole number of at least 1, not 1.5"),
        ({"batch_size": "9"}, "batch_size must be a whole number of at least 1, not '9'"),
        ({"seed": -1}, "seed must be a whole number of at least 0, not -1"),
        ({"print_epochs": 1}, "print_epochs must be True or False, not 1"),
        ({"optimizer": "rmsprpo"}, "unknown optimiser 'rmsprpo'"),
        ({"optimizer_options": [0.1]}, "optimizer_options must be a dict"),
        ({"optimizer_options": {"rate": 1}}, "Adam has no option rate: choose of lr, beta1, beta2, epsilon"),
        ({"y_train": ["a"] * 47}, "training labels must be an array of real numbers"),
        ({"X_train": 5}, "the training set has samples of shape .* give arrays"),
        ({"optimizer_options": {"lr": -1}}, "lr must be a finite number above 0"),
        ({"optimizer": create_optimizer("sgd"), "optimizer_options": {"lr": 1}}, "this one has its own already"),
        ({"y_train": np.zeros(3)}, "the training set has 47 samples and 3 labels"),
        ({"X_test": np.zeros((0, 1, 8, 8))}, "the test set has 0 samples and 13 labels"),
        ({"X_test": np.zeros((12, 1, 8, 8))}, "the test set has 12 samples and 13 labels"),
        ({"y_test": np.arange(13) - 1}, "the test labels must be class numbers of at least 0, got -1"),
        ({"y_test": np.full(13, 0.5)}, "labels must be class numbers"),
        ({"X_train": np.full((47, 1, 8, 8), np.nan)}, "the training samples hold NaN or infinity"),
    ],
)
def test_bad_arguments(change, message, data):
    arguments = dict(zip(("X_train", "y_train", "X_test", "y_test"), data))
    with pytest.raises(ValueError, match=message):
        Trainer(small_net(), **{**arguments, **change})
