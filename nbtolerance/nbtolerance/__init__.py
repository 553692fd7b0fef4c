"""Are two executed cells the same? Text exactly, floats within a stated tolerance, figures as an eye sees them.

A cell says in its metadata how far its outputs may move from one machine to another::

    {"nbtolerance": {"rtol": 1e-3, "atol": 0.02, "lines": {"Epoch 0": {"atol": 0.4}}, "figure": 0.1}}

or in comments of its own::

    # NBVAL_TOLERANCE: rtol=1e-3 atol=0.02
    # NBVAL_TOLERANCE on lines with "Epoch 0": atol=0.4
    # NBVAL_FIGURE: distance=0.1

Where nothing is said its text must be the same, character by character, and its figures may differ by no more than
another machine's anti-aliasing. Otherwise words and integers are still compared exactly: only floats move, and with
them the blanks and line wraps that follow the width of a number.

``pytest --nbval`` compares so wherever this package is installed. Importing it changes nothing, and NumPy and Pillow
are imported when the first picture is compared::

    pytest_plugin → execution, outputs;  cli → notebooks → files, outputs → markers, text, figures
"""

from __future__ import annotations

from .markers import Bound, MarkerError, Markers, parse_markers
from .notebooks import compare_notebooks
from .outputs import compare_outputs

__version__ = "0.1.0"

__all__ = [
    "Bound",
    "MarkerError",
    "Markers",
    "compare_notebooks",
    "compare_outputs",
    "figure_distance",
    "parse_markers",
]


def __getattr__(name):
    if name != "figure_distance":
        raise AttributeError(f"module 'nbtolerance' has no attribute {name!r}")
    from .figures import figure_distance

    return figure_distance
