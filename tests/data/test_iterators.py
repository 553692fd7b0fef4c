from __future__ import annotations

from d2lhelpers.augmentation import random_crop, random_flip
from d2lhelpers.data import (
    ArrayIterator,
    load_data_cifar10,
    load_data_fashion_mnist,
    load_data_mnist,
    synthetic_fashion_mnist,
)
from d2lhelpers.data import mnist as mnist_module
from d2lhelpers.seeding import seed_everything

import mxnet as mx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mxnet import npx

from .tiny import write

FEW = settings(max_examples=30, deadline=None, derandomize=True)


def samples(n, shape=(1,)):
    """Sample i is filled with i and has label i, so that a batch shows which samples are in it."""
    y = np.arange(n)
    return np.broadcast_to(y.reshape(-1, *[1] * len(shape)), (n, *shape)).astype(np.float32), y


def order(iterator):
    """The labels of one pass, with the check that each sample kept its own."""
    seen = []
    for X, y in iterator:
        X, y = X.asnumpy(), y.asnumpy()
        assert (X == y.reshape(-1, *[1] * (X.ndim - 1))).all()
        seen += y.tolist()
    return seen


@FEW
@given(st.integers(1, 60), st.integers(1, 20), st.integers(1, 6), st.booleans())
def test_shares_of_all_workers_are_the_minibatches_of_one(n, batch_size, count, shuffle):
    whole = ArrayIterator(*samples(n), batch_size, shuffle=shuffle)
    if min(n, batch_size) < count:
        with pytest.raises(ValueError, match="cannot be shared by"):
            whole.shard(0, count)
        return
    seed_everything(0)
    expected = [y.asnumpy().tolist() for _, y in whole]
    if len(expected[-1]) < count:
        expected[-2:] = [sum(expected[-2:], [])]
    passes = []
    for index in range(count):
        share = whole.shard(index, count)
        seed_everything(0)
        passes.append([y.asnumpy().tolist() for _, y in share])
        assert len(share) == len(passes[-1]) and share.batch_sizes == list(map(len, expected))
        assert all(passes[-1]), "each worker has a sample in each step"
    assert [sum(parts, []) for parts in zip(*passes)] == expected
    assert all(max(map(len, parts)) - min(map(len, parts)) <= 1 for parts in zip(*passes))


def test_a_share_that_is_none_is_said():
    whole = ArrayIterator(*samples(10), 5)
    for index, count, message in [(2, 2, "from 0 to 1, not 2"), (-1, 2, "not -1"), (0, 0, "of at least 1, not 0")]:
        with pytest.raises(ValueError, match=message):
            whole.shard(index, count)
    with pytest.raises(ValueError, match="this is a share already"):
        whole.shard(0, 2).shard(0, 2)


