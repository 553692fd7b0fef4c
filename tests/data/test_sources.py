from __future__ import annotations

import gzip
import hashlib
import io
import os
import re
from pathlib import Path

from d2lhelpers.data import (
    DATA_SETS,
    DataCorruptError,
    DataNotFoundError,
    data_root,
    fashion_mnist_arrays,
    find,
    is_synthetic,
    mnist_arrays,
    status,
    verify,
)
from d2lhelpers.data.registry import OLDER_FASHION_MNIST_SHA1, data_set
from d2lhelpers.data.sources import State

import pytest

from .tiny import write

IMAGES = "train-images-idx3-ubyte.gz"


# Which root


def test_the_argument_counts_before_the_variable_and_the_variable_before_mxnets_folder(monkeypatch, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    assert data_root() == (tmp_path / "mxnet-home" / "datasets", "default")
    monkeypatch.setenv("D2LHELPERS_DATA", str(tmp_path / "b"))
    assert data_root() == (tmp_path / "b", "environment")
    assert data_root(tmp_path / "a") == (tmp_path / "a", "argument")


def test_without_any_variable_the_root_is_below_the_home_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("MXNET_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert data_root().path == tmp_path / ".mxnet" / "datasets"


def test_an_empty_variable_is_an_unset_one(monkeypatch):
    monkeypatch.setenv("D2LHELPERS_DATA", "")
    assert data_root().origin == "default"


def test_a_tilde_is_the_home_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert data_root("~").path == tmp_path


@pytest.mark.parametrize("origin", ["argument", "environment"])
def test_a_named_root_that_is_no_folder_is_an_error_and_no_reason_to_look_elsewhere(
    fashion, monkeypatch, tmp_path, origin
):
    write(tmp_path / "mxnet-home" / "datasets" / "fashion-mnist", fashion)  # would be found without the variable
    (tmp_path / "file").write_text("")
    for name, complaint in (("nowhere", "does not exist"), ("file", "is not a folder")):
        root = str(tmp_path / name)
        if origin == "environment":
            monkeypatch.setenv("D2LHELPERS_DATA", root)
            root = None
        with pytest.raises(DataNotFoundError, match=f"{re.escape(str(tmp_path / name))}, which {complaint}"):
            fashion_mnist_arrays(root)


def test_a_named_root_that_lacks_the_set_is_an_error_that_says_what_to_do(fashion, monkeypatch, tmp_path):
    write(tmp_path / "mxnet-home" / "datasets" / "fashion-mnist", fashion)
    (tmp_path / "mine").mkdir()
    monkeypatch.setenv("D2LHELPERS_DATA", str(tmp_path / "mine"))
    with pytest.raises(DataNotFoundError) as caught:
        fashion_mnist_arrays()
    message = str(caught.value)
    assert f"there is no folder {tmp_path / 'mine' / 'fashion-mnist'}" in message
    assert "$D2LHELPERS_DATA" in message
    assert "`python -m d2lhelpers data fetch fashion-mnist`" in message
    assert not (tmp_path / "mine" / "fashion-mnist").exists()


def test_a_set_that_is_there_in_part_is_not_found_and_the_missing_file_is_named(fashion, tmp_path):
    write(tmp_path / "fashion-mnist", fashion)
    (tmp_path / "fashion-mnist" / IMAGES).unlink()
    assert find("fashion-mnist", tmp_path) is None
    with pytest.raises(DataNotFoundError, match=f"no {IMAGES} in {re.escape(str(tmp_path / 'fashion-mnist'))}"):
        fashion_mnist_arrays(tmp_path)


def test_the_folder_with_the_files_given_as_the_root_is_explained(fashion, tmp_path):
    write(tmp_path / "fashion-mnist", fashion)
    with pytest.raises(DataNotFoundError, match="name the parent"):
        fashion_mnist_arrays(tmp_path / "fashion-mnist")


@pytest.mark.parametrize("below", ["cifar10", "cifar10/cifar-10-batches-bin", "cifar-10-batches-bin"])
def test_the_command_that_is_advised_fetches_into_the_root_that_was_passed(cifar, monkeypatch, tmp_path, below):
    root = tmp_path / "my data"
    name, *others = cifar
    write(root / below, {name: b"<html>", **{other: cifar[other] for other in others}})
    command = "python -m d2lhelpers data fetch cifar10`"
    for variable in (None, str(tmp_path), str(tmp_path / "nowhere"), "synthetic"):
        if variable is not None:
            monkeypatch.setenv("D2LHELPERS_DATA", variable)
        with pytest.raises(DataCorruptError, match=re.escape(f"run `D2LHELPERS_DATA='{root}' {command}")):
            verify("cifar10", root)
    monkeypatch.setenv("D2LHELPERS_DATA", str(root))
    for way in (None, root):
        with pytest.raises(DataCorruptError, match=f"run `{command}"):
            verify("cifar10", way)
    (root / below / name).unlink()
    monkeypatch.delenv("D2LHELPERS_DATA")
    with pytest.raises(DataNotFoundError, match=re.escape(f"run `D2LHELPERS_DATA='{root}' {command}")):
        verify("cifar10", root)


def test_an_unknown_set_is_refused_with_the_names_there_are(tmp_path):
    with pytest.raises(
        DataNotFoundError, match="'imagenet'; the names are fashion-mnist, mnist, cifar10, cifar-10-sample"
    ):
        find("imagenet", tmp_path)


def test_unknown_errors_are_file_not_found_and_value_errors():
    assert issubclass(DataNotFoundError, FileNotFoundError)
    assert issubclass(DataCorruptError, ValueError)


# The stand-in, by name only


def test_the_stand_in_is_called_by_name(monkeypatch, tmp_path):
    assert is_synthetic("synthetic")
    assert not is_synthetic(tmp_path)
    assert not is_synthetic()
    monkeypatch.setenv("D2LHELPERS_DATA", "synthetic")
    assert is_synthetic()
    assert not is_synthetic(tmp_path)  # the argument counts first
    assert data_root() == (None, "environment")
    assert find("fashion-mnist") is None  # drawn garments never pass for the real data


@pytest.mark.parametrize("name", ["mnist", "cifar10", "cifar-10-sample"])
def test_the_stand_in_knows_fashion_mnist_only(name):
    with pytest.raises(DataNotFoundError, match=r"cannot be had: the data root is 'synthetic'"):
        verify(name, "synthetic")


# Files that are not what they should be: named, explained, never used, never removed


def corrupt(fashion, tmp_path, data):
    write(tmp_path / "fashion-mnist", {**fashion, IMAGES: data})
    with pytest.raises(DataCorruptError) as caught:
        fashion_mnist_arrays(tmp_path)
    path = tmp_path / "fashion-mnist" / IMAGES
    assert path.read_bytes() == data
    message = str(caught.value)
    assert message.startswith(f"{path} ")
    assert "move it away" in message and "data fetch fashion-mnist" in message
    return message


def test_a_truncated_file(fashion, tmp_path):
    good = fashion[IMAGES]
    assert f"truncated or half written: {len(good) // 2:,} bytes of {len(good):,}" in corrupt(
        fashion, tmp_path, good[: len(good) // 2]
    )


def test_an_altered_file(fashion, tmp_path):
    altered = fashion[IMAGES][:-1] + bytes([fashion[IMAGES][-1] ^ 1])
    message = corrupt(fashion, tmp_path, altered)
    assert f"is altered: its SHA-256 is {hashlib.sha256(altered).hexdigest()}" in message
    assert hashlib.sha256(fashion[IMAGES]).hexdigest() in message


def test_a_longer_file(fashion, tmp_path):
    assert f"has {len(fashion[IMAGES]) + 1:,} bytes where" in corrupt(fashion, tmp_path, fashion[IMAGES] + b"\0")


def test_an_empty_file(fashion, tmp_path):
    assert "is empty" in corrupt(fashion, tmp_path, b"")


def test_a_web_page(fashion, tmp_path):
    assert "is a web page (HTML)" in corrupt(fashion, tmp_path, b"\n<html><body>404 Not Found</body></html>")


def test_an_uncompressed_file(fashion, tmp_path):
    assert "is not a gzip file (it begins with the bytes 00 00 08 03" in corrupt(
        fashion, tmp_path, gzip.decompress(fashion[IMAGES])
    )


def test_the_same_images_compressed_anew_are_not_the_published_file(fashion, tmp_path):
    corrupt(fashion, tmp_path, gzip.compress(gzip.decompress(fashion[IMAGES]), compresslevel=1, mtime=1))


def test_mnist_in_the_folder_of_fashion_mnist(fashion, mnist, tmp_path):
    message = corrupt(fashion, tmp_path, mnist[IMAGES])
    assert f"is {IMAGES} of MNIST, not {IMAGES} of Fashion-MNIST" in message


def test_fashion_mnist_in_the_folder_of_mnist(fashion, mnist, tmp_path):
    write(tmp_path / "mnist", {**mnist, IMAGES: fashion[IMAGES]})
    with pytest.raises(DataCorruptError, match=f"is {IMAGES} of Fashion-MNIST, not {IMAGES} of MNIST"):
        mnist_arrays(tmp_path)


def test_labels_in_place_of_images(fashion, tmp_path):
    labels = "train-labels-idx1-ubyte.gz"
    assert f"is {labels} of Fashion-MNIST, not {IMAGES}" in corrupt(fashion, tmp_path, fashion[labels])


def test_mxnets_older_fashion_mnist_is_named(fashion, monkeypatch, tmp_path):
    older = b"\x1f\x8bthe images of 2017-08-26"
    monkeypatch.setitem(OLDER_FASHION_MNIST_SHA1, hashlib.sha1(older).hexdigest(), IMAGES)
    message = corrupt(fashion, tmp_path, older)
    assert "the Fashion-MNIST of 2017-08-26, with duplicates, from MXNet's mirror" in message
    assert "the published results need the one of 2017-08-31" in message
    assert "or name another folder in $D2LHELPERS_DATA" in message


def test_the_older_checksums_are_those_that_mxnet_expects(tmp_path):
    from mxnet.gluon.data import vision

    class Names(vision.FashionMNIST):
        def _get_data(self):
            pass

    names = Names(root=str(tmp_path))
    pairs = (names._train_data, names._train_label, names._test_data, names._test_label)
    assert {sha1: name for name, sha1 in pairs} == OLDER_FASHION_MNIST_SHA1


def test_a_folder_in_place_of_a_file(fashion, tmp_path):
    write(tmp_path / "fashion-mnist", fashion)
    (tmp_path / "fashion-mnist" / IMAGES).unlink()
    (tmp_path / "fashion-mnist" / IMAGES).mkdir()
    with pytest.raises(DataCorruptError, match=f"{IMAGES} is not a regular file"):
        fashion_mnist_arrays(tmp_path)


def test_a_link_to_nowhere_is_not_downloaded_over(fashion, tmp_path):
    write(tmp_path / "fashion-mnist", fashion)
    (tmp_path / "fashion-mnist" / IMAGES).unlink()
    (tmp_path / "fashion-mnist" / IMAGES).symlink_to(tmp_path / "gone")
    with pytest.raises(DataCorruptError, match=f"{IMAGES} is a link to nowhere; remove it"):
        fashion_mnist_arrays(tmp_path)


def test_an_unreadable_file(fashion, monkeypatch, tmp_path):
    write(tmp_path / "fashion-mnist", fashion)
    real = open

    def refuse(path, *args, **kwargs):  # as the system does for anybody but root, who may run these tests
        if Path(path).name == IMAGES:
            raise PermissionError(13, "Permission denied")
        return real(path, *args, **kwargs)

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(DataCorruptError, match=f"{IMAGES} cannot be read .Permission denied.; give yourself the right"):
        fashion_mnist_arrays(tmp_path)


def test_a_file_that_changed_is_found_whatever_its_size_and_time_say(fashion, tmp_path):
    write(tmp_path / "fashion-mnist", fashion)
    fashion_mnist_arrays(tmp_path)
    path = tmp_path / "fashion-mnist" / IMAGES
    about = path.stat()
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))
    with pytest.raises(DataCorruptError):
        fashion_mnist_arrays(tmp_path)


# What strangers' folders hold


def test_of_a_file_far_too_large_only_the_beginning_is_read(fashion, tmp_path):
    write(tmp_path / "fashion-mnist", fashion)
    with open(tmp_path / "fashion-mnist" / IMAGES, "wb") as file:
        file.truncate(40 * 10**9)
    with pytest.raises(DataCorruptError, match="begins with the bytes 00 00 00 00, not 1f 8b"):
        verify("fashion-mnist", tmp_path)


def test_data_packed_anew_are_not_called_truncated(fashion, tmp_path):
    other = io.BytesIO()
    with gzip.GzipFile("a name that the published file lacks", "wb", fileobj=other) as file:
        file.write(gzip.decompress(fashion[IMAGES]))
    write(tmp_path / "fashion-mnist", {**fashion, IMAGES: other.getvalue()})
    with pytest.raises(DataCorruptError, match="is a whole gzip file.* packed anew, perhaps"):
        verify("fashion-mnist", tmp_path)
    write(tmp_path / "fashion-mnist", {**fashion, IMAGES: fashion[IMAGES][:-9]})
    with pytest.raises(DataCorruptError, match="is truncated"):
        verify("fashion-mnist", tmp_path)


@pytest.mark.parametrize(
    "root, why",
    [
        ("~no-such-user/data", "names a home that is not known"),
        ("x" * 5000, "cannot be looked at"),
        ("a\0b", "cannot be looked at"),
        (__file__, "is not a folder"),
        (f"{__file__}/below", "cannot be looked at"),
    ],
)
def test_a_root_that_cannot_be_is_named_in_a_sentence(root, why):
    with pytest.raises(DataNotFoundError, match=why) as raised:
        data_root(root)
    assert len(str(raised.value)) < 500


def test_a_home_that_is_not_known_is_named(monkeypatch):
    monkeypatch.setenv("MXNET_HOME", "~no-such-user/mxnet")
    with pytest.raises(DataNotFoundError, match="names a home that is not known.* give .MXNET_HOME or .HOME a folder"):
        data_root()


def test_a_folder_that_may_not_be_read_is_said_to_be_one(fashion, monkeypatch, tmp_path):
    write(tmp_path / "fashion-mnist", fashion)
    allowed = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: allowed(path, mode) and Path(path).name != "fashion-mnist")
    with pytest.raises(DataCorruptError, match="may not be read; give yourself the right"):
        verify("fashion-mnist", tmp_path)
    assert [entry.state for entry in status(tmp_path)][0] is State.WRONG


