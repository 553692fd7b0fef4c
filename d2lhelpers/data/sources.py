"""Where data lies and whether it is the published data: roots, folders, SHA-256."""

from __future__ import annotations

import enum
import hashlib
import os
import shlex
import stat
import zlib
from pathlib import Path
from typing import NamedTuple

from .errors import DataCorruptError, DataNotFoundError
from .registry import DATA_SETS, OLDER_FASHION_MNIST_SHA1, DataFile, DataSet, data_set

__all__ = [
    "ENVIRONMENT",
    "SYNTHETIC",
    "Place",
    "State",
    "Status",
    "data_root",
    "find",
    "is_synthetic",
    "locate",
    "read_verified",
    "status",
    "verify",
]

ENVIRONMENT = "D2LHELPERS_DATA"
SYNTHETIC = "synthetic"


class Root(NamedTuple):
    """A data root: ``path`` is None for the drawn stand-in; ``origin`` says who named it."""

    path: Path | None
    origin: str  # "argument", "environment" or "default"


class Place(NamedTuple):
    """Where a data set lies, or would lie: its files that are not in ``folder`` are ``missing``."""

    entry: DataSet
    root: Root
    folder: Path
    missing: list[str]


class State(enum.Enum):
    """How a data set stands."""

    VERIFIED = "verified"
    DRAWN = "drawn"
    INCOMPLETE = "incomplete"
    NOT_FOUND = "not found"
    WRONG = "wrong"


class Status(NamedTuple):
    """How one data set stands; ``advice`` says what is wrong and what to do, and is empty where there is nothing."""

    name: str
    folder: Path | None
    state: State
    advice: str


def is_synthetic(root: str | os.PathLike | None = None) -> bool:
    """Tell whether drawn garments were asked for by name, in place of real data.

    Args:
        root: A data root as the loaders take it; None means ``$D2LHELPERS_DATA``.

    Returns:
        True where the root is the word ``synthetic``.

    Raises:
        ValueError: The root is neither a text nor a path.
    """
    if root is not None and not isinstance(root, (str, os.PathLike)):
        raise ValueError(f"expected a folder as root, got {root!r}; give its path as a text or a Path")
    return (os.environ.get(ENVIRONMENT, "") if root is None else os.fspath(root)) == SYNTHETIC


def data_root(root: str | os.PathLike | None = None) -> Root:
    """Choose the folder in which data sets are looked for.

    The argument counts first, then ``$D2LHELPERS_DATA``, then MXNet's own data folder, ``$MXNET_HOME/datasets``
    (``MXNET_HOME`` is ``~/.mxnet`` where it is not set). A root that was named but is no folder is an error: nobody who
    names one wants another.

    Args:
        root: A folder, the word ``synthetic`` for the drawn stand-in, or None.

    Returns:
        The root: its path (None for the stand-in) and its origin. The default root need not exist.

    Raises:
        DataNotFoundError: A root was named by argument or variable and is not a folder.
        ValueError: The root is neither a text nor a path.
    """
    origin = "argument"
    if root is None:
        root, origin = os.environ.get(ENVIRONMENT) or None, "environment"
    if root is None:
        home = os.environ.get("MXNET_HOME") or os.path.join("~", ".mxnet")
        return Root(_at_home(home, "$MXNET_HOME or $HOME") / "datasets", "default")
    if is_synthetic(root):
        return Root(None, origin)
    path = _at_home(root, f"${ENVIRONMENT}" if origin == "environment" else "root")
    try:
        what = None if stat.S_ISDIR(path.stat().st_mode) else "is not a folder"
        if what is None and not os.access(path, os.R_OK | os.X_OK):
            what = "you may not read"
    except FileNotFoundError:
        what = "does not exist"
    except (OSError, ValueError) as error:  # a folder above that may not be entered, a name too long, a null character
        what = f"cannot be looked at ({getattr(error, 'strerror', None) or error})"
    if what is not None:
        who = f"${ENVIRONMENT} names" if origin == "environment" else "root is"
        raise DataNotFoundError(
            f"{who} {_shown(path)}, which {what}; name the folder that holds {', '.join(DATA_SETS)} or leave it unset"
        )
    return Root(path, origin)


