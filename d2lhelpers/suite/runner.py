"""``run``: every notebook of the spine in a fresh kernel, its executed copy and its web page written to ``build/``.

The committed notebooks are only read. Where real Fashion-MNIST cannot be had, its notebooks run on drawn garments, and
the run, the copies, the pages and the index all say so.
"""

from __future__ import annotations

import copy
import datetime
import enum
import os
import platform
import sys
import time
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import nbformat

from nbtolerance.execution import CELL_TIMEOUT, NotebookError, code_cells, execute
from nbtolerance.files import read_notebook

from ..data.errors import DataNotFoundError
from ..data.registry import data_set
from ..data.sources import ENVIRONMENT, SYNTHETIC, data_root, is_synthetic
from .files import find_notebooks, select, write_text
from .needs import data_needs, kernel_environment, obtain_data, our_metadata
from .terminal import Progress, paint, report_error, table

__all__ = ["run_spine"]


class _State(enum.Enum):
    """How a notebook of the spine fares: in words, and with which sign."""

    NOT_RUN = ("not run", None)
    SKIPPED = ("skipped", "yellow")
    OK = ("ok", "green")
    STAND_IN = ("ok, stand-in data", "yellow")
    FAILED = ("failed", "red")

    @property
    def words(self):
        return self.value[0]

    @property
    def colour(self):
        return self.value[1]

    @property
    def ran(self):
        return self in (_State.OK, _State.STAND_IN)


@dataclass
class _Entry:
    """One notebook of the spine, and how it fares."""

    path: Path
    notebook: nbformat.NotebookNode
    stand_in: bool = False
    seconds: float | None = None
    state: _State = _State.NOT_RUN
    detail: str = ""
    advice: str = ""

    @property
    def result(self):
        return f"{self.state.words}: {self.detail}" if self.detail else self.state.words


def run_spine(
    notebooks_dir: str | os.PathLike,
    build_dir: str | os.PathLike,
    only: list[str] | None = None,
    cell_timeout: float = CELL_TIMEOUT,
) -> int:
    """Execute the spine, and write executed copies, web pages and an index.

    Progress goes to standard error, a table at the end to standard output. The first failing cell ends the run.

    Args:
        notebooks_dir: The folder that holds the spine and ``solutions/``; nothing in it is written.
        build_dir: Where ``notebooks/*.ipynb``, ``html/*.html`` and ``html/index.html`` go.
        only: Beginnings of the names of the notebooks to execute, such as ``05``; None or empty executes all. The
            pages of the others show their recorded outputs.
        cell_timeout: Seconds that one cell may take.

    Returns:
        The exit status: 0 where every notebook ran or was skipped for want of its data, 1 where one failed or data are
        wrong, 2 where ``only`` fits no notebook, there is none, one cannot be read or nothing can be built, 130 after
        Ctrl-C (143 after SIGTERM).
    """
    try:
        spine, solutions = find_notebooks(notebooks_dir)
        chosen = select(spine, only)
        entries = [_Entry(path, read_notebook(path)) for path in spine]
        solved = {path: read_notebook(path) for path in solutions}
    except (FileNotFoundError, ValueError) as error:
        return report_error(error, 2)
    queue = [entry for entry in entries if entry.path in chosen]
    for entry in entries:
        if entry not in queue:
            entry.detail = "not asked for"
    try:
        notices = _plan_data(queue)
    except (DataNotFoundError, ValueError) as error:  # DataCorruptError is a ValueError
        return report_error(error, 1)
    except KeyboardInterrupt:
        return 130
    try:
        (Path(build_dir) / "notebooks").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return report_error(_cannot_build(build_dir, error), 2)
    for notice in notices:
        print(paint(notice, "yellow"), end="\n\n", flush=True)

    site = _Site(entries, solved, Path(build_dir))
    status, failure, started = 0, None, time.monotonic()
    progress = Progress(sum(len(code_cells(entry.notebook)) for entry in queue if entry.state is _State.NOT_RUN))
    try:
        for entry in queue:
            if entry.state is not _State.SKIPPED:
                _run(entry, progress, cell_timeout)
                site.write_copy(entry)
            progress.finished(entry.path.stem, entry.result)
    except NotebookError as error:
        status, failure = 1, error
    except OSError as error:
        status, failure = 1, _cannot_build(build_dir, error)
    except KeyboardInterrupt as error:
        status = getattr(error, "exit_status", 130)
        entry.detail = "stopped"
    finally:
        progress.close()
    if status <= 1:
        try:
            if isinstance(failure, NotebookError):
                site.write_copy(entry)
            site.write_pages(notices, time.monotonic() - started)
        except OSError as error:
            status, failure = 1, failure or _cannot_build(build_dir, error)
        except KeyboardInterrupt:
            status = 130
    _print_table(entries)
    if failure is not None:
        report_error(failure, status)
    if status > 1:
        print("stopped; no kernel is left running, and the pages are not up to date", file=sys.stderr)
    else:
        print(f"\npages: {site.index}", flush=True)
    return status