@FEW
@given(st.integers(1, 40), st.integers(1, 50), st.booleans(), st.sampled_from([(), (3,), (1, 2, 2)]))
def test_every_sample_comes_once_with_its_label_and_the_last_batch_is_ragged(n, batch_size, shuffle, shape):
    iterator = ArrayIterator(*samples(n, shape), batch_size, shuffle)
    sizes = [len(y) for _, y in iterator]
    assert sizes == [batch_size] * (n // batch_size) + ([n % batch_size] if n % batch_size else [])
    assert len(iterator) == len(sizes)
    assert sorted(order(iterator)) == list(range(n))
    assert all(X.shape == (len(y), *shape) for X, y in iterator)


def test_without_shuffle_the_order_is_that_of_the_arrays_and_nothing_random_is_drawn():
    iterator = ArrayIterator(*samples(10), 4)
    before = np.random.get_state()[1].tolist()
    assert order(iterator) == order(iterator) == list(range(10))
    assert np.random.get_state()[1].tolist() == before


def test_each_pass_is_shuffled_anew_by_numpys_global_generator():
    iterator = ArrayIterator(*samples(50), 8, shuffle=True)
    np.random.seed(3)
    first, second = order(iterator), order(iterator)
    assert first != second
    np.random.seed(3)
    assert [order(iterator), order(iterator)] == [first, second]
    np.random.seed(3)
    assert first == np.random.permutation(50).tolist()


def test_two_passes_at_once_do_not_disturb_each_other():
    iterator = ArrayIterator(*samples(9), 2, shuffle=True)
    pairs = list(zip(iterator, iterator))
    for k in (0, 1):
        assert sorted(label for pair in pairs for label in pair[k][1].asnumpy().tolist()) == list(range(9))


def test_a_batch_is_a_copy():
    iterator = ArrayIterator(*samples(4), 4)
    X, y = next(iter(iterator))
    X[:], y[:] = -1, -1
    mx.nd.waitall()
    assert iterator.X.min() == 0
    assert iterator.y.tolist() == [0, 1, 2, 3]


def test_batches_are_nd_arrays_and_np_arrays_while_np_is_set():
    iterator = ArrayIterator(*samples(5), 3, shuffle=True)
    for X, y in iterator:
        assert type(X) is type(y) is mx.nd.NDArray
        assert (X.dtype, y.dtype) == (np.float32, np.int32)
        assert X.context == mx.cpu()
    npx.set_np()
    try:
        for X, y in iterator:
            assert type(X) is type(y) is mx.np.ndarray
            assert (X.dtype, y.dtype) == (np.float32, np.int32)
    finally:
        npx.reset_np()
    assert type(next(iter(iterator))[0]) is mx.nd.NDArray


def test_the_whole_set_is_there_as_numpy_arrays():
    iterator = ArrayIterator([[1, 2], [3, 4]], [True, False], 2)
    assert type(iterator.X) is type(iterator.y) is np.ndarray
    assert (iterator.X.dtype, iterator.y.dtype, iterator.batch_size) == (np.float32, np.int32, 2)
    assert (iterator.X.tolist(), iterator.y.tolist()) == ([[1, 2], [3, 4]], [1, 0])


def test_labels_that_are_no_integers_stay_what_they_are():
    iterator = ArrayIterator(np.zeros((2, 1)), np.array([0.5, 1.5]), 2)
    assert next(iter(iterator))[1].asnumpy().tolist() == [0.5, 1.5]
    assert iterator.y.dtype == np.float32


@pytest.mark.parametrize("make", [mx.nd.array, mx.np.array], ids=["nd", "np"])
def test_mxnets_arrays_are_taken_too(make):
    iterator = ArrayIterator(make([[1.0], [2.0]]), make([3, 4], dtype="int32"), 1)
    assert [(X.asscalar(), y.asscalar()) for X, y in iterator] == [(1, 3), (2, 4)]


@pytest.mark.parametrize("number", [np.int64(2), np.uint8(2)])
def test_a_numpy_integer_is_a_batch_size(number):
    assert len(ArrayIterator(*samples(5), number)) == 3


@pytest.mark.parametrize("batch_size", [0, -1, 2.0, "2", None, True])
def test_a_batch_size_that_is_none_is_refused(batch_size):
    with pytest.raises(ValueError, match="batch_size must be a whole number of at least 1, not"):
        ArrayIterator(*samples(5), batch_size)


@pytest.mark.parametrize(
    ("X", "y"),
    [
        (np.zeros((3, 1)), np.zeros(2)),
        (np.zeros((0, 1)), np.zeros(0)),
        (np.zeros((3, 1)), np.zeros((3, 1))),
        (np.float32(1), np.zeros(1)),
    ],
)
def test_arrays_that_do_not_belong_together_are_refused(X, y):
    with pytest.raises(ValueError, match="give one label for each sample"):
        ArrayIterator(X, y, 2)


def test_the_arrays_are_copied_unless_told_otherwise():
    for X in (np.ones((3, 2), np.float32), np.ones((2, 3), np.float32).T, np.ones((3, 2)), np.ones((3, 2), np.uint8)):
        for y in (np.zeros(3, np.int32), np.zeros(3, np.int64), np.zeros(3)):
            iterator = ArrayIterator(X, y, 3)
            X[:], y[:] = 99, 7
            batch, labels = next(iter(iterator))
            assert (batch.asnumpy() == 1).all() and (labels.asnumpy() == 0).all()
            X[:], y[:] = 1, 0
    X, y = np.ones((3, 2), np.float32), np.zeros(3, np.int32)
    shared = ArrayIterator(X, y, 3, copy=False)
    assert np.shares_memory(shared.X, X) and np.shares_memory(shared.y, y)


LARGEST = np.finfo(np.float32).max


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        ([[1.0], [np.nan]], [0, 1], "X holds nan, which float32 cannot hold as a finite number: clean or scale"),
        ([[1.0], [-np.inf]], [0, 1], "X holds -inf"),
        ([[1.0], [2e38 * 2]], [0, 1], "X holds 4e[+]38"),
        (np.array([[1], [np.inf]], np.float16), [0, 1], "X holds inf"),
        ([[1.0], [2.0]], [2**31, 0], "y holds 2147483648, which int32 cannot hold"),
        ([[1.0], [2.0]], [-(2**31) - 1, 0], "y holds -2147483649"),
        ([[1.0], [2.0]], np.array([2**63, 0], np.uint64), "y holds 9223372036854775808"),
        ([[1.0], [2.0]], [0.0, np.nan], "y holds nan, which float32 cannot hold"),
        ([[1j], [2]], [0, 1], "X must be an array of real numbers"),
        ([[1.0], [2.0]], [1j, 0], "y must be an array of real numbers"),
        ([[1.0], [None]], [0, 1], "X must be an array of real numbers"),
        ([["1.5"], ["2"]], [0, 1], r"X must be an array of real numbers, not \[\['1.5'\], \['2'\]\]"),
        (np.array([["2026-01-01"]], "datetime64[D]"), [0], "X must be an array of real numbers"),
        ([[1.0], [2.0]], ["cat", "dog"], "y must be an array of real numbers"),
        ([[1.0], [2.0]], [2**70, 0], "y must be an array of real numbers"),
        ([[1.0], [2.0, 3.0]], [0, 1], "X must be an array of real numbers"),
        (mx.nd.array([1.0, np.nan]), [0, 1], "X holds nan"),
    ],
)
def test_a_number_that_would_become_another_is_refused(X, y, message):
    with pytest.raises(ValueError, match=message) as raised:
        ArrayIterator(X, y, 2)
    assert "\n" not in str(raised.value)


