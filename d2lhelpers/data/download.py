"""Data sets that are not there yet, from mirrors: checked, then put in place whole.

A download goes to ``NAME.part-…`` beside the place where the file belongs, so that an interrupted one is never taken
for data. The next download of that file goes on where it stopped. A part file is locked while it is written, so two
processes at once write two of them, and whichever ends first puts the file in place.
"""

from __future__ import annotations

import fcntl
import hashlib
import http.client
import os
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from .archive import unpack
from .errors import DataCorruptError, DataNotFoundError
from .registry import OLDER_FASHION_MNIST_SHA1, DataFile, data_set
from .sources import (
    ENVIRONMENT,
    best_folder,
    data_root,
    find,
    missing_files,
    not_found_sentence,
    put_in_place,
    read_verified,
    what_is_wrong,
)

__all__ = ["ensure", "fetch", "verified_file"]

_TIMEOUT = 10.0  # seconds to wait for a connection, and for each further piece
_ATTEMPTS = 5  # at one mirror, as long as each brings the file further
_PATIENCE = 30.0  # seconds after which a mirror that sends less than this a second is given up:
_SLOWEST = 2000
# Whatever a mirror does is that mirror's problem: urllib has a ValueError for many an address that it sends.
_WHATEVER = (OSError, http.client.HTTPException, ValueError)
_AGENT = {"User-Agent": "d2lhelpers (Python urllib)"}  # some mirrors refuse urllib's own name


class _MirrorFailure(Exception):
    """One mirror did not deliver; the message is a clause that says why."""


class _Abandoned(_MirrorFailure):
    """A mirror keeps a thread of ours busy for ever: its connection cannot even be closed."""


def ensure(name: str, root: str | os.PathLike | None = None) -> Path:
    """Return the folder of a data set, downloaded now where nobody named a root and the set is not there.

    Args:
        name: The data set's name.
        root: A data root as in ``data_root``.

    Returns:
        The folder that holds all of its files, or those of the set that it is cut from. Whether they are right is
        checked when they are read.

    Raises:
        DataNotFoundError: The set is not there, and either a root was named or no mirror delivered it.
        DataCorruptError: A part of the set is there but wrong.
    """
    folder, entry, chosen = find(name, root), data_set(name), data_root(root)
    if folder is not None:
        return folder
    may_download = chosen.origin == "default"
    if entry.cut_from and (may_download or find(entry.cut_from, root) is not None):
        return ensure(entry.cut_from, root)
    if may_download:
        return fetch(name, root)
    raise DataNotFoundError(not_found_sentence(entry, chosen))


def verified_file(name: str, file_name: str, folder: str | os.PathLike | None = None) -> Path:
    """Return the path of one file of a data set, after a look at its content. Nothing that is there is replaced.

    Args:
        name: The data set's name.
        file_name: The file's name.
        folder: A folder that the caller named himself: a file of that name in it comes first, and may be the older
            Fashion-MNIST as well. Where it lacks the file, or is None, the file is found or fetched as by ``ensure``.

    Returns:
        The file's path.

    Raises:
        DataNotFoundError: The file cannot be had.
        DataCorruptError: A file of that name is there and is not the published one.
    """
    entry = data_set(name)
    (file,) = (file for file in entry.files if file.name == file_name)
    if folder is not None and os.path.lexists(os.path.join(folder, file_name)):
        path = Path(folder, file_name)
        data = path.read_bytes() if path.is_file() else b""
        older = OLDER_FASHION_MNIST_SHA1.get(hashlib.sha1(data).hexdigest())  # SHA-1 as MXNet names it
        if hashlib.sha256(data).hexdigest() != file.sha256 and (name, older) != ("fashion-mnist", file_name):
            raise DataCorruptError(
                f"{path} {what_is_wrong(entry, file, data)}; it is left as it is: move it away, or name another root"
            )
        return path
    found = ensure(name)
    read_verified(entry, found, file)
    return found / file_name


