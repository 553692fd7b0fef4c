"""Two texts, compared exactly or with their floats within a bound."""

from __future__ import annotations

import bisect
import functools
import html
import itertools
import re
from dataclasses import dataclass
from decimal import Decimal

from .markers import Bound, MarkerError, Markers
from .terminal import COLOUR, visible

__all__ = ["Number", "Reading", "bound_of", "compare_exactly", "compare_floats", "read"]

_SHOWN_NUMBERS = 10
_SHOWN_LINES = 8
_SHOWN_CHARACTERS = 160

# A float is a word of its own: conv2.5, 1.9.1, 3.2MB and hex digests are not. Its sign belongs to it unless it follows
# a word or a number (a range, a date), unless it is an imaginary part's. A bare exponent counts in the form that Python
# and C print: 1e-05, not 3e8.
_FLOAT = re.compile(
    r"""(?:(?:(?<![\w.)\]])|(?=[+-][\w.]*(?:[eE][+-]\d+)?j\b))[+-])?
        (?<![\w.])
        (?:(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?|[0-9]+[eE][+-][0-9]{2,3}|nan|NaN|inf|Infinity)
        (?=j?(?!\w|\.\w))""",
    re.VERBOSE,
)
# "19." is how NumPy and MXNet print a whole float in an array; elsewhere it is an integer that ends a sentence.
_ARRAY = re.compile(r"\[(?:[\s0-9.,+\-eEj]|nan|inf|\([\s0-9.,+\-eEj]*\))*\]|array\([0-9.+\-eEj]+")

# As in a browser, what is not closed reaches to the end.
_TAG = re.compile(r"<(style|script)\b.*?(?:</\1>|\Z)|<[^>]*(?:>|\Z)", re.DOTALL | re.IGNORECASE)
# The tags between two texts, and those among them at which a browser begins a line: a row's cells stay on one.
_TAGS = re.compile(r"(?:(?:<(style|script)\b.*?(?:</\1>|\Z)|<[^>]*(?:>|\Z))\s*)+", _TAG.flags)
_ROWS, _CELLS = frozenset({"table", "tr"}), frozenset({"td", "th"})
_BLOCKS = frozenset(
    "address article aside blockquote body br center dd details dialog div dl dt fieldset figcaption figure footer "
    "form h1 h2 h3 h4 h5 h6 header hr legend li main nav ol option p pre section select summary ul".split()
)
# A colour before a number is no part of a word; where the dtype of an array stands depends on the width of its numbers.
_COLOURED = re.compile(rf"({COLOUR.pattern})")
_DTYPE = re.compile(r"(?<=\]),\n *(?=dtype=)")

_PREFORMATTED = re.compile(r"<(pre|textarea)\b.*?(?:</\1|\Z)", re.DOTALL | re.IGNORECASE)


@functools.lru_cache(maxsize=4096)
def _says(line, words):
    """Whether a line holds the words as whole ones: "Epoch 1" is not in the lines of epochs 10, 1.5 and 1,000."""
    before, after = r"(?<!\w)(?!(?<=\.)\d|(?<=\d,)\d)", r"(?!\w|(?<=\d)[.,]\d)"
    return re.search(before + re.escape(words) + after, line) is not None


@dataclass(frozen=True)
class Number:
    """A float of a text: as printed, where it begins, and the line that holds it (in HTML as a reader sees it)."""

    text: str
    start: int
    line: str

    @property
    def value(self) -> Decimal:
        """The printed value as a Decimal."""
        return Decimal(self.text)


@dataclass(frozen=True)
class Reading:
    """A text taken apart: ``pieces[i]`` stands before ``numbers[i]``, the last piece behind the last number.

    ``layout`` holds each line (an array's lines are one), whether it holds a "float", or one in an array that is
    "wrapped", and whether it stands in a block of lines with floats that are padded to one length, as the head of a
    data frame does.
    """

    pieces: tuple[str, ...]
    numbers: tuple[Number, ...]
    layout: tuple[tuple[str, str, bool], ...]


