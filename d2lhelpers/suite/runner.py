"""``run``: every notebook of the spine in a fresh kernel, its executed copy and its web page written to ``build/``.

As many run at a time as there are cores, all in one event loop, which hands an interrupt on to each. The committed
notebooks are only read. Where real Fashion-MNIST cannot be had, its notebooks run on drawn garments, and the run, the
copies, the pages and the index all say so.
"""

from __future__ import annotations

import asyncio
import copy
import datetime
import os
import sys
import time
from pathlib import Path

from nbtolerance.execution import CELL_TIMEOUT, NotebookError, async_execute, code_cells, run_until_stopped
from nbtolerance.files import read_notebook

from ..data.errors import DataNotFoundError
from ..data.registry import data_set
from ..data.sources import ENVIRONMENT, SYNTHETIC, data_root, is_synthetic
from .files import find_notebooks, select
from .needs import data_needs, kernel_environment, obtain_data
from .site import Entry, Site, State, cannot_build, last_lines, seconds_shown, versions
from .terminal import Progress, paint, report_error, table

__all__ = ["run_spine"]


def run_spine(
    notebooks_dir: str | os.PathLike,
    build_dir: str | os.PathLike,
    only: list[str] | None = None,
    cell_timeout: float = CELL_TIMEOUT,
    jobs: int | None = None,
) -> int:
    """Execute the spine, and write executed copies, web pages and an index.

    Progress goes to standard error, a table at the end to standard output. The first failing cell ends the run.
    Several notebooks at a time begin with those that the README gives the most minutes; one at a time goes in order.

    Args:
        notebooks_dir: The folder that holds the spine and ``solutions/``; nothing in it is written.
        build_dir: Where ``notebooks/*.ipynb``, ``html/*.html`` and ``html/index.html`` go.
        only: Beginnings of the names of the notebooks to execute, such as ``05``; None or empty executes all. The
            pages of the others show their recorded outputs.
        cell_timeout: Seconds that one cell may take.
        jobs: How many notebooks run at a time; None means as many as this process has cores.

    Returns:
        The exit status: 0 where every notebook ran or was skipped for want of its data, 1 where one failed or data are
        wrong, 2 where ``only`` fits no notebook, there is none, one cannot be read or nothing can be built, 130 after
        Ctrl-C (143 after SIGTERM).
    """
    try:
        spine, solutions = find_notebooks(notebooks_dir)
        chosen = select(spine, only)
        entries = [Entry(path, read_notebook(path)) for path in spine]
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
        return report_error(cannot_build(build_dir, error), 2)
    for notice in notices:
        print(paint(notice, "yellow"), end="\n\n", flush=True)

    site = Site(entries, solved, notebooks_dir, build_dir)
    jobs = len(os.sched_getaffinity(0)) if jobs is None else jobs
    if jobs > 1:
        queue.sort(key=lambda entry: -float(site.minutes.get(entry.path.name, 0)))
    status, failure, started = 0, None, time.monotonic()
    progress = Progress(sum(len(code_cells(entry.notebook)) for entry in queue if entry.state is State.NOT_RUN))
    try:
        run_until_stopped(_run_all(queue, jobs, site, progress, cell_timeout))
    except NotebookError as error:
        status, failure = 1, error
    except OSError as error:
        status, failure = 1, cannot_build(build_dir, error)
    except KeyboardInterrupt as error:
        status = getattr(error, "exit_status", 130)
    finally:
        progress.close()
    if status <= 1:
        try:
            for entry in entries:
                if entry.state is State.FAILED:
                    site.write_copy(entry)
            seconds = time.monotonic() - started
            about = f"Run on {datetime.datetime.now():%Y-%m-%d %H:%M} in {seconds:.0f} s with {versions()}."
            site.write_pages(about, notices)
        except OSError as error:
            status, failure = 1, failure or cannot_build(build_dir, error)
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
                entry.state, entry.detail, entry.advice = State.SKIPPED, f"no data set {name}", missing[name]
    if not any(entry.stand_in and entry.state is not State.SKIPPED for entry in entries):
        return []
    return [
        f"Stand-in data: {missing[name]}. The notebooks that need {data_set(name).title} run on drawn images instead, "
        "of the same shape and classes. Everything can be tried with them, but their numbers are not those of "
        f"{data_set(name).title} and compare with nothing published."
        for name in missing
        if data_set(name).has_stand_in
    ]


async def _run_all(queue, jobs, site, progress, cell_timeout):
    """Execute the notebooks, so many at a time; the first error, or an interrupt, ends them all."""

    async def work():
        while queue:
            entry = queue.pop(0)
            if entry.state is not State.SKIPPED:
                await _run(entry, progress, cell_timeout)
                site.write_copy(entry)
            progress.finished(entry.path.stem, entry.result)

    tasks = [asyncio.ensure_future(work()) for _ in range(jobs)]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in tasks:
            if task.done():
                task.result()
    finally:
        queue.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)  # until their kernels are gone


async def _run(entry, progress, cell_timeout):
    """Execute one notebook; ``entry`` holds the outcome also after an error."""
    entry.notebook.metadata.get("d2lhelpers", {}).pop("stamp", None)  # it speaks of the recorded outputs
    recorded, count, began = copy.deepcopy(entry.notebook), len(code_cells(entry.notebook)), time.monotonic()

    def on_cell(number, cell_id):
        progress.advance(min(1, number - 1))
        progress.cell(entry.path.stem, number, count, cell_id or "")

    progress.starting(entry.path.stem)
    try:
        await async_execute(
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
        entry.state, entry.detail = State.FAILED, f"{where}{error.name}"
        raise
    except asyncio.CancelledError:
        entry.notebook, entry.detail = recorded, "stopped"
        raise
    finally:
        entry.seconds = time.monotonic() - began
    progress.advance(min(1, count))
    entry.state = State.STAND_IN if entry.stand_in else State.OK


def _print_table(entries):
    rows = [(entry.path.stem, seconds_shown(entry), paint(entry.result, entry.state.colour)) for entry in entries]
    print(*table(("notebook", "seconds", "result"), rows, numeric=("seconds",)), sep="\n")
    for entry in entries:
        if entry.advice:
            print(paint(f"\n{entry.path.stem} was skipped: {entry.advice}.", "yellow"))
    for line in last_lines(entries):
        print(f"\n{line}", flush=True)