def fetch(
    name: str,
    root: str | os.PathLike | None = None,
    mirrors: Sequence[str] | None = None,
    progress: bool | None = None,
) -> Path:
    """Download what is missing of a data set.

    Files that are there are verified and left alone. CIFAR-10's archive is not downloaded where it already lies in the
    folder or in the root, put there by hand.

    Args:
        name: The data set's name.
        root: A data root as in ``data_root``; files go into it even where ``$D2LHELPERS_DATA`` names it.
        mirrors: Addresses (http or https) of folders that hold the files, tried in this order; None means the known
            ones.
        progress: Whether to show a bar on stderr; None means where stderr is a terminal.

    Returns:
        The folder that now holds the verified set.

    Raises:
        DataNotFoundError: A file is missing and no mirror delivered it, or it cannot be written; the message lists
            every mirror's failure.
        DataCorruptError: A file that is already there is not the published one. It is left as it is.
        ValueError: A mirror is not an http or https address, or ``mirrors`` is one address and no list.
    """
    entry, chosen = data_set(name), data_root(root)
    if mirrors is not None and not isinstance(mirrors, (list, tuple)):
        raise ValueError(f"a list of addresses is expected as mirrors, got {mirrors!r}; put it into a list")
    if chosen.path is None:
        raise DataNotFoundError(not_found_sentence(entry, chosen))
    mirrors = [_checked(mirror) for mirror in (entry.mirrors if mirrors is None else mirrors)]
    folder = best_folder(entry, chosen.path)
    missing = missing_files(entry, folder)
    for file in entry.files:
        if file.name not in missing:
            read_verified(entry, folder, file)
    if not missing:
        return folder
    if not entry.mirrors:
        raise DataNotFoundError(not_found_sentence(entry, chosen))
    source = _Mirrors(entry, folder, mirrors, sys.stderr.isatty() if progress is None else progress)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if entry.archive is not None:
            _fetch_archive(entry, chosen.path, folder, source)
        else:
            for file in entry.files:
                if file.name in missing:
                    with _part_file(folder, file.name) as (part, path):
                        source.fill(part, file)
                        put_in_place(path, entry, folder, file)
    except DataNotFoundError:
        raise
    except OSError as error:
        raise DataNotFoundError(
            f"{entry.title} cannot be written to {folder} ({error.strerror}); make room there, or name a folder that "
            f"you may write to in ${ENVIRONMENT}"
        ) from error
    return folder


def _fetch_archive(entry, root, folder, source):
    for place in (folder, root):
        if os.path.lexists(place / entry.archive.name):
            read_verified(entry, place, entry.archive)
            with open(place / entry.archive.name, "rb") as archive:
                return unpack(archive, entry, folder)
    with _part_file(folder, entry.archive.name) as (part, path):
        source.fill(part, entry.archive)
        part.seek(0)
        unpack(part, entry, folder)
        path.unlink()


def _checked(mirror):
    try:
        parts = urlsplit(mirror)
        good = isinstance(mirror, str) and parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except (AttributeError, TypeError, ValueError):  # no text, or one that is no address
        good = False
    if not good:
        raise ValueError(f"expected mirrors that begin with https://, got {mirror!r}; name a folder on the web")
    return mirror if mirror.endswith("/") else mirror + "/"


@contextmanager
def _part_file(folder: Path, name: str) -> Iterator[tuple[BinaryIO, Path]]:
    """Open a file to download into, which nobody else writes: one that an interrupted download left, else a new one.

    It stays where the download fails, for the next one to go on with, unless it is empty.
    """
    for path in sorted(folder.glob(f"{name}.part-*")):
        part = _opened_and_locked(path, "r+b")
        if part is not None:
            break
    else:
        part = None
        while part is None:
            path = folder / f"{name}.part-{uuid.uuid4().hex[:12]}"
            part = _opened_and_locked(path, "x+b")
    with part:
        try:
            yield part, path
        finally:
            part.flush()
            if os.fstat(part.fileno()).st_size == 0:
                path.unlink(missing_ok=True)


