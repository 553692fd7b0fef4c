"""One notebook, executed from top to bottom in a fresh kernel of this interpreter.

The kernel is always ``sys.executable``, whatever kernels the user has registered, and reads none of the user's start-up
files, Python's or IPython's. It is talked to through sockets in a temporary folder: no network is needed, and the
loopback one only where that folder's name is too long for a socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import signal
import sys
import tempfile
from pathlib import Path
from typing import Callable, NamedTuple

from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from nbformat.v4 import new_output

__all__ = [
    "CELL_TIMEOUT",
    "DirectOutput",
    "Execution",
    "NotebookError",
    "Stopped",
    "code_cells",
    "execute",
]

CELL_TIMEOUT = 1800
"""Seconds that one cell may take: far more than any of this project's takes on two cores."""

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
# The longest name of a socket is 107 bytes on Linux; the kernel's own part of it is short.
_LONGEST_SOCKET_FOLDER = 80

_log = logging.getLogger(__name__)
_log.addHandler(logging.NullHandler())  # what nbclient logs is told better by the exception


class NotebookError(Exception):
    """A notebook could not be executed to its end.

    Attributes:
        notebook: The notebook's file name.
        cell_number: The code cell's number, from 1 as in ``In [1]``, or None where no cell is to blame.
        cell_id: The code cell's id, or None; before format 4.5 cells have none.
        name: The error's name, such as ``ValueError``.
        message: The error's message.
        traceback: The last lines of the traceback, or of what the dead kernel left; without colour codes.
    """

    def __init__(self, notebook, cell_number, cell_id, name, message, traceback=()):  # noqa: D107 (see the class)
        where = notebook if cell_number is None else f"{notebook}, code cell {cell_number}"
        where += f" (id {cell_id})" if cell_id else ""
        super().__init__(f"{where}: {name}: {message}" if message else f"{where}: {name}")
        self.notebook, self.cell_number, self.cell_id = notebook, cell_number, cell_id
        self.name, self.message, self.traceback = name, message, list(traceback)


class Stopped(KeyboardInterrupt):
    """The user stopped the execution (Ctrl-C, or SIGTERM); the kernel is gone.

    Attributes:
        exit_status: 128 plus the signal's number, as a shell expects it.
    """

    def __init__(self, signal_number: int = signal.SIGINT):  # noqa: D107 (see the class)
        super().__init__()
        self.exit_status = 128 + int(signal_number)


class DirectOutput(NamedTuple):
    """What a cell wrote past Python, to file descriptor 1 (``stdout``) or 2 (``stderr``), as C code does."""

    cell_number: int
    cell_id: str | None
    stream: str
    text: str


class Execution(NamedTuple):
    """What is known after a notebook was executed, beside its outputs.

    Attributes:
        direct_outputs: What C code wrote, cell by cell.
        answers: For each name in ``questions`` its expression as IPython displays it, or None where it raised.
    """

    direct_outputs: list[DirectOutput]
    answers: dict[str, str | None]


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """Return the notebook's code cells that hold anything."""
    return [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]


def execute(
    notebook: NotebookNode,
    path: str | os.PathLike,
    *,
    environment: dict[str, str] | None = None,
    cell_timeout: float = CELL_TIMEOUT,
    questions: dict[str, str] | None = None,
    on_cell: Callable[[int, str | None], None] | None = None,
    on_tick: Callable[[], None] | None = None,
) -> Execution:
    """Execute a notebook in place; its file is not written.

    Args:
        notebook: The notebook. Its code cells get new outputs and the counts 1 … n; after an error, those up to it.
        path: The notebook's file: its name is for errors, its folder is the kernel's working directory.
        environment: Environment variables for the kernel, added to this process's own.
        cell_timeout: Seconds that one cell may take, in whole seconds of at least 1.
        questions: Python expressions that the kernel evaluates after the last cell, by name.
        on_cell: Called before each code cell with its number (from 1) and its id, None where it has none.
        on_tick: Called about every half second while cells run.

    Returns:
        What C code wrote, and the answers.

    Raises:
        NotebookError: A cell failed or took too long, or the kernel died or did not start.
        Stopped: Ctrl-C or SIGTERM came. In every case the kernel is gone.
    """
    path = Path(path)
    with tempfile.TemporaryDirectory(prefix="d2lhelpers-") as scratch:
        session = _Session(notebook, path, Path(scratch), environment or {}, cell_timeout)
        return asyncio.run(_stoppable(session.run(questions or {}, on_cell, on_tick)))


