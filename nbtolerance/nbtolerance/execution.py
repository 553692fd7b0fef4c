"""One notebook, executed in a fresh kernel: the engine that records notebooks and compares them.

The kernel is ``sys.executable``, whatever kernels the user has registered, unless another is asked for by name, and
reads none of the user's start-up files, Python's or IPython's. It is talked to through sockets in a temporary folder:
no network is needed, and the loopback one only where that folder's name is too long for a socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import zmq.asyncio
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode, ValidationError
from nbformat.v4 import new_output
from nbval.plugin import find_comment_markers

from .terminal import COLOUR, as_shown

__all__ = [
    "CELL_TIMEOUT",
    "DirectOutput",
    "Execution",
    "NotebookError",
    "Session",
    "Stopped",
    "async_execute",
    "code_cells",
    "execute",
    "run_until_stopped",
]

CELL_TIMEOUT = 1800
"""Seconds that one cell may take unless another time is given, recorded or compared."""

_THIS_INTERPRETER = "nbtolerance-this-interpreter"
# A notebook must give the same below a test: PYTEST_CURRENT_TEST, for one, changes what ipykernel captures. And IPython
# runs the file of PYTHONSTARTUP.
_NOT_INHERITED = ("PYTEST_", "PYTHONSTARTUP")
# The longest name of a socket is 107 bytes on Linux; the kernel's own part of it is short.
_LONGEST_SOCKET_FOLDER = 80

# ZeroMQ lets 1000 messages wait and throws away those that come then, that the cell has ended among them. Here no limit
# is set, on either side; ipykernel has no option for its own.
_LAUNCH = """
import sys
sys.path.remove("")
from ipykernel.kernelapp import IPKernelApp

class Kernel(IPKernelApp):
    def init_iopub(self, context):
        context.sndhwm = 0
        super().init_iopub(context)