def _opened_and_locked(path, mode):
    """Open a part file, or return None where another process has it."""
    try:
        # Never through a link: in a folder that others may write, it could lead to any file of the user's.
        part = open(path, mode, opener=lambda name, flags: os.open(name, flags | os.O_NOFOLLOW, 0o666))
    except OSError:
        if mode == "x+b":
            raise
        return None
    try:
        fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # The owner may have put it in place between our opening and our lock: then it is no part file any more.
        if os.path.exists(path) and os.path.samestat(os.stat(path), os.fstat(part.fileno())):
            return part
    except BlockingIOError:
        pass
    except OSError:  # a file system without locks: what we made is ours, what we found may be another's
        if mode == "x+b":
            return part
    part.close()
    return None


class _Mirrors:
    """The mirrors of a data set, and what went wrong with each."""

    def __init__(self, entry, folder, mirrors, progress):
        self._entry, self._folder, self._mirrors, self._progress = entry, folder, mirrors, progress
        self._unreachable = None

    def fill(self, part: BinaryIO, file: DataFile) -> None:
        """Bring ``part`` to the content of ``file``, verified, from the first mirror that delivers it."""
        if self._unreachable is None:
            self._unreachable = _unreachable(self._mirrors)
        failures = []
        for mirror in self._mirrors:
            url = mirror + file.name
            try:
                if mirror in self._unreachable:
                    raise _MirrorFailure(self._unreachable[mirror])
                self._fill_from(url, part, file)
                return
            except _MirrorFailure as failure:
                failures.append(f"\n  {url}: {failure}")
        raise DataNotFoundError(
            f"{file.name} of {self._entry.title} could not be downloaded:{''.join(failures)}\n"
            f"Download it elsewhere and put it into {self._folder}, or name a folder that has the set in "
            f"${ENVIRONMENT}, then start again."
        )

    def _fill_from(self, url, part, file):
        for _ in range(_ATTEMPTS):
            begun = part.seek(0, os.SEEK_END)
            try:
                if begun < file.size:
                    self._receive(url, part, file, begun)
            except _MirrorFailure as failure:
                last = failure
                if part.seek(0, os.SEEK_END) == begun:
                    raise
                continue  # the connection broke, but brought the file further, or a wrong beginning was thrown away
            part.seek(0)
            data = part.read()
            if len(data) == file.size and hashlib.sha256(data).hexdigest() == file.sha256:
                part.flush()
                return
            last = _MirrorFailure(f"what it sent {what_is_wrong(self._entry, file, data)}")
            part.truncate(0)
            if begun == 0:
                raise last
        raise last

    def _receive(self, url, part, file, begun):
        """Append to ``part`` what is missing, or all of it where the mirror cannot send the rest alone."""
        with _closing(_ask(url, begun)) as response:
            if response.status == 200:
                begun = 0
                part.truncate(0)
                part.seek(0)
            length = _announced(response.headers.get("Content-Length"), file.size - begun)
            started, got = time.monotonic(), 0
            with self._bar(file, begun) as bar:
                while piece := _read(response):
                    part.write(piece)
                    part.flush()  # a process that is killed leaves what it has
                    got += len(piece)
                    bar.update(len(piece))
                    if begun + got > file.size:
                        part.truncate(0)
                        raise _MirrorFailure(f"it sends more than the {file.size:,} bytes of the file")
                    elapsed = time.monotonic() - started
                    if elapsed > _PATIENCE and got < elapsed * _SLOWEST:
                        raise _MirrorFailure(f"it sent only {got:,} bytes in {elapsed:.0f} seconds")
        if got < length:
            raise _MirrorFailure(f"the connection ended after {begun + got:,} of {begun + length:,} bytes")

    def _bar(self, file, begun):
        from tqdm import tqdm

        return tqdm(
            total=file.size,
            initial=begun,
            desc=f"{self._entry.name}/{file.name}",
            unit="B",
            unit_scale=True,
            disable=not self._progress,
            file=sys.stderr,
        )


def _announced(header, expected):
    """The length that a mirror announces; where what it says is no number, the one that is expected."""
    return int(header) if header and header.isascii() and header.isdigit() and len(header) < 16 else expected