def _cannot_build(build_dir, error):
    return OSError(f"expected a folder to build in, got {build_dir} ({error.strerror}): name another")


def _plan_data(entries):
    """Obtain what the notebooks need, and mark those that run on the stand-in or not at all.

    Returns what must be said before anything runs.
    """
    root = data_root()  # a named root that is no folder is an error here, before anything else
    missing = {}
    for name in dict.fromkeys(name for entry in entries for name in data_needs(entry.notebook)):
        if data_set(name).has_stand_in and is_synthetic():
            missing[name] = f"${ENVIRONMENT} is '{SYNTHETIC}'"
            continue
        try:
            obtain_data(name)
        except DataNotFoundError as error:
            if data_set(name).has_stand_in and root.origin != "default":
                raise  # who names a folder wants the data in it, not something else
            missing[name] = str(error)
    for entry in entries:
        for name in data_needs(entry.notebook):
            if name in missing and data_set(name).has_stand_in:
                entry.stand_in = True
            elif name in missing:
                entry.state, entry.detail, entry.advice = _State.SKIPPED, f"no data set {name}", missing[name]
    if not any(entry.stand_in and entry.state is not _State.SKIPPED for entry in entries):
        return []
    return [
        f"Stand-in data: {missing[name]}. The notebooks that need {data_set(name).title} run on drawn images instead, "
        "of the same shape and classes. Everything can be tried with them, but their numbers are not those of "
        f"{data_set(name).title} and compare with nothing published."
        for name in missing
        if data_set(name).has_stand_in
    ]


def _run(entry, progress, cell_timeout):
    """Execute one notebook; ``entry`` holds the outcome also after an error."""
    entry.notebook.metadata.get("d2lhelpers", {}).pop("stamp", None)  # it speaks of the recorded outputs
    count, began = len(code_cells(entry.notebook)), time.monotonic()

    def on_cell(number, cell_id):
        progress.advance(min(1, number - 1))
        progress.cell(entry.path.stem, number, count, cell_id or "")

    progress.starting(entry.path.stem)
    try:
        execute(
            entry.notebook,
            entry.path,
            environment={**kernel_environment(), **({ENVIRONMENT: SYNTHETIC} if entry.stand_in else {})},
            cell_timeout=cell_timeout,
            on_cell=on_cell,
            on_tick=progress.tick,
        )
    except NotebookError as error:
        cell_id = f" ({error.cell_id})" if error.cell_id else ""
        where = "" if error.cell_number is None else f"code cell {error.cell_number}{cell_id}: "
        entry.state, entry.detail = _State.FAILED, f"{where}{error.name}"
        raise
    finally:
        entry.seconds = time.monotonic() - began
    progress.advance(min(1, count))
    entry.state = _State.STAND_IN if entry.stand_in else _State.OK


