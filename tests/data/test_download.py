from __future__ import annotations

import gc
import io
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

from d2lhelpers.data import (
    DATA_SETS,
    DataCorruptError,
    DataNotFoundError,
    download,
    ensure,
    fashion_mnist_arrays,
    fetch,
    find,
    verify,
)

import pytest

from .tiny import cifar_record, described, idx_set, write

IMAGES = "train-images-idx3-ubyte.gz"


@pytest.fixture
def served(fashion, mirror):
    """The tiny Fashion-MNIST, on the mirror's folders a and b."""
    mirror.files = {f"/{folder}/{name}": data for folder in "ab" for name, data in fashion.items()}
    return fashion


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def assert_fetched(folder, files):
    assert names_in(folder) == sorted(files)  # and no half file beside them
    assert {name: (folder / name).read_bytes() for name in files} == files


def test_a_set_is_downloaded_and_verified(served, mirror, tmp_path, capsys):
    folder = fetch("fashion-mnist", tmp_path, mirrors=[mirror.url("a")])
    assert folder == tmp_path / "fashion-mnist"
    assert_fetched(folder, served)
    assert verify("fashion-mnist", tmp_path) == folder
    assert [path for path, _ in mirror.asked] == [f"/a/{name}" for name in served]
    assert capsys.readouterr() == ("", "")  # no bar where nobody watches


def test_a_mirror_without_a_slash_at_its_end_is_the_same_mirror(served, mirror, tmp_path):
    assert_fetched(fetch("fashion-mnist", tmp_path, mirrors=[mirror.url("a").rstrip("/")]), served)


def test_what_is_there_is_not_downloaded_again(served, mirror, tmp_path):
    write(tmp_path / "fashion-mnist", served)
    (tmp_path / "fashion-mnist" / IMAGES).unlink()
    fetch("fashion-mnist", tmp_path, mirrors=[mirror.url("a")])
    assert [path for path, _ in mirror.asked] == [f"/a/{IMAGES}"]
    assert_fetched(fetch("fashion-mnist", tmp_path, mirrors=[mirror.url("a")]), served)
    assert len(mirror.asked) == 1


def test_without_a_named_root_missing_data_are_downloaded_into_mxnets_folder(served, mirror, monkeypatch, tmp_path):
    monkeypatch.setitem(
        DATA_SETS, "fashion-mnist", described("fashion-mnist", served, mirrors=(mirror.url("a"), mirror.url("b")))
    )
    X_train, y_train, X_test, y_test = fashion_mnist_arrays()
    assert (X_train.shape, y_train.shape, X_test.shape, y_test.shape) == ((7, 1, 28, 28), (7,), (3, 1, 28, 28), (3,))
    assert_fetched(tmp_path / "mxnet-home" / "datasets" / "fashion-mnist", served)


def test_with_a_named_root_nothing_is_downloaded_unasked(served, mirror, monkeypatch, tmp_path):
    monkeypatch.setitem(DATA_SETS, "fashion-mnist", described("fashion-mnist", served, mirrors=(mirror.url("a"),)))
    with pytest.raises(DataNotFoundError):
        ensure("fashion-mnist", tmp_path)
    monkeypatch.setenv("D2LHELPERS_DATA", str(tmp_path))
    with pytest.raises(DataNotFoundError):
        fashion_mnist_arrays()
    assert mirror.asked == []
    assert fetch("fashion-mnist") == tmp_path / "fashion-mnist"  # asked for: it goes where the variable says


def test_the_bar_is_drawn_on_stderr_where_it_is_wanted(served, mirror, tmp_path, capsys):
    fetch("fashion-mnist", tmp_path, mirrors=[mirror.url("a")], progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert f"fashion-mnist/{IMAGES}: 100%" in err


# Mirrors that fail


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("404", "it answers 404 Not Found"),
        ("html", "is a web page (HTML)"),
        ("cut", "the connection ended after"),
        ("more", "it sends more than the"),
        (b"\x1f\x8b and then something else", "is truncated or half written"),
    ],
)
def test_the_second_mirror_serves_where_the_first_fails(served, mirror, tmp_path, fault, why):
    mirror.faults[f"/a/{IMAGES}"] = [fault] * 50
    assert_fetched(fetch("fashion-mnist", tmp_path, mirrors=[mirror.url("a"), mirror.url("b")]), served)
    mirror.faults[f"/a/{IMAGES}"] = [fault] * 50
    (tmp_path / "other").mkdir()
    with pytest.raises(DataNotFoundError) as caught:
        fetch("fashion-mnist", tmp_path / "other", mirrors=[mirror.url("a")])
    assert f"{mirror.url('a')}{IMAGES}: " in str(caught.value)
    assert why in str(caught.value)
    assert not (tmp_path / "other" / "fashion-mnist" / IMAGES).exists()


