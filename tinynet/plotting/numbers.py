"""Pictures of small arrays with the numbers written into their cells."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tinynet.plotting.figure import add_axes, new_figure
from tinynet.plotting.images import FONT_SIZE, LETTER, LINE, TITLE, rectangles
from tinynet.plotting.inputs import as_shades

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GAP = 28  # between two arrays: screen pixels


def plot_numbers(
    arrays: Mapping[str, Any],
    *,
    marks: Mapping[str, Sequence[tuple[int, int, int, int]]] | None = None,
    columns: int | None = None,
    title: str = "",
) -> "Figure":
    """Draw small arrays side by side, each number written into its cell: to follow a computation by eye.

    Arrays of type uint8 are pixels, from 0, black, to 255, white. In any other array 0 is white, what lies above is
    darker, and what lies below red.

    Parameters
    ----------
    arrays : dict of array
        Arrays (H, W), each under the name that is written above it.
    marks : dict of list of tuple, optional
        For the arrays of these names, rectangles (top row, left column, rows, columns) to frame. The first ones of all
        arrays share a colour, and so do the second ones, and so on: what belongs together can be shown.
    columns : int, optional
        Arrays in a row; all in one if nothing is said.
    title : str
        Written above them.

    Returns
    -------
    matplotlib.figure.Figure
        The picture.
    """
    arrays = {name: np.asarray(array) for name, array in arrays.items()}
    for name, array in arrays.items():
        if array.ndim != 2 or array.size == 0 or array.dtype.kind not in "buif":
            raise ValueError("arrays has to hold arrays of numbers of shape (H, W), each under its name. "
                             f"Received: {name!r}, {array.dtype} of shape {array.shape}")
    marks = marks or {}
    if not arrays or not set(marks) <= set(arrays):
        raise ValueError(f"arrays has to hold an array, and marks may name those of them only, {sorted(arrays)}. "
                         f"Received: marks of {sorted(marks)}")
    columns = len(arrays) if columns is None else min(columns, len(arrays))
    texts = {name: [f"{value:.4g}" for value in array.flat] for name, array in arrays.items()}
    cell = max(26, 10 + math.ceil(LETTER * max(len(text) for row in texts.values() for text in row)))

    # Each row of arrays is as high as its highest, each column as wide as its widest.
    shapes, names = [array.shape for array in arrays.values()], list(arrays)
    rows = math.ceil(len(names) / columns)
    heights = [LINE + cell * max(shape[0] for shape in shapes[i * columns : (i + 1) * columns]) for i in range(rows)]
    widths = [max(cell * max(shape[1] for shape in shapes[i::columns]),
                  math.ceil(LETTER * max(map(len, names[i::columns])))) for i in range(columns)]
    head = TITLE if title else 0
    width = max(sum(widths) + GAP * (columns + 1), 9 * len(title))
    height = sum(heights) + GAP * (rows + 1) + head
    figure = new_figure(width, height)
    if title:
        figure.text(0.5, 1 - TITLE / 2 / height, title, ha="center", va="center", fontsize=12)
    for number, (name, array) in enumerate(arrays.items()):
        row, column = divmod(number, columns)
        left = (width - sum(widths) - GAP * (columns - 1)) / 2 + sum(widths[:column]) + GAP * column
        top = height - head - GAP - sum(heights[:row]) - GAP * row - LINE
        H, W = array.shape
        axes = add_axes(figure, left + (widths[column] - W * cell) / 2, top - H * cell, W * cell, H * cell)
        _draw(axes, array, texts[name], marks.get(name, ()))
        axes.set_title(name, fontsize=FONT_SIZE, pad=5)
    return figure


def _draw(axes, array: np.ndarray, texts: list[str], marks: Sequence[tuple[int, int, int, int]]) -> None:
    """Draw one array: a unit of the axes is a cell."""
    from matplotlib.collections import PolyCollection

    H, W = array.shape
    pixels = array.dtype == np.uint8
    colours = np.stack([array] * 3, axis=-1) if pixels else as_shades(array)
    axes.imshow(colours, interpolation="nearest", aspect="auto", extent=(0, W, H, 0))
    for (row, column), text in zip(np.ndindex(H, W), texts, strict=True):
        dark = colours[row, column].mean() < 128
        axes.text(column + 0.5, row + 0.5, text, color="white" if dark else "black", ha="center", va="center",
                  fontsize=FONT_SIZE - 1)
    axes.vlines(range(W + 1), 0, H, colors="#999999", linewidths=0.6)
    axes.hlines(range(H + 1), 0, W, colors="#999999", linewidths=0.6)
    for number, (top, left, height, width) in enumerate(marks):
        corners = rectangles(left, top, width, height)
        axes.add_collection(PolyCollection(corners, facecolors="none", edgecolors=f"C{number % 10}", linewidths=3,
                                           clip_on=False))
    axes.set(xlim=(0, W), ylim=(H, 0))
    axes.set_axis_off()