Kernel.launch_instance()
"""

_T = TypeVar("_T")

_log = logging.getLogger(__name__)
_log.addHandler(logging.NullHandler())
_log.propagate = False  # what nbclient logs is told better by the exception


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


def execute(notebook: NotebookNode, path: str | os.PathLike, **options) -> Execution:
    """Execute a notebook in place, in an event loop of its own; its file is not written.

    Args:
        notebook: The notebook.
        path: The notebook's file.
        **options: As of ``async_execute``.

    Returns:
        What C code wrote, and the answers.

    Raises:
        NotebookError: A cell failed or took too long, or the kernel died or did not start.
        Stopped: Ctrl-C or SIGTERM came. In every case the kernel is gone.
    """
    return run_until_stopped(async_execute(notebook, path, **options))


async def async_execute(
    notebook: NotebookNode,
    path: str | os.PathLike,
    *,
    environment: Mapping[str, str | None] | None = None,
    cell_timeout: float = CELL_TIMEOUT,
    questions: dict[str, str] | None = None,
    on_cell: Callable[[int, str | None], None] | None = None,
    on_tick: Callable[[], None] | None = None,
) -> Execution:
    """Execute a notebook in place, beside others in one event loop; its file is not written.

    Args:
        notebook: The notebook. Its code cells get new outputs and the counts 1 … n; after an error, those up to it.
        path: The notebook's file: its name is for errors, its folder is the kernel's working directory.
        environment: What differs in the kernel's environment from this process's: a variable's value, or None for one
            that the kernel does not get.
        cell_timeout: Seconds that one cell may take, in whole seconds of at least 1.
        questions: Python expressions that the kernel evaluates after the last cell, by name.
        on_cell: Called before each code cell with its number (from 1) and its id, None where it has none.
        on_tick: Called about every half second while cells run.

    Returns:
        What C code wrote, and the answers.

    Raises:
        NotebookError: A cell failed or took too long, or the kernel died or did not start.
        asyncio.CancelledError: The task was cancelled. In every case the kernel is gone.
    """
    session = Session(notebook, path, environment={**os.environ, **(environment or {})}, cell_timeout=cell_timeout)
    ticking = asyncio.ensure_future(_tick(on_tick)) if on_tick else None
    try:
        await session.start()
        for index, cell in enumerate(notebook.cells):
            if cell.cell_type == "code":
                await session.run_cell(index, on_cell)
        answers = await session.ask(questions or {})
        await session.shut_down()
        return Execution(session.direct_outputs, answers)
    finally:
        if ticking:
            ticking.cancel()
        await session.kill()
        for index in session.executed:
            notebook.cells[index].outputs = session.outputs_of(index)


def run_until_stopped(work: Coroutine[Any, Any, _T]) -> _T:
    """Run a coroutine in an event loop of its own; on SIGINT or SIGTERM cancel it, and let it clean up.

    Args:
        work: The coroutine.

    Returns:
        What it returns.

    Raises:
        Stopped: Ctrl-C or SIGTERM came. Every other exception is the coroutine's.
    """
    return asyncio.run(_stoppable(work))


async def _tick(on_tick):
    while True:
        await asyncio.sleep(0.5)
        on_tick()


async def _stoppable(work):
    """Await ``work``; on SIGINT or SIGTERM cancel it, let it clean up, and raise Stopped."""
    loop, task, received = asyncio.get_running_loop(), asyncio.current_task(), list[int]()

    def stop(number):
        if task and not received:  # a second Ctrl-C must not stop the cleaning up
            received.append(number)
            task.cancel()

    handled = []
    with contextlib.suppress(RuntimeError, ValueError):  # signals reach the main thread only
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop, number)
            handled.append(number)
    try:
        return await work
    except BaseException:  # what came of it while it cleaned up
        if received:
            raise Stopped(received[0]) from None
        raise
    finally:
        for number in handled:
            loop.remove_signal_handler(number)


class _Kernels(KernelSpecManager):
    """Knows this interpreter's kernel, as the one without a name, and those that the user has registered."""

    def get_kernel_spec(self, kernel_name):
        if kernel_name == _THIS_INTERPRETER:
            argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
            spec = KernelSpec(argv=argv, display_name="Python 3 (ipykernel)", language="python")
        else:
            spec = super().get_kernel_spec(kernel_name)
        if "ipykernel_launcher" in spec.argv:
            at = spec.argv.index("ipykernel_launcher")
            # What C code writes goes to our files and not, some time later, to whatever cell runs then.
            options = [*spec.argv[at + 1 :], "--IPKernelApp.capture_fd_output=False"]
            spec.argv = [*spec.argv[: at - 1], "-c", _LAUNCH, *options]
        return spec


class _Client(NotebookClient):
    """Knows which cells show something that a later cell can still change."""

    cells_with_displays: set[int]

    def output(self, outs, msg, display_id, cell_index):
        if display_id:
            self.cells_with_displays.add(cell_index)
        return super().output(outs, msg, display_id, cell_index)


def _keep_page(cell, cell_index, execute_reply):
    """Keep what a pager shows, as of ``len?``: like JupyterLab, as the last output of its cell."""
    pages = [part for part in execute_reply["content"].get("payload", []) if part["source"] == "page"]
    cell.outputs.extend(new_output("display_data", data=page["data"]) for page in pages[:1])