def test_an_altered_file_is_never_put_in_place(served, mirror, tmp_path):
    altered = served[IMAGES][:-1] + bytes([served[IMAGES][-1] ^ 1])
    mirror.files[f"/a/{IMAGES}"] = altered
    with pytest.raises(DataNotFoundError, match="what it sent is altered: its SHA-256 is"):
        fetch("fashion-mnist", tmp_path, mirrors=[mirror.url("a")])
    assert names_in(tmp_path / "fashion-mnist") == []
    assert_fetched(fetch("fashion-mnist", tmp_path, mirrors=[mirror.url("a"), mirror.url("b")]), served)


def test_every_mirrors_failure_is_listed_with_what_to_do(served, mirror, tmp_path):
    mirror.faults = {f"/a/{IMAGES}": ["404"], f"/b/{IMAGES}": ["html"]}
    with pytest.raises(DataNotFoundError) as caught:
        fetch("fashion-mnist", tmp_path, mirrors=[mirror.url("a"), mirror.url("b")])
    lines = str(caught.value).splitlines()
    assert lines[0] == f"{IMAGES} of Fashion-MNIST could not be downloaded:"
    assert lines[1] == f"  {mirror.url('a')}{IMAGES}: it answers 404 Not Found"
    assert lines[2].startswith(f"  {mirror.url('b')}{IMAGES}: what it sent is a web page (HTML)")
    assert f"put it into {tmp_path / 'fashion-mnist'}" in lines[3] and "$D2LHELPERS_DATA" in lines[3]
    assert [path for path, _ in mirror.asked] == [f"/a/{IMAGES}", f"/b/{IMAGES}"]  # no other file is tried in vain


def test_a_mirror_that_falls_silent_is_given_up(served, mirror, monkeypatch, tmp_path):
    monkeypatch.setattr(download, "_TIMEOUT", 0.3)
    mirror.faults[f"/a/{IMAGES}"] = ["hang"] * 9
    assert_fetched(fetch("fashion-mnist", tmp_path, mirrors=[mirror.url("a"), mirror.url("b")]), served)
    first_at_b = next(span for path, span in mirror.asked if path == f"/b/{IMAGES}")
    assert first_at_b.startswith("bytes=")  # what the silent one sent was kept


def test_a_mirror_that_trickles_is_given_up(served, mirror, monkeypatch, tmp_path):
    monkeypatch.setattr(download, "_PATIENCE", 1.0)
    monkeypatch.setattr(download, "_SLOWEST", 1e9)
    mirror.faults[f"/a/{IMAGES}"] = ["trickle"] * 20
    (tmp_path / "other").mkdir()
    with pytest.raises(DataNotFoundError, match=r"it sent only [\d,]+ bytes in 1 seconds"):
        fetch("fashion-mnist", tmp_path / "other", mirrors=[mirror.url("a")])
    assert_fetched(fetch("fashion-mnist", tmp_path, mirrors=[mirror.url("a"), mirror.url("b")]), served)
    assert f"/b/{IMAGES}" in [path for path, _ in mirror.asked]


def test_a_host_that_refuses_or_does_not_exist_is_named_and_passed_over(served, mirror, monkeypatch, tmp_path):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        refusing = f"http://127.0.0.1:{closed.getsockname()[1]}/"

    def no_name_server(address, *args, **kwargs):
        if address[0] == "mirror.invalid":
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return real(address, *args, **kwargs)

    real = socket.create_connection
    monkeypatch.setattr(socket, "create_connection", no_name_server)
    mirrors = [refusing, "https://mirror.invalid/"]
    with pytest.raises(DataNotFoundError) as caught:
        fetch("fashion-mnist", tmp_path, mirrors=mirrors)
    assert f"{refusing}{IMAGES}: Connection refused" in str(caught.value)
    assert f"https://mirror.invalid/{IMAGES}: its name has no address (no network, or no name server)" in str(
        caught.value
    )
    assert_fetched(fetch("fashion-mnist", tmp_path, mirrors=[*mirrors, mirror.url("a")]), served)


