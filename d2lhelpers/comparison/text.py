"""Two texts, compared exactly or with their floats within a bound."""

from __future__ import annotations

import functools
import html
import re
from dataclasses import dataclass
from decimal import Decimal

from .markers import MarkerError

__all__ = ["Number", "Reading", "bound_of", "compare_exactly", "compare_floats", "read"]

_SHOWN_NUMBERS = 10
_SHOWN_LINES = 8
_SHOWN_CHARACTERS = 160

# A float is a word of its own: conv2.5, 1.9.1, 3.2MB and hex digests are not. Its sign belongs to it unless it follows
# a word or a number (a range, a date). A bare exponent counts in the form that Python and C print: 1e-05, not 3e8.
_FLOAT = re.compile(
    r"""(?:(?<![\w.)\]])[+-])?
        (?<![\w.])
        (?:(?:\d+\.\d*|\.\d+)(?:[eE][+-]?\d{1,3})?|\d+[eE][+-]\d{2,3}|nan|NaN|inf|Infinity)
        (?!\w|\.\w)""",
    re.VERBOSE,
)
_TAG = re.compile(r"<style\b.*?</style>|<script\b.*?</script>|<[^>]*>", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True)
class Number:
    """A float of a text: as printed, where it begins, and the line that holds it (in HTML the table's row, no tags)."""

    text: str
    start: int
    line: str

    @property
    def value(self):
        """The printed value as a Decimal."""
        return Decimal(self.text)


@dataclass(frozen=True)
class Reading:
    """A text taken apart: ``pieces[i]`` stands before ``numbers[i]``, the last piece behind the last number."""

    pieces: tuple[str, ...]
    numbers: tuple[Number, ...]


@functools.lru_cache(maxsize=256)
def read(text, is_html=False):
    """Take a text apart into its floats and the pieces between them, their blanks and an array's line wraps folded.

    Args:
        text: any text that a cell put out.
        is_html: whether tags are no text: numbers in them are no floats, and a table's row is a line.

    Returns:
        Reading: the pieces and the floats, in order.
    """
    in_array = _in_brackets(text)
    unwrapped = "".join(" " if char == "\n" and inside else char for char, inside in zip(text, in_array))
    tags = [position for tag in _TAG.finditer(text) for position in range(*tag.span())] if is_html else []
    hidden, lines = frozenset(tags), _lines(text, is_html)
    pieces, numbers, end, line = [], [], 0, 0
    for match in _FLOAT.finditer(text):
        start = match.start()
        # "19." is how NumPy and MXNet print a whole float in an array; elsewhere it is an integer that ends a sentence.
        whole_float = in_array[start] or text.endswith("array(", 0, start)
        if start in hidden or (match[0].endswith(".") and not whole_float):
            continue
        while line + 1 < len(lines) and lines[line + 1][0] <= start:
            line += 1
        pieces.append(_fold(unwrapped[end:start]))
        numbers.append(Number(match[0], start, lines[line][1]))
        end = match.end()
    return Reading((*pieces, _fold(unwrapped[end:])), tuple(numbers))


def _in_brackets(text):
    """For each character, whether a pair of square brackets holds it: an array wraps where its numbers' widths say."""
    change, opened = [0] * len(text), []
    for position, char in enumerate(text):
        if char == "[":
            opened.append(position)
        elif char == "]" and opened:
            change[opened.pop()] += 1
            change[position] -= 1
    depth, inside = 0, []
    for step in change:
        depth += step
        inside.append(depth > 0)
    return inside


def _lines(text, is_html):
    """(start, text) of each line; in HTML of each row of a table, as a reader sees it."""
    boundary = r"(?=<tr\b)" if is_html else r"(?<=\n)"
    starts = [0, *(match.start() for match in re.finditer(boundary, text))]
    parts = [text[start:stop] for start, stop in zip(starts, [*starts[1:], len(text)])]
    if is_html:
        parts = [" ".join(html.unescape(_TAG.sub(" ", part)).split()) for part in parts]
    return [(start, part.rstrip("\n")) for start, part in zip(starts, parts)]


def _fold(piece):
    return re.sub(r" *\n *", "\n", re.sub(r"[ \t]+", " ", piece)).strip(" ")


