"""A notebook as a reader changes it: executed alone in an empty folder, with pieces of its source replaced."""

import copy
from pathlib import Path

import nbformat

from nbtolerance.execution import execute

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"


def recorded(name):
    """A committed notebook, as it was recorded.

    Args:
        name: its path below ``notebooks/``, without ".ipynb", such as "solutions/05_lenet_fashion_mnist_solutions".
    """
    return nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)


def printed(notebook, cell_id=None):
    """What the code cells of a notebook, or the one with that id, printed and returned as text."""
    return "".join(
        output.get("text") or output.get("data", {}).get("text/plain", "")
        for cell in notebook.cells
        if cell.cell_type == "code" and cell_id in (None, cell.id)
        for output in cell.outputs
    )


def executed(folder, name, *changes, twice=()):
    """Execute a copy of a notebook, alone in a folder, after changes that a reader would make.

    Args:
        folder: an empty folder.
        name: as in ``recorded``.
        changes: pairs (text, replacement); each text must stand in some code cell, and is replaced wherever it does.
        twice: ids of the cells that are run twice in a row.

    Returns:
        the executed notebook. A cell that fails raises ``NotebookError``, which names it.
    """
    notebook = recorded(name)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for text, replacement in changes:
        assert any(text in cell.source for cell in code), f"{name} holds no {text!r} to change"
        for cell in code:
            cell.source = cell.source.replace(text, replacement)
    for cell_id in twice:
        (index,) = (i for i, cell in enumerate(notebook.cells) if cell.id == cell_id)
        again = copy.deepcopy(notebook.cells[index])
        again.id = f"{cell_id}-again"
        notebook.cells.insert(index + 1, again)
    execute(notebook, Path(folder) / f"{Path(name).name}.ipynb")
    return notebook
