"""What a cell says about the comparison of its outputs: in its metadata, or in comments.

Comments that resemble a marker so much that they were meant to be one are errors, and so is metadata of another form.
"""

from __future__ import annotations

import difflib
import io
import math
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
_BOUND = re.compile(r"(?P<key>\w+)=(?P<value>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?)", re.ASCII)


_IN_METADATA = '{"atol": 0.02, "rtol": 0.001, "lines": {"Epoch 0": {"atol": 0.4}}, "figure": 0.1}'
ONLY_SIZE = "size"
"""The bound of a figure of which only the size is compared."""


class MarkerError(ValueError):
    """A cell's bounds cannot be read: a comment that looks like one of our markers, or the metadata."""


@dataclass(frozen=True)
class Bound:
    """How far a float may lie from its recorded value: ``atol + rtol * |recorded|``, as in NumPy's ``allclose``.

    Decimals, because a bound is stated in decimals: 0.91 is within 0.02 of 0.89, which binary floats deny.
    """

    rtol: Decimal
    atol: Decimal
    line: str | None = None

    def allowed(self, recorded: Decimal) -> Decimal:
        """The largest distance from ``recorded`` (a finite Decimal) that still agrees."""
        return self.atol + self.rtol * abs(recorded)

    def __str__(self) -> str:
        """As in the marker: ``atol=0.02``."""
        parts = [f"{key}={value}" for key, value in (("rtol", self.rtol), ("atol", self.atol)) if value]
        return " ".join(parts or ["atol=0"]) + (f' on lines with "{self.line}"' if self.line else "")


@dataclass(frozen=True)
class Markers:
    """What one cell says about the comparison of its outputs."""

    tolerance: Bound | None = None
    lines: tuple[Bound, ...] = ()
    figure: float | str | None = None


def parse_markers(source: str, metadata: dict | None = None) -> Markers:
    """The bounds that a cell states, in its metadata or in comments.

    Args:
        source: the cell's code.
        metadata: the cell's metadata, whose entry ``nbtolerance`` has any of ``rtol``, ``atol``, ``lines`` (words of a
            line to its own ``rtol`` and ``atol``) and ``figure`` (a distance, or ``"size"``).

    Returns:
        Markers: ``tolerance`` for every float (None: exact), ``lines`` for the floats of some lines, ``figure`` for the
        distance of pictures (None: the default; ``"size"``: only the size of a picture is compared).

    Raises:
        MarkerError: for a marker that is misspelt, indented, behind code, given twice, or without readable bounds, for
            metadata of another form, or for both kinds in one cell.
    """
    markers = _from_comments(source)
    if metadata is None or "nbtolerance" not in metadata:
        return markers
    if markers != Markers():
        raise MarkerError("expected bounds in the cell's metadata or in comments, got both: keep those in the metadata")
    return _from_metadata(metadata["nbtolerance"])


def _from_metadata(stated):
    """The bounds in the entry ``nbtolerance`` of a cell's metadata."""
    if not isinstance(stated, dict) or not stated or not set(stated) <= {"rtol", "atol", "lines", "figure"}:
        raise _wrong_metadata(stated)
    lines = stated.get("lines", {})
    if not isinstance(lines, dict) or not all(isinstance(of_line, dict) for of_line in lines.values()):
        raise _wrong_metadata(stated)
    figure = stated.get("figure")
    if figure is not None and figure != ONLY_SIZE:
        figure = float(_number(figure, stated, most=1))
    tolerance = {key: stated[key] for key in ("rtol", "atol") if key in stated}
    return Markers(
        _bound(tolerance, None, stated) if tolerance else None,
        tuple(_bound(of_line, words, stated) for words, of_line in lines.items()),
        figure,
    )


def _bound(given, words, stated):
    if not given or not set(given) <= {"rtol", "atol"} or words == "":
        raise _wrong_metadata(stated)
    rtol, atol = (Decimal(str(_number(given.get(key, 0), stated))) for key in ("rtol", "atol"))
    return Bound(rtol, atol, words)


def _number(value, stated, most=float("inf")):
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= most or value == math.inf:
        raise _wrong_metadata(stated)
    return value


def _wrong_metadata(stated):
    return MarkerError(
        f"expected metadata.nbtolerance like {_IN_METADATA}, each part where it is needed (numbers from 0, figure up "
        f'to 1 or "size"), got {stated!r}: correct or remove it'
    )


def _from_comments(source):
    """The bounds in the comments of a cell's code."""
    tolerances: dict[str | None, dict[str, Decimal]] = {}
    figures: dict[str | None, dict[str, Decimal]] = {}
    for column, comment in _comments(source):
        meant = _meant_marker(comment)
        if meant is None:
            continue
        marker = _MARKER.fullmatch(comment.rstrip())
        if not marker or column or (marker["line"] and meant == "NBVAL_FIGURE"):
            raise MarkerError(
                f"expected a line of its own like {_EXAMPLES[meant]}, got {comment!r}: correct or remove it"
            )
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
    if not words or words[0] in _OF_NBVAL or words[0][0].upper() != "N":
        return None
    for spelling in (words[0].upper(), "_".join(words).upper()):
        close = difflib.get_close_matches(spelling, _EXAMPLES, n=1, cutoff=0.8)
        if close:
            return close[0]
    return "NBVAL_TOLERANCE" if words[0].upper().startswith("NBVAL_") else None


def _parse_bounds(marker, text, comment):
    if marker == "NBVAL_FIGURE":
        keys: tuple[str, ...] = ("distance",)
        numbers, most = "from 0 to 1", Decimal(1)
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