def test_the_largest_numbers_are_taken_as_they_are():
    iterator = ArrayIterator(np.array([[-LARGEST], [LARGEST]], np.float64), [2**31 - 1, -(2**31)], 2)
    assert iterator.X.ravel().tolist() == [-LARGEST, LARGEST] and iterator.y.tolist() == [2**31 - 1, -(2**31)]


@pytest.mark.parametrize("argument", ["shuffle", "copy"])
def test_a_switch_is_on_or_off(argument):
    with pytest.raises(ValueError, match=f"{argument} must be True or False, not 'no'"):
        ArrayIterator(*samples(4), 2, **{argument: "no"})


# Resizing


def by_interpolation(image, height, width):
    """Bilinear interpolation between the centres of pixels, one axis after the other."""
    for axis, size in ((0, height), (1, width)):
        old = image.shape[axis]
        at = (np.arange(size) + 0.5) * old / size - 0.5
        image = np.apply_along_axis(lambda line, at=at, old=old: np.interp(at, np.arange(old), line), axis, image)
    return image


@pytest.mark.parametrize("resize", [8, 3, (4, 9), 2])
def test_resize_is_bilinear_interpolation(resize):
    images = np.random.default_rng(0).random((3, 2, 4, 6), dtype=np.float32)
    iterator = ArrayIterator(images, [0, 1, 2], 2, resize=resize)
    height, width = resize if isinstance(resize, tuple) else (resize, resize)
    expected = [[by_interpolation(channel, height, width) for channel in image] for image in images]
    got = np.concatenate([X.asnumpy() for X, _ in iterator])
    assert got.shape == (3, 2, height, width)
    np.testing.assert_allclose(got, expected, atol=1e-6)
    assert np.array_equal(iterator.X, got)


