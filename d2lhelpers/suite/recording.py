"""``record``: the notebooks executed and their outputs saved, but only where they left their tolerance; and ``status``.

What a notebook's outputs were made from is stamped into its metadata, so that ``status`` can say without running
anything which notebooks are stale, and because of what.
"""

from __future__ import annotations

import ast
import copy
import json
import os
import platform
import re
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import nbformat

from nbtolerance import MarkerError, compare_outputs
from nbtolerance.execution import CELL_TIMEOUT, NotebookError, code_cells, execute
from nbtolerance.files import read_notebook
from nbtolerance.sanitizing import read_patterns, sanitized

from ..data.errors import DataNotFoundError
from ..data.sources import ENVIRONMENT, SYNTHETIC, is_synthetic
from .files import find_notebooks, select, write_text
from .fingerprints import fingerprint
from .needs import data_needs, kernel_environment, obtain_data, our_metadata
from .terminal import Progress, paint, report_error, table

__all__ = ["print_status", "record", "status"]

# Asked of the kernel when the last cell is done.
_MXNET = "__import__('sys').modules.get('mxnet')"
_QUESTIONS = {
    "device": f"str(ctx) if 'ctx' in globals() else str({_MXNET}.current_context()) if {_MXNET} else None",
    "threads": "int(__import__('os').environ.get('OMP_NUM_THREADS', 0)) or None",
}
_SHOWN_REASON = 100


class _Outcome(NamedTuple):
    """What recording one notebook came to."""

    seconds: float
    rewritten: dict[str, str]  # the cell's id, or its In [n], to the first reason
    cells: int
    stamp: str  # why the stamp was renewed; empty where it was not
    saved: bool


def record(
    notebooks_dir: str | os.PathLike,
    only: list[str] | None = None,
    rewrite_all: bool = False,
    cell_timeout: float = CELL_TIMEOUT,
    sanitize_with: str | os.PathLike | None = None,
) -> int:
    """Execute the spine and the solutions, and save what changed.

    An output is rewritten where ``nbtolerance.compare_outputs`` finds it out of its cell's tolerance, and with it all
    of its cell's where their number or types changed; everything else keeps its value, and the file its indent, its
    escapes and its line ends; execution counts become 1 … n, and timings go. A file in which nothing changed is not
    written. Each notebook is saved when it has run to its end. Progress goes to standard error, a table of what was
    rewritten to standard output.

    Args:
        notebooks_dir: The folder that holds the spine and ``solutions/``; ``requirements.lock`` is beside it.
        only: Beginnings of the names of the notebooks to record, such as ``05``; None or empty records all.
        rewrite_all: Rewrite every output, and renew every stamp.
        cell_timeout: Seconds that one cell may take.
        sanitize_with: A file of regular expressions that are replaced before outputs are compared, as nbval has them.

    Returns:
        The exit status: 0, or 1 where a notebook failed, wrote to standard error or past Python, lacks its real data,
        or cannot be read (a marker, too), 2 where there is no notebook or ``only`` fits none, 130 after Ctrl-C (143
        after SIGTERM).
    """
    try:
        spine, solutions = find_notebooks(notebooks_dir)
        chosen = select([*spine, *solutions], only)
    except (FileNotFoundError, ValueError) as error:
        return report_error(error, 2)
    lock = Path(notebooks_dir).resolve().parent / "requirements.lock"
    try:
        patterns = read_patterns(sanitize_with) if sanitize_with else {}
        notebooks = {path: read_notebook(path) for path in chosen}
        _require_writable_folders(notebooks)
        _require_readable_markers(notebooks)
        _require_real_data(notebooks)
    except (DataNotFoundError, NotebookError, ValueError) as error:  # DataCorruptError is a ValueError
        return report_error(error, 1)
    except KeyboardInterrupt:
        return 130
    outcomes, status = {}, 0
    failure: Exception | None = None
    progress = Progress(sum(len(code_cells(notebook)) for notebook in notebooks.values()))
    try:
        for path in notebooks:
            outcomes[path] = _record(path, lock, rewrite_all, cell_timeout, patterns, progress)
            progress.finished(path.stem, _summary(outcomes[path]))
    except (NotebookError, ValueError) as error:
        status, failure = 1, error
    except OSError as error:
        why = f"{path} could not be saved ({error.strerror}): it is as it was; make room there, or the right to write"
        status, failure = 1, OSError(why)
    except KeyboardInterrupt as error:
        status = getattr(error, "exit_status", 130)
    finally:
        progress.close()
    _print_table(outcomes)
    if failure is not None:
        report_error(failure, status)
    elif status:
        print("stopped; the notebook that ran was not changed, and no kernel is left running", file=sys.stderr)
    return status


