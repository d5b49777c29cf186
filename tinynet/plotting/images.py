"""Pictures of images: one with its scale, many in a grid, digits in rows."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tinynet.plotting.figure import add_axes, new_figure
from tinynet.plotting.inputs import as_classes, as_picture, as_pictures

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FONT_SIZE = 9  # points
LETTER = 7.5  # pixels that a letter of this size takes at most, on average
LINE = 18  # pixels that a line of text takes
TITLE, TITLE_LETTER = 34, 9


class Sheet:
    """Pictures in rows and columns, all on one white array in one Axes: an Axes each would take ten times as long.

    The Axes covers the whole figure under the title; its units are the pictures' own pixels, each `zoom` screen pixels.
    What is measured in screen pixels on the way in: `picture` (about a picture's side), `text_width` (the room for the
    text under it), `gap` (between cells). `beside=True` leaves as much room again to the right of each picture.
    """

    def __init__(
        self,
        pictures: np.ndarray,
        columns: int,
        *,
        title: str,
        picture: int = 112,
        text_width: float = 0,
        text_height: float = LINE,
        gap: int = 12,
        beside: bool = False,
    ):
        if not isinstance(columns, int | np.integer) or columns < 1:
            raise ValueError(f"columns has to be a whole number, at least 1. Received: columns={columns!r}")
        count, self.height, self.width = pictures.shape[:3]
        self.zoom = max(1, round(picture / max(self.height, self.width)))
        columns = min(columns, count)
        rows = math.ceil(count / columns)
        gap = math.ceil(gap / self.zoom)
        taken = self.width + (gap + self.width if beside else 0)
        cell_width = max(taken, math.ceil(text_width / self.zoom)) + gap
        cell_height = self.height + math.ceil(text_height / self.zoom) + gap
        left = gap // 2 if beside else (cell_width - taken) // 2
        top = gap // 2

        cells = np.full((rows * columns, cell_height, cell_width, *pictures.shape[3:]), 255, np.uint8)
        cells[:count, top : top + self.height, left : left + self.width] = pictures
        grid = cells.reshape(rows, columns, *cells.shape[1:]).swapaxes(1, 2)
        mosaic = grid.reshape(rows * cell_height, columns * cell_width, *pictures.shape[3:])
        row, column = np.divmod(np.arange(count), columns)
        self.left, self.top = column * cell_width + left, row * cell_height + top
        self.beside = self.left + self.width + gap

        height, width = mosaic.shape[0] * self.zoom, mosaic.shape[1] * self.zoom
        full_width = max(width, TITLE_LETTER * len(title))
        self.figure = new_figure(full_width, height + (TITLE if title else 0))
        self.axes = add_axes(self.figure, (full_width - width) / 2, 0, width, height)
        self.axes.set_axis_off()
        self.axes.imshow(
            mosaic,
            cmap="gray",
            vmin=0,
            vmax=255,
            aspect="auto",
            interpolation="nearest",
            extent=(0, mosaic.shape[1], mosaic.shape[0], 0),
        )
        if title:
            self.figure.text(0.5, 1 - TITLE / 2 / (height + TITLE), title, ha="center", va="center", fontsize=12)

    def frame(self, left: np.ndarray) -> None:
        """Draw a thin frame around each picture, or around the place beside it: whatever begins at `left`."""
        corners = rectangles(left, self.top, self.width, self.height)
        self.add_polygons(corners, facecolors="none", edgecolors="black", linewidths=0.8)

    def add_polygons(self, corners: np.ndarray, **style) -> None:
        """Draw polygons, (n, corners, 2), as one collection: a Rectangle each would take far longer."""
        from matplotlib.collections import PolyCollection

        self.axes.add_collection(PolyCollection(corners, **style), autolim=False)

    def write(self, texts: Sequence[str], colors: Sequence[str], *, align: str = "center") -> None:
        """Write a line under each picture, in the middle or from its left edge."""
        x = self.left + (self.width / 2 if align == "center" else 0)
        y = self.top + self.height + 4 / self.zoom
        for *place, text, color in zip(x, y, texts, colors, strict=True):
            self.axes.text(*place, text, color=color, ha=align, va="top", fontsize=FONT_SIZE)


def rectangles(left: Any, top: Any, width: Any, height: Any) -> np.ndarray:
    """Corners of rectangles, (n, 4, 2), from what they begin at and how far they reach."""
    left, top, right, bottom = np.broadcast_arrays(left, top, left + width, top + height)
    return np.stack([left, top, right, top, right, bottom, left, bottom], axis=-1).reshape(-1, 4, 2)


def plot_image(image: Any, *, title: str = "") -> "Figure":
    """Draw one image large, with its pixels counted along the sides and a colour bar that tells their values.

    Parameters
    ----------
    image : array
        One image, (H, W), (H, W, 1) or flat; (H, W, 3) is drawn in colour, without a bar.
    title : str
        Written above it.

    Returns
    -------
    matplotlib.figure.Figure
        The picture.
    """
    image = as_picture(image)
    figure = new_figure(520, 460)
    axes = add_axes(figure, 50, 40, 380, 380)
    drawn = axes.imshow(image, cmap="binary", interpolation="nearest")
    axes.set_title(title)
    if image.ndim == 2:
        figure.colorbar(drawn, cax=add_axes(figure, 446, 40, 16, 380))
    return figure


def plot_images(
    images: Any,
    labels: Any = None,
    *,
    class_names: Sequence[str] | None = None,
    columns: int = 5,
    title: str = "",
) -> "Figure":
    """Draw images in a grid, each with its class under it: 25 of them make the tutorial's 5x5.

    Parameters
    ----------
    images : array
        (n, H, W), (n, H, W, 1), (n, H, W, 3) or flat (n, H * W).
    labels : array, optional
        Classes, (n,) or one-hot (n, classes).
    class_names : sequence of str, optional
        Written instead of the class numbers.
    columns : int
        Images in a row.
    title : str
        Written above them.

    Returns
    -------
    matplotlib.figure.Figure
        The picture.
    """
    pictures = as_pictures(images)
    texts = [""] * len(pictures)
    if labels is not None:
        known = None if class_names is None else len(class_names)
        classes = as_classes(labels, len(pictures), "labels", known)
        texts = [str(number) if class_names is None else str(class_names[number]) for number in classes]
    sheet = Sheet(
        pictures,
        columns,
        title=title,
        text_width=LETTER * max(map(len, texts)),
        text_height=0 if labels is None else LINE,
    )
    sheet.frame(sheet.left)
    if labels is not None:
        sheet.write(texts, ["black"] * len(texts))
    return sheet.figure


def plot_digits(images: Any, labels: Any, predictions: Any = None, *, columns: int = 24, title: str = "") -> "Figure":
    """Draw digits in close rows, under each its label or, if predictions are given, the predicted class: red if wrong.

    This is the display of the MNIST codelab ("TensorFlow, Keras and deep learning, without a PhD").

    Parameters
    ----------
    images : array
        (n, 28, 28), (n, 28, 28, 1) or flat (n, 784).
    labels : array
        The true classes, (n,) or one-hot (n, 10).
    predictions : array, optional
        What was predicted: classes (n,), or probabilities (n, 10).
    columns : int
        Digits in a row.
    title : str
        Written above them.

    Returns
    -------
    matplotlib.figure.Figure
        The picture.
    """
    pictures = as_pictures(images)
    labels = as_classes(labels, len(pictures), "labels")
    shown = labels if predictions is None else as_classes(predictions, len(pictures), "predictions")
    sheet = Sheet(pictures, columns, title=title, picture=56, gap=0)
    sheet.write([str(number) for number in shown], np.where(shown == labels, "black", "red").tolist())
    return sheet.figure


def plot_wrong_first(
    images: Any, labels: Any, predictions: Any, *, rows: int = 7, columns: int = 24, title: str | None = None
) -> "Figure":
    """Draw those digits first that were read wrongly, with the predicted class under them in red.

    Parameters
    ----------
    images, labels, predictions : array
        As in :func:`plot_digits`, of the whole test set.
    rows, columns : int
        How many of them are drawn.
    title : str, optional
        Instead of the line that says how many were wrong.

    Returns
    -------
    matplotlib.figure.Figure
        The picture.
    """
    count = len(images)
    labels, predictions = as_classes(labels, count, "labels"), as_classes(predictions, count, "predictions")
    right = labels == predictions
    if title is None:
        title = f"wrongly read: {count - right.sum()} of {count} digits (they come first, what was read is in red)"
    order = np.argsort(right, kind="stable")[: rows * columns]
    return plot_digits(np.asarray(images)[order], labels[order], predictions[order], columns=columns, title=title)
