"""Two executed copies of a notebook: CPU against GPU, one Python against another."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping

from .files import naming_the_notebook
from .markers import MarkerError
from .outputs import compare_outputs, joined
from .sanitizing import sanitized
from .text import compare_exactly

__all__ = ["compare_notebooks"]


def compare_notebooks(
    a: str | os.PathLike, b: str | os.PathLike, patterns: Mapping[str, str] | None = None
) -> list[str]:
    """What differs between the outputs of two executed copies of a notebook.

    Args:
        a: path of the first notebook (.ipynb); its outputs are taken as the recorded ones.
        b: path of the second.
        patterns: replacements by regular expression that are made in both before, as ``sanitizing.read_patterns``
            returns them.

    Returns:
        list[str]: one description for each difference, which begins with the code cell's number (from 0, as nbval
        counts) and id; empty where the two agree.

    Raises:
        ValueError: when a file cannot be read, is no notebook of format 4 or lacks a part of one, or (MarkerError) when
            a marker is malformed: names the cell.
    """
    first, second = _code_cells(a), _code_cells(b)
    differences = []
    if len(first) != len(second):
        differences.append(f"{a} has {len(first)} code cells, {b} has {len(second)}")
    for number, (cell, other) in enumerate(zip(first, second)):
        name = f"cell {number} ({cell['id']})" if "id" in cell else f"cell {number}"
        source = cell["source"]
        code = compare_exactly("code", source, other["source"])
        unrun = [path for path, copy in ((a, cell), (b, other)) if copy["execution_count"] is None and source.strip()]
        try:
            old, new = (sanitized(each["outputs"], patterns or {}) for each in (cell, other))
            found = [code] if code else compare_outputs(source, old, new, cell["metadata"])
        except MarkerError as error:
            raise MarkerError(f"{a}, {name}: {error}") from error
        differences += [f"{name}: {text}" for text in [*(f"not executed in {path}" for path in unrun), *found]]
    return differences


def _code_cells(path):
    """The code cells as the file has them; what nbformat only warns about is no obstacle."""
    with naming_the_notebook(path):
        with open(path, encoding="utf-8") as file:
            notebook = json.load(file)
        if notebook["nbformat"] != 4:
            raise ValueError("another format")
        return [_checked(cell) for cell in notebook["cells"] if cell["cell_type"] == "code"]


def _checked(cell):
    """A cell with its source as one text, if it has all that is compared."""
    compare_outputs("", cell["outputs"], cell["outputs"])
    needed = {"execution_count": cell["execution_count"], "metadata": cell["metadata"]}
    return {**cell, "source": joined(cell["source"]), **needed}