def _at_home(path, who):
    """A path whose ``~`` is a home."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise DataNotFoundError(
            f"{_shown(path)} names a home that is not known ({error}); give {who} a folder that begins with /"
        ) from error


def _shown(path):
    text = str(path)
    return text if len(text) <= 200 else f"{text[:80]}…{text[-80:]}"


def find(name: str, root: str | os.PathLike | None = None) -> Path | None:
    """Look for a data set without checking its content and without downloading it.

    Args:
        name: The data set's name, such as ``fashion-mnist``.
        root: A data root as in ``data_root``.

    Returns:
        The folder that holds all of its files, or None.

    Raises:
        DataNotFoundError: The name is unknown, or the root that was named is not a folder.
    """
    place = locate(name, root)
    return None if place.missing else place.folder


def locate(name: str, root: str | os.PathLike | None = None) -> Place:
    """Look up a data set, once for a whole trip: its entry, the root, its folder there, and what is missing in it.

    Args:
        name: The data set's name.
        root: A data root as in ``data_root``.

    Returns:
        The place; in the drawn stand-in every file is missing.

    Raises:
        DataNotFoundError: The name is unknown, or the root that was named is not a folder.
        DataCorruptError: A folder may not be read.
    """
    entry, chosen = data_set(name), data_root(root)
    if chosen.path is None:
        return Place(entry, chosen, Path(SYNTHETIC), [file.name for file in entry.files])
    folder = best_folder(entry, chosen.path)
    return Place(entry, chosen, folder, missing_files(entry, folder))


def best_folder(entry: DataSet, root: Path) -> Path:
    """Return the folder of ``entry`` below ``root`` that lacks the fewest of its files, the first among equals."""
    return min((root / folder for folder in entry.folders), key=lambda folder: len(missing_files(entry, folder)))


def missing_files(entry: DataSet, folder: Path) -> list[str]:
    """Return the names of those files of ``entry`` that are not in ``folder``.

    Raises:
        DataCorruptError: Nobody can tell, since the folder may not be read.
    """
    try:
        if folder.is_dir() and not os.access(folder, os.R_OK | os.X_OK):
            raise PermissionError
    except PermissionError:
        raise DataCorruptError(
            f"{folder} may not be read; give yourself the right, or name another in ${ENVIRONMENT}"
        ) from None
    # lexists: a dangling link or a folder of that name is there, and is reported as wrong rather than downloaded over.
    return [file.name for file in entry.files if not os.path.lexists(folder / file.name)]


def verify(name: str, root: str | os.PathLike | None = None) -> Path:
    """Check every file of a data set against its SHA-256.

    Args:
        name: The data set's name.
        root: A data root as in ``data_root``.

    Returns:
        The folder that holds it.

    Raises:
        DataNotFoundError: The set, or a file of it, is not there.
        DataCorruptError: A file is not the published one or cannot be read.
    """
    place = locate(name, root)
    if place.missing:
        raise DataNotFoundError(not_found_sentence(place.entry, place.root))
    for file in place.entry.files:
        read_verified(place.entry, place.folder, file)
    return place.folder


def read_verified(entry: DataSet, folder: Path, file: DataFile) -> bytes:
    """Read one file of a data set whole, and return its bytes only if they are the published ones.

    The bytes that are checked are the bytes that are returned, so nothing can change between the check and the use.

    Args:
        entry: The data set.
        folder: The folder that holds the file.
        file: The file expected there.

    Returns:
        The file's bytes.

    Raises:
        DataNotFoundError: The file is not there.
        DataCorruptError: It is not the published file or cannot be read; the sentence says what it is instead.
    """
    path = folder / file.name
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            raise DataCorruptError(f"{path} is not a regular file; move it away, then {_how_to_get(entry, folder)}")
        with open(path, "rb") as source:
            # Of a file far too large its beginning says enough, and all of it may be terabytes.
            data = source.read() if about.st_size <= 2 * file.size else source.read(4096)
    except FileNotFoundError:
        if path.is_symlink():
            raise DataCorruptError(
                f"{path} is a link to nowhere; remove it, then {_how_to_get(entry, folder)}"
            ) from None
        raise DataNotFoundError(f"{path} is missing; {_how_to_get(entry, folder)}") from None
    except OSError as error:
        raise DataCorruptError(
            f"{path} cannot be read ({error.strerror}); give yourself the right to read it, or name another folder in "
            f"${ENVIRONMENT}"
        ) from error
    if len(data) != file.size or hashlib.sha256(data).hexdigest() != file.sha256:
        raise DataCorruptError(
            f"{path} {what_is_wrong(entry, file, data, about.st_size)}; move it away, then "
            f"{_how_to_get(entry, folder)}, or name another folder in ${ENVIRONMENT}"
        )
    return data


def put_in_place(part: Path, entry: DataSet, folder: Path, file: DataFile) -> None:
    """Give a part file its real name. A file that has the name already is verified, and never overwritten.

    Args:
        part: The checked temporary file, in the same file system.
        entry: The data set.
        folder: The set's folder.
        file: The file that ``part`` holds.

    Raises:
        DataCorruptError: Another file of that name is there and is not the published one.
    """
    if os.path.lexists(folder / file.name):
        read_verified(entry, folder, file)
        part.unlink()
    else:
        os.replace(part, folder / file.name)


def what_is_wrong(entry: DataSet, file: DataFile, data: bytes, size: int | None = None) -> str:
    """Say what ``data`` is instead of the published ``file``, as the predicate of a sentence.

    Args:
        entry: The data set.
        file: The file expected.
        data: What came in its place, or the beginning of it.
        size: The bytes there are in all, where ``data`` is only a beginning.
    """
    size = len(data) if size is None else size
    if not data:
        return f"is empty, expected {file.size:,} bytes"
    if data[:512].lstrip().startswith(b"<"):
        return f"is a web page (HTML), saved in place of the {file.size:,} bytes of {file.name} of {entry.title}"
    if hashlib.sha1(data).hexdigest() in OLDER_FASHION_MNIST_SHA1:  # SHA-1 to recognise, not to trust
        return (
            "is of the Fashion-MNIST of 2017-08-26, with duplicates, from MXNet's mirror, where the published results "
            "need the one of 2017-08-31"
        )
    sha256 = hashlib.sha256(data).hexdigest()
    for other in DATA_SETS.values():
        for candidate in (*other.files, *([other.archive] if other.archive else [])):
            if candidate.sha256 == sha256:
                return f"is {candidate.name} of {other.title}, not {file.name} of {entry.title}"
    if file.name.endswith(".gz") and data[:2] != b"\x1f\x8b":
        return f"is not a gzip file (it begins with the bytes {data[:4].hex(' ')}, not 1f 8b)"
    if len(data) == size != file.size and file.name.endswith(".gz") and _is_whole_gzip(data):
        return (
            f"is a whole gzip file of {size:,} bytes and not the published one of {file.size:,}: packed anew, perhaps"
        )
    if size < file.size:
        return f"is truncated or half written: {size:,} bytes of {file.size:,}"
    if size > file.size:
        return f"has {size:,} bytes where the published file has {file.size:,}"
    return f"is altered: its SHA-256 is {sha256}, the published one {file.sha256}"


def _is_whole_gzip(data):
    try:
        unpacker = zlib.decompressobj(wbits=31)
        while data:
            unpacker.decompress(data, 1 << 20)
            data = unpacker.unconsumed_tail
    except zlib.error:
        return False
    return unpacker.eof and not unpacker.unused_data


def not_found_sentence(entry: DataSet, root: Root) -> str:
    """Say where a data set was looked for, what is missing there and what to do."""
    if root.path is None:
        return (
            f"{entry.title} cannot be had: the data root is '{SYNTHETIC}', the drawn stand-in, which knows "
            f"Fashion-MNIST only; name a folder with real data in ${ENVIRONMENT} or unset it"
        )
    folder = best_folder(entry, root.path)
    missing = missing_files(entry, folder)
    named = {"environment": f" (from ${ENVIRONMENT})", "argument": " (the root you passed)", "default": ""}[root.origin]
    what = f"no {', '.join(missing)} in {folder}" if folder.is_dir() else f"there is no folder {folder}"
    if not folder.is_dir() and not missing_files(entry, root.path):
        what += f", but its files lie in {root.path} itself: name the parent, with the files in {entry.folders[0]}/"
    return f"{entry.title} is not in {root.path}{named}: {what}; {_how_to_get(entry, folder)}"


def _how_to_get(entry: DataSet, folder: Path) -> str:
    """Say how the data set gets into ``folder``, as a clause."""
    if not entry.mirrors:
        return (
            f"no mirror serves it, but it is cut from {data_set(entry.cut_from).title} where that is there: "
            f"run `{_fetch_command(entry.cut_from, entry, folder)}`"
        )
    wanted = entry.archive or entry.files[0]
    more = "" if entry.archive or len(entry.files) == 1 else f" and the {len(entry.files) - 1} files beside it"
    unpacked = ", unpacked," if entry.archive else ""
    by_hand = f"put {entry.mirrors[0]}{wanted.name}{more}{unpacked} into {folder}"
    return f"run `{_fetch_command(entry.name, entry, folder)}`, or {by_hand}"


def _fetch_command(name: str, entry: DataSet, folder: Path) -> str:
    """Return the command that fetches the set ``name`` into the root in which ``folder`` of ``entry`` lies."""
    command = f"python -m d2lhelpers data fetch {name}"
    depth = max((len(Path(below).parts) for below in entry.folders if folder.match(below)), default=0)
    root = (folder, *folder.parents)[depth]  # an archive put there by hand may lie in the root itself
    try:
        is_the_commands_own = root == data_root().path
    except DataNotFoundError:  # the variable names no folder
        is_the_commands_own = False
    return command if is_the_commands_own else f"{ENVIRONMENT}={shlex.quote(str(root))} {command}"


def status(root: str | os.PathLike | None = None) -> list[Status]:
    """Say of every data set where it is and whether it is right; nothing is downloaded, and bad data raise nothing.

    Args:
        root: A data root as in ``data_root``.

    Returns:
        One entry a data set, in the registry's order.

    Raises:
        DataNotFoundError: The root that was named is not a folder.
    """
    chosen = data_root(root)
    entries = []
    for entry in DATA_SETS.values():
        try:
            folder = None if chosen.path is None else best_folder(entry, chosen.path)
        except DataCorruptError as error:
            entries.append(Status(entry.name, None, State.WRONG, str(error)))
            continue
        if folder is None and entry.has_stand_in:
            advice = f"unset ${ENVIRONMENT} for the real images"
            entries.append(Status(entry.name, None, State.DRAWN, advice))
            continue
        try:
            wanted = entry.name
            if entry.cut_from and find(wanted, root) is None and find(entry.cut_from, root) is not None:
                wanted, folder = entry.cut_from, find(entry.cut_from, root)
            verify(wanted, root)
        except DataNotFoundError as error:
            partly = folder is not None and len(missing_files(entry, folder)) < len(entry.files)
            state = State.INCOMPLETE if partly else State.NOT_FOUND
            entries.append(Status(entry.name, folder if partly else None, state, str(error)))
        except DataCorruptError as error:
            entries.append(Status(entry.name, folder, State.WRONG, str(error)))
        else:
            entries.append(Status(entry.name, folder, State.VERIFIED, ""))
    return entries
