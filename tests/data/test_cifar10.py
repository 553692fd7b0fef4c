from __future__ import annotations

import hashlib

from d2lhelpers.data import (
    DATA_SETS,
    DataCorruptError,
    DataNotFoundError,
    cifar10_arrays,
    cifar10_source,
    ensure,
    load_data_cifar10,
    sources,
    status,
)
from d2lhelpers.data.cifar10 import parse_cifar10

import numpy as np
import pytest
from mxnet.gluon.data import vision

from .tiny import cifar_record, cifar_set, described, write

# One batch


def test_a_record_is_a_label_and_three_planes_row_by_row():
    planes = [np.random.default_rng(seed).integers(0, 256, (32, 32), dtype=np.uint8) for seed in range(3)]
    images, labels = parse_cifar10(bytes([7]) + b"".join(plane.tobytes() for plane in planes))
    assert (images.shape, images.dtype, labels.dtype, labels.tolist()) == ((1, 3, 32, 32), np.uint8, np.int32, [7])
    assert np.array_equal(images[0], planes)


def test_mxnets_own_reader_agrees(tmp_path):
    data = np.random.default_rng(0).integers(0, 10, (4, 3073), dtype=np.uint8).tobytes()
    (tmp_path / "batch.bin").write_bytes(data)
    theirs, their_labels = vision.CIFAR10._read_batch(None, str(tmp_path / "batch.bin"))
    images, labels = parse_cifar10(data)
    assert np.array_equal(images.transpose(0, 2, 3, 1), theirs)
    assert labels.tolist() == their_labels.tolist()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "x.bin has 0 bytes, expected a multiple of 3,073"),
        (cifar_record(1, 2, 3, 4)[:-1], "x.bin has 3,072 bytes, expected a multiple of 3,073"),
        (cifar_record(0, 0, 0, 0) + cifar_record(10, 0, 0, 0), "x.bin has label 10 in record 1, expected 0…9"),
    ],
)
def test_bytes_that_are_no_batch_are_refused(data, message):
    with pytest.raises(DataCorruptError, match=message):
        parse_cifar10(data, "x.bin")


# The set


@pytest.fixture
def sample(cifar, monkeypatch):
    """The beginning of the tiny set: two records of the first batch, one of the test batch."""
    files = {
        "data_batch_1.bin": cifar["data_batch_1.bin"][: 2 * 3073],
        "test_batch.bin": cifar["test_batch.bin"][:3073],
    }
    monkeypatch.setitem(DATA_SETS, "cifar-10-sample", described("cifar-10-sample", files, mirrors=()))
    return files


@pytest.mark.parametrize("folder", ["cifar10", "cifar10/cifar-10-batches-bin", "cifar-10-batches-bin"])
def test_the_batches_in_order_make_the_training_set(cifar, tmp_path, folder):
    write(tmp_path / folder, cifar)
    X_train, y_train, X_test, y_test = cifar10_arrays(tmp_path)
    assert (X_train.shape, X_test.shape) == ((15, 3, 32, 32), (3, 3, 32, 32))
    assert all(a.dtype == np.float32 for a in (X_train, X_test))
    assert all(a.dtype == np.int32 for a in (y_train, y_test))
    assert (y_train.tolist(), y_test.tolist()) == ([0, 1, 2] * 5, [0, 1, 2])
    batch_of = np.repeat(np.arange(5), 3)
    for channel, value in enumerate((batch_of, 10 + y_train, np.full(15, 200))):
        assert np.array_equal(X_train[:, channel, 5, 7] * 255, value)


def test_normalised_pixels_lie_between_minus_one_and_one(cifar, tmp_path):
    write(tmp_path / "cifar10", cifar)
    plain = cifar10_arrays(tmp_path)
    for iterator, X in zip(load_data_cifar10(2, root=tmp_path), plain[::2]):
        np.testing.assert_allclose(iterator.X, (X - 0.5) / 0.5, atol=1e-7)
    for iterator, X in zip(load_data_cifar10(2, root=tmp_path, normalize=False), plain[::2]):
        assert np.array_equal(iterator.X, X)


def test_black_and_white_become_minus_one_and_one(monkeypatch, tmp_path):
    files = {**cifar_set(), "test_batch.bin": cifar_record(0, 0, 255, 0)}
    monkeypatch.setitem(DATA_SETS, "cifar10", described("cifar10", files))
    write(tmp_path / "cifar10", files)
    _, test_iter = load_data_cifar10(1, root=tmp_path)
    assert test_iter.X[0, :, 0, 0].tolist() == [-1, 1, -1]


def test_batches_of_four(cifar, tmp_path):
    write(tmp_path / "cifar10", cifar)
    train_iter, test_iter = load_data_cifar10(4, root=tmp_path)
    assert [X.shape for X, _ in train_iter] == [(4, 3, 32, 32)] * 3 + [(3, 3, 32, 32)]
    assert np.concatenate([y.asnumpy() for _, y in test_iter]).tolist() == [0, 1, 2]
    orders = {tuple(np.concatenate([y.asnumpy() for _, y in train_iter]).tolist()) for _ in range(9)}
    assert len(orders) > 1