def _patiently(work, let_go):
    """Do what waits for a mirror, for so long and no longer, however the mirror keeps the connection alive.

    An answer that comes after that, or an error, is given to ``let_go``, which closes what nobody else will.
    """
    done: list[tuple[Any, BaseException | None]] = []
    given_up = threading.Event()
    lock = threading.Lock()

    def attempt():
        result = error = None
        try:
            result = work()
        except BaseException as raised:
            error = raised
        with lock:
            done.append((result, error))
        if given_up.is_set():
            let_go(result if error is None else error)

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(_PATIENCE)
    with lock:
        if not done:
            given_up.set()
            raise _Abandoned(f"it gave no answer in {_PATIENCE:g} seconds")
    result, error = done[0]
    if error is not None:
        raise error
    return result


def _close(answer):
    """Close a response, or an error that holds one."""
    close = getattr(answer, "close", None)
    if close:
        close()


@contextmanager
def _closing(response):
    """Close a response afterwards, unless that would wait for the mirror's pleasure."""
    try:
        yield response
    except _Abandoned:
        raise
    except BaseException:
        response.close()
        raise
    else:
        response.close()


def _ask(url, begun):
    """Open an address, from byte ``begun`` on where the server can; its answer is 200 (all) or 206 (the rest)."""
    headers = {**_AGENT, "Range": f"bytes={begun}-"} if begun else _AGENT
    request = urllib.request.Request(url, headers=headers)
    try:
        response = _patiently(lambda: urllib.request.urlopen(request, timeout=_TIMEOUT), _close)
    except urllib.error.HTTPError as error:
        error.close()
        if begun and error.code == 416:  # it has no such rest
            return _ask(url, 0)
        raise _MirrorFailure(f"it answers {error.code} {_shown(error.reason)}") from None
    except _WHATEVER as error:
        raise _MirrorFailure(_why(error)) from None
    is_the_rest = response.headers.get("Content-Range", "").startswith(f"bytes {begun}-")
    if response.status == 200 or (begun and response.status == 206 and is_the_rest):
        return response
    response.close()
    if begun:  # it sends another part than the one that was asked for
        return _ask(url, 0)
    raise _MirrorFailure(f"it answers {response.status} where 200 was expected")


def _read(response):
    try:
        return _patiently(lambda: response.read1(1 << 18), lambda _: response.close())
    except _WHATEVER as error:
        raise _MirrorFailure(_why(error)) from None


def _shown(text):
    """What a mirror says, short and with its control characters shown and not obeyed."""
    text = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in str(text))
    return text if len(text) <= 200 else f"{text[:199]}…"


def _why(error):
    reason = getattr(error, "reason", error)
    if isinstance(reason, socket.gaierror):
        return "its name has no address (no network, or no name server)"
    if isinstance(reason, socket.timeout):  # noqa: UP041 - before Python 3.10 no TimeoutError
        return f"no answer in {_TIMEOUT:g} seconds"
    return _shown(getattr(reason, "strerror", None) or reason or type(reason).__name__)


def _unreachable(mirrors):
    """Connect to all mirrors' hosts at once, and return why for each mirror that cannot be reached.

    Asked one after the other, names without a name server and addresses behind a silent firewall would cost minutes on
    a machine without network; here they cost one timeout together.
    """
    outcome: dict[str, str | None] = {}

    def knock(mirror, host, port):
        try:
            socket.create_connection((host, port), timeout=_TIMEOUT).close()
            outcome[mirror] = None
        except _WHATEVER as error:
            outcome[mirror] = _why(error)

    threads = []
    for mirror in mirrors:
        parts = urlsplit(mirror)
        if parts.scheme in urllib.request.getproxies() and not urllib.request.proxy_bypass(parts.hostname):
            outcome[mirror] = None  # the proxy knows the way, this machine need not
            continue
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
        threads.append(threading.Thread(target=knock, args=(mirror, parts.hostname, port), daemon=True))
        threads[-1].start()
    deadline = time.monotonic() + _TIMEOUT
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    silent = f"no answer in {_TIMEOUT:g} seconds"
    return {mirror: why for mirror in mirrors if (why := outcome.get(mirror, silent)) is not None}
