"""A backend of matplotlib for kernels: Jupyter's own, with text measured and drawn as outlines.

Text is what two versions of matplotlib draw differently: each places and hints letters in its own way, and with their
widths whole drawings move by several pixels. Outlines of a font are the same in all of them. A suite whose figures are
to be compared between versions names this module in ``NBTOLERANCE_MPLBACKEND`` where they are recorded and compared.
"""

from __future__ import annotations

import matplotlib
from IPython import get_ipython
from matplotlib.backend_bases import FigureManagerBase, RendererBase
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure
from matplotlib_inline import backend_inline
from matplotlib_inline.backend_inline import flush_figures, show

__all__ = ["FigureCanvas", "flush_figures", "new_figure_manager", "new_figure_manager_given_figure", "show"]


class _Renderer(RendererAgg):
    # What every renderer can do, before Agg does it with the letters' bitmaps.
    draw_text = RendererBase.draw_text
    get_text_width_height_descent = RendererBase.get_text_width_height_descent


class FigureCanvas(FigureCanvasAgg):
    """Agg's canvas with the renderer above."""

    _size: tuple[float, ...] = ()

    def get_renderer(self) -> RendererAgg:
        """Return the renderer for the figure's size."""
        size = (*self.figure.bbox.size, self.figure.dpi)
        if size != self._size:
            self.renderer, self._size = _Renderer(*size), size
        return self.renderer


def new_figure_manager(num: int, *args, FigureClass=Figure, **kwargs) -> FigureManagerBase:
    """Return a manager with a new figure; pyplot calls this."""
    return new_figure_manager_given_figure(num, FigureClass(*args, **kwargs))


def new_figure_manager_given_figure(num: int, figure: Figure) -> FigureManagerBase:
    """Return a manager for a figure, which the inline backend shows when the cell ends."""
    manager = backend_inline.new_figure_manager_given_figure(num, figure)
    manager.canvas = FigureCanvas(figure)
    manager.canvas.manager = manager
    return manager


if get_ipython() is not None:  # the inline backend does this for itself only, by its name
    matplotlib.interactive(True)
    backend_inline.configure_inline_support(get_ipython(), "inline")