def test_resize_by_hand():
    iterator = ArrayIterator(np.array([[[[0, 1, 2, 3]] * 2]]), [0], 1, resize=(2, 8))
    assert iterator.X[0, 0].tolist() == [[0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3]] * 2


@pytest.mark.parametrize("resize", [0, 1, (8,), (8, 8, 8), 2.5, (8, -1), "8"])
def test_a_size_that_is_none_is_refused(resize):
    with pytest.raises(ValueError, match="resize must be"):
        ArrayIterator(np.zeros((1, 1, 2, 2)), [0], 1, resize=resize)


def test_only_images_can_be_resized():
    with pytest.raises(ValueError, match=r"resize needs images of shape \(N, C, H, W\), got \(1, 2\)"):
        ArrayIterator(np.zeros((1, 2)), [0], 1, resize=8)


# Changing images


def plus_one(X):
    return X + 1


def in_place(X):
    X *= 10
    return X


@pytest.mark.parametrize("shuffle", [False, True])
def test_transforms_change_the_samples_in_order_and_leave_labels_and_arrays(shuffle):
    X, y = samples(7, (1, 2, 2))
    iterator = ArrayIterator(X.copy(), y, 3, shuffle, transform=(plus_one, in_place))
    for _ in range(2):
        for batch, labels in iterator:
            assert type(batch) is mx.nd.NDArray and batch.dtype == np.float32
            assert (batch.asnumpy() == 10 * (labels.asnumpy().reshape(-1, 1, 1, 1) + 1)).all()
    assert (iterator.X == X).all()


def test_one_transform_needs_no_tuple_and_may_write_into_its_samples():
    iterator = ArrayIterator(*samples(4), 4, transform=in_place)
    for _ in range(2):
        assert next(iter(iterator))[0].asnumpy().ravel().tolist() == [0, 10, 20, 30]
    assert iterator.X.ravel().tolist() == [0, 1, 2, 3]


def test_transforms_come_before_resizing():
    heights = []

    def note(X):
        heights.append(X.shape[2])
        return X[:, :, :2]

    iterator = ArrayIterator(np.ones((3, 1, 4, 6)), [0, 1, 2], 2, resize=(8, 8), transform=note)
    assert [X.shape for X, _ in iterator] == [(2, 1, 8, 8), (1, 1, 8, 8)] and heights == [4, 4]


def test_draws_are_the_order_of_the_pass_then_the_transforms_batch_by_batch():
    images = np.random.default_rng(0).random((6, 3, 8, 8), dtype=np.float32)
    iterator = ArrayIterator(images, np.arange(6), 4, shuffle=True, transform=(random_flip, random_crop))
    seed_everything(3)
    batches = [(X.asnumpy(), y.asnumpy()) for _ in range(2) for X, y in iterator]
    seed_everything(3)
    expected = []
    for _ in range(2):
        order = np.random.permutation(6)
        expected += [(random_crop(random_flip(images[rows])), rows) for rows in (order[:4], order[4:])]
    for (X, y), (X_expected, y_expected) in zip(batches, expected):
        assert (y == y_expected).all() and (X == X_expected).all()
    assert not np.array_equal(batches[0][0], images[batches[0][1]])


@pytest.mark.parametrize("transform", [None, 3, "random_flip", (random_flip, 3), [None]])
def test_what_is_no_function_is_no_transform(transform):
    with pytest.raises(ValueError, match="transform must be a function of samples or a tuple of functions, not "):
        ArrayIterator(*samples(4), 2, transform=transform)


