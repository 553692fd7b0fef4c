from __future__ import annotations

import hashlib
import inspect
import subprocess
import sys

from d2lhelpers.data import ArrayIterator, synthetic_fashion_mnist
from d2lhelpers.networks import lenet
from d2lhelpers.seeding import seed_everything
from d2lhelpers.training import fit

import mxnet as mx
import numpy as np
import pytest
from mxnet import gluon


@pytest.fixture(scope="module")
def drawn():
    return synthetic_fashion_mnist(2000, 500, seed=0)


def test_shapes_types_and_ranges_are_those_of_the_real_arrays(drawn):
    X_train, y_train, X_test, y_test = drawn
    assert (X_train.shape, X_test.shape) == ((2000, 1, 28, 28), (500, 1, 28, 28))
    assert (y_train.shape, y_test.shape) == ((2000,), (500,))
    for X, y in (drawn[:2], drawn[2:]):
        assert (X.dtype, y.dtype) == (np.float32, np.int32)
        assert (X.min(), X.max()) == (0, 1)
        assert np.array_equal(np.rint(X * 255) / np.float32(255), X)  # whole 255ths


def test_classes_are_equally_frequent_and_in_random_order(drawn):
    for y in drawn[1::2]:
        assert np.bincount(y).tolist() == [len(y) // 10] * 10
        assert len(np.unique(y[:40])) > 5
    assert sorted(np.bincount(synthetic_fashion_mnist(23, 1, 0)[1], minlength=10).tolist()) == [2] * 7 + [3] * 3


def test_the_same_seed_draws_the_same_and_another_seed_another(drawn):
    again = synthetic_fashion_mnist(2000, 500, seed=0)
    assert all(np.array_equal(a, b) for a, b in zip(drawn, again))
    other = synthetic_fashion_mnist(2000, 500, seed=1)
    assert not any(np.array_equal(a, b) for a, b in zip(drawn, other))


def test_a_new_process_draws_the_same():
    code = (
        "import hashlib\nfrom d2lhelpers.data import synthetic_fashion_mnist as draw\n"
        "print(hashlib.sha256(b''.join(a.tobytes() for a in draw(50, 20, 7))).hexdigest())"
    )
    here = hashlib.sha256(b"".join(a.tobytes() for a in synthetic_fashion_mnist(50, 20, 7))).hexdigest()
    there = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert there.stdout.strip() == here


def test_the_test_images_do_not_depend_on_the_number_of_training_images(drawn):
    assert np.array_equal(synthetic_fashion_mnist(10, 500, seed=0)[2], drawn[2])


def test_numpys_global_generator_is_neither_used_nor_changed():
    np.random.seed(1)
    before = np.random.get_state()
    first = synthetic_fashion_mnist(20, 10, 0)
    after = np.random.get_state()
    assert all(np.array_equal(a, b) for a, b in zip(before, after))
    np.random.seed(2)
    assert np.array_equal(synthetic_fashion_mnist(20, 10, 0)[0], first[0])


def test_every_image_is_a_garment_on_black(drawn):
    X = drawn[0][:, 0]
    inked = (X > 0).mean(axis=(1, 2))
    assert 0.05 < inked.min() < inked.max() < 0.8
    assert (X[:, [0, 0, -1, -1], [0, -1, 0, -1]] == 0).mean() > 0.99  # corners
    assert all(len(np.unique(image)) > 10 for image in X[:200])  # shades, not silhouettes
    assert 0.3 < X[X > 0].mean() < 0.5  # cloth of the brightness from which notebook 05's LeNet learns


def test_no_two_images_are_the_same(drawn):
    X = np.concatenate([drawn[0], drawn[2]])
    assert len({image.tobytes() for image in X}) == len(X)


def test_the_classes_can_be_learned_but_not_by_their_means_alone(drawn):
    X_train, y_train, X_test, y_test = (array.reshape(len(array), -1).squeeze() for array in drawn)
    means = np.stack([X_train[y_train == label].mean(axis=0) for label in range(10)])
    nearest = ((X_test[:, np.newaxis] - means) ** 2).sum(axis=2).argmin(axis=1)
    assert 0.5 < (nearest == y_test).mean() < 0.9


def test_shapes_are_those_of_the_garments(drawn):
    X, y = drawn[0][:, 0], drawn[1]
    inked = [(X[y == label] > 0).mean(axis=0) for label in range(10)]  # share of images with ink at each pixel
    shirt, trouser, pullover, dress, _, sandal, _, sneaker, bag, boot = range(10)
    assert inked[trouser][22, 13:15].mean() < 0.3 < 0.7 < inked[trouser][22, [11, 16]].mean()  # between the legs
    assert inked[pullover][18, [4, 23]].mean() > inked[shirt][18, [4, 23]].mean() + 0.3  # long sleeves
    assert inked[dress][24].sum() > inked[dress][10].sum()  # a skirt is wider than its waist
    assert inked[sandal].sum() < inked[sneaker].sum() < inked[boot].sum()
    assert inked[sneaker][:8].max() < 0.1 < 0.9 < inked[boot][8, 19]  # a shaft above the ankle
    assert inked[bag][8, 13:15].mean() < inked[bag][20, 13:15].mean()  # a handle above the body


@pytest.mark.slow
def test_the_lenet_learns_them_to_over_90_percent_but_not_trivially():
    X_train, y_train, X_test, y_test = synthetic_fashion_mnist(5000, 1000, seed=0)
    seed_everything(0)
    net = lenet()
    net.initialize(mx.init.Xavier())
    trainer = gluon.Trainer(net.collect_params(), "adam", {"learning_rate": 0.003})
    train_iter = ArrayIterator(X_train, y_train, 100, shuffle=True)
    history = fit(net, train_iter, ArrayIterator(X_test, y_test, 500), 2, trainer=trainer, ctx=mx.cpu())
    assert 0.9 < history.test_accuracy[-1] < 0.995


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ((0, 1, 0), "num_train"),
        ((1, 0, 0), "num_test"),
        ((1, 1, -1), "seed"),
        ((2.5, 1, 0), "num_train"),
        ((1, True, 0), "num_test"),
    ],
)
def test_impossible_numbers_are_refused(arguments, name):
    with pytest.raises(ValueError, match=f"{name} must be a whole number of at least"):
        synthetic_fashion_mnist(*arguments)


def test_the_parameters_are_those_of_the_design():
    assert list(inspect.signature(synthetic_fashion_mnist).parameters) == ["num_train", "num_test", "seed"]