@functools.lru_cache(maxsize=256)
def read(text: str, is_html: bool = False) -> Reading:
    """Take a text apart into its floats and the pieces between them, their blanks and an array's line wraps folded.

    Args:
        text: any text that a cell put out.
        is_html: whether tags are no text: numbers in them are no floats, and a line is what a reader sees as one.

    Returns:
        Reading: the pieces and the floats, in order.
    """
    text = _DTYPE.sub(", ", _COLOURED.sub("\\1\0", text))
    hidden, arrays = _positions(_TAG, text) if is_html else frozenset(), _positions(_ARRAY, text)
    floats = [match for match in _FLOAT.finditer(text) if match.start() not in hidden]
    floats = [match for match in floats if not match[0].endswith(".") or match.start() in arrays]
    starts = [match.start() for match in floats]
    unwrapped, lines = _unwrap(text, starts), _lines(text, is_html)
    pieces, numbers, end, line = [], [], 0, 0
    for match, start in zip(floats, starts):
        while line + 1 < len(lines) and lines[line + 1][0] <= start:
            line += 1
        pieces.append(_fold(unwrapped[end:start]))
        numbers.append(Number(match[0], start, lines[line][1]))
        end = match.end()
    return Reading((*pieces, _fold(unwrapped[end:])), tuple(numbers), tuple(_layout(text, unwrapped, starts)))


def _positions(pattern, text):
    """Where the characters stand that a pattern matches."""
    return frozenset(position for match in pattern.finditer(text) for position in range(*match.span()))


def _holds(starts, begin, end):
    """Whether one of the sorted ``starts`` lies from ``begin`` to before ``end``."""
    return bisect.bisect_left(starts, begin) < bisect.bisect_left(starts, end)


def _unwrap(text, starts):
    """The text with each line end in brackets with floats a blank: arrays and dicts wrap where their widths say."""
    change, opened = [0] * len(text), []
    for position, char in enumerate(text):
        if char in "[({":
            opened.append(position)
        elif char in "])}" and opened:
            begin = opened.pop()
            # Those of [0, 1) are no pair.
            if text[begin] + char in ("[]", "{}", "()") and _holds(starts, begin, position):
                change[begin] += 1
                change[position] -= 1
    depths = itertools.accumulate(change)
    return "".join(" " if char == "\n" and depth else char for char, depth in zip(text, depths))


def _layout(text, unwrapped, starts):
    """Each line as ``Reading.layout`` has it."""
    lines, begin = [], 0
    for line in unwrapped.split("\n"):
        end = begin + len(line)
        holds = _holds(starts, begin, end)
        lines.append((line, "wrapped" if holds and "\n" in text[begin:end] else "float" if holds else ""))
        begin = end + 1
    for _, same_length in itertools.groupby(lines, key=lambda entry: len(entry[0])):
        group = list(same_length)
        padded = any(holds_float for _, holds_float in group)
        yield from ((*entry, padded) for entry in group)


def _lines(text, is_html):
    """(start, text) of each line; in HTML as a reader sees it."""
    starts = [0, *(_html_breaks(text) if is_html else (match.end() for match in re.finditer(r"\n", text)))]
    parts = [text[start:stop] for start, stop in zip(starts, [*starts[1:], len(text)])]
    if is_html:
        parts = [" ".join(html.unescape(_TAG.sub(" ", part)).split()) for part in parts]
    return [(start, part.rstrip("\n")) for start, part in zip(starts, parts)]


def _html_breaks(text):
    """Where a browser begins a line."""
    breaks = set()
    for tags in _TAGS.finditer(text):
        names = frozenset(re.findall(r"</?(\w+)", tags[0].lower()))
        # A block at the edge of a cell parts it from nothing.
        if names & _ROWS or (names & _BLOCKS and not names & _CELLS):
            breaks.add(tags.end())
    for block in _PREFORMATTED.finditer(text):
        breaks.update(position + 1 for position in range(*block.span()) if text[position] == "\n")
    return sorted(breaks)