def test_a_transform_must_keep_the_number_of_samples():
    iterator = ArrayIterator(*samples(4), 2, transform=lambda X: X[1:])
    with pytest.raises(ValueError, match=r"as many samples as .* not an array of shape \(1, 1\) for 2 samples"):
        next(iter(iterator))


# The loaders


@pytest.mark.parametrize(("load", "folder"), [(load_data_fashion_mnist, "fashion-mnist"), (load_data_mnist, "mnist")])
def test_the_loaders_shuffle_the_training_images_and_leave_the_test_images_in_order(
    fashion, mnist, tmp_path, load, folder
):
    write(tmp_path / folder, fashion if folder == "fashion-mnist" else mnist)
    train_iter, test_iter = load(2, root=tmp_path)
    assert (len(train_iter), len(test_iter), train_iter.batch_size, test_iter.batch_size) == (4, 2, 2, 2)
    assert [len(y) for _, y in train_iter] == [2, 2, 2, 1]
    X, y = next(iter(test_iter))
    assert (X.shape, X.dtype, y.dtype) == ((2, 1, 28, 28), np.float32, np.int32)
    assert np.array_equal(X.asnumpy(), test_iter.X[:2])
    passes = [np.concatenate([X.asnumpy() for X, _ in train_iter]) for _ in range(6)]
    assert any((passes[0] != other).any() for other in passes)
    assert all((np.concatenate([X.asnumpy() for X, _ in test_iter]) == test_iter.X).all() for _ in range(2))
    train_iter, test_iter = load(2, resize=(32, 30), root=tmp_path)
    assert next(iter(train_iter))[0].shape == (2, 1, 32, 30)
    assert next(iter(test_iter))[0].shape == (2, 1, 32, 30)


@pytest.mark.parametrize("load", [load_data_fashion_mnist, load_data_mnist, load_data_cifar10])
def test_a_bad_batch_size_is_found_before_data_are_looked_for(load):
    with pytest.raises(ValueError, match="batch_size must be"):
        load(0, root="/does/not/exist")


def test_a_bad_size_is_found_before_data_are_looked_for():
    with pytest.raises(ValueError, match="resize must be"):
        load_data_mnist(1, resize=-1, root="/does/not/exist")


@pytest.mark.parametrize("load", [load_data_fashion_mnist, load_data_mnist, load_data_cifar10])
def test_a_bad_transform_is_found_before_data_are_looked_for(load):
    with pytest.raises(ValueError, match="transform must be"):
        load(1, transform=1, root="/does/not/exist")


@pytest.mark.parametrize(("load", "folder"), [(load_data_fashion_mnist, "fashion-mnist"), (load_data_mnist, "mnist")])
def test_only_the_training_images_are_transformed(fashion, mnist, tmp_path, load, folder):
    write(tmp_path / folder, fashion if folder == "fashion-mnist" else mnist)
    train_iter, test_iter = load(2, root=tmp_path, transform=lambda X: X - 5)
    assert all((X.asnumpy() < 0).all() for X, _ in train_iter)
    assert all((X.asnumpy() >= 0).all() for X, _ in test_iter)


def test_the_stand_in_is_loaded_by_name(monkeypatch):
    drawn = synthetic_fashion_mnist(120, 20, seed=0)
    monkeypatch.setattr(mnist_module, "synthetic_fashion_mnist", lambda **_: drawn)
    train_iter, test_iter = load_data_fashion_mnist(256, root="synthetic")
    assert np.array_equal(train_iter.X, drawn[0]) and np.array_equal(test_iter.y, drawn[3])


@pytest.mark.data("fashion-mnist")
def test_the_real_fashion_mnist_in_batches():
    train_iter, test_iter = load_data_fashion_mnist(256)
    assert (len(train_iter), len(test_iter)) == (235, 40)
    assert [len(y) for _, y in test_iter] == [256] * 39 + [16]
    counts = np.zeros(10, int)
    for _, y in train_iter:
        counts += np.bincount(y.asnumpy(), minlength=10)
    assert counts.tolist() == [6000] * 10