class Session:
    """One kernel and the notebook whose cells it runs, one after the other, all in one event loop.

    Attributes:
        direct_outputs: What C code wrote so far, cell by cell.
        executed: The indices of the cells that were run, or emptied, so far.
    """

    def __init__(
        self,
        notebook: NotebookNode,
        path: str | os.PathLike,
        *,
        environment: Mapping[str, str | None],
        cell_timeout: float = CELL_TIMEOUT,
        kernel_name: str | None = None,
        startup_timeout: float = 60,
    ):
        """Prepare; nothing is started.

        Args:
            notebook: The notebook, whose cells get their outputs.
            path: Its file: the name is for errors, the folder is the kernel's working directory.
            environment: The variables that the kernel gets; those that are None and some that are Jupyter's and
                IPython's own business are left out. ``NBTOLERANCE_MPLBACKEND`` names the backend of matplotlib, the
                inline one by default.
            cell_timeout: Seconds that one cell may take, in whole seconds of at least 1.
            kernel_name: A registered kernel; None means this interpreter.
            startup_timeout: Seconds that the kernel may take to start.
        """
        self.notebook, self.path = notebook, Path(path)
        self.direct_outputs: list[DirectOutput] = []
        self.executed: list[int] = []
        self._folder = tempfile.TemporaryDirectory(prefix="nbtolerance-")
        scratch = Path(self._folder.name)
        self._logs = {name: scratch / name for name in ("stdout", "stderr")}
        self._read_up_to = dict.fromkeys(self._logs, 0)
        self._environment = {
            **{
                name: value
                for name, value in environment.items()
                if not name.startswith(_NOT_INHERITED) and value is not None
            },
            "IPYTHONDIR": str(scratch / "ipython"),
            "JUPYTER_RUNTIME_DIR": str(scratch),
            "MPLBACKEND": environment.get("NBTOLERANCE_MPLBACKEND") or "module://matplotlib_inline.backend_inline",
        }
        self._sockets = zmq.asyncio.Context()
        self._sockets.rcvhwm = 0
        self._manager = AsyncKernelManager(
            context=self._sockets,
            kernel_name=kernel_name or _THIS_INTERPRETER,
            kernel_spec_manager=_Kernels(log=_log),
            transport="ipc" if os.name == "posix" and len(os.fsencode(scratch)) <= _LONGEST_SOCKET_FOLDER else "tcp",
            connection_file=str(scratch / "kernel.json"),
            log=_log,
        )
        self._client = _Client(
            notebook,
            km=self._manager,
            timeout=max(1, round(cell_timeout)),
            startup_timeout=max(1, round(startup_timeout)),
            iopub_timeout=60,
            raise_on_iopub_timeout=True,
            record_timing=False,
            on_cell_executed=_keep_page,
            skip_cells_with_tag="",  # nothing is skipped
            log=_log,
        )
        self._client.cells_with_displays = set()
        self._current: tuple[int | None, str | None] = (None, None)
        self._count = 0

    async def start(self) -> None:
        """Start the kernel.

        Raises:
            NotebookError: It does not start.
        """
        try:
            with open(self._logs["stdout"], "wb") as stdout, open(self._logs["stderr"], "wb") as stderr:
                await self._client.async_start_new_kernel(
                    cwd=str(self.path.parent.absolute()), env=self._environment, stdout=stdout, stderr=stderr
                )
            await self._client.async_start_new_kernel_client()
        except Exception as error:
            raise self._error("KernelNotStarted", str(error), self._last_words()) from error
        self._new_direct_text()  # what the kernel said at its start is no cell's

    async def run_cell(self, index: int, on_cell: Callable[[int, str | None], None] | None = None) -> None:
        """Run a code cell. It gets its outputs and the next execution count, an empty one none.

        Args:
            index: The cell's place among all cells of the notebook.
            on_cell: Called before with the code cell's number (from 1) and its id.

        Raises:
            NotebookError: The cell failed or took too long, or the kernel died.
            asyncio.CancelledError: The task was cancelled.
        """
        cell = self.notebook.cells[index]
        self.executed.append(index)
        if not cell.source.strip():
            cell.outputs, cell.execution_count = [], None
            return
        self._count += 1
        self._current = where = (self._count, cell.get("id"))
        if on_cell:
            on_cell(*where)
        self._client.allow_errors = _may_raise(cell)
        try:
            await self._client.async_execute_cell(cell, index)
        except CellExecutionError as error:
            shown = ["\n".join(output.traceback) for output in cell.outputs if output.output_type == "error"]
            raise self._error(error.ename, error.evalue, COLOUR.sub("", "\n".join(shown)).splitlines()) from None
        except CellTimeoutError:
            raise self._error("Timeout", f"the cell took longer than {self._client.timeout} s") from None
        except DeadKernelError:
            if await self._manager.is_alive():  # to nbclient a cell that was cancelled is a kernel that died
                raise asyncio.CancelledError from None
            raise self._error("DeadKernel", await self._cause_of_death(), self._last_words()) from None
        # What a display sent is no valid output.
        except (AttributeError, KeyError, TypeError, ValueError, ValidationError) as error:
            (why, *_) = f"{type(error).__name__}: {error}".splitlines()
            raise self._error("InvalidOutput", f"the cell shows what no notebook can hold ({why})") from error
        finally:
            for stream, text in self._new_direct_text().items():
                self.direct_outputs.append(DirectOutput(*where, stream, text))
                cell.outputs.append(new_output("stream", name=stream, text=text))

    def outputs_of(self, index: int) -> list[NotebookNode]:
        """Return a cell's outputs as a notebook holds them, in the state in which the cells run so far have left them.

        Args:
            index: The cell's place among all cells of the notebook.

        Returns:
            The outputs, a stream's neighbouring pieces as one.
        """
        return _merged_streams(self.notebook.cells[index].outputs)

    def can_change_later(self, index: int) -> bool:
        """Tell whether a cell has shown something under a display id, which a later cell can change."""
        return index in self._client.cells_with_displays

    async def ask(self, questions: dict[str, str]) -> dict[str, str | None]:
        """Evaluate expressions where the notebook's own names are.

        Args:
            questions: Python expressions by name.

        Returns:
            By name each as IPython displays it, or None where it raised.

        Raises:
            NotebookError: The kernel died.
        """
        if not questions:
            return {}
        reply = await self.run_silently("", user_expressions=questions)
        answers = reply["content"].get("user_expressions", {})
        return {name: answers.get(name, {}).get("data", {}).get("text/plain") for name in questions}

    async def run_silently(self, code: str, **options) -> dict:
        """Run code that is no cell's and shows nothing. Returns the kernel's reply, a Jupyter message."""
        kernel = self._client.kc
        assert kernel is not None, "the session is started"
        message = kernel.execute(code, silent=True, store_history=False, **options)
        try:
            reply = await self._client.async_wait_for_reply(message)
        except DeadKernelError:
            raise self._error("DeadKernel", await self._cause_of_death(), self._last_words()) from None
        return reply or {"content": {}}

    async def shut_down(self) -> None:
        """End the kernel with time for its temporary files to go."""
        await self._manager.shutdown_kernel()

    async def kill(self) -> None:
        """Make sure that the kernel is gone, whatever state it is in, and take away what it needed."""
        if self._client.kc is not None:
            self._client.kc.stop_channels()
        if self._manager.has_kernel:
            await self._manager.shutdown_kernel(now=True)
        self._sockets.destroy(linger=100)
        self._folder.cleanup()

    async def _cause_of_death(self):
        status = await self._manager.provisioner.poll() if self._manager.provisioner else None
        if status is None:
            return "the kernel died"
        if status >= 0:
            return f"the kernel ended with exit status {status}"
        why = " (out of memory?)" if -status == signal.SIGKILL else ""
        return f"the kernel was killed by {signal.Signals(-status).name}{why}"

    def _new_direct_text(self):
        """Read what was written to the kernel's descriptors since the last look."""
        texts = {}
        for stream, log in self._logs.items():
            with open(log, "rb") as file:
                file.seek(self._read_up_to[stream])
                text = file.read()
            self._read_up_to[stream] += len(text)
            if text:
                texts[stream] = text.decode("utf-8", "replace")
        return texts

    def _last_words(self):
        return self._logs["stderr"].read_text("utf-8", "replace").splitlines()[-12:]

    def _error(self, name, message, traceback=()):
        return NotebookError(self.path.name, *self._current, name, message, traceback)


def _may_raise(cell):
    """Whether an exception is what a cell is there for, by its tags or nbval's comment."""
    tags = cell.metadata.get("tags", [])
    return bool({"raises-exception", "nbval-raises-exception"} & set(tags)) or (
        dict(find_comment_markers(cell.source)).get("check_exception", False)
    )


def _merged_streams(outputs):
    """Join a stream's neighbouring pieces, and keep of them what a terminal shows.

    How a stream is cut into pieces depends on when the kernel flushed it, so it says nothing. The outputs given are
    left as they are: the client updates displays by their places among them.
    """
    merged: list[NotebookNode] = []
    for output in outputs:
        if merged and output.output_type == "stream" and merged[-1].get("name") == output.name:
            merged[-1].text += output.text
        else:
            merged.append(NotebookNode(output))
    for output in merged:
        if output.output_type == "stream":
            output.text = as_shown(output.text)
    return merged