# The state of all sets


def test_status_says_of_each_set_where_it_is_and_what_is_wrong(fashion, mnist, tmp_path):
    write(tmp_path / "fashion-mnist", fashion)
    write(tmp_path / "mnist", {**mnist, IMAGES: b"<html>"})
    write(tmp_path / "cifar10", {"test_batch.bin": b""})
    states = {entry.name: entry for entry in status(tmp_path)}
    assert list(states) == list(DATA_SETS)
    assert states["fashion-mnist"] == ("fashion-mnist", tmp_path / "fashion-mnist", State.VERIFIED, "")
    assert states["mnist"].folder == tmp_path / "mnist"
    assert states["mnist"].state is State.WRONG
    assert states["mnist"].advice.startswith(f"{tmp_path / 'mnist' / IMAGES} is a web page (HTML)")
    assert "move it away" in states["mnist"].advice
    assert states["cifar10"][1:3] == (tmp_path / "cifar10", State.INCOMPLETE)
    assert "data_batch_1.bin" in states["cifar10"].advice
    assert states["cifar-10-sample"][1:3] == (None, State.NOT_FOUND)
    assert "data fetch cifar10" in states["cifar-10-sample"].advice


def test_status_of_a_root_that_does_not_exist_yet_is_that_nothing_is_found():
    assert [entry.state for entry in status()] == [State.NOT_FOUND] * len(DATA_SETS)


def test_status_of_the_stand_in_says_drawn():
    states = [entry.state for entry in status("synthetic")]
    assert states == [State.DRAWN, *[State.NOT_FOUND] * 3]


# The real thing


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.data(name)) for name in ("fashion-mnist", "mnist", "cifar-10-sample")],
)
def test_the_real_files_are_the_published_ones(name):
    assert verify(name).name == name


MD5 = {
    "fashion-mnist": (
        "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "25c81989df183df01b3e8a0aad5dffbe",
        "bef4ecab320f06d8554ea6380940ec79",
        "bb300cfdad3c16e7a12a480ee83cd310",
    ),
    "mnist": (
        "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "d53e105ee54ea40749a09fcbcd1e9432",
        "9fb629c4189551a2d022fa330f9573f3",
        "ec29112dd5afa0611ce80d1b7f02629c",
    ),
}


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.data(name)) for name in MD5])
def test_the_registrys_files_have_the_md5_that_their_authors_published(name):
    folder = verify(name)
    found = tuple(hashlib.md5((folder / file.name).read_bytes()).hexdigest() for file in data_set(name).files)
    assert found == MD5[name]
