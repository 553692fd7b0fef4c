from __future__ import annotations

import io
import tarfile

from d2lhelpers.data import DATA_SETS, DataCorruptError, DataNotFoundError, cifar10_arrays, fetch
from d2lhelpers.data.archive import unpack

import pytest

from .tiny import cifar_set, described, regular, tar_bytes, write

INSIDE = "cifar-10-batches-bin/"


def members(files):
    return [regular(INSIDE + name, data) for name, data in files.items()]


def special(name, kind, target=""):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member, None


def unpacked(archive, folder):
    folder.mkdir(exist_ok=True)
    unpack(io.BytesIO(archive), DATA_SETS["cifar10"], folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_expected_files_are_unpacked_and_nothing_else(cifar, tmp_path):
    archive = tar_bytes(
        [
            special(INSIDE.rstrip("/"), tarfile.DIRTYPE),
            regular(INSIDE + "readme.html", b"<html>"),
            *members(cifar),
            regular(INSIDE + "batches.meta.txt", b"airplane\n"),
        ]
    )
    assert unpacked(archive, tmp_path / "out") == cifar


def test_a_leading_dot_in_names_is_no_other_folder(cifar, tmp_path):
    files = [regular(f"./{INSIDE}{name}", data) for name, data in cifar.items()]
    assert unpacked(tar_bytes([special(".", tarfile.DIRTYPE), *files]), tmp_path / "out") == cifar


def twice(name):
    return regular(INSIDE + name, cifar_set()[name])


@pytest.mark.parametrize(
    ("extra", "complaint"),
    [
        (regular("../outside.bin", b"x"), "'../outside.bin' is not expected there"),
        (regular("/tmp/outside.bin", b"x"), "outside.bin' is not expected there"),
        (regular(INSIDE + "../../outside.bin", b"x"), "outside.bin' is not expected there"),
        (regular("test_batch.bin", b"x"), "'test_batch.bin' is not expected there"),
        (regular(INSIDE + "more.bin", b"x"), "more.bin' is not expected there"),
        (twice("test_batch.bin"), "comes twice"),
        (special(INSIDE + "link", tarfile.SYMTYPE, "/etc/passwd"), "link' is not a regular file"),
        (special(INSIDE + "readme.html", tarfile.SYMTYPE, "/etc/passwd"), "readme.html' is not a regular file"),
        (special(INSIDE + "link", tarfile.LNKTYPE, INSIDE + "test_batch.bin"), "link' is not a regular file"),
        (special(INSIDE + "pipe", tarfile.FIFOTYPE), "pipe' is not a regular file"),
        (special("elsewhere", tarfile.DIRTYPE), "'elsewhere' is not a regular file"),
        (regular(INSIDE + "readme.html", bytes((1 << 20) + 1)), "readme.html' is not expected there"),
    ],
)
def test_anything_else_in_the_archive_is_refused(cifar, tmp_path, extra, complaint):
    with pytest.raises(DataCorruptError) as caught:
        unpacked(tar_bytes([*members(cifar), extra]), tmp_path / "out")
    assert complaint in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]
    assert set(path.name for path in (tmp_path / "out").iterdir()) <= set(cifar)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_a_link_in_place_of_an_expected_file_is_refused(cifar, tmp_path, kind):
    rest = {name: data for name, data in cifar.items() if name != "test_batch.bin"}
    link = special(INSIDE + "test_batch.bin", kind, INSIDE + "data_batch_1.bin")
    with pytest.raises(DataCorruptError, match="'cifar-10-batches-bin/test_batch.bin' is not a regular file"):
        unpacked(tar_bytes([*members(rest), link]), tmp_path / "out")


def test_more_bytes_than_expected_are_refused_before_they_are_read(cifar, tmp_path):
    with pytest.raises(DataCorruptError, match=r"data_batch_1.bin' has 9,220 bytes, expected 9,219"):
        unpacked(tar_bytes(members({**cifar, "data_batch_1.bin": cifar["data_batch_1.bin"] + b"!"})), tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_batch_that_is_not_the_published_one_is_not_put_in_place(cifar, tmp_path):
    altered = bytes([9]) + cifar["data_batch_1.bin"][1:]
    with pytest.raises(DataCorruptError, match="its data_batch_1.bin is not the published one"):
        unpacked(tar_bytes(members({**cifar, "data_batch_1.bin": altered})), tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_missing_batch_is_named(cifar, tmp_path):
    del cifar["data_batch_3.bin"]
    with pytest.raises(DataCorruptError, match=r"it lacks cifar-10-batches-bin/data_batch_3\.bin"):
        unpacked(tar_bytes(members(cifar)), tmp_path / "out")


@pytest.mark.parametrize("damage", [lambda a: a[: len(a) // 2], lambda a: b"no gzip at all"])
def test_a_damaged_archive_is_refused(cifar, tmp_path, damage):
    with pytest.raises(DataCorruptError, match="it is damaged|it lacks"):
        unpacked(damage(tar_bytes(members(cifar))), tmp_path / "out")


def test_a_batch_that_is_there_already_is_verified_and_stays(cifar, tmp_path):
    write(tmp_path / "out", {"test_batch.bin": b"<html>"})
    with pytest.raises(DataCorruptError, match="test_batch.bin is a web page"):
        unpacked(tar_bytes(members(cifar)), tmp_path / "out")
    assert (tmp_path / "out" / "test_batch.bin").read_bytes() == b"<html>"
    assert not list((tmp_path / "out").glob("*.part-*"))


# Fetching the archive


@pytest.fixture
def served(cifar, mirror, monkeypatch):
    archive = tar_bytes(members(cifar))
    monkeypatch.setitem(DATA_SETS, "cifar10", described("cifar10", cifar, archive, mirrors=(mirror.url("a"),)))
    mirror.files["/a/cifar-10-binary.tar.gz"] = archive
    return archive


def test_the_archive_is_downloaded_unpacked_and_not_kept(cifar, served, mirror, tmp_path):
    folder = fetch("cifar10", tmp_path)
    assert folder == tmp_path / "cifar10"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == cifar
    assert len(cifar10_arrays(tmp_path)[0]) == 15


@pytest.mark.parametrize("place", ["cifar10", "."])
def test_an_archive_that_was_put_there_by_hand_is_unpacked_without_network(cifar, served, mirror, tmp_path, place):
    write(tmp_path / place, {"cifar-10-binary.tar.gz": served})
    fetch("cifar10", tmp_path)
    assert mirror.asked == []
    assert (tmp_path / place / "cifar-10-binary.tar.gz").read_bytes() == served
    assert len(cifar10_arrays(tmp_path)[0]) == 15


def test_an_archive_that_is_not_the_published_one_is_not_opened(cifar, served, mirror, tmp_path):
    write(tmp_path / "cifar10", {"cifar-10-binary.tar.gz": served[:-1]})
    with pytest.raises(DataCorruptError, match=r"cifar-10-binary\.tar\.gz is truncated or half written"):
        fetch("cifar10", tmp_path)
    assert [path.name for path in (tmp_path / "cifar10").iterdir()] == ["cifar-10-binary.tar.gz"]


def test_an_altered_archive_from_a_mirror_is_not_opened(cifar, served, mirror, tmp_path):
    mirror.files["/a/cifar-10-binary.tar.gz"] = tar_bytes([*members(cifar), regular("../evil", b"x")])
    with pytest.raises(DataNotFoundError, match=r"cifar-10-binary\.tar\.gz of CIFAR-10 could not be downloaded"):
        fetch("cifar10", tmp_path)
    assert list((tmp_path / "cifar10").iterdir()) == []
