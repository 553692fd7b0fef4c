"""Are two executed cells the same? Text exactly, floats within a stated tolerance, figures as an eye sees them.

A cell says in comments of its own how far its outputs may move from one machine to another::

    # NBVAL_TOLERANCE: rtol=1e-3 atol=0.02
    # NBVAL_TOLERANCE on lines with "Epoch 0": atol=0.4
    # NBVAL_FIGURE: distance=0.1

Without such a comment its text must be the same, character by character, and its figures may differ by no more than
another machine's anti-aliasing. With one, words and integers are still compared exactly: only floats move, and with
them the blanks and line wraps that follow the width of a number.

Nothing is executed here, and nothing else of ``d2lhelpers`` is imported::

    outputs, notebooks → markers, text, figures
"""

from __future__ import annotations

from .figures import figure_distance
from .markers import Bound, MarkerError, Markers, parse_markers
from .notebooks import compare_notebooks
from .outputs import compare_outputs

__all__ = [
    "Bound",
    "MarkerError",
    "Markers",
    "compare_notebooks",
    "compare_outputs",
    "figure_distance",
    "parse_markers",
]
