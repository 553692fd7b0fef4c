"""Figures whose text is drawn as outlines: what makes two versions of matplotlib differ leaves them as they are."""

import base64
import io

import matplotlib
import nbformat
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from nbtolerance import outlines
from nbtolerance.execution import execute
from nbtolerance.figures import open_picture

HINTING = ["force_autohint", "no_autohint", "no_hinting"]
CELL = """
import matplotlib.pyplot as plt
figure, axes = plt.subplots(figsize=(4, 3))
axes.plot([0, 1])
axes.set_title("accuracy by epoch")
"""


def drawn(canvas, hinting, dpi=100):
    """The PNG of a figure with text, drawn with this hinting of letters."""
    with matplotlib.rc_context({"text.hinting": hinting}):
        figure = Figure(figsize=(4, 3), layout="constrained")
        axes = figure.add_subplot(xlabel="epoch", ylabel="accuracy", title="Train and test accuracy")
        axes.plot([0.2, 0.6, 0.7], label="train")
        axes.text(1, 0.3, "$10^{-2}$")
        axes.legend()
        saved = io.BytesIO()
        canvas(figure).print_figure(saved, format="png", dpi=dpi)
    return saved.getvalue()


def test_hinting_moves_nothing():
    assert len({drawn(outlines.FigureCanvas, hinting) for hinting in HINTING}) == 1
    assert len({drawn(FigureCanvasAgg, hinting) for hinting in HINTING}) > 1, "there is a difference to be had"


def test_a_canvas_draws_at_more_than_one_resolution():
    figure = Figure(figsize=(4, 3))
    canvas = outlines.FigureCanvas(figure)
    for dpi, size in [(100, (400, 300)), (50, (200, 150)), (100, (400, 300))]:
        saved = io.BytesIO()
        canvas.print_figure(saved, format="png", dpi=dpi)
        assert open_picture(saved.getvalue())[0].size == size


def shown(tmp_path, **variables):
    """The pictures that one cell shows, and the code of the next for what is open."""
    cells = [nbformat.v4.new_code_cell(source) for source in (CELL, "plt.get_fignums(), plt.get_backend()")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    execute(notebook, tmp_path / "nb.ipynb", environment={"NBTOLERANCE_MPLBACKEND": None, **variables})
    shown, state = (cell.outputs for cell in notebook.cells)
    pictures = [base64.b64decode(output.data["image/png"]) for output in shown if output.output_type == "display_data"]
    return pictures, state[0].data["text/plain"]


@pytest.mark.slow
def test_a_kernel_shows_each_figure_once(tmp_path):
    inline, state = shown(tmp_path)
    assert "inline" in state
    outlined, state = shown(tmp_path, NBTOLERANCE_MPLBACKEND="module://nbtolerance.outlines")
    assert state == "([], 'module://nbtolerance.outlines')"
    assert len(inline) == len(outlined) == 1 and inline != outlined