def _require_writable_folders(notebooks):
    for folder in {Path(os.path.realpath(path)).parent for path in notebooks}:
        if not os.access(folder, os.W_OK | os.X_OK):
            raise ValueError(
                f"{folder} may not be written, and what is recorded is saved there: give yourself the right"
            )


def _require_readable_markers(notebooks):
    for path, notebook in notebooks.items():
        for number, cell in enumerate(code_cells(notebook), 1):
            try:
                compare_outputs(cell.source, cell.outputs, cell.outputs, cell.metadata)
            except MarkerError as error:
                raise _unreadable_marker(path, number, cell, error) from error


def _unreadable_marker(path, number, cell, error):
    return NotebookError(path.name, number, cell.get("id"), "MarkerError", str(error))


def _require_real_data(notebooks):
    needs = {path.stem: data_needs(notebook) for path, notebook in notebooks.items()}
    if is_synthetic():
        raise ValueError(
            f"${ENVIRONMENT} is '{SYNTHETIC}': recorded outputs come from real data only; name its folder or unset it"
        )
    for name in dict.fromkeys(name for names in needs.values() for name in names):
        try:
            obtain_data(name)
        except DataNotFoundError as error:
            wanted = ", ".join(stem for stem, names in needs.items() if name in names)
            raise DataNotFoundError(f"{error}; nothing was recorded, since {wanted} needs it") from error


def _record(path, lock, rewrite_all, cell_timeout, patterns, progress):
    """Execute one notebook and save what changed."""
    recorded, text = read_notebook(path), _text_of(path)
    executed = copy.deepcopy(recorded)
    cells, began = len(code_cells(executed)), time.monotonic()

    def on_cell(number, cell_id):
        progress.advance(min(1, number - 1))
        progress.cell(path.stem, number, cells, cell_id or "")

    progress.starting(path.stem)
    execution = execute(
        executed,
        path,
        environment=kernel_environment(),
        cell_timeout=cell_timeout,
        questions=_QUESTIONS,
        on_cell=on_cell,
        on_tick=progress.tick,
    )
    progress.advance(min(1, cells))
    seconds = time.monotonic() - began
    _refuse_unrecordable(path, executed, execution)

    saved = json.loads(text)
    rewritten = _merge(path, saved, recorded, executed, rewrite_all, patterns)
    hashes = fingerprint(executed, data_needs(executed), lock)
    why = "; ".join(_changes(_stamp_of(recorded), hashes))
    if rewrite_all or rewritten:
        why = "asked for" if rewrite_all else "outputs rewritten"
    if why:
        _put_stamp(saved, {**_circumstances(execution), "sha256": hashes})
    changed = saved != json.loads(text)  # not the texts: a file that another program laid out otherwise is left alone
    if changed:
        if _text_of(path) != text:
            raise ValueError(f"{path} was changed by someone else while it ran; it was not saved: record it again")
        write_text(path, _laid_out_as(text, saved))
    return _Outcome(seconds, rewritten, cells, why, changed)


def _text_of(path):
    """A file's text with the line ends it has."""
    with open(path, encoding="utf-8", newline="") as file:
        return file.read()


