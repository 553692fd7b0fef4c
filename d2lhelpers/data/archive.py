"""Unpacking a published archive: the files that are expected, checked, and nothing else."""

from __future__ import annotations

import gzip
import hashlib
import os
import tarfile
import uuid
import zlib
from pathlib import Path
from typing import BinaryIO

from .errors import DataCorruptError
from .registry import DataSet
from .sources import put_in_place

__all__ = ["unpack"]

_EXTRA_SIZE = 1 << 20  # the most that a readme may hold


def unpack(archive: BinaryIO, entry: DataSet, folder: Path) -> None:
    """Unpack the files of a data set from its tar archive.

    Nothing is written by a name from the archive: of the names it may contain, each must be one that is expected, be a
    regular file and have the published size; its content is checked before it gets its own name in ``folder``.

    Args:
        archive: The archive, open for reading at its beginning.
        entry: The data set, with ``archive``, ``archive_folder`` and ``archive_extras``.
        folder: Where the files go.

    Raises:
        DataCorruptError: The archive is damaged, holds something unexpected, lacks a file, or a file is not the
            published one.
    """
    wanted = {f"{entry.archive_folder}/{file.name}": file for file in entry.files}
    extras = {f"{entry.archive_folder}/{name}" for name in entry.archive_extras}
    try:
        with tarfile.open(fileobj=archive, mode="r:gz") as tar:
            for member in tar:
                name = member.name[2:] if member.name.startswith("./") else member.name
                if name in (".", entry.archive_folder) and member.isdir():
                    continue
                if not member.isreg():
                    raise _wrong(entry, f"{member.name!r} is not a regular file")
                if name in extras and member.size <= _EXTRA_SIZE:
                    continue
                if name not in wanted:
                    raise _wrong(entry, f"{member.name!r} is not expected there, or comes twice")
                file = wanted.pop(name)
                if member.size != file.size:
                    raise _wrong(entry, f"{member.name!r} has {member.size:,} bytes, expected {file.size:,}")
                content = tar.extractfile(member)
                assert content is not None, "a regular file has one"
                _write(content.read(file.size), entry, folder, file)
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise _wrong(entry, f"it is damaged ({error})") from error
    if wanted:
        raise _wrong(entry, f"it lacks {', '.join(wanted)}")


def _write(data, entry, folder, file):
    if hashlib.sha256(data).hexdigest() != file.sha256:
        raise _wrong(entry, f"its {file.name} is not the published one")
    part = folder / f"{file.name}.part-{uuid.uuid4().hex[:12]}"
    try:
        part.write_bytes(data)
        put_in_place(part, entry, folder, file)
    finally:
        if os.path.lexists(part):
            part.unlink()


def _wrong(entry, what):
    return DataCorruptError(
        f"{entry.archive.name} of {entry.title} is not the published archive: {what}; fetch it again"
    )
