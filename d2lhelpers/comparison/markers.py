"""The comments in which a cell states its bounds, and those that resemble one so much that they were meant to be."""

from __future__ import annotations

import difflib
import io
import re
import tokenize
from dataclasses import dataclass
from decimal import Decimal

__all__ = ["Bound", "MarkerError", "Markers", "parse_markers"]

_EXAMPLES = {
    "NBVAL_TOLERANCE": '# NBVAL_TOLERANCE: atol=0.02 (or: # NBVAL_TOLERANCE on lines with "Epoch 0": atol=0.4)',
    "NBVAL_FIGURE": "# NBVAL_FIGURE: distance=0.1",
}
_OF_NBVAL = {"NBVAL_IGNORE_OUTPUT", "NBVAL_CHECK_OUTPUT", "NBVAL_RAISES_EXCEPTION", "NBVAL_SKIP"}
_MARKER = re.compile(r'# (?P<name>NBVAL_TOLERANCE|NBVAL_FIGURE)(?: on lines with "(?P<line>[^"]+)")?:(?P<bounds>.*)')
_BOUND = re.compile(r"(?P<key>\w+)=(?P<value>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?)")


class MarkerError(ValueError):
    """A comment of a cell looks like one of our markers but cannot be read as one."""


@dataclass(frozen=True)
class Bound:
    """How far a float may lie from its recorded value: ``atol + rtol * |recorded|``, as in NumPy's ``allclose``.

    Decimals, because a bound is stated in decimals: 0.91 is within 0.02 of 0.89, which binary floats deny.
    """

    rtol: Decimal
    atol: Decimal
    line: str | None = None

    def allowed(self, recorded):
        """The largest distance from ``recorded`` (a finite Decimal) that still agrees."""
        return self.atol + self.rtol * abs(recorded)

    def __str__(self):
        """As in the marker: ``atol=0.02``."""
        parts = [f"{key}={value}" for key, value in (("rtol", self.rtol), ("atol", self.atol)) if value]
        return " ".join(parts or ["atol=0"]) + (f' on lines with "{self.line}"' if self.line else "")


@dataclass(frozen=True)
class Markers:
    """What the comments of one cell say about the comparison of its outputs."""

    tolerance: Bound | None = None
    lines: tuple[Bound, ...] = ()
    figure: float | None = None


def parse_markers(source):
    """The bounds that a cell states in its comments.

    Args:
        source: the cell's code.

    Returns:
        Markers: ``tolerance`` for every float (None: exact), ``lines`` for the floats of some lines, ``figure`` for the
        distance of pictures (None: the default).

    Raises:
        MarkerError: for a marker that is misspelt, indented, behind code, given twice, or without readable bounds.
    """
    tolerances, figures = {}, {}
    for column, comment in _comments(source):
        meant = _meant_marker(comment)
        if meant is None:
            continue
        marker = _MARKER.fullmatch(comment.rstrip())
        if not marker or column or (marker["line"] and meant == "NBVAL_FIGURE"):
            raise MarkerError(f"expected a line of its own like {_EXAMPLES[meant]}, got {comment!r}: mend or remove it")
        bounds = _parse_bounds(meant, marker["bounds"], comment)
        found = figures if meant == "NBVAL_FIGURE" else tolerances
        if marker["line"] in found:
            raise MarkerError(f"expected one {meant} of a kind, got {comment!r} as well: keep one")
        found[marker["line"]] = bounds
    bounds = {
        line: Bound(given.get("rtol", Decimal(0)), given.get("atol", Decimal(0)), line)
        for line, given in tolerances.items()
    }
    figure = float(figures[None]["distance"]) if figures else None
    return Markers(bounds.pop(None, None), tuple(bounds.values()), figure)


def _comments(source):
    """(column, text) of every comment; a cell that is not plain Python (``%%bash``) is searched line by line."""
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
        return [(token.start[1], token.string) for token in tokens if token.type == tokenize.COMMENT]
    except (tokenize.TokenError, SyntaxError):
        found = (re.search("#.*", line) for line in source.splitlines())
        return [(match.start(), match[0]) for match in found if match]


def _meant_marker(comment):
    """Which of our markers a comment is, or was probably meant to be; None for any other comment."""
    words = re.findall(r"\w+", comment)[:2]
    if not words or words[0] in _OF_NBVAL:
        return None
    for spelling in (words[0].upper(), "_".join(words).upper()):
        close = difflib.get_close_matches(spelling, _EXAMPLES, n=1, cutoff=0.8)
        if close:
            return close[0]
    return "NBVAL_TOLERANCE" if words[0].upper().startswith("NBVAL_") else None


def _parse_bounds(marker, text, comment):
    if marker == "NBVAL_FIGURE":
        keys, numbers, most = ("distance",), "from 0 to 1", Decimal(1)
    else:
        keys, numbers, most = ("rtol", "atol"), "0 or more", Decimal("inf")
    wanted = " and/or ".join(f"{key}=<number, {numbers}>" for key in keys)
    bounds = {}
    for part in text.split():
        bound = _BOUND.fullmatch(part)
        if not bound or bound["key"] not in keys or bound["key"] in bounds or Decimal(bound["value"]) > most:
            raise MarkerError(
                f"expected {wanted} after the colon, each once, "
                f"got {part!r} in {comment!r}: write it like {_EXAMPLES[marker]}"
            )
        bounds[bound["key"]] = Decimal(bound["value"])
    if not bounds:
        raise MarkerError(f"expected a bound after the colon, got {comment!r}: write it like {_EXAMPLES[marker]}")
    return bounds
