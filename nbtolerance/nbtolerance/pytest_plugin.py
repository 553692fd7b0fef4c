"""A pytest plugin on nbval 0.11.0: notebooks run again, every output compared, floats and figures with tolerance.

::

    pytest --nbval --nbval-current-env notebooks

nbval collects the cells, this module has them run by :mod:`nbtolerance.execution`, as they were recorded, and compares
them. Beyond nbval, a dead kernel is noticed at once, an execution reply with status error is a failure,
``clear_output`` and display updates are honoured, what C code writes to descriptor 2 is seen as in Jupyter, and once a
cell has not run to its end the rest of its notebook is "not run".
"""

from __future__ import annotations

import asyncio
import copy
import os
from dataclasses import dataclass

import pytest
from nbval import plugin as nbval

__all__ = ["NotebookCell", "NotebookFile"]

_environment = pytest.StashKey[dict[str, str]]()


def pytest_configure(config):
    """Give cells the time that they have when they are recorded, unless the user gave another."""
    option = config.option
    # nbval's default is an int, and what a user gives is converted to a float.
    if (option.nbval or option.nbval_lax) and isinstance(option.nbval_cell_timeout, int):
        from .execution import CELL_TIMEOUT

        option.nbval_cell_timeout = float(CELL_TIMEOUT)
    if not option.nbval_cell_timeout > 0 or option.nbval_cell_timeout == float("inf"):
        raise pytest.UsageError(f"--nbval-cell-timeout: expected seconds above 0, got {option.nbval_cell_timeout}")


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session):
    """Note the environment that kernels get: what the modules of tests set when they are imported is not the user's."""
    session.config.stash[_environment] = dict(os.environ)


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
    """How a cell ran: ``failure`` says why it did not run to its end."""

    failure: str | None = None
    traceback: str | None = None


class _ForCoverage:
    """What nbval's coverage of kernels asks of a kernel: to run code of its own."""

    def __init__(self, run, language):
        self.kc, self._run, self.language = self, run, language

    def execute(self, code, **_):
        """Run the code, and wait for its end."""
        self._run(code)

    def await_idle(self, *_):
        """Nothing: `execute` has waited."""


class NotebookFile(nbval.IPyNbFile):
    """A notebook: its kernel, and what its cells put out."""

    def __init__(self, *args, **kwargs):
        """As any collector."""
        super().__init__(*args, **kwargs)
        self.stopped_at = None  # the cell that did not run to its end
        self.stop_reported = False
        self._cells = []
        self._runs = {}

    def collect(self):
        """The notebook's code cells, as items."""
        self._cells = [
            NotebookCell.from_parent(self, name=item.name, cell_num=item.cell_num, cell=item.cell, options=item.options)
            for item in super().collect()
        ]
        return self._cells

    def setup(self):
        """Start the kernel; if it does not start, the first cell says so."""
        from .execution import NotebookError, Session  # slow to import, and not every run of pytest needs it

        option = self.config.option
        name = None
        if not option.nbval_current_env:
            name = option.nbval_kernel_name or self.nb.metadata.get("kernelspec", {}).get("name", "python")
        self.setup_sanitize_files()
        self._executed = copy.deepcopy(self.nb)
        self._places = [i for i, cell in enumerate(self.nb.cells) if cell.cell_type == "code"]
        self._loop = asyncio.new_event_loop()
        self.kernel = Session(
            self._executed,
            self.path,
            environment=self.config.stash[_environment],
            cell_timeout=option.nbval_cell_timeout,
            kernel_name=name,
            startup_timeout=option.nbval_kernel_startup_timeout,
        )
        try:
            self._wait_for(self.kernel.start())
        except NotebookError as error:
            self.stopped_at = 0
            self._runs[0] = _Run(failure=f"the kernel does not start: {error.message}")
            return
        if getattr(option, "cov_source", None):
            nbval.setup_coverage(self.config, self._for_coverage(), str(self.path))

    def teardown(self):
        """Stop the kernel, dead or alive."""
        if self.kernel is None:
            return
        try:
            if getattr(self.config.option, "cov_source", None) and self.stopped_at is None:
                nbval.teardown_coverage(self.config, self._for_coverage())
                self._wait_for(self.kernel.shut_down())
        finally:
            self._wait_for(self.kernel.kill())
            self._loop.close()

    def _wait_for(self, work):
        return self._loop.run_until_complete(work)

    def _for_coverage(self):
        language = self.nb.metadata.get("kernelspec", {}).get("language", "python")
        return _ForCoverage(lambda code: self._wait_for(self.kernel.run_silently(code)), language)

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
            self._runs[cell.cell_num] = self._run(cell.cell_num)
        return self._runs.get(cell_num)

    def _run(self, cell_num):
        from .execution import NotebookError

        try:
            self._wait_for(self.kernel.run_cell(self._places[cell_num]))
        except NotebookError as error:
            self.stopped_at = cell_num
            raised = error.name not in ("DeadKernel", "InvalidOutput", "Timeout")
            why = "the cell raised an exception" if raised else error.message
            return _Run(why, "\n".join(error.traceback) or (f"{error.name}: {error.message}" if raised else None))
        return _Run()

    def outputs_of(self, cell_num):
        """A cell's new outputs, as a notebook holds them: what it displays as later cells have left it."""
        place = self._places[cell_num]
        if self.kernel.can_change_later(place):
            self.run_up_to(None)
        return self.kernel.outputs_of(place)


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
        if run.failure:
            self.raise_cell_error(run.failure, run.traceback)
        if not self.cell.source.strip():
            if self.cell.outputs and self.options["check"]:
                self.raise_cell_error("the cell is empty and has recorded outputs: remove them, or put its code back")
            return
        if self.options["check"] and self.cell.execution_count is None:
            self.raise_cell_error("nothing to compare with: the notebook was saved before this cell was run")
        from .markers import MarkerError
        from .outputs import compare_outputs
        from .sanitizing import sanitized

        self.test_outputs = self.parent.outputs_of(self.cell_num)
        patterns = self.parent.sanitize_patterns
        recorded, new = (sanitized(outputs, patterns) for outputs in (self.cell.outputs, self.test_outputs))
        try:
            differences = compare_outputs(self.cell.source, recorded, new, self.cell.metadata)
        except MarkerError as error:
            self.raise_cell_error(str(error))
        if differences and self.options["check"]:
            self.raise_cell_error("the outputs differ from the recorded ones", "\n".join(differences))

    def repr_failure(self, excinfo):
        """Notebook and cell, what is wrong, the code, and the details."""
        error = excinfo.value
        if not isinstance(error, nbval.NbCellError):
            return super().repr_failure(excinfo)
        # nbval colours whatever the output goes to, unless it is told not to.
        colours = nbval.bcolors if self.config.get_terminal_writer().hasmarkup else nbval.nocolors
        name = f"{self.parent.nodeid}, cell {self.cell_num}"
        if "id" in self.cell:
            name += f" ({self.cell['id']})"
        lines = [f"{colours.FAIL}{name}: {error}{colours.ENDC}"]
        lines += [f"    {line}" for line in self.cell.source.splitlines()]
        if error.inner_traceback:
            lines.append(error.inner_traceback)
        return "\n".join(lines)