def _fold(piece):
    # NumPy pads an imaginary part behind its j, which may stand before the bracket.
    return re.sub(r"(?<=\n) | (?=[\n\]])", "", re.sub(r"[ \t]+", " ", piece)).strip(" ")


def bound_of(number: Number, markers: Markers) -> Bound | None:
    """The bound under which a recorded float stands.

    Args:
        number: the recorded Number.
        markers: the cell's Markers.

    Returns:
        Bound: that of its line, else that of the cell; None where it must be exact.

    Raises:
        MarkerError: when two bounds claim the line.
    """
    own = [bound for bound in markers.lines if _says(number.line, bound.line)]
    if len(own) > 1:
        raise MarkerError(
            f"expected one bound for each line, got {' and '.join(map(str, own))} for {number.line!r}: "
            "make their texts longer"
        )
    return own[0] if own else markers.tolerance


def compare_floats(name: str, recorded: str, new: str, markers: Markers, is_html: bool = False) -> str | None:
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
    # Where every float keeps its width nothing has a reason to move.
    may_move = any(len(before.text) != len(after.text) for before, after in zip(old.numbers, now.numbers))
    pairs_of_lines = zip(old.layout, now.layout)
    moved = [(before[0], after[0]) for before, after in pairs_of_lines if not _same_blanks(before, after, may_move)]
    if moved:
        return _show_lines(name, *zip(*moved))
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
        report.append(f"  and {len(outside) - _SHOWN_NUMBERS} more")
    return "\n".join(report)


def _same_blanks(before, after, may_move):
    """Whether two lines of layouts, alike but for their white space, are the same or follow the widths of floats."""
    (old, holds_float, padded), (new, also_holds_one, also_padded) = before, after
    if holds_float == also_holds_one == "float" and not may_move:
        return re.sub(r"\S", "x", old) == re.sub(r"\S", "x", new)
    return old == new or bool(holds_float) or (padded and also_padded and len(old) != len(new))


def _excess(before, after, bound):
    """How far a float lies beyond its bound; 0 within, infinite where no bound can help."""
    if before.text == after.text:
        return Decimal(0)
    old, new = before.value, after.value
    if bound is None:
        return Decimal("inf")
    if old.is_finite() and new.is_finite():
        return max(abs(new - old) - bound.allowed(old), Decimal(0))
    return Decimal("inf")  # nan and inf, of which each equals itself only as it is written


def _how_far(old, new, bound):
    if bound is None:
        return "no bound on this line"
    if not (old.is_finite() and new.is_finite()):
        return "nan and inf agree with themselves only"
    return f"{abs(new - old):.6g} apart, {bound.allowed(old):.6g} allowed ({bound})"


def compare_exactly(name: str, recorded: str, new: str) -> str | None:
    """What differs between two texts that must be the same.

    Args:
        name: what to call the text in the description.
        recorded: the recorded text.
        new: the new one.

    Returns:
        str: a description with the lines from the first to the last that differ, at most eight of each; None where the
        texts are the same.
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
    recorded, new = recorded[:end], new[:end]
    for label, lines, others in (("recorded", recorded, new), ("new     ", new, recorded)):
        shown = _visible(lines[:_SHOWN_LINES], others) or ["(nothing)"]
        report += [f"    {label} | {_clip(line)}" for line in shown]
        if len(lines) > _SHOWN_LINES:
            report.append(f"    {label} | ... and {len(lines) - _SHOWN_LINES} more lines")
    return "\n".join(report)


def _visible(lines, others):
    """The lines, in quotes where nothing but white space tells one from some other line, or from none."""
    bare = {"", *("".join(other.split()) for other in others)}
    return [repr(line) if line not in others and "".join(line.split()) in bare else line for line in lines]


def _clip(line):
    line = visible(line)
    return line if len(line) <= _SHOWN_CHARACTERS else line[: _SHOWN_CHARACTERS - 3] + "..."
