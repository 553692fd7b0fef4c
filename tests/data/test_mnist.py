from __future__ import annotations

import gzip

from d2lhelpers.data import (
    CIFAR10_CLASSES,
    DATA_SETS,
    FASHION_MNIST_CLASSES,
    DataCorruptError,
    cifar10_labels,
    fashion_mnist_arrays,
    fashion_mnist_labels,
    mnist_arrays,
    synthetic_fashion_mnist,
    verify,
)
from d2lhelpers.data import mnist as mnist_module

import mxnet as mx
import numpy as np
import pytest

from .tiny import described, idx_bytes, idx_set, write

# Arrays


@pytest.mark.parametrize(
    ("read", "folder", "seed"), [(fashion_mnist_arrays, "fashion-mnist", 1), (mnist_arrays, "mnist", 2)]
)
def test_the_arrays_are_those_in_the_files(fashion, mnist, tmp_path, read, folder, seed):
    files, raw = idx_set(seed)
    write(tmp_path / folder, files)
    X_train, y_train, X_test, y_test = read(tmp_path)
    for X, y, images, labels in ((X_train, y_train, *raw[:2]), (X_test, y_test, *raw[2:])):
        assert (X.dtype, y.dtype) == (np.float32, np.int32)
        assert X.shape == (len(images), 1, 28, 28)
        assert np.array_equal(X[:, 0], images.astype(np.float32) / np.float32(255))
        assert y.tolist() == labels.tolist()
        X[:], y[:] = 0, 0  # the caller's own


def test_white_is_one_and_black_is_zero(monkeypatch, tmp_path):
    files, _ = idx_set(1)
    images = np.zeros((7, 28, 28), np.uint8)
    images[:, 0, 0] = 255
    files["train-images-idx3-ubyte.gz"] = gzip.compress(idx_bytes(images))
    monkeypatch.setitem(DATA_SETS, "mnist", described("mnist", files))
    write(tmp_path / "mnist", files)
    X = mnist_arrays(tmp_path)[0]
    assert (X[:, 0, 0, 0] == 1).all()
    assert X.sum() == 7


def test_images_without_their_labels_are_refused(monkeypatch, tmp_path):
    files, raw = idx_set(1)
    files["train-labels-idx1-ubyte.gz"] = gzip.compress(idx_bytes(raw[1][:-1]))
    monkeypatch.setitem(DATA_SETS, "mnist", described("mnist", files))
    write(tmp_path / "mnist", files)
    with pytest.raises(DataCorruptError, match=r"images of shape \(7, 28, 28\) for labels of shape \(6,\)"):
        mnist_arrays(tmp_path)


def test_the_word_synthetic_gives_the_stand_in(monkeypatch):
    asked, drawn = [], synthetic_fashion_mnist(12, 2, seed=0)
    monkeypatch.setattr(mnist_module, "synthetic_fashion_mnist", lambda **wanted: asked.append(wanted) or drawn)
    assert fashion_mnist_arrays("synthetic") is drawn
    assert asked == [{"num_train": 12000, "num_test": 2000, "seed": 0}]


# Mean and standard deviation of all training pixels, as known for these sets everywhere.
@pytest.mark.parametrize(
    ("read", "mean", "std", "labels"),
    [
        pytest.param(fashion_mnist_arrays, 0.2860, 0.3530, [9, 0, 0, 3, 0], marks=pytest.mark.data("fashion-mnist")),
        pytest.param(mnist_arrays, 0.1307, 0.3081, [5, 0, 4, 1, 9], marks=pytest.mark.data("mnist")),
    ],
)
def test_the_real_arrays(read, mean, std, labels):
    X_train, y_train, X_test, y_test = read()
    assert (X_train.shape, X_test.shape) == ((60000, 1, 28, 28), (10000, 1, 28, 28))
    assert (X_train.min(), X_train.max()) == (0, 1)
    assert round(float(X_train.mean(dtype=np.float64)), 4) == mean
    assert round(float(X_train.std(dtype=np.float64)), 4) == std
    assert y_train[:5].tolist() == labels
    assert (y_train.min(), y_train.max(), len(y_test)) == (0, 9, 10000)


@pytest.mark.data("mnist")
def test_mxnets_own_reader_agrees_on_mnist():
    folder = str(verify("mnist"))
    arrays = mnist_arrays()
    for train, X, y in ((True, *arrays[:2]), (False, *arrays[2:])):
        images, labels = mx.gluon.data.vision.MNIST(root=folder, train=train)[:]
        assert np.array_equal(images.asnumpy()[..., 0].astype(np.float32) / np.float32(255), X[:, 0])
        assert labels.tolist() == y.tolist()


# Names


def test_the_names_of_the_labels():
    assert fashion_mnist_labels([9, 0, 5]) == ["ankle boot", "t-shirt", "sandal"]
    assert cifar10_labels([0, 9, 6]) == ["plane", "truck", "frog"]
    assert len(set(FASHION_MNIST_CLASSES)) == len(set(CIFAR10_CLASSES)) == 10


@pytest.mark.parametrize(
    "y",
    [
        [3, 8],
        (3, 8),
        np.array([3, 8], np.uint8),
        np.array([3.0, 8.0]),
        mx.nd.array([3, 8]),
        mx.nd.array([3, 8], dtype="int32"),
        mx.np.array([3, 8]),
    ],
)
def test_labels_of_every_kind_have_names(y):
    assert fashion_mnist_labels(y) == ["dress", "bag"]
    assert cifar10_labels(y) == ["cat", "ship"]


def test_no_labels_have_no_names():
    assert fashion_mnist_labels([]) == []


@pytest.mark.parametrize(("y", "shown"), [([0, 10], "10"), ([0, -1], "-1"), ([0, 2.5], "2.5"), ([0, np.nan], "nan")])
def test_a_label_out_of_range_is_refused(y, shown):
    with pytest.raises(ValueError, match=f"whole numbers in 0…9, got {shown} at position 1"):
        fashion_mnist_labels(y)


@pytest.mark.parametrize("y", [["a"], [None], [[1], [1, 2]]])
def test_labels_are_numbers(y):
    with pytest.raises(ValueError, match="y must be an array of real numbers, not "):
        fashion_mnist_labels(y)


@pytest.mark.parametrize("y", [3, [[1, 2]]])
def test_labels_are_one_dimensional(y):
    with pytest.raises(ValueError, match=r"expected labels of shape \(N,\)"):
        cifar10_labels(y)