# The full set, or the sample


def test_the_full_set_is_preferred(cifar, sample, tmp_path):
    write(tmp_path / "cifar10", cifar)
    write(tmp_path / "cifar-10-sample", sample)
    assert cifar10_source(tmp_path) == "full"
    assert len(cifar10_arrays(tmp_path)[0]) == 15
    assert len(cifar10_arrays(tmp_path, sample=False)[0]) == 15
    assert len(cifar10_arrays(tmp_path, sample=True)[0]) == 2


def test_the_sample_is_used_where_only_it_is_there(sample, tmp_path):
    write(tmp_path / "cifar-10-sample", sample)
    assert cifar10_source(tmp_path) == "sample"
    for arrays in (cifar10_arrays(tmp_path), cifar10_arrays(tmp_path, sample=True)):
        assert [len(array) for array in arrays] == [2, 2, 1, 1]
    assert [len(iterator.y) for iterator in load_data_cifar10(4, root=tmp_path, sample=True)] == [2, 1]
    with pytest.raises(DataNotFoundError, match="CIFAR-10 is not in"):
        cifar10_arrays(tmp_path, sample=False)


def test_the_sample_is_cut_from_the_full_set_where_only_that_is_there(cifar, sample, tmp_path):
    write(tmp_path / "cut" / "cifar10", cifar)
    write(tmp_path / "own" / "cifar-10-sample", sample)
    cut, own = cifar10_arrays(tmp_path / "cut", sample=True), cifar10_arrays(tmp_path / "own", sample=True)
    assert all(np.array_equal(a, b) for a, b in zip(cut, own))
    assert ensure("cifar-10-sample", tmp_path / "cut") == tmp_path / "cut" / "cifar10"
    assert not (tmp_path / "cut" / "cifar-10-sample").exists()
    assert [entry[1:3] for entry in status(tmp_path / "cut")][2:] == [
        (tmp_path / "cut" / "cifar10", sources.State.VERIFIED)
    ] * 2


def test_a_cut_that_is_not_the_published_sample_is_refused(cifar, sample, monkeypatch, tmp_path):
    write(tmp_path / "cifar10", cifar)
    other = {name: b"\0" * len(data) for name, data in sample.items()}
    monkeypatch.setitem(DATA_SETS, "cifar-10-sample", described("cifar-10-sample", other, mirrors=()))
    with pytest.raises(DataCorruptError, match=r"first 2 records of .*data_batch_1\.bin are not the published sample"):
        cifar10_arrays(tmp_path, sample=True)


def test_a_full_set_in_part_is_no_reason_to_use_the_sample_silently(cifar, sample, tmp_path):
    del cifar["data_batch_4.bin"]
    write(tmp_path / "cifar10", cifar)
    write(tmp_path / "cifar-10-sample", sample)
    for read in (cifar10_source, cifar10_arrays):
        with pytest.raises(DataNotFoundError, match=r"no data_batch_4\.bin in .* or ask for the sample with"):
            read(tmp_path)
    assert len(cifar10_arrays(tmp_path, sample=True)[0]) == 2


def test_where_neither_is_the_error_says_what_to_do(cifar, sample, tmp_path):
    for read in (cifar10_source, cifar10_arrays, lambda root: cifar10_arrays(root, sample=True)):
        with pytest.raises(DataNotFoundError, match="data fetch cifar10"):
            read(tmp_path)
    with pytest.raises(DataNotFoundError, match="the drawn stand-in"):
        cifar10_source("synthetic")


def test_an_altered_batch_is_refused(cifar, tmp_path):
    write(tmp_path / "cifar10", {**cifar, "data_batch_5.bin": cifar["data_batch_4.bin"]})
    with pytest.raises(DataCorruptError, match=r"data_batch_5\.bin is data_batch_4\.bin of CIFAR-10, not data_batch_5"):
        cifar10_arrays(tmp_path)


@pytest.mark.data("cifar-10-sample")
def test_the_real_sample():
    X_train, y_train, X_test, y_test = cifar10_arrays(sample=True)
    assert (X_train.shape, X_test.shape) == ((4000, 3, 32, 32), (1000, 3, 32, 32))
    # The first training image is a frog, the first test images a cat and two ships: every tutorial shows them.
    assert (y_train[:3].tolist(), y_test[:3].tolist()) == ([6, 9, 9], [3, 8, 8])
    assert np.bincount(y_train, minlength=10).min() > 350
    assert (X_train.min(), X_train.max()) == (0, 1)


def test_the_published_sizes_are_whole_records():
    full, sample = DATA_SETS["cifar10"], DATA_SETS["cifar-10-sample"]
    assert [file.size for file in full.files] == [10000 * 3073] * 6
    assert [file.size for file in sample.files] == [4000 * 3073, 1000 * 3073]
    assert len({file.sha256 for file in (*full.files, *sample.files)}) == 8
    assert all(len(file.sha256) == len(hashlib.sha256().hexdigest()) for file in full.files)
