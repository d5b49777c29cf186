"""Figures without pyplot: made, written to a file, shown in a notebook."""

import functools
import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 100  # screen pixels to an inch: the sizes in this package are in pixels


def new_figure(width: float, height: float) -> "Figure":
    """Make an empty figure of so many pixels, which no list of open figures holds and a notebook can show."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI)
    FigureCanvasAgg(figure)
    # IPython asks an object for this method; it knows how to show a bare Figure only after importing pyplot.
    figure._repr_png_ = functools.partial(_png, figure)
    return figure


def add_axes(figure: "Figure", left: float, bottom: float, width: float, height: float):
    """Add Axes at a place given in pixels from the figure's lower left corner."""
    full_width, full_height = figure.get_size_inches() * DPI
    return figure.add_axes((left / full_width, bottom / full_height, width / full_width, height / full_height))


def save(figure: "Figure", path: str | os.PathLike) -> Path:
    """Write a figure to a file, making the folders on the way.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        What any function of :mod:`tinynet.plotting` returns.
    path : str or os.PathLike
        Where to; the ending says the format: ``.png`` (also when there is none), ``.svg``, ``.pdf``.

    Returns
    -------
    pathlib.Path
        The file written.
    """
    path = Path(path)
    if not path.suffix:
        path = path.with_suffix(".png")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    return path


def in_notebook() -> bool:
    """Whether this code runs in a notebook, where :func:`show_live` shows pictures."""
    # Whoever runs inside a notebook's kernel has IPython loaded.
    ipython = sys.modules.get("IPython")
    return getattr(ipython and ipython.get_ipython(), "kernel", None) is not None


def show_live(figure: "Figure", handle: Any = None) -> Any:
    """Show a figure in a notebook, in place of the one shown before; do nothing elsewhere.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        The newest picture.
    handle : IPython.display.DisplayHandle, optional
        What the call before returned, None at first.

    Returns
    -------
    IPython.display.DisplayHandle or None
        What to hand to the next call; None outside a notebook.
    """
    if not in_notebook():
        return None
    from IPython.display import display

    if handle is None:
        return display(figure, display_id=True)
    handle.update(figure)
    return handle


def _png(figure: "Figure") -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()
