"""Is this machine fit for the notebooks? One line for each thing that can be wrong."""

from __future__ import annotations

import os
import platform
import re
import sys
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement

from .. import libraries
from .terminal import paint

__all__ = ["Line", "data_lines", "examine", "locked_versions", "packages_that_differ", "print_lines"]

_COLOURS = {"OK": "green", "FAIL": "red", "NONE": "yellow"}


class Line(NamedTuple):
    """One finding: ``verdict`` is OK, FAIL, or NONE for something that is not there and need not be."""

    verdict: str
    subject: str
    text: str


def print_lines(lines: list[Line]) -> int:
    """Print findings.

    Args:
        lines: the findings.

    Returns:
        the exit status: 1 if one of them is a FAIL, else 0.
    """
    width = max(len(line.subject) for line in lines)
    for verdict, subject, text in lines:
        print(f"{paint(f'{verdict:4}', _COLOURS[verdict])}  {subject:{width}}  {text}")
    return int(any(line.verdict == "FAIL" for line in lines))


def examine(checkout: Path) -> int:
    """Check interpreter, packages, system libraries, MXNet, device, threads, memory and data, and print a line of each.

    Args:
        checkout: the project's root folder; what is not there (an installed package has none) is not checked.

    Returns:
        the exit status: 1 if something is wrong, else 0.
    """
    system, packages, threads = _system(), _packages(checkout / "requirements.lock"), _threads()
    lines = [_interpreter(), packages, system]
    if system.verdict == "FAIL":  # neither MXNet nor NumPy can be loaded
        return print_lines([*lines, threads])
    # MXNet ends the process where it cannot read the variable.
    return print_lines([*lines, *([] if threads.verdict == "FAIL" else _mxnet()), threads, _memory(), *data_lines()])


def _interpreter() -> Line:
    found = platform.python_version()
    if _installed("d2lhelpers") is None:
        what = f"{found}, {sys.executable}: d2lhelpers is not installed in it; pip install --no-deps --editable ."
        return Line("FAIL", "Python", what)
    wanted = metadata.metadata("d2lhelpers")["Requires-Python"]
    fits = Requirement(f"python{wanted}").specifier.contains(found)
    return Line("OK" if fits else "FAIL", "Python", f"{found} (wanted: {wanted}), {sys.executable}")


def locked_versions(lock: Path) -> dict[str, str]:
    """Read what a lock file installs on this machine.

    Args:
        lock: a ``requirements.lock`` with ``name==version ; marker`` lines.

    Returns:
        name to version.
    """
    lines = (line.rstrip(" \\") for line in lock.read_text(encoding="utf-8").splitlines())
    entries = [Requirement(line) for line in lines if re.match(r"[A-Za-z0-9]", line)]
    return {e.name: str(e.specifier)[2:] for e in entries if e.marker is None or e.marker.evaluate()}


def packages_that_differ(lock: Path) -> list[str]:
    """Compare the installed packages with a lock file.

    Args:
        lock: a ``requirements.lock``. A CUDA build of MXNet stands for MXNet, whatever its version.

    Returns:
        a text for each package of the lock that is missing or of another version.
    """
    different = []
    for name, version in locked_versions(lock).items():
        found = _installed(name)
        if found != version and not (name == "mxnet" and any(map(_installed, ("mxnet-cu112", "mxnet-cu117")))):
            different.append(f"{name} is {found or 'missing'}, locked is {version}")
    return different


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _packages(lock: Path) -> Line:
    if not lock.is_file():
        return Line("NONE", "packages", "there is no requirements.lock beside this package: versions are not compared")
    different = packages_that_differ(lock)
    if different:
        return Line(
            "FAIL",
            "packages",
            f"{'; '.join(different)}; in .venv: delete it, and `make run` installs the locked ones; elsewhere: "
            "pip install --no-deps -r requirements.lock",
        )
    return Line("OK", "packages", f"{len(locked_versions(lock))} packages as in requirements.lock")


