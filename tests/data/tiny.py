"""Data sets of a few kilobytes, made here byte by byte, and a mirror for them that can misbehave."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import http.server
import io
import struct
import tarfile
import threading

from d2lhelpers.data.registry import DATA_SETS, DataFile

import numpy as np

IDX_NAMES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)


def idx_bytes(array):
    """The IDX form of an array, written from the format's description: no code shared with the reader."""
    code = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}[array.dtype.str[1:]]
    head = struct.pack(">BBBB", 0, 0, code, array.ndim) + b"".join(struct.pack(">I", n) for n in array.shape)
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


def idx_set(seed):
    """Four files as MNIST has them, with 7 training and 3 test images: ``{name: bytes}`` and the arrays in them."""
    rng = np.random.default_rng(seed)
    arrays = [
        rng.integers(0, 256, (7, 28, 28), dtype=np.uint8),
        rng.integers(0, 10, 7, dtype=np.uint8),
        rng.integers(0, 256, (3, 28, 28), dtype=np.uint8),
        rng.integers(0, 10, 3, dtype=np.uint8),
    ]
    return {name: gzip.compress(idx_bytes(a), mtime=0) for name, a in zip(IDX_NAMES, arrays)}, arrays


def cifar_record(label, red, green, blue):
    """One record: the label, then 1,024 bytes each of red, green, blue."""
    return bytes([label]) + bytes([red]) * 1024 + bytes([green]) * 1024 + bytes([blue]) * 1024


def cifar_set():
    """Six batches of 3 records, ``{name: bytes}``; record i of batch b has label i and the colour (b, 10 + i, 200)."""
    names = [*(f"data_batch_{b}.bin" for b in range(1, 6)), "test_batch.bin"]
    return {name: b"".join(cifar_record(i, b, 10 + i, 200) for i in range(3)) for b, name in enumerate(names)}


def described(name, files, archive=None, mirrors=("https://mirror.invalid/",)):
    """The registry's entry for ``name``, with these files in place of the published ones."""
    as_files = tuple(data_file(file_name, data) for file_name, data in files.items())
    as_archive = None if archive is None else data_file("cifar-10-binary.tar.gz", archive)
    return dataclasses.replace(DATA_SETS[name], files=as_files, archive=as_archive, mirrors=mirrors)


def data_file(name, data):
    return DataFile(name, len(data), hashlib.sha256(data).hexdigest())


def write(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)


def regular(name, data):
    """A member of a tar archive that is a plain file."""
    member = tarfile.TarInfo(name)
    member.size = len(data)
    return member, data


def tar_bytes(members):
    """A gzip-compressed tar archive of ``(TarInfo, bytes or None)``."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for member, data in members:
            tar.addfile(member, None if data is None else io.BytesIO(data))
    return buffer.getvalue()


class Mirror:
    """A web server on this machine.

    ``files`` maps a path such as ``/a/x.gz`` to bytes; ``faults`` maps a path to the ways in which its next answers go
    wrong, in order: ``204``, ``404``, ``416``, ``html``, ``cut`` (half of the bytes that were announced), ``hang``,
    ``trickle``, ``no-range`` (all, though a rest was asked for), ``wrong-range``, ``more``, or bytes that are sent in
    place of the file's. ``asked`` lists the requests as (path, Range header).
    """

    def __init__(self):
        self.files, self.faults, self.asked = {}, {}, []
        self.before_answer = lambda: None
        self.half_sent, self.stop = threading.Event(), threading.Event()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def url(self, folder):
        return f"http://127.0.0.1:{self._server.server_port}/{folder}/"

    def close(self):
        self.stop.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self):
        mirror = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                try:
                    mirror._answer(self)
                except ConnectionError:
                    pass  # the client hung up, as some of the tests make it do

            def log_message(self, *args):
                pass

        return Handler

    def _answer(self, request):
        span = request.headers.get("Range")
        self.asked.append((request.path, span))
        self.before_answer()
        queue = self.faults.get(request.path, [])
        fault = queue.pop(0) if queue else None
        data = self.files.get(request.path)
        if fault in ("404", "416") or data is None:
            return request.send_error(int(fault or 404))
        if fault == "204":
            request.send_response(204)
            return request.end_headers()
        if fault == "html":
            data = b"<!DOCTYPE html><title>Please log in</title>"
        elif isinstance(fault, bytes):
            data = fault
        elif fault == "more":
            data += b"!"
        start = int(span[len("bytes=") : -1]) if span and fault != "no-range" else 0
        if start and start >= len(data):
            return request.send_error(416)
        request.send_response(206 if start else 200)
        if start:
            first = 0 if fault == "wrong-range" else start
            request.send_header("Content-Range", f"bytes {first}-{len(data) - 1}/{len(data)}")
        body = data[start:]
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        if fault in ("cut", "hang", "trickle"):
            request.wfile.write(body[: len(body) // 2])
            request.wfile.flush()
            self.half_sent.set()
            if fault == "hang":
                self.stop.wait(60)
            for byte in body[len(body) // 2 : -1] if fault == "trickle" else ():
                request.wfile.write(bytes([byte]))
                request.wfile.flush()
                if self.stop.wait(0.02):
                    break
            return None
        request.wfile.write(body)
        return None