def test_without_network_all_hosts_are_tried_at_once(served, monkeypatch, tmp_path):
    together = threading.Barrier(3)

    def silent(address, timeout):
        together.wait(60)  # would never end if one host were asked after the other
        raise socket.timeout("timed out")

    monkeypatch.setattr(socket, "create_connection", silent)
    with pytest.raises(DataNotFoundError) as caught:
        fetch("fashion-mnist", tmp_path, mirrors=[f"https://{host}.invalid/" for host in "abc"])
    assert str(caught.value).count("no answer in 10 seconds") == 3


def test_a_host_that_does_not_answer_costs_one_timeout(served, monkeypatch, tmp_path):
    over = threading.Event()

    def silent(address, timeout):
        over.wait(60)
        raise OSError("too late")

    monkeypatch.setattr(socket, "create_connection", silent)
    monkeypatch.setattr(download, "_TIMEOUT", 0.05)
    with pytest.raises(DataNotFoundError, match=r"no answer in 0\.05 seconds"):
        fetch("fashion-mnist", tmp_path, mirrors=["https://a.invalid/", "https://b.invalid/"])
    over.set()


def test_behind_a_proxy_the_hosts_themselves_are_not_asked(served, mirror, monkeypatch, tmp_path):
    monkeypatch.setattr(urllib.request, "_opener", None)  # urllib asks for proxies once in a process
    monkeypatch.setenv("http_proxy", mirror.url("a")[: -len("/a/")])
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    mirror.files = {f"http://far.invalid/{name}": data for name, data in served.items()}  # what a proxy is asked for
    assert_fetched(fetch("fashion-mnist", tmp_path, mirrors=["http://far.invalid/"]), served)


@pytest.mark.parametrize("address", ["file:///etc/", "ftp://host/", "data/fashion"])
def test_only_web_addresses_are_mirrors(served, tmp_path, address):
    with pytest.raises(ValueError, match="expected mirrors that begin with https://"):
        fetch("fashion-mnist", tmp_path, mirrors=[address])


@pytest.mark.parametrize("entry", DATA_SETS.values(), ids=lambda entry: entry.name)
def test_the_known_mirrors_are_https_folders(entry):
    assert all(mirror.startswith("https://") and mirror.endswith("/") for mirror in entry.mirrors)
    assert len(set(entry.mirrors)) >= 2 or entry.cut_from


# Going on where it stopped


def test_a_broken_connection_is_taken_up_where_it_broke(served, mirror, tmp_path):
    mirror.faults[f"/a/{IMAGES}"] = ["cut"]
    assert_fetched(fetch("fashion-mnist", tmp_path, mirrors=[mirror.url("a")]), served)
    assert mirror.asked[:2] == [(f"/a/{IMAGES}", None), (f"/a/{IMAGES}", f"bytes={len(served[IMAGES]) // 2}-")]


@pytest.mark.parametrize(("fault", "requests"), [("no-range", 2), ("wrong-range", 3), ("416", 3)])
def test_a_mirror_that_cannot_send_a_rest_sends_the_whole(served, mirror, tmp_path, fault, requests):
    mirror.faults[f"/a/{IMAGES}"] = ["cut", fault]
    assert_fetched(fetch("fashion-mnist", tmp_path, mirrors=[mirror.url("a")]), served)
    assert [path for path, _ in mirror.asked].count(f"/a/{IMAGES}") == requests


def test_a_file_begun_at_one_mirror_is_ended_at_the_next(served, mirror, tmp_path):
    mirror.faults[f"/a/{IMAGES}"] = ["cut", "404"]
    assert_fetched(fetch("fashion-mnist", tmp_path, mirrors=[mirror.url("a"), mirror.url("b")]), served)
    assert (f"/b/{IMAGES}", f"bytes={len(served[IMAGES]) // 2}-") in mirror.asked


def test_a_mirror_that_answers_in_riddles_is_passed_over(served, mirror, tmp_path):
    mirror.faults[f"/a/{IMAGES}"] = ["204"]
    with pytest.raises(DataNotFoundError, match="it answers 204 where 200 was expected"):
        fetch("fashion-mnist", tmp_path, mirrors=[mirror.url("a")])


