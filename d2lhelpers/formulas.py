r"""TeX formulas as SVG, drawn with matplotlib's own fonts: a page needs neither network nor JavaScript for them.

matplotlib's mathtext draws what stands on one line. Matrices, ``aligned`` and ``cases``, which it does not know, are
set here as grids of such lines.
"""

from __future__ import annotations

import functools
import html
import re
from typing import NamedTuple

import numpy as np
from matplotlib.font_manager import FontProperties
from matplotlib.path import Path
from matplotlib.textpath import text_to_path

__all__ = ["formula_html"]

_FONT = FontProperties(size=1, math_fontfamily="cm")  # lengths are then in em
_AXIS = 0.25  # height above the base line at which fractions and matrices are centred
_UNITS = 1000  # of the SVG, to the em
_SIZE = 1.1  # to the em of the text around: Computer Modern is small beside a screen's fonts

# What MathJax takes and mathtext knows by another name, or need not know.
_OTHER_NAMES = {
    **dict.fromkeys(("lvert", "rvert"), "|"),
    **dict.fromkeys(("lVert", "rVert"), r"\Vert "),
    **dict.fromkeys(("nonumber", "notag", "displaystyle", "limits"), ""),
    **dict.fromkeys(("big", "Big", "bigl", "bigr", "Bigl", "Bigr"), ""),
    "bm": r"\boldsymbol",
    "bmod": r"\;\mathrm{mod}\;",
    "colon": ":",
    "dots": r"\ldots ",
    "ge": r"\geq ",
    "gets": r"\leftarrow ",
    "iff": r"\;\Leftrightarrow\;",
    "implies": r"\;\Rightarrow\;",
    "le": r"\leq ",
    "stackrel": r"\overset",
    "textbf": r"\mathbf",
    "textit": r"\mathit",
    "texttt": r"\mathtt",
    "tfrac": r"\frac",
}
# left delimiter, right delimiter, alignment of the columns (repeated), gaps after them (repeated), in em
_GRIDS = {
    "matrix": ("", "", "c", (1.0,)),
    "pmatrix": ("(", ")", "c", (1.0,)),
    "bmatrix": ("[", "]", "c", (1.0,)),
    "vmatrix": ("|", "|", "c", (1.0,)),
    "cases": (r"\{", "", "l", (1.0,)),
    "aligned": ("", "", "rl", (0.0, 2.0)),
    "align": ("", "", "rl", (0.0, 2.0)),
    "align*": ("", "", "rl", (0.0, 2.0)),
    "equation": ("", "", "c", (0.0,)),
    "equation*": ("", "", "c", (0.0,)),
}
_TOKEN = re.compile(r"\\begin\{([a-z]+\*?)\}|\\end\{([a-z]+\*?)\}|\\\\|\\.|[{}&]", re.DOTALL)


class _Box(NamedTuple):
    """Something drawn: its size about its base line, and its outline with the origin at the left end of that line."""

    width: float
    ascent: float
    descent: float
    outline: Path

    def moved(self, x, y):
        return Path(self.outline.vertices + (x, y), self.outline.codes)


@functools.cache
def formula_html(tex: str, display: bool = False) -> str:
    """Draw a formula for a web page.

    Args:
        tex: The formula in TeX, without its dollar signs.
        display: True for a formula on a line of its own.

    Returns:
        An ``<svg>`` as high as the text around it, in the text's colour, with the TeX as its label; where the formula
        cannot be drawn, its TeX in a ``<code>``.
    """
    label = html.escape(" ".join(tex.split()))
    try:
        box = _row(_rename(tex, display))
    except ValueError:  # mathtext's way to say that it does not know a command
        return f'<code class="formula">{label}</code>'
    pad = 0.03  # outlines reach a little over their boxes
    left, top = -pad * _UNITS, -(box.ascent + pad) * _UNITS
    width, height = box.width + 2 * pad, box.ascent + box.descent + 2 * pad
    return (
        f'<svg class="formula" role="img" aria-label="{label}" '
        f'style="width:{_SIZE * width:.3f}em;height:{_SIZE * height:.3f}em;'
        f'vertical-align:{-_SIZE * (box.descent + pad):.3f}em" '
        f'viewBox="{left:.0f} {top:.0f} {width * _UNITS:.0f} {height * _UNITS:.0f}">'
        f'<path fill="currentColor" d="{_svg_path(box.outline)}"/></svg>'
    )


def _rename(tex, display):
    tex = re.sub(r"\\([A-Za-z]+)", lambda command: _OTHER_NAMES.get(command[1], command[0]), tex)
    # TeX needs no braces around a single character, mathtext does.
    tex = re.sub(r"\\frac\s*(\d)\s*(\d)", r"\\frac{\1}{\2}", tex)
    tex = re.sub(r"\\(math[a-z]+|boldsymbol|text|sqrt)\s+([A-Za-z\d])", r"\\\1{\2}", tex)
    tex = re.sub(r"\}\s*\\(sum|prod)(?![A-Za-z])", r"}\\;\\\1", tex)  # or the limits of two sums touch
    if display:
        tex = re.sub(r"\\frac(?![A-Za-z])", r"\\dfrac", tex)
    return " ".join(tex.split())


