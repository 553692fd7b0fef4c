"""A pytest plugin on nbval 0.11.0: notebooks run again, every output compared, floats and figures with tolerance.

::

    pytest --nbval --nbval-current-env -p d2lhelpers.nbval_plugin notebooks

nbval collects the cells, this module runs and compares them. What a cell may differ in is stated in the cell and
decided in :mod:`d2lhelpers.comparison`, the only part of this package used here, but for the name of the variable that
importing the package sets: kernels do not get it. Beyond nbval, a dead kernel is noticed at once, an execution reply
with status error is a failure, ``clear_output`` and display updates are honoured, what C code writes to descriptor 2 is
seen as in Jupyter, and once a cell has not run to its end the rest of its notebook is "not run".
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from dataclasses import dataclass, field
from queue import Empty

import nbformat
import pytest
from nbval import kernel as nbval_kernel
from nbval import plugin as nbval

from .comparison import MarkerError, compare_outputs
from .compat import added_variables

__all__ = ["NotebookCell", "NotebookFile"]

_CELL_TIMEOUT = 600.0  # seconds; nbval's own default is 2000
_ADDED = "d2lhelpers: variables of the environment that importing it set"
_POLL = 1.0  # seconds between two looks at whether the kernel lives
_GRACE = 5.0  # seconds for a kernel to answer an interrupt, or to send its reply


def pytest_configure(config):
    """Give cells a shorter time than nbval does, unless the user gave one."""
    # nbval's default is an int, and what a user gives is converted to a float.
    if isinstance(getattr(config.option, "nbval_cell_timeout", None), int):
        config.option.nbval_cell_timeout = _CELL_TIMEOUT


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node):
    """Tell a worker of xdist, which inherits them as if the user had set them, which variables are not the user's."""
    node.workerinput[_ADDED] = sorted(added_variables)


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path, parent):
    """Put our collector in the place of nbval's; a hook beside nbval's own would collect each notebook twice."""
    collectors = yield
    return [
        NotebookFile.from_parent(parent, path=file_path) if type(collector) is nbval.IPyNbFile else collector
        for collector in collectors
    ]


@dataclass
class _Run:
    """What a cell did."""

    outputs: list = field(default_factory=list)
    has_displays: bool = False  # whether a later cell can still change what is shown
    raised: bool = False
    failure: str | None = None
    traceback: str | None = None


class _Kernel(nbval_kernel.RunningKernel):
    """A kernel that runs cells as Jupyter and nbclient do, and whose death is noticed."""

    def __init__(self, name, cwd, startup_timeout, environment):
        spec = nbval_kernel.NbvalKernelspecManager().get_kernel_spec(name)
        options = {"cwd": cwd, "env": environment, "stderr": subprocess.DEVNULL}
        if "ipykernel_launcher" in spec.argv:
            options["extra_arguments"] = ["--HistoryManager.hist_file=:memory:"]  # no lock shared by parallel kernels
        self.km, self.kc = nbval_kernel.start_new_kernel(startup_timeout, name, **options)
        try:
            self._ensure_iopub_up()
        except Exception:
            self.stop()
            raise

    def run(self, source, timeout, displays):
        """Run a cell.

        Args:
            source: its code.
            timeout: seconds until it is interrupted.
            displays: display id -> outputs that show it; read and extended.

        Returns:
            _Run: ``failure`` is set where the kernel died or the time was over.
        """
        run = _Run()
        if not source.strip():
            return run
        area = _OutputArea(run.outputs, displays)
        # With history, as Jupyter and nbclient do: `_`, `Out` and a silent trailing `;` are then what was recorded.
        message_id = self.kc.execute(source, store_history=True, allow_stdin=False, stop_on_error=False)
        deadline = time.monotonic() + timeout
        while not area.complete:
            try:
                message = self.get_message("iopub", timeout=_POLL)
            except Empty:
                if not self.is_alive():
                    run.failure = "the kernel died"
                    return run
            else:
                if message["parent_header"].get("msg_id") == message_id:
                    area.add(message)
            if time.monotonic() > deadline:
                if run.failure:
                    run.failure += " and did not answer"
                    return run
                run.failure = f"the cell was interrupted after {timeout:g} seconds"
                self.interrupt()
                deadline += _GRACE
        run.has_displays = area.has_displays
        try:
            reply = self._reply_to(message_id)
        except Empty:
            run.failure = run.failure or "the kernel sent no reply"
            return run
        run.raised = reply["status"] != "ok"
        if run.raised:
            run.traceback = "\n".join(reply["traceback"]) or f"{reply['ename']}: {reply['evalue']}"
        return run

    def _reply_to(self, message_id):
        """The content of the execution reply, which a kernel sends before it says that it is idle."""
        while True:
            message = self.get_message("shell", timeout=_GRACE)
            if message["parent_header"].get("msg_id") == message_id:
                return message["content"]