async def _stoppable(work):
    """Await ``work``; on SIGINT or SIGTERM cancel it, let it clean up, and raise Stopped."""
    loop, task, received = asyncio.get_running_loop(), asyncio.current_task(), []

    def stop(number):
        if not received:  # a second Ctrl-C must not stop the cleaning up
            received.append(number)
            task.cancel()

    handled = []
    with contextlib.suppress(RuntimeError, ValueError):  # signals reach the main thread only
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop, number)
            handled.append(number)
    try:
        return await work
    except BaseException:  # nbclient turns a cancelled cell into a dead kernel
        if received:
            raise Stopped(received[0]) from None
        raise
    finally:
        for number in handled:
            loop.remove_signal_handler(number)


class _OwnKernel(KernelSpecManager):
    """Knows one kernel: this interpreter's."""

    def get_kernel_spec(self, kernel_name):
        return KernelSpec(
            # What C code writes goes to our files and not, some time later, to whatever cell runs then.
            argv=[
                *(sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"),
                "--IPKernelApp.capture_fd_output=False",
            ],
            display_name="Python 3 (ipykernel)",
            language="python",
        )


class _Session:
    """One kernel and the notebook that it executes."""

    def __init__(self, notebook, path, scratch, environment, cell_timeout):
        self.notebook, self.path, self.scratch = notebook, path, scratch
        self.logs = {name: scratch / name for name in ("stdout", "stderr")}
        self.read_up_to = dict.fromkeys(self.logs, 0)
        self.environment = {
            # PYTEST_CURRENT_TEST changes what ipykernel captures: a notebook must give the same below a test. And
            # IPython runs the file of PYTHONSTARTUP.
            **{name: os.environ[name] for name in os.environ if name not in ("PYTEST_CURRENT_TEST", "PYTHONSTARTUP")},
            "IPYTHONDIR": str(scratch / "ipython"),
            "JUPYTER_RUNTIME_DIR": str(scratch),
            "MPLBACKEND": "module://matplotlib_inline.backend_inline",
            **environment,
        }
        self.manager = AsyncKernelManager(
            kernel_name="python3",
            kernel_spec_manager=_OwnKernel(log=_log),
            transport="ipc" if len(os.fsencode(scratch)) <= _LONGEST_SOCKET_FOLDER else "tcp",
            connection_file=str(scratch / "kernel.json"),
            log=_log,
        )
        self.client = NotebookClient(
            notebook,
            km=self.manager,
            timeout=cell_timeout if cell_timeout is None else max(1, round(cell_timeout)),
            iopub_timeout=60,
            raise_on_iopub_timeout=True,
            record_timing=False,
            skip_cells_with_tag="",  # nothing is skipped
            log=_log,
        )
        self.current = (None, None)

    async def run(self, questions, on_cell, on_tick):
        ticking = asyncio.ensure_future(self._tick(on_tick)) if on_tick else None
        try:
            await self._start()
            direct_outputs = await self._run_cells(on_cell)
            answers = await self._ask(questions) if questions else {}
            await self.manager.shutdown_kernel()  # with time for the kernel's temporary files to go
            return Execution(direct_outputs, answers)
        finally:
            if ticking:
                ticking.cancel()
            if self.client.kc is not None:
                self.client.kc.stop_channels()
            if self.manager.has_kernel:
                await self.manager.shutdown_kernel(now=True)

    async def _tick(self, on_tick):
        while True:
            await asyncio.sleep(0.5)
            on_tick()

    async def _start(self):
        try:
            with open(self.logs["stdout"], "wb") as stdout, open(self.logs["stderr"], "wb") as stderr:
                await self.client.async_start_new_kernel(
                    cwd=str(self.path.parent.absolute()), env=self.environment, stdout=stdout, stderr=stderr
                )
            await self.client.async_start_new_kernel_client()
        except Exception as error:
            raise self._error("KernelNotStarted", str(error), self._last_words()) from error

    async def _run_cells(self, on_cell):
        direct_outputs, number = [], 0
        self._new_direct_text()  # what the kernel said at its start is no cell's
        for index, cell in enumerate(self.notebook.cells):
            if cell.cell_type != "code":
                continue
            if not cell.source.strip():
                cell.outputs, cell.execution_count = [], None
                continue
            number += 1
            self.current = (number, cell.get("id"))
            if on_cell:
                on_cell(*self.current)
            try:
                await self._run_cell(cell, index)
            finally:
                cell.outputs = _merged_streams(cell.outputs)
                for stream, text in self._new_direct_text().items():
                    direct_outputs.append(DirectOutput(*self.current, stream, text))
                    cell.outputs.append(new_output("stream", name=stream, text=text))
        return direct_outputs

    async def _run_cell(self, cell, index):
        try:
            await self.client.async_execute_cell(cell, index)
        except CellExecutionError as error:
            shown = ["\n".join(output.traceback) for output in cell.outputs if output.output_type == "error"]
            raise self._error(error.ename, error.evalue, _ANSI.sub("", "\n".join(shown)).splitlines()) from None
        except CellTimeoutError:
            raise self._error("Timeout", f"the cell took longer than {self.client.timeout} s") from None
        except DeadKernelError:
            raise self._error("DeadKernel", await self._cause_of_death(), self._last_words()) from None

    async def _cause_of_death(self):
        status = await self.manager.provisioner.poll() if self.manager.provisioner else None
        if status is None:
            return "the kernel died"
        if status >= 0:
            return f"the kernel ended with exit status {status}"
        why = " (out of memory?)" if -status == signal.SIGKILL else ""
        return f"the kernel was killed by {signal.Signals(-status).name}{why}"

    async def _ask(self, questions):
        """Evaluate expressions where the notebook's own names are."""
        message = self.client.kc.execute("", silent=True, store_history=False, user_expressions=questions)
        try:
            reply = await self.client.async_wait_for_reply(message)
        except DeadKernelError:
            raise self._error("DeadKernel", await self._cause_of_death(), self._last_words()) from None
        answers = reply["content"].get("user_expressions", {})
        return {name: answers.get(name, {}).get("data", {}).get("text/plain") for name in questions}

    def _new_direct_text(self):
        """Read what was written to the kernel's descriptors since the last look."""
        texts = {}
        for stream, log in self.logs.items():
            with open(log, "rb") as file:
                file.seek(self.read_up_to[stream])
                text = file.read()
            self.read_up_to[stream] += len(text)
            if text:
                texts[stream] = text.decode("utf-8", "replace")
        return texts

    def _last_words(self):
        return self.logs["stderr"].read_text("utf-8", "replace").splitlines()[-12:]

    def _error(self, name, message, traceback=()):
        return NotebookError(self.path.name, *self.current, name, message, traceback)


def _merged_streams(outputs):
    """Join a stream's neighbouring pieces, and let a carriage return take back its line so far.

    How a stream is cut into pieces depends on when the kernel flushed it, so it says nothing.
    """
    merged = []
    for output in outputs:
        if merged and output.output_type == "stream" and merged[-1].get("name") == output.name:
            merged[-1].text += output.text
        else:
            merged.append(output)
    for output in merged:
        if output.output_type == "stream":
            output.text = re.sub(r"[^\n]*\r(?=[^\n])", "", output.text)
    return merged