@pytest.mark.parametrize("left", [b"not the beginning", b"x" * 100000, b""])
def test_a_wrong_beginning_that_was_left_is_thrown_away(served, mirror, tmp_path, left):
    write(tmp_path / "fashion-mnist", {f"{IMAGES}.part-0": left})
    assert_fetched(fetch("fashion-mnist", tmp_path, mirrors=[mirror.url("a")]), served)


def test_a_whole_part_file_needs_no_mirror_but_its_verification(served, mirror, tmp_path):
    write(tmp_path / "fashion-mnist", {f"{IMAGES}.part-0": served[IMAGES]})
    assert_fetched(fetch("fashion-mnist", tmp_path, mirrors=[mirror.url("a")]), served)
    assert f"/a/{IMAGES}" not in [path for path, _ in mirror.asked]


def test_a_part_file_that_another_process_writes_is_left_to_it(served, mirror, tmp_path):
    write(tmp_path / "fashion-mnist", {f"{IMAGES}.part-0": b"theirs"})
    path = tmp_path / "fashion-mnist" / f"{IMAGES}.part-0"
    with open(path, "r+b") as theirs:
        download.fcntl.flock(theirs, download.fcntl.LOCK_EX)
        fetch("fashion-mnist", tmp_path, mirrors=[mirror.url("a")])
    assert path.read_bytes() == b"theirs"
    path.unlink()
    assert_fetched(tmp_path / "fashion-mnist", served)


def test_where_files_cannot_be_locked_a_part_file_that_was_found_is_left_alone(served, mirror, monkeypatch, tmp_path):
    def no_locks(*args):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(download.fcntl, "flock", no_locks)
    write(tmp_path / "fashion-mnist", {f"{IMAGES}.part-0": b"theirs"})
    fetch("fashion-mnist", tmp_path, mirrors=[mirror.url("a")])
    (tmp_path / "fashion-mnist" / f"{IMAGES}.part-0").unlink()
    assert_fetched(tmp_path / "fashion-mnist", served)


# More than one process

FETCH = """
import sys
from d2lhelpers.data import DATA_SETS, download, fetch
from tests.data.tiny import described, idx_set
DATA_SETS["fashion-mnist"] = described("fashion-mnist", idx_set(1)[0])
download._TIMEOUT = 600  # on a busy machine, too, it is the test that ends this process
fetch("fashion-mnist", sys.argv[1], mirrors=[sys.argv[2]])
"""


def start(tmp_path, mirror):
    root = Path(__file__).resolve().parents[2]
    return subprocess.Popen(
        [sys.executable, "-c", FETCH, str(tmp_path), mirror.url("a")],
        env={**os.environ, "PYTHONPATH": str(root)},
        stderr=subprocess.PIPE,
        text=True,
    )


def test_two_processes_at_once_do_no_harm(served, mirror, tmp_path):
    both = threading.Barrier(2)
    mirror.before_answer = lambda: len(mirror.asked) > 2 or both.wait(60)  # the first answer waits for both to ask
    processes = [start(tmp_path, mirror) for _ in range(2)]
    errors = [process.communicate(timeout=120)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], errors
    assert [path for path, _ in mirror.asked].count(f"/a/{IMAGES}") == 2
    assert_fetched(tmp_path / "fashion-mnist", served)


def test_a_killed_download_leaves_no_half_file_under_the_name_and_the_next_goes_on(served, mirror, tmp_path):
    mirror.faults[f"/a/{IMAGES}"] = ["hang"]
    folder = tmp_path / "fashion-mnist"
    process = start(tmp_path, mirror)
    assert mirror.half_sent.wait(60)
    for _ in range(1000):
        if any(path.stat().st_size for path in folder.iterdir()):
            break
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    [left] = names_in(folder)
    assert left.startswith(f"{IMAGES}.part-")
    assert DATA_SETS["fashion-mnist"].files[0].size > (folder / left).stat().st_size > 0
    assert_fetched(fetch("fashion-mnist", tmp_path, mirrors=[mirror.url("a")]), served)
    assert mirror.asked[1][1].startswith("bytes=")