def _row(tex):
    """Set a formula: lines of mathtext and grids beside each other."""
    boxes, start, opened, depth = [], 0, None, 0
    for token in _TOKEN.finditer(tex):
        if token[1]:
            if depth == 0:
                boxes.append(_line(tex[start : token.start()]))
                opened, start = token[1], token.end()
            depth += 1
        elif token[2]:
            depth -= 1
            if depth == 0:
                boxes.append(_grid(opened, tex[start : token.start()]))
                start = token.end()
    return _beside([*boxes, _line(tex[start:])])


def _line(tex):
    if not tex.strip():
        return _Box(0.0, 0.0, 0.0, Path(np.empty((0, 2))))
    text = f"${tex.strip()}$"
    width, height, descent = text_to_path.get_text_width_height_descent(text, _FONT, ismath=True)
    vertices, codes = text_to_path.get_text_path(_FONT, text, ismath=True)
    outline = Path(np.asarray(vertices, dtype=float) / text_to_path.FONT_SCALE, codes)
    return _Box(float(width), float(height - descent), float(descent), outline)


def _beside(boxes, gap=0.2):
    boxes = [box for box in boxes if box.width]
    x, placed = 0.0, []
    for box in boxes:
        placed.append(box.moved(x, 0.0))
        x += box.width + gap
    if not placed:
        return _line("")
    return _Box(x - gap, max(b.ascent for b in boxes), max(b.descent for b in boxes), Path.make_compound_path(*placed))


def _grid(name, body):
    if name not in _GRIDS:
        raise ValueError(f"the environment {name} is not known")
    left, right, alignment, gaps = _GRIDS[name]
    rows = [[_row(cell) for cell in cells] for cells in _cells(body)]
    columns = max(map(len, rows))
    widths = [max((row[j].width for row in rows if j < len(row)), default=0.0) for j in range(columns)]
    y, placed = 0.0, []
    for row in rows:
        ascent, descent = max(0.75, *(b.ascent for b in row)), max(0.3, *(b.descent for b in row))
        x, y = 0.0, y - ascent
        for j, box in enumerate(row):
            room = {"l": 0.0, "c": 0.5, "r": 1.0}[alignment[j % len(alignment)]] * (widths[j] - box.width)
            placed.append((box, x + room, y))
            x += widths[j] + gaps[j % len(gaps)]
        y -= descent + 0.2
    height = -y - 0.2
    up = height / 2 + _AXIS
    width = sum(widths) + sum(gaps[j % len(gaps)] for j in range(columns - 1))
    outline = Path.make_compound_path(*(box.moved(x, up + dy) for box, x, dy in placed))
    grid = _Box(width, up, height - up, outline)
    return _beside([*_delimiter(left, grid), grid, *_delimiter(right, grid)], gap=0.12)


def _cells(body):
    r"""Split a grid's body at ``&`` and ``\\``, but not inside braces or another environment."""
    rows, start, depth = [[]], 0, 0
    for token in _TOKEN.finditer(body):
        depth += bool(token[1]) + (token[0] == "{") - bool(token[2]) - (token[0] == "}")
        if depth == 0 and token[0] in ("&", "\\\\"):
            rows[-1].append(body[start : token.start()])
            start = token.end()
            if token[0] != "&":
                rows.append([])
    rows[-1].append(body[start:])
    return [row for row in rows if any(cell.strip() for cell in row)] or [[""]]


def _delimiter(tex, grid):
    """A delimiter as high as the grid: the glyph, stretched."""
    if not tex:
        return []
    glyph = _line(tex)
    (x0, y0), (x1, y1) = glyph.outline.get_extents().get_points()
    height = grid.ascent + grid.descent
    stretched = (glyph.outline.vertices - (x0, y0)) * (1.0, height / (y1 - y0)) - (0.0, grid.descent)
    return [_Box(x1 - x0, grid.ascent, grid.descent, Path(stretched, glyph.outline.codes))]


def _svg_path(outline):
    letters = {Path.MOVETO: "M", Path.LINETO: "L", Path.CURVE3: "Q", Path.CURVE4: "C"}
    parts = []
    for points, code in outline.iter_segments(curves=True, simplify=False):
        if code == Path.CLOSEPOLY:
            parts.append("Z")
            continue
        numbers = (np.reshape(points, (-1, 2)) * (_UNITS, -_UNITS)).round().astype(int).ravel()
        parts.append(letters[code] + " ".join(map(str, numbers)))
    return "".join(parts)