def _laid_out_as(text, saved):
    """The JSON of ``saved`` with the indent, the escapes, the line ends and the end that a file's text has."""
    indent = re.match(r"{\r?\n([ \t]*)", text)
    escaped = text.isascii() and not json.dumps(json.loads(text), ensure_ascii=False).isascii()
    written = json.dumps(saved, indent=indent and indent[1], ensure_ascii=escaped)
    return written.replace("\n", "\r\n" if "\r\n" in text else "\n") + text[len(text.rstrip()) :]


def _refuse_unrecordable(path, executed, execution):
    """Raise for what nbval could never find again: standard error, and text that C code wrote past Python."""
    for number, cell in enumerate(code_cells(executed), 1):
        written = [(d.stream, d.text) for d in execution.direct_outputs if d.cell_number == number]
        written += [("stderr", o.text) for o in cell.outputs if o.output_type == "stream" and o.name == "stderr"]
        for stream, text in written:
            what = "it wrote to standard error" if stream == "stderr" else "it wrote past Python to file descriptor 1"
            what += "; a recorded notebook must not: mend the cell, nothing was saved"
            raise NotebookError(path.name, number, cell.get("id"), "NotRecordable", what, text.splitlines())


def _merge(path, saved, recorded, executed, rewrite_all, patterns):
    """Put the new outputs that must be saved into ``saved``, the file's JSON. Returns the reasons by cell id."""
    on_disk = json.loads(nbformat.writes(executed))  # multi-line texts as lists of lines
    rewritten = {}
    for old, new, target, source in zip(recorded.cells, executed.cells, saved["cells"], on_disk["cells"]):
        if new.cell_type != "code":
            continue
        try:
            reasons = _differences(new, old.outputs, new.outputs, patterns)
            stay = () if rewrite_all or not reasons else _within(new, old.outputs, new.outputs, patterns)
        except MarkerError as error:  # two of them claim the same new line
            raise _unreadable_marker(path, new.execution_count, new, error) from error
        outputs = [target["outputs"][i] if i in stay else output for i, output in enumerate(source["outputs"])]
        if (reasons or rewrite_all) and target["outputs"] != outputs:
            rewritten[new.get("id", f"In [{new.execution_count}]")] = reasons[0] if reasons else "within its tolerance"
            target["outputs"] = outputs
        target["execution_count"] = new.execution_count
        for output in target["outputs"]:
            if "execution_count" in output:
                output["execution_count"] = new.execution_count
        target["metadata"].pop("execution", None)  # timings that JupyterLab left
    return rewritten


def _differences(cell, recorded, new, patterns):
    old, now = (sanitized(outputs, patterns) for outputs in (recorded, new))
    reasons = compare_outputs(cell.source, old, now, cell.metadata)
    if not reasons and bool(recorded) != bool(new):
        return ["there is an output now" if new else "there is no output any more"]
    return reasons


def _within(cell, recorded, new, patterns):
    """The numbers of the outputs that kept their bounds; none where the two are not the same sequence of outputs."""
    if [(o.output_type, o.get("name")) for o in recorded] != [(o.output_type, o.get("name")) for o in new]:
        return set()
    everything = set(range(len(new)))

    def with_new(numbers):
        return [new[i] if i in numbers else output for i, output in enumerate(recorded)]

    def differ(old, now):  # in more than the markers that bound nothing, which are no output's fault
        return _differences(cell, old, now, patterns) != _differences(cell, old, old, patterns)

    left = {i for i in everything if differ(recorded, with_new({i}))}
    return set() if differ(with_new(left), new) else everything - left  # the pieces of a stream are compared as one


def _stamp_of(notebook):
    return our_metadata(notebook).get("stamp", {})


def _put_stamp(saved, stamp):
    ours = saved["metadata"].setdefault("d2lhelpers", {})
    ours["stamp"] = json.loads(json.dumps(stamp, sort_keys=True))  # the order in which nbformat saves
    saved["metadata"] = dict(sorted(saved["metadata"].items()))
    saved["metadata"]["d2lhelpers"] = dict(sorted(ours.items()))


