"""What a terminal, or JupyterLab, shows of a text with carriage returns, backspaces, erasures and colours."""

from __future__ import annotations

import re

__all__ = ["COLOUR", "as_shown", "visible"]

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
# What moves the cursor or takes something away; every other character is written where the cursor stands.
_CONTROL = re.compile(r"\r|\x08|\x1b\[([0-2]?)K")


def as_shown(text: str) -> str:
    """Return what stays of a stream: later characters overwrite earlier ones, as on a terminal.

    A carriage return goes to the beginning of the line and a backspace one place back, without erasing anything. Only
    at the end of a line a backspace takes the character away, as JupyterLab does, which saves the text so. ``ESC [ K``
    erases to the end of the line, ``ESC [ 1 K`` to its beginning, ``ESC [ 2 K`` all of it. Colours stay with the
    character that they stand before. Other control sequences are left as they are.

    Args:
        text: what a cell wrote.

    Returns:
        the text; in time proportional to its length.
    """
    if not _CONTROL.search(text):
        return text
    return "\n".join(_line(line) if _CONTROL.search(line) else line for line in text.split("\n"))


def _line(line):
    # Each place: the colours before its character, and the character; None where it was erased, as all before `erased`.
    shown: list[str | None] = []
    cursor, colours, end, erased = 0, "", 0, 0

    def write(piece):
        nonlocal cursor, colours, erased
        erased = min(erased, cursor)
        for part in re.findall(rf"{COLOUR.pattern}|.", piece, re.DOTALL):
            if part.startswith("\x1b[") and len(part) > 1:
                colours += part
                continue
            shown[cursor : cursor + 1] = [colours + part]
            cursor, colours = cursor + 1, ""

    for control in _CONTROL.finditer(line):
        write(line[end : control.start()])
        end = control.end()
        if control[0] == "\r":
            cursor = 0
        elif control[0] == "\x08":
            del shown[max(0, len(shown) - 1) if cursor == len(shown) else len(shown) :]
            cursor = max(0, cursor - 1)
        else:
            if control[1] in ("1", "2"):
                stop = min(cursor + 1, len(shown))
                shown[erased:stop] = [None] * (stop - erased)
                erased = max(erased, stop)
            if control[1] != "1":
                del shown[cursor:]
    write(line[end:])
    while shown and shown[-1] is None:
        shown.pop()
    return "".join(" " if place is None else place for place in shown) + colours


def visible(text: str) -> str:
    r"""Return a text whose control characters are shown and not obeyed: ESC as ``\x1b``; line ends and tabs stay."""
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", lambda found: ascii(found[0])[1:-1], text)