def test_an_interrupt_from_the_keyboard_goes_through(served, mirror, monkeypatch, tmp_path):
    def interrupt(response):
        raise KeyboardInterrupt

    monkeypatch.setattr(download, "_read", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fetch("fashion-mnist", tmp_path, mirrors=[mirror.url("a")])
    assert names_in(tmp_path / "fashion-mnist") == []  # nothing had come, so nothing is left


# What is there already


def test_a_different_file_that_is_there_is_an_error_and_stays(served, mirror, tmp_path):
    other, _ = idx_set(3)
    write(tmp_path / "fashion-mnist", {IMAGES: other[IMAGES]})
    with pytest.raises(DataCorruptError, match=f"{IMAGES} (is altered|is a whole gzip file|has)"):
        fetch("fashion-mnist", tmp_path, mirrors=[mirror.url("a")])
    assert (tmp_path / "fashion-mnist" / IMAGES).read_bytes() == other[IMAGES]
    assert mirror.asked == []


def test_a_file_that_comes_while_ours_is_downloaded_is_verified_and_stays(served, mirror, tmp_path):
    path = tmp_path / "fashion-mnist" / IMAGES
    mirror.before_answer = lambda: path.write_bytes(b"<html>")
    with pytest.raises(DataCorruptError, match="is a web page"):
        fetch("fashion-mnist", tmp_path, mirrors=[mirror.url("a")])
    assert path.read_bytes() == b"<html>"


def test_a_folder_that_cannot_be_written_is_named(served, mirror, tmp_path):
    (tmp_path / "fashion-mnist").write_text("a file where the folder belongs")
    with pytest.raises(DataNotFoundError, match="cannot be written to .*fashion-mnist .* that you may write to"):
        fetch("fashion-mnist", tmp_path, mirrors=[mirror.url("a")])


def test_a_full_disk_is_named(served, mirror, monkeypatch, tmp_path):
    class Full(io.BufferedRandom):
        def write(self, data):
            raise OSError(28, "No space left on device")

    def full(path, mode, opener):
        return Full(io.FileIO(path, mode))

    monkeypatch.setattr(download, "open", full, raising=False)
    with pytest.raises(DataNotFoundError, match="No space left on device.*make room there"):
        fetch("fashion-mnist", tmp_path, mirrors=[mirror.url("a")])


def test_the_stand_in_and_the_sample_cannot_be_downloaded(tmp_path):
    with pytest.raises(DataNotFoundError, match="the drawn stand-in"):
        fetch("mnist", "synthetic")
    with pytest.raises(DataNotFoundError, match="data fetch cifar10"):
        fetch("cifar-10-sample", tmp_path)


def test_the_sample_that_is_there_is_verified_and_returned(monkeypatch, tmp_path):
    files = {"data_batch_1.bin": cifar_record(1, 2, 3, 4)}
    monkeypatch.setitem(DATA_SETS, "cifar-10-sample", described("cifar-10-sample", files, mirrors=()))
    write(tmp_path / "cifar-10-sample", files)
    assert fetch("cifar-10-sample", tmp_path) == tmp_path / "cifar-10-sample"
    (tmp_path / "cifar-10-sample" / "data_batch_1.bin").write_bytes(b"else")
    with pytest.raises(DataCorruptError, match="truncated or half written"):
        fetch("cifar-10-sample", tmp_path)


def test_mirrors_are_a_list(tmp_path):
    with pytest.raises(ValueError, match="a list of addresses is expected as mirrors, got 3"):
        fetch("fashion-mnist", tmp_path, mirrors=3)
    with pytest.raises(ValueError, match="a list of addresses is expected as mirrors, got 'https://mirror.invalid/'"):
        fetch("fashion-mnist", tmp_path, mirrors="https://mirror.invalid/")


# Whatever a mirror does is that mirror's problem


class RawServer:
    """Answers every request with the same bytes, as they are, or piece by piece until the client is gone."""

    def __init__(self, head, piece=None):
        self.head, self.piece, self.stop = head, piece, threading.Event()
        self.socket = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.socket.getsockname()[1]}/"

    def _serve(self):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(client,), daemon=True).start()

    def _answer(self, client):
        with client:
            try:
                if not client.recv(65536):
                    return
                client.sendall(self.head)
                while self.piece and not self.stop.wait(0.05):
                    client.sendall(self.piece)
            except OSError:
                pass

    def close(self):
        self.stop.set()
        self.socket.close()