class _Site:
    """What is written under ``build/``."""

    def __init__(self, entries, solutions, build):
        self.entries, self.solutions = entries, solutions
        self.copies, self.html = build / "notebooks", build / "html"
        self.index = self.html / "index.html"
        self.pages = {entry.path.resolve(): self._page(entry.path) for entry in entries}
        self.pages.update((path.resolve(), self.html / "solutions" / f"{path.stem}.html") for path in solutions)

    def _page(self, path):
        return self.html / f"{path.stem}.html"

    def write_copy(self, entry):
        """Write the executed copy, with its notice as a cell of its own."""
        notebook = copy.copy(entry.notebook)
        if entry.stand_in:
            notice = nbformat.v4.new_markdown_cell(f"> ⚠️ **{_STAND_IN_HEAD}** {_STAND_IN_TEXT}", id="stand-in-data")
            notebook.cells = [notice, *notebook.cells]
        write_text(self.copies / entry.path.name, nbformat.writes(notebook) + "\n")

    def write_pages(self, notices, seconds):
        """Write every page: what was executed with its new outputs, the rest and the solutions with the recorded."""
        from . import pages  # slow to import: after the kernels

        titles = [pages.opening(entry.notebook)[0] or entry.path.stem for entry in self.entries]
        links = [pages.Link(title, f"{entry.path.stem}.html") for title, entry in zip(titles, self.entries)]  # noqa: B905
        rows = []
        for i, entry in enumerate(self.entries):
            pages.write_page(
                entry.notebook,
                entry.path,
                self._page(entry.path),
                self.pages,
                self.index,
                previous=links[i - 1] if i else None,
                next=links[i + 1] if i + 1 < len(links) else None,
                banner=_banner(entry, pages.Banner),
            )
            solutions = [path for path in self.solutions if path.stem == f"{entry.path.stem}_solutions"]
            rows.append(
                pages.IndexRow(
                    title=titles[i],
                    address=links[i].address,
                    sentence=pages.opening(entry.notebook)[1],
                    solutions=f"solutions/{solutions[0].stem}.html" if solutions else None,
                    seconds=_seconds(entry),
                    result=entry.result,
                    kind=entry.state.colour or "",
                )
            )
        for path, notebook in self.solutions.items():
            pages.write_page(notebook, path, self.pages[path.resolve()], self.pages, self.index)
        pages.write_index(
            self.index,
            rows,
            about=f"Run on {datetime.datetime.now():%Y-%m-%d %H:%M} in {seconds:.0f} s with {_versions()}.",
            notices=[pages.Banner("yellow", "", notice) for notice in notices],
            lines=_last_lines(self.entries),
        )


_STAND_IN_HEAD = "Stand-in data."
_STAND_IN_TEXT = (
    "This run lacked the real images: those below are drawn ones of the same shape and classes. The numbers are not "
    "those of the real data and compare with nothing published, and what the text says about them may not hold."
)


def _banner(entry, banner):
    if entry.state is _State.OK:
        return None
    if entry.state is _State.STAND_IN:
        return banner("yellow", _STAND_IN_HEAD, _STAND_IN_TEXT)
    if entry.state is _State.FAILED:
        return banner(
            "red", "This run failed:", f"{entry.detail}. What follows was not run, and shows recorded outputs."
        )
    why = entry.advice or entry.detail
    head = f"{entry.state.words.capitalize()}{':' if why else '.'}"
    return banner("blue", head, f"{why}. " * bool(why) + "The outputs on this page are the recorded ones.")


def _versions():
    versions = [f"Python {platform.python_version()}"]
    for title, names in {"MXNet": ("mxnet", "mxnet-cu117", "mxnet-cu112"), "NumPy": ("numpy",)}.items():
        for name in names:
            try:
                versions.append(f"{title} {metadata.version(name)}")
                break
            except metadata.PackageNotFoundError:
                continue
    return ", ".join(versions)


def _seconds(entry):
    return "–" if entry.seconds is None else f"{entry.seconds:.1f}"


def _last_lines(entries):
    """What sums up this run: the last line of the cell that a notebook's metadata name, under its title."""
    lines = []
    for entry in entries:
        shows = our_metadata(entry.notebook).get("shows")
        if shows and entry.state.ran:
            outputs = [o for cell in code_cells(entry.notebook) if cell.id == shows["cell"] for o in cell.outputs]
            printed = "".join(output.get("text", "") for output in outputs).splitlines()
            stand_in = " (stand-in data)" if entry.stand_in else ""
            lines += [f"{shows['title']}: {line}{stand_in}" for line in printed[-1:]]
    return lines


def _print_table(entries):
    rows = [(entry.path.stem, _seconds(entry), paint(entry.result, entry.state.colour)) for entry in entries]
    print(*table(("notebook", "seconds", "result"), rows, numeric=("seconds",)), sep="\n")
    for entry in entries:
        if entry.advice:
            print(paint(f"\n{entry.path.stem} was skipped: {entry.advice}.", "yellow"))
    for line in _last_lines(entries):
        print(f"\n{line}", flush=True)
