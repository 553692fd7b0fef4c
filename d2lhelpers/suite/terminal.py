"""What the commands write on a terminal: progress, tables, colour."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from tqdm import tqdm

__all__ = ["Progress", "paint", "report_error", "table"]

_CODES = {"red": 31, "green": 32, "yellow": 33, "bold": 1}


def paint(text: str, colour: str | None, stream=None) -> str:
    """Colour a text where it is going to be seen in colour.

    Args:
        text: What is written.
        colour: ``red``, ``green``, ``yellow``, ``bold``, or None for no colour.
        stream: Where it goes; None means standard output.

    Returns:
        The text, in colour if ``stream`` is a terminal and the user has not set ``NO_COLOR`` (https://no-color.org).
    """
    stream = stream or sys.stdout
    if colour is None or os.environ.get("NO_COLOR") or not stream.isatty():
        return text
    return f"\x1b[{_CODES[colour]}m{text}\x1b[0m"


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]], numeric: tuple[str, ...] = ()) -> list[str]:
    """Lay out a table with a line under its head; the last column is not padded, so it may be coloured or long.

    Args:
        head: The columns' names.
        rows: The cells, as many in each row as there are columns.
        numeric: The names of the columns that are aligned to the right.

    Returns:
        The table's lines.
    """
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head) - 1)]

    def line(row):
        cells = [
            cell.rjust(width) if name in numeric else cell.ljust(width)
            for cell, width, name in zip(row, widths, head)  # noqa: B905 (strict= needs Python 3.10)
        ]
        return "   ".join([*cells, row[-1]])

    rule = "   ".join("-" * width for width in [*widths, len(head[-1])])
    return [line(head), rule, *map(line, rows)]


def report_error(error: Exception, status: int) -> int:
    """Say on standard error what went wrong: for a notebook with where, and the end of the traceback.

    Args:
        error: What went wrong.
        status: The exit status that follows from it.

    Returns:
        ``status``.
    """
    from nbtolerance.terminal import visible  # a plain install, whose doctor prints tables, does not have it

    traceback = getattr(error, "traceback", None)  # a NotebookError has one, if an empty one
    said = visible(str(error) if traceback is None else f"FAILED {error}")
    print(paint(said, "red", sys.stderr), file=sys.stderr)
    for line in (traceback or [])[-12:]:
        print(f"    {visible(line)}", file=sys.stderr)
    return status


class Progress:
    """A progress bar on standard error that names notebook and cell; without a terminal, one line a notebook.

    Of several notebooks that run side by side it names the numbers, as far as the line is wide.

    Args:
        total: The number of code cells to come, in all notebooks together.
        stream: Where it goes; None means standard error.
    """

    def __init__(self, total: int, stream=None):  # noqa: D107 (see the class)
        self._stream = stream or sys.stderr
        self._bar = None
        self._running: dict[str, tuple[str, str]] = {}  # by notebook: how far it is, and the cell's id
        if self._stream.isatty():
            # A terminal that does not know its size says 0 by 0, and tqdm would draw nothing.
            known = bool(os.get_terminal_size(self._stream.fileno()).columns)
            self._bar = tqdm(
                total=total,
                file=self._stream,
                leave=False,
                dynamic_ncols=known,
                ncols=None if known else 80,
                nrows=None if known else 24,
                bar_format="{desc}  {bar}  {n_fmt}/{total_fmt} cells, {elapsed}",
            )

    def starting(self, notebook: str) -> None:
        """Say that a notebook's kernel starts."""
        self._now(notebook, "[kernel starts]", "")

    def cell(self, notebook: str, number: int, count: int, cell_id: str) -> None:
        """Say which code cell begins: ``number`` of ``count`` in ``notebook``."""
        self._now(notebook, f"[{number}/{count}]", cell_id)

    def _now(self, notebook, where, cell_id):
        self._running[notebook] = (where, cell_id)
        if self._bar is None:
            return
        if len(self._running) == 1:
            self._bar.set_description_str(f"{notebook} {where} {cell_id}".rstrip())
        else:
            parts = (f"{name.partition('_')[0]} {where}" for name, (where, _) in sorted(self._running.items()))
            self._bar.set_description_str(", ".join(parts))

    def advance(self, cells: int = 1) -> None:
        """Count code cells as done."""
        if self._bar is not None:
            self._bar.update(cells)

    def tick(self) -> None:
        """Let the elapsed time go on while a cell takes long."""
        if self._bar is not None:
            self._bar.refresh()

    def finished(self, notebook: str, result: str) -> None:
        """Say that a notebook is done."""
        self._running.pop(notebook, None)
        if self._bar is None:
            print(f"{notebook}: {result}", file=self._stream, flush=True)

    def close(self) -> None:
        """Take the bar off the terminal."""
        if self._bar is not None:
            self._bar.close()
