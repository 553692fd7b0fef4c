"""``run``: every notebook of the spine in a fresh kernel, its executed copy and its web page written to ``build/``.

The committed notebooks are only read. Where real Fashion-MNIST cannot be had, its notebooks run on drawn garments, and
the run, the copies, the pages and the index all say so.
"""

from __future__ import annotations

import copy
import datetime
import os
import platform
import re
import sys
import time
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import nbformat

from .data.download import ensure
from .data.errors import DataNotFoundError
from .data.registry import DATA_SETS, data_set
from .data.sources import ENVIRONMENT, SYNTHETIC, data_root, find, is_synthetic, verify
from .execution import CELL_TIMEOUT, NotebookError, code_cells, execute
from .files import find_notebooks, read_notebook, select, write_text
from .terminal import Progress, paint, table

__all__ = ["data_needs", "obtain_data", "report_error", "run_spine"]

_HAS_STAND_IN = "fashion-mnist"
_EPOCH_LINE = re.compile(r"^Epoch (\d+)\. .*$", re.MULTILINE)
_LENET = "05_"


@dataclass
class _Entry:
    """One notebook of the spine, and how it fares."""

    path: Path
    notebook: nbformat.NotebookNode
    stand_in: bool = False
    seconds: float | None = None
    result: str = "not run"
    detail: str = ""
    advice: str = ""
    colour: str | None = None

    @property
    def state(self):
        return f"{self.result}: {self.detail}" if self.detail else self.result


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
        entries = [_Entry(path, read_notebook(path)[0]) for path in spine]
        solved = {path: read_notebook(path)[0] for path in solutions}
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
        why = f"expected a folder to build in, got {build_dir} ({error.strerror}): name another"
        return report_error(OSError(why), 2)
    for notice in notices:
        print(paint(notice, "yellow"), end="\n\n", flush=True)

    site = _Site(entries, solved, Path(build_dir))
    status, failure, started = 0, None, time.monotonic()
    progress = Progress(sum(len(code_cells(entry.notebook)) for entry in queue if entry.result == "not run"))
    try:
        for entry in queue:
            if entry.result != "skipped":
                _run(entry, progress, cell_timeout)
                site.write_copy(entry)
            progress.finished(entry.path.stem, entry.state)
    except NotebookError as error:
        status, failure = 1, error
        site.write_copy(entry)
    except KeyboardInterrupt as error:
        status = getattr(error, "exit_status", 130)
        entry.detail = "stopped"
    finally:
        progress.close()
    if status <= 1:
        try:
            site.write_pages(notices, time.monotonic() - started)
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


def data_needs(notebook: nbformat.NotebookNode) -> list[str]:
    """Read which data sets a notebook needs.

    Args:
        notebook: The notebook; ``metadata.d2lhelpers.data`` is a list of names of the registry, or missing.

    Returns:
        The names.

    Raises:
        ValueError: A name is not in the registry, or the metadata are of another form.
    """
    ours = notebook.metadata.get("d2lhelpers", {})
    parts = (("data", list), ("stamp", dict))
    if not isinstance(ours, dict) or not all(isinstance(ours.get(name, kind()), kind) for name, kind in parts):
        raise ValueError(
            f"expected metadata.d2lhelpers with a list as data and an object as stamp, got {ours}: mend it"
        )
    needs = ours.get("data", [])
    for name in needs:
        if name not in DATA_SETS:
            raise ValueError(
                f"expected names of data sets in metadata.d2lhelpers.data ({', '.join(DATA_SETS)}), got {name!r}"
            )
    return list(needs)


def obtain_data(name: str) -> None:
    """Find a data set, download it where that is possible, and check it.

    Args:
        name: A name of the registry.

    Raises:
        DataNotFoundError: It cannot be had.
        DataCorruptError: It is there but is not the published one.
    """
    ensure(name)
    verify(name if find(name) else data_set(name).cut_from)


