"""Start a training on several workers, here or on several machines, and end all of it when a part of it ends badly.

MXNet's own distributed engine does the work: a scheduler that introduces the parts to one another, servers that add
gradients up, workers that run the user's program. Its parts wait for ever for one that is gone. So each is started
by a *keeper*, which is joined with the scheduler's keeper by a connection: what becomes of one, all are told.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import Any

from .checks import number, one_of, whole

__all__ = ["ROLES", "launch"]

ROLES = ("scheduler", "server", "worker")

_BEAT, _SILENCE = 1.0, 5.0  # seconds between two signs of life; after how many without one a keeper is given up
_GRACE = 3.0  # seconds for a last message to arrive
_PR_SET_PDEATHSIG = 1
_NO_PROGRAM = (sys.executable, "-c", "import d2lhelpers, mxnet")  # MXNet knows by itself what it is to be


def launch(
    command: Sequence[str],
    num_workers: int,
    num_servers: int = 1,
    scheduler: str | None = None,
    role: str | None = None,
    time_limit: float = 60,
) -> int:
    """Run a program on several workers at once; ``fit`` then trains one network on all of them.

    Args:
        command: the program of a worker with its words, ``["python", "train.py"]``; servers and scheduler need none.
        num_workers: how many workers there are, on all machines together.
        num_servers: how many processes add gradients up.
        scheduler: ``HOST:PORT`` where the scheduler is to be found; by default all parts run here, on the loopback.
        role: the one part that is started here: ``scheduler``, ``server`` or ``worker``; only with ``scheduler``.
        time_limit: seconds until all parts must have found one another.

    Returns:
        the exit status: that of the first worker that failed (128 and the signal's number for one that was killed),
        else 0; 1 where something else went wrong, which is said on stderr.

    Raises:
        ValueError: an argument is not possible.
    """
    num_workers = whole(num_workers, "the number of workers", 1, example=2)
    num_servers = whole(num_servers, "the number of servers", 1)
    time_limit = number(time_limit, "the time limit", above=0, example=60)
    if (scheduler is None) != (role is None):
        raise ValueError("a scheduler's address and a role go together: give both, or neither to run all parts here.")
    if not command and role in (None, "worker"):
        raise ValueError("a worker needs a program: write it after --, for example -- python train.py.")
    if scheduler is None:
        return asyncio.run(_all_parts(command, num_workers, num_servers, time_limit))
    one_of(role, "role", ROLES)
    host, _, port = scheduler.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise ValueError(f"the scheduler must be given as HOST:PORT, not {scheduler!r}: for example 10.0.0.1:9091.")
    if role == "scheduler":
        return asyncio.run(_until_told(_Scheduler(num_workers, num_servers, time_limit).run(host, int(port))))
    return asyncio.run(_until_told(_keep(str(role), command, host, int(port), time_limit)))


async def _all_parts(command: Sequence[str], num_workers: int, num_servers: int, time_limit: float) -> int:
    """All parts on this machine, joined as on several."""
    host = "127.0.0.1"
    keepers: list[asyncio.Task[int]] = []

    def when_listening(port: int) -> None:
        for role, count in (("server", num_servers), ("worker", num_workers)):
            keep = [_keep(role, command, host, port, time_limit, say=False) for _ in range(count)]
            keepers.extend(map(asyncio.ensure_future, keep))

    try:
        return await _until_told(_Scheduler(num_workers, num_servers, time_limit).run(host, 0, when_listening))
    finally:
        for keeper in keepers:
            keeper.cancel()
        await asyncio.gather(*keepers, return_exceptions=True)


async def _until_told(part: Coroutine[Any, Any, int]) -> int:
    """Run a part; a polite request to end (SIGTERM) ends it as Ctrl-C does."""
    told = False
    async with _meanwhile(part) as task:

        def tell() -> None:
            nonlocal told
            told = True
            task.cancel()

        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, tell)
        try:
            return await task
        except asyncio.CancelledError:
            if told:
                return 128 + signal.SIGTERM
            raise


class _Scheduler:
    """MXNet's scheduler, and the end of all connections: who is there, and how each part ended."""

    def __init__(self, num_workers: int, num_servers: int, time_limit: float):
        self._time_limit = time_limit
        self._wanted = {"server": num_servers, "worker": num_workers}
        self._came = {"server": 0, "worker": 0}
        self._working = num_workers  # how many have not ended yet
        self._connections: set[asyncio.Task[None]] = set()
        self._variables: dict[str, str] = {}

    async def run(self, host: str, port: int, when_listening: Callable[[int], None] = lambda port: None) -> int:
        """Listen, wait until all workers have ended or a part has failed, and tell the others."""
        loop = asyncio.get_running_loop()
        self._end: asyncio.Future[tuple[int, str]] = loop.create_future()
        try:
            listening = await asyncio.start_server(self._connect, host, port, family=socket.AF_INET)
        except OSError as error:
            return _ended(f"the scheduler cannot listen at {host}:{port} ({os.strerror(error.errno or 0)}).")
        address, port = listening.sockets[0].getsockname()
        self._variables = {
            "DMLC_PS_ROOT_URI": address,
            "DMLC_PS_ROOT_PORT": str(_free_port(address)),
            "DMLC_NUM_WORKER": str(self._wanted["worker"]),
            "DMLC_NUM_SERVER": str(self._wanted["server"]),
        }
        variables = {**self._variables, "DMLC_ROLE": "scheduler", "DMLC_NODE_HOST": address}
        own = asyncio.ensure_future(_run("scheduler", _NO_PROGRAM, variables))
        own.add_done_callback(self._own_part_ended)
        meeting = loop.call_later(self._time_limit, self._look_who_came)
        try:
            when_listening(port)
            status, why = await asyncio.shield(self._end)
        finally:
            self._finish(1, "the scheduler was told to end.")
            meeting.cancel()
            listening.close()
            own.cancel()
            await asyncio.wait([own])
            if self._connections:
                await asyncio.wait(self._connections, timeout=_GRACE)
        return _ended(why, status) if why else status

    def _finish(self, status: int, why: str) -> None:
        if not self._end.done():
            self._end.set_result((status, why))

    def _own_part_ended(self, own: asyncio.Task[int]) -> None:
        if not own.cancelled():
            self._part_ended("scheduler", "scheduler", own.result())

    def _part_ended(self, role: str, name: str, status: int) -> None:
        if status:
            self._finish(status if role == "worker" else 1, _how_it_ended(name, status))
        elif role == "worker":
            self._working -= 1
            if not self._working:
                self._finish(0, "")

    def _look_who_came(self) -> None:
        if self._came != self._wanted:
            came = " and ".join(f"{self._came[role]} of {count} {role}s" for role, count in self._wanted.items())
            self._finish(1, f"only {came} came within {self._time_limit:g} seconds: start the others, or look at them.")

    def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(asyncio.ensure_future(self._joined(reader, writer)))

    async def _joined(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Join one server or worker, until it is gone or all have ended."""
        name = None
        try:
            role = (await _receive(reader))["role"]
            if self._came[role] == self._wanted[role]:
                _send(writer, {"end": f"there are {self._wanted[role]} {role}s already: start no more of them."})
                return
            number = self._came[role]
            self._came[role] += 1
            here, there = (writer.get_extra_info(which)[0] for which in ("sockname", "peername"))
            name = f"{role} {number}" + (f" on {there}" if there != here else "")
            variables = {**self._variables, "DMLC_ROLE": role, "D2LHELPERS_WORKER": str(number)}
            _send(writer, {"name": name, "variables": variables})
            async with _beating(writer):
                async with _awaited("status", reader) as status:
                    await asyncio.wait([status, self._end], return_when=asyncio.FIRST_COMPLETED)
                    if status.done():
                        self._part_ended(role, name, status.result())
                await asyncio.wait([self._end])
            _send(writer, {"end": self._end.result()[1]})
        except (OSError, EOFError, ValueError, TypeError, KeyError):
            if name:
                self._finish(1, f"{name} cannot be reached any more.")
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def _keep(role: str, command: Sequence[str], host: str, port: int, time_limit: float, say: bool = True) -> int:
    """Run a server or worker, joined with the scheduler; returns its exit status, 1 if it was ended for another's."""
    running, why = None, ""
    try:
        reader, writer = await _connection(host, port, time_limit)
        _send(writer, {"role": role})
        told = await _receive(reader)
        if "end" in told:
            return _ended(told["end"])
        variables = {**told["variables"], "DMLC_NODE_HOST": writer.get_extra_info("sockname")[0]}
        running = asyncio.ensure_future(_run(told["name"], command if role == "worker" else _NO_PROGRAM, variables))
        async with _beating(writer), _awaited("end", reader) as news:
            await asyncio.wait([running, news], return_when=asyncio.FIRST_COMPLETED)
            if not news.done():
                _send(writer, {"status": running.result()})
            why = await news
    except _NotThere as error:
        why = str(error)
    except (OSError, EOFError):
        why = f"the scheduler at {host}:{port} cannot be reached any more."
    finally:
        if running:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
    if why and say:
        _ended(why)
    return running.result() if running and not running.cancelled() and running.result() else int(bool(why))


def _ended(why: str, status: int = 1) -> int:
    print(f"the launch has ended: {why}", file=sys.stderr, flush=True)
    return status


class _NotThere(OSError):
    """There was nobody to connect to."""


async def _connection(host: str, port: int, time_limit: float) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    loop = asyncio.get_running_loop()
    until = loop.time() + time_limit
    while True:
        try:
            return await asyncio.wait_for(
                asyncio.open_connection(host, port, family=socket.AF_INET), max(0.1, until - loop.time())
            )
        except (OSError, asyncio.TimeoutError):
            if loop.time() >= until:
                raise _NotThere(
                    f"no scheduler answered at {host}:{port} within {time_limit:g} seconds: start it there "
                    "with --role scheduler, or correct the address."
                ) from None
            await asyncio.sleep(0.2)


def _send(writer: asyncio.StreamWriter, message: dict[str, Any]) -> None:
    writer.write(json.dumps(message).encode() + b"\n")


async def _receive(reader: asyncio.StreamReader) -> dict[str, Any]:
    """The next message; an error where the other end is gone, or silent for too long."""
    silent = asyncio.get_running_loop().call_later(_SILENCE, reader.feed_eof)
    try:
        line = await reader.readline()  # not by wait_for: up to Python 3.11 it can swallow a cancellation
    finally:
        silent.cancel()
    if not line.endswith(b"\n"):
        raise EOFError
    return json.loads(line)


@contextlib.asynccontextmanager
async def _meanwhile(doing: Coroutine[Any, Any, Any]) -> AsyncIterator[asyncio.Task[Any]]:
    """Something that is done beside something else, and no longer than that."""
    task = asyncio.ensure_future(doing)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)  # whatever it may still say


def _awaited(key: str, reader: asyncio.StreamReader) -> contextlib.AbstractAsyncContextManager[asyncio.Task[Any]]:
    """The value of the first message that has this key; signs of life come before it."""

    async def receive() -> Any:
        while key not in (message := await _receive(reader)):
            pass
        return message[key]

    return _meanwhile(receive())


def _beating(writer: asyncio.StreamWriter) -> contextlib.AbstractAsyncContextManager[asyncio.Task[Any]]:
    """Give signs of life while something else is done."""

    async def beat() -> None:
        while True:
            _send(writer, {})
            await asyncio.sleep(_BEAT)

    return _meanwhile(beat())


async def _run(name: str, command: Sequence[str], variables: dict[str, str]) -> int:
    """Run a process, its lines under its name; returns its exit status. Whatever happens, it and its own are gone."""
    prctl = ctypes.CDLL(None).prctl
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **variables},
            start_new_session=True,
            preexec_fn=lambda: prctl(_PR_SET_PDEATHSIG, signal.SIGKILL),  # also where the launcher itself is killed
        )
    except OSError as error:
        print(f"{name} | {command[0]} cannot be started ({error.strerror}).", file=sys.stderr, flush=True)
        return 127
    streams = ((process.stdout, sys.stdout), (process.stderr, sys.stderr))
    handing_on = [asyncio.ensure_future(_hand_on(source, name, stream)) for source, stream in streams]
    try:
        status = await process.wait()
        return status if status >= 0 else 128 - status
    finally:
        _kill_group(process.pid)  # whoever it has started, and holds its streams open, too
        ending = asyncio.ensure_future(asyncio.wait([asyncio.ensure_future(process.wait()), *handing_on]))
        while not ending.done():  # also where this is told twice to end: what is left open would complain at the end
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.shield(ending)


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


async def _hand_on(source: Any, name: str, stream: Any) -> None:
    """Print the lines of a process under its name; where nobody reads any more, it is to go on all the same."""
    rest = b""
    while chunk := await source.read(1 << 16):
        *lines, rest = (rest + chunk).split(b"\n")
        _print(name, lines, stream)
    _print(name, [rest] if rest else [], stream)


def _print(name: str, lines: Sequence[bytes], stream: Any) -> None:
    with contextlib.suppress(OSError):
        for line in lines:
            print(f"{name} | {line.decode(errors='replace')}", file=stream, flush=True)


def _how_it_ended(name: str, status: int) -> str:
    if status > 128:
        with contextlib.suppress(ValueError):
            return f"{name} was killed by {signal.Signals(status - 128).name}."
    return f"{name} ended with exit status {status}."


def _free_port(host: str) -> int:
    with contextlib.closing(socket.create_server((host, 0))) as listening:
        return listening.getsockname()[1]