def _circumstances(execution):
    """Where the outputs were made, for a reader who wonders about a difference; never compared."""
    answers = {name: ast.literal_eval(text) if text else None for name, text in execution.answers.items()}
    return {
        "d2l": _version("d2l"),
        "device": answers["device"],
        "matplotlib": _version("matplotlib"),
        "mxnet": _version("mxnet", "mxnet-cu117", "mxnet-cu112"),
        "numpy": _version("numpy"),
        "python": platform.python_version(),
        "threads": answers["threads"],
    }


def _version(*names):
    for name in names:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return None


def _changes(stamp, hashes):
    """Say what differs between a stamp and what would be stamped now."""
    old = stamp.get("sha256")
    if not old or not isinstance(old, dict):
        return ["never recorded"]
    reasons = []
    if old.get("code") != hashes["code"]:
        reasons.append("its code cells changed")
    for kind, what in (("helpers", "helper"), ("data", "data set")):
        before, now = old.get(kind, {}), hashes[kind]
        before = before if isinstance(before, dict) else {}
        reasons += [f"{what} {name} changed" for name in now if name in before and before[name] != now[name]]
        reasons += [f"{what} {name} is new to it" for name in now if name not in before]
        reasons += [f"{what} {name} is no longer used" for name in before if name not in now]
    if old.get("pins") != hashes["pins"]:
        reasons.append("the pins (requirements.lock) changed")
    return reasons


def status(notebooks_dir: str | os.PathLike) -> list[tuple[Path, list[str]]]:
    """Find the notebooks whose recorded outputs were made from something else than what is there now. Runs nothing.

    Args:
        notebooks_dir: The folder that holds the spine and ``solutions/``; ``requirements.lock`` is beside it.

    Returns:
        The stale notebooks in order, each with its reasons, such as ``helper d2lhelpers.metrics changed``.

    Raises:
        FileNotFoundError: There is no notebook.
        ValueError: A file is no notebook, or one needs a data set that the registry does not know.
    """
    lock = Path(notebooks_dir).resolve().parent / "requirements.lock"
    spine, solutions = find_notebooks(notebooks_dir)
    stale = []
    for path in [*spine, *solutions]:
        notebook = read_notebook(path)
        needs = data_needs(notebook)
        reasons = _changes(_stamp_of(notebook), fingerprint(notebook, needs, lock))
        if reasons:
            stale.append((path, reasons))
    return stale


def print_status(notebooks_dir: str | os.PathLike) -> int:
    """Print which notebooks are stale, and why.

    Args:
        notebooks_dir: As for ``status``.

    Returns:
        The exit status: 0 where none is stale, 1 where one is, 2 where there is no notebook, or one cannot be judged.
    """
    try:
        stale = status(notebooks_dir)
    except (FileNotFoundError, ValueError) as error:
        return report_error(error, 2)
    for path, reasons in stale:
        print(f"{paint('stale', 'yellow')}  {path.stem}: {'; '.join(reasons)}")
    print("run `make record` and look at what it changes" if stale else "every notebook is up to date")
    return int(bool(stale))


def _summary(outcome):
    if not outcome.saved:
        return "unchanged"
    if outcome.rewritten:
        return f"{len(outcome.rewritten)} of {outcome.cells} cells rewritten"
    return f"stamp renewed: {outcome.stamp}" if outcome.stamp else "execution counts put right"


def _print_table(outcomes):
    rows = [
        (path.stem, f"{outcome.seconds:.1f}", paint(_summary(outcome), "yellow" if outcome.saved else "green"))
        for path, outcome in outcomes.items()
    ]
    print(*table(("notebook", "seconds", "result"), rows, numeric=("seconds",)), sep="\n")
    for path, outcome in outcomes.items():
        for cell_id, reason in outcome.rewritten.items():
            line = " ".join(reason.split())
            shown = line if len(line) <= _SHOWN_REASON else f"{line[: _SHOWN_REASON - 1]}…"
            print(f"  {path.stem}, {cell_id}: {shown}")
    sys.stdout.flush()