def bound_of(number, markers):
    """The bound under which a recorded float stands.

    Args:
        number: the recorded Number.
        markers: the cell's Markers.

    Returns:
        Bound: that of its line, else that of the cell; None where it must be exact.

    Raises:
        MarkerError: when two bounds claim the line.
    """
    # As whole words, or "Epoch 1" would claim the lines of epoch 10 as well.
    own = [bound for bound in markers.lines if re.search(rf"(?<!\w){re.escape(bound.line)}(?!\w)", number.line)]
    if len(own) > 1:
        raise MarkerError(
            f"expected one bound for each line, got {' and '.join(map(str, own))} for {number.line!r}: "
            "make their texts longer"
        )
    return own[0] if own else markers.tolerance


def compare_floats(name, recorded, new, markers, is_html=False):
    """What differs between two texts whose floats may move within the bounds of their cell.

    Args:
        name: what to call the text in the description.
        recorded: the recorded text.
        new: the new one.
        markers: the cell's Markers.
        is_html: whether the texts are HTML.

    Returns:
        str: a description, the worst floats first; None where all is within bounds.
    """
    old, now = read(recorded, is_html), read(new, is_html)
    if old.pieces != now.pieces:
        same = _common(old.pieces, now.pieces)
        begins = [
            text.count("\n", 0, reading.numbers[same - 1].start) if 0 < same <= len(reading.numbers) else 0
            for text, reading in ((recorded, old), (new, now))
        ]
        return _show_lines(name, recorded.split("\n")[begins[0] :], new.split("\n")[begins[1] :])
    pairs = [(before, after, bound_of(before, markers)) for before, after in zip(old.numbers, now.numbers)]
    outside = [(_excess(*pair), *pair) for pair in pairs]
    outside = sorted((entry for entry in outside if entry[0] > 0), key=lambda entry: entry[0], reverse=True)
    if not outside:
        return None
    report, shown = [f"{name}: {len(outside)} of {len(pairs)} floats out of bounds"], set()
    for _, before, after, bound in outside[:_SHOWN_NUMBERS]:
        report.append(f"  recorded {before.text}, new {after.text}: {_how_far(before.value, after.value, bound)}")
        if before.line not in shown:
            shown.add(before.line)
            report += [f"    recorded | {_clip(before.line)}", f"    new      | {_clip(after.line)}"]
    if len(outside) > _SHOWN_NUMBERS:
        report.append(f"  and {len(outside) - _SHOWN_NUMBERS} more, nearer to their bounds")
    return "\n".join(report)


def _excess(before, after, bound):
    """How far a float lies beyond its bound; 0 within, infinite where no bound can help."""
    if before.text == after.text:
        return Decimal(0)
    old, new = before.value, after.value
    if bound is None:
        return Decimal("inf")
    if old.is_finite() and new.is_finite():
        return max(abs(new - old) - bound.allowed(old), Decimal(0))
    return Decimal(0 if old.compare_total(new) == 0 else "inf")


def _how_far(old, new, bound):
    if bound is None:
        return "no bound on this line"
    if not (old.is_finite() and new.is_finite()):
        return "nan and inf agree with themselves only"
    return f"{abs(new - old):.6g} apart, {bound.allowed(old):.6g} allowed ({bound})"


def compare_exactly(name, recorded, new):
    """What differs between two texts that must be the same.

    Args:
        name: what to call the text in the description.
        recorded: the recorded text.
        new: the new one.

    Returns:
        str: a description with the lines from the first to the last that differ; None where the texts are the same.
    """
    if recorded == new:
        return None
    old, now = recorded.split("\n"), new.split("\n")
    head = _common(old, now)
    return _show_lines(name, old[head:], now[head:])


def _common(first, second):
    """How many items two sequences have in common at their beginning."""
    return next((i for i, (a, b) in enumerate(zip(first, second)) if a != b), min(len(first), len(second)))


def _show_lines(name, recorded, new):
    end = -_common(recorded[::-1], new[::-1]) or None
    report = [f"{name}: the text differs"]
    for label, lines in (("recorded", recorded[:end]), ("new     ", new[:end])):
        report += [f"    {label} | {_clip(line)}" for line in (lines or ["(nothing)"])[:_SHOWN_LINES]]
        if len(lines) > _SHOWN_LINES:
            report.append(f"    {label} | ... and {len(lines) - _SHOWN_LINES} more lines")
    return "\n".join(report)


def _clip(line):
    return line if len(line) <= _SHOWN_CHARACTERS else line[: _SHOWN_CHARACTERS - 3] + "..."