class _OutputArea:
    """The outputs of a cell as a front end shows them, message by message."""

    def __init__(self, outputs, displays):
        self._outputs = outputs
        self._displays = displays
        self._clear_at_next = False
        self.has_displays = False
        self.complete = False

    def add(self, message):
        """Take a message of the kernel."""
        kind, content = message["msg_type"], message["content"]
        if kind == "status":
            self.complete = content["execution_state"] == "idle"
        if kind == "clear_output":
            self._clear_at_next = content["wait"]
            if not content["wait"]:
                self._outputs.clear()
            return
        display_id = content.get("transient", {}).get("display_id")
        for shown in self._displays.get(display_id, []):
            shown.update(data=content["data"], metadata=content["metadata"])
        if kind not in ("stream", "display_data", "execute_result", "error"):
            return
        if self._clear_at_next:
            self._clear_at_next = False
            self._outputs.clear()
        output = nbformat.v4.output_from_msg(message)
        self._outputs.append(output)
        if display_id is not None:
            self.has_displays = True
            self._displays.setdefault(display_id, []).append(output)


class NotebookFile(nbval.IPyNbFile):
    """A notebook: its kernel, and what its cells put out."""

    def __init__(self, *args, **kwargs):
        """As any collector."""
        super().__init__(*args, **kwargs)
        self.stopped_at = None  # the cell that did not run to its end
        self.stop_reported = False
        self._cells = []
        self._runs = {}
        self._displays = {}  # display id -> the outputs that show it, in whichever cell

    def collect(self):
        """The notebook's code cells, as items."""
        self._cells = [
            NotebookCell.from_parent(self, name=item.name, cell_num=item.cell_num, cell=item.cell, options=item.options)
            for item in super().collect()
        ]
        return self._cells

    def setup(self):
        """Start the kernel; if it does not start, the first cell says so."""
        option = self.config.option
        if option.nbval_current_env:
            name = nbval_kernel.CURRENT_ENV_KERNEL_NAME
        else:
            name = option.nbval_kernel_name or self.nb.metadata.get("kernelspec", {}).get("name", "python")
        self.setup_sanitize_files()
        # A kernel starts as if there were no pytest. What the import of this package set is not the user's. Where it
        # finds pytest's variable ipykernel does not watch descriptor 2: what C code writes there would be lost. A
        # backend chosen for scripts would leave a notebook without its figures. And IPython runs Python's start-up
        # file.
        inherited = getattr(self.config, "workerinput", {}).get(_ADDED, ())
        left_out = {"PYTEST_CURRENT_TEST", "PYTHONSTARTUP", "MPLBACKEND", *added_variables, *inherited}
        environment = {name: value for name, value in os.environ.items() if name not in left_out}
        try:
            self.kernel = _Kernel(name, str(self.path.parent), option.nbval_kernel_startup_timeout, environment)
        except Exception as error:
            self.stopped_at = 0
            self._runs[0] = _Run(failure=f"the kernel does not start: {error}")
            return
        if getattr(option, "cov_source", None):
            nbval.setup_coverage(self.config, self.kernel, str(self.path))

    def teardown(self):
        """Stop the kernel, dead or alive."""
        if self.kernel is None:
            return
        if getattr(self.config.option, "cov_source", None) and self.kernel.is_alive():
            nbval.teardown_coverage(self.config, self.kernel)
        self.kernel.stop()

    @property
    def failure(self):
        """Why the cell that stopped the notebook did."""
        return self._runs[self.stopped_at].failure

    def run_up_to(self, cell_num):
        """Run the cells that have not run yet, in order, up to one of them (None: all).

        Args:
            cell_num: number of the code cell, from 0, or None.

        Returns:
            _Run: what that cell did, or None if it was not run because one before it failed.
        """
        for cell in self._cells:
            if cell_num is not None and cell.cell_num > cell_num:
                break
            if self.stopped_at is not None or cell.cell_num in self._runs or cell.options["skip"]:
                continue
            run = self.kernel.run(cell.cell.source, self.config.option.nbval_cell_timeout, self._displays)
            if run.raised and not cell.options["check_exception"]:
                run.failure = run.failure or "the cell raised an exception"
            if run.failure:
                self.stopped_at = cell.cell_num
            self._runs[cell.cell_num] = run
        return self._runs.get(cell_num)