def _system() -> Line:
    complaint = libraries.complaint()
    if complaint:
        return Line("FAIL", "system", complaint)
    return Line("OK", "system", "every library that is needed is there")


def _mxnet() -> list[Line]:
    try:
        import mxnet as mx

        from ..context import explain_context
    except (ImportError, OSError) as error:  # OSError: a library is not there, or not one
        return [Line("FAIL", "MXNet", str(error))]
    features = mx.runtime.Features()
    names = [name for name in ("CUDA", "CUDNN", "MKLDNN", "OPENMP", "BLAS_OPEN", "OPENCV") if features.is_enabled(name)]
    lines = [Line("OK", "MXNet", f"{mx.__version__}, built with {', '.join(names)}")]
    try:
        lines.append(Line("OK", "device", explain_context()))
    except (RuntimeError, ValueError) as error:
        lines.append(Line("FAIL", "device", str(error)))
    return lines


_MOST_THREADS = 4096  # far more than help; MXNet ends the process where it cannot have them
_ENGINES = ("NaiveEngine", "ThreadedEngine", "ThreadedEnginePerDevice")


def _threads() -> Line:
    for name in ("OMP_NUM_THREADS", "MXNET_CPU_WORKER_NTHREADS", "MXNET_CPU_PRIORITY_NTHREADS"):
        number = os.environ.get(name, "1")
        if not re.fullmatch("[1-9][0-9]{0,3}", number) or int(number) > _MOST_THREADS:
            what = f"{name}={number!r}: expected a whole number from 1 to {_MOST_THREADS}; correct it or unset it"
            return Line("FAIL", "threads", what)
    engine = os.environ.get("MXNET_ENGINE_TYPE", _ENGINES[-1])
    if engine not in _ENGINES:
        known = f"{', '.join(_ENGINES[:-1])} or {_ENGINES[-1]}"
        what = f"MXNET_ENGINE_TYPE={engine!r}: expected {known}; correct it or unset it"
        return Line("FAIL", "threads", what)
    number = os.environ["OMP_NUM_THREADS"]
    return Line("OK", "threads", f"OMP_NUM_THREADS={number}, {os.cpu_count()} cores")


_NOTEBOOK_MEGABYTES = 1100  # a little more than the largest, that of CIFAR-10, has at its peak


def _memory() -> Line:
    free = _free_megabytes()
    jobs = len(os.sched_getaffinity(0))
    what = f"{free:,} MB free; `run` executes {jobs} notebooks at a time, with up to {_NOTEBOOK_MEGABYTES:,} MB each"
    if free < jobs * _NOTEBOOK_MEGABYTES:
        fewer = max(1, free // _NOTEBOOK_MEGABYTES)
        return Line("NONE", "memory", f"{what}: `make run JOBS={fewer}`, or close other programs")
    return Line("OK", "memory", what)


def _free_megabytes() -> int:
    with open("/proc/meminfo", encoding="ascii") as lines:
        return int(next(line for line in lines if line.startswith("MemAvailable:")).split()[1]) // 1024


def data_lines() -> list[Line]:
    """Look at every data set.

    Returns:
        a line each: where it is and that it is verified, or what is wrong and what to do.
    """
    from .. import data
    from ..data.sources import State

    try:
        entries = data.status()
    except data.DataNotFoundError as error:
        return [Line("FAIL", "data", str(error))]
    lines = []
    for entry in entries:
        verdict = {State.VERIFIED: "OK", State.DRAWN: "OK", State.NOT_FOUND: "NONE"}.get(entry.state, "FAIL")
        where = f"{entry.folder}: " if entry.folder and entry.state is not State.WRONG else ""
        told = () if entry.state in (State.NOT_FOUND, State.WRONG) else (entry.state.value,)
        what = "; ".join(filter(None, (*told, entry.advice)))
        lines.append(Line(verdict, entry.name, where + what))
    return lines