@pytest.fixture
def raw():
    servers = []

    def raw(head, piece=None):
        servers.append(RawServer(head, piece))
        return servers[-1].url

    yield raw
    for server in servers:
        server.close()


@pytest.fixture
def collected():
    """Has the garbage collector find what a test leaves before the next test does, which would be blamed for it."""
    yield
    gc.collect()


def leaves_a_socket(test):
    """Marks a test after which urllib leaves a socket to the garbage collector: a redirect led nowhere."""
    test = pytest.mark.usefixtures("collected")(test)
    return pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")(test)


@pytest.mark.parametrize("length", ["5527, 5527", "abc", "1e5", "9" * 5000, "-1", "٣"])
def test_a_length_that_is_no_number_is_no_length(served, raw, tmp_path, length):
    data = served[IMAGES]
    # The server closes the connection after the head and the data, which is all of it.
    bad = raw(f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n".encode() + data)
    write(tmp_path / "fashion-mnist", {name: content for name, content in served.items() if name != IMAGES})
    fetch("fashion-mnist", tmp_path, mirrors=[bad])
    assert_fetched(tmp_path / "fashion-mnist", served)


@leaves_a_socket
@pytest.mark.parametrize("place", ["http://[::1", "http://a..b/", f"http://{'x' * 64}/", "http://\xe9/", "http://x:y/"])
def test_a_redirect_to_no_address_is_that_mirrors_problem(served, mirror, raw, tmp_path, place):
    bad = raw(f"HTTP/1.1 302 Found\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n".encode("latin-1"))
    fetch("fashion-mnist", tmp_path, mirrors=[bad, mirror.url("a")])
    assert_fetched(tmp_path / "fashion-mnist", served)


@pytest.mark.usefixtures("collected")
@pytest.mark.parametrize(
    "head, piece",
    [
        (b"HTTP/1.1 200 OK\r\nX-", b"a"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0"),
    ],
    ids=["header", "continue", "chunk"],
)
def test_a_mirror_that_drips_is_given_up(served, mirror, raw, monkeypatch, tmp_path, head, piece):
    monkeypatch.setattr(download, "_PATIENCE", 0.5)
    fetch("fashion-mnist", tmp_path, mirrors=[raw(head, piece), mirror.url("a")])
    assert_fetched(tmp_path / "fashion-mnist", served)


def test_what_a_mirror_says_is_shown_and_not_obeyed(fashion, raw, tmp_path):
    bad = raw(b"HTTP/1.1 404 \x1b]0;title\x07" + b"x" * 1000 + b"\r\nContent-Length: 0\r\n\r\n")
    with pytest.raises(DataNotFoundError, match=r"it answers 404 \\x1b\]0;title\\x07x+…") as raised:
        fetch("fashion-mnist", tmp_path, mirrors=[bad])
    assert "\x1b" not in str(raised.value) and len(str(raised.value)) < 1000


@pytest.mark.parametrize("mirrors", [[5], [None], ["ftp://a/"], ["http://"], ["http://a:b/"], ["http://[::1/"]])
def test_what_is_no_address_is_refused(fashion, tmp_path, mirrors):
    with pytest.raises(ValueError, match="expected mirrors that begin with https://, got"):
        fetch("fashion-mnist", tmp_path, mirrors=mirrors)


def test_nothing_is_written_through_a_link(served, mirror, tmp_path):
    folder, mine = tmp_path / "fashion-mnist", tmp_path / "mine"
    folder.mkdir()
    mine.write_text("mine")
    (folder / f"{IMAGES}.part-0").symlink_to(mine)
    fetch("fashion-mnist", tmp_path, mirrors=[mirror.url("a")])
    (folder / f"{IMAGES}.part-0").unlink()
    assert_fetched(folder, served)
    assert mine.read_text() == "mine" and not (folder / IMAGES).is_symlink()


@pytest.mark.parametrize("root", [5, b"data", ["data"]])
def test_a_root_is_a_path(root):
    for load in (fetch, verify, find):
        with pytest.raises(ValueError, match="expected a folder as root, got .*; give its path as a text or a Path"):
            load("mnist", root)
    with pytest.raises(DataNotFoundError, match="there is no data set called"):
        fetch(["mnist"])