class NotebookCell(nbval.IPyNbCell):
    """A code cell: run, then compared with what the notebook has recorded."""

    def setup(self):
        """Nothing: nbval expects cells to fail after a timeout, here they are not run."""

    def runtest(self):
        """Run the cell, and fail with every difference between its recorded and its new outputs.

        Raises:
            NbCellError: when the cell does not run, or differs.
        """
        if self.options["skip"]:
            pytest.skip("NBVAL_SKIP")
        run = self.parent.run_up_to(self.cell_num)
        if run is None and self.parent.stop_reported:
            pytest.skip(f"not run: cell {self.parent.stopped_at} failed")
        if run is None or run.failure:
            self.parent.stop_reported = True
        if run is None:  # the cell that failed was deselected: say it here, or nothing would be red
            self.raise_cell_error(f"not run: cell {self.parent.stopped_at} failed: {self.parent.failure}")
        self.test_outputs = run.outputs
        if run.failure:
            self.raise_cell_error(run.failure, run.traceback)
        if not self.cell.source.strip():
            if self.cell.outputs and self.options["check"]:
                self.raise_cell_error("the cell is empty and has recorded outputs: remove them, or put its code back")
            return
        if self.options["check"] and self.cell.execution_count is None:
            self.raise_cell_error("nothing to compare with: the notebook was saved before this cell was run")
        if run.has_displays:  # a notebook records them as later cells have left them
            self.parent.run_up_to(None)
        recorded, new = self._sanitized(self.cell.outputs), self._sanitized(run.outputs)
        try:
            differences = compare_outputs(self.cell.source, recorded, new)
        except MarkerError as error:
            self.raise_cell_error(str(error))
        if differences and self.options["check"]:
            self.raise_cell_error("the outputs differ from the recorded ones", "\n".join(differences))

    def _sanitized(self, value):
        if not self.parent.sanitize_patterns:
            return value
        if isinstance(value, dict):
            pictures = [key for key in value if key.startswith("image/")]
            return {key: entry if key in pictures else self._sanitized(entry) for key, entry in value.items()}
        if isinstance(value, list):
            return [self._sanitized(entry) for entry in value]
        return self.sanitize(value)

    def repr_failure(self, excinfo):
        """Notebook and cell, what is wrong, the code, and the details."""
        error = excinfo.value
        if not isinstance(error, nbval.NbCellError):
            return super().repr_failure(excinfo)
        colours = self.colors
        name = f"{self.parent.nodeid}, cell {self.cell_num}"
        if "id" in self.cell:
            name += f" ({self.cell['id']})"
        lines = [f"{colours.FAIL}{name}: {error}{colours.ENDC}"]
        lines += [f"    {line}" for line in self.cell.source.splitlines()]
        if error.inner_traceback:
            plain = colours is nbval.nocolors
            lines.append(re.sub(r"\x1b\[[0-9;]*m", "", error.inner_traceback) if plain else error.inner_traceback)
        return "\n".join(lines)