def _plan_data(entries):
    """Obtain what the notebooks need, and mark those that run on the stand-in or not at all.

    Returns what must be said before anything runs.
    """
    root = data_root()  # a named root that is no folder is an error here, before anything else
    missing = {}
    for name in dict.fromkeys(name for entry in entries for name in data_needs(entry.notebook)):
        if name == _HAS_STAND_IN and is_synthetic():
            missing[name] = f"${ENVIRONMENT} is '{SYNTHETIC}'"
            continue
        try:
            obtain_data(name)
        except DataNotFoundError as error:
            if name == _HAS_STAND_IN and root.origin != "default":
                raise  # who names a folder wants the data in it, not something else
            missing[name] = str(error)
    for entry in entries:
        for name in data_needs(entry.notebook):
            if name == _HAS_STAND_IN and name in missing:
                entry.stand_in = True
            elif name in missing:
                entry.result, entry.detail, entry.colour = "skipped", f"no data set {name}", "yellow"
                entry.advice = missing[name]
    if not any(entry.stand_in and entry.result != "skipped" for entry in entries):
        return []
    return [
        f"Stand-in data: {missing[_HAS_STAND_IN]}. The notebooks that need Fashion-MNIST run on drawn garments "
        "instead, of the same shape and classes. Everything can be tried with them, but their numbers are not those of "
        "Fashion-MNIST and compare with nothing published."
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
            environment={ENVIRONMENT: SYNTHETIC} if entry.stand_in else None,
            cell_timeout=cell_timeout,
            on_cell=on_cell,
            on_tick=progress.tick,
        )
    except NotebookError as error:
        cell_id = f" ({error.cell_id})" if error.cell_id else ""
        where = "" if error.cell_number is None else f"code cell {error.cell_number}{cell_id}: "
        entry.result, entry.detail, entry.colour = "failed", f"{where}{error.name}", "red"
        raise
    finally:
        entry.seconds = time.monotonic() - began
    progress.advance(min(1, count))
    entry.result, entry.colour = ("ok, stand-in data", "yellow") if entry.stand_in else ("ok", "green")


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
        from .pages import Banner, IndexRow, Link, opening, write_index, write_page  # slow to import: after the kernels

        titles = [opening(entry.notebook)[0] or entry.path.stem for entry in self.entries]
        links = [Link(title, f"{entry.path.stem}.html") for title, entry in zip(titles, self.entries)]  # noqa: B905
        rows = []
        for i, entry in enumerate(self.entries):
            write_page(
                entry.notebook,
                entry.path,
                self._page(entry.path),
                self.pages,
                self.index,
                previous=links[i - 1] if i else None,
                next=links[i + 1] if i + 1 < len(links) else None,
                banner=_banner(entry, Banner),
            )
            solutions = [path for path in self.solutions if path.stem == f"{entry.path.stem}_solutions"]
            rows.append(
                IndexRow(
                    title=titles[i],
                    address=links[i].address,
                    sentence=opening(entry.notebook)[1],
                    solutions=f"solutions/{solutions[0].stem}.html" if solutions else None,
                    seconds=_seconds(entry),
                    result=entry.state,
                    kind=entry.colour or "",
                )
            )
        for path, notebook in self.solutions.items():
            write_page(notebook, path, self.pages[path.resolve()], self.pages, self.index)
        write_index(
            self.index,
            rows,
            about=f"Run on {datetime.datetime.now():%Y-%m-%d %H:%M} in {seconds:.0f} s with {_versions()}.",
            notices=[Banner("yellow", "", notice) for notice in notices],
            lines=[f"LeNet, last epoch: {line}" for line in _last_epoch_lines(self.entries)],
        )


_STAND_IN_HEAD = "Stand-in data."
_STAND_IN_TEXT = (
    "This run had no Fashion-MNIST: the images are drawn garments of the same shape and classes. The numbers below are "
    "not those of Fashion-MNIST and compare with nothing published, and what the text says about them may not hold."
)


def _banner(entry, banner):
    if entry.result.startswith("ok"):
        return banner("yellow", _STAND_IN_HEAD, _STAND_IN_TEXT) if entry.stand_in else None
    if entry.result == "failed":
        return banner(
            "red", "This run failed:", f"{entry.detail}. What follows was not run, and shows recorded outputs."
        )
    why = entry.advice or entry.detail
    head = f"{entry.result.capitalize()}{':' if why else '.'}"
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


def _last_epoch_lines(entries):
    """The line of the last epoch that the LeNet's notebook printed in this run."""
    for entry in entries:
        if entry.path.name.startswith(_LENET) and entry.result.startswith("ok"):
            text = "\n".join(o.text for cell in code_cells(entry.notebook) for o in cell.outputs if "text" in o)
            epochs = list(_EPOCH_LINE.finditer(text))
            if epochs:
                return [max(epochs, key=lambda line: int(line[1]))[0] + (" (stand-in data)" if entry.stand_in else "")]
    return []


def _print_table(entries):
    rows = [(entry.path.stem, _seconds(entry), paint(entry.state, entry.colour)) for entry in entries]
    print(*table(("notebook", "seconds", "result"), rows, numeric=("seconds",)), sep="\n")
    for entry in entries:
        if entry.advice:
            print(paint(f"\n{entry.path.stem} was skipped: {entry.advice}.", "yellow"))
    for line in _last_epoch_lines(entries):
        print(f"\nLeNet, last epoch: {line}", flush=True)


def report_error(error: Exception, status: int) -> int:
    """Say on standard error what went wrong: for a notebook with where, and the end of the traceback.

    Args:
        error: What went wrong.
        status: The exit status that follows from it.

    Returns:
        ``status``.
    """
    of_notebook = isinstance(error, NotebookError)
    print(paint(f"FAILED {error}" if of_notebook else str(error), "red", sys.stderr), file=sys.stderr)
    for line in error.traceback[-12:] if of_notebook else []:
        print(f"    {line}", file=sys.stderr)
    return status
