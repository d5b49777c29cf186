"""Pictures from inside a convolutional network: its filters, and what each layer makes of an image."""

import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from tinynet.plotting.figure import add_axes, new_figure
from tinynet.plotting.images import LINE, Sheet
from tinynet.plotting.inputs import as_shades

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH, SIDE, GAP = 1000, 56, 4  # of the picture of activations, of a channel in it, between two: screen pixels
LINES = 190  # the grey of the lines around channels and cells


def plot_filters(kernel: Any, *, columns: int = 8, title: str = "") -> "Figure":
    """Draw the filters of a convolution: what each of its neurons looks for.

    A weight above 0 is dark, one below 0 red, and 0 white, on one scale for all. Filters over three channels, in a
    first layer for colour images, are drawn in colour; where there are other numbers of channels, each has a row, and
    each filter a column.

    Parameters
    ----------
    kernel : array
        A convolution's weights, (KH, KW, C, F): ``model.get_weights()[0]`` where it is the first layer.
    columns : int
        Filters in a row, where C is 1 or 3.
    title : str
        Written above them.

    Returns
    -------
    matplotlib.figure.Figure
        The picture.
    """
    kernel = np.asarray(kernel)
    if kernel.ndim != 4 or kernel.size == 0:
        raise ValueError("kernel has to be the weights of a convolution, of shape (KH, KW, C, F): height, width, "
                         f"channels, filters. Received: shape {kernel.shape}")
    KH, KW, C, F = kernel.shape
    if C == 3:
        low, high = kernel.min(), kernel.max()
        pictures = (255 * (kernel - low) / max(high - low, 1e-12) + 0.5).astype(np.uint8).transpose(3, 0, 1, 2)
    else:
        pictures = as_shades(kernel.transpose(2, 3, 0, 1).reshape(C * F, KH, KW))
        columns = columns if C == 1 else F
    sheet = Sheet(pictures, columns, title=title, picture=SIDE, text_height=0)
    sheet.frame(sheet.left)
    return sheet.figure


def plot_activations(model: Any, image: Any, *, channels: int = 64, title: str = "") -> "Figure":
    """Draw what every layer of a network makes of one image, from the image down to the prediction.

    A layer of channels shows each as a picture; a layer of single numbers is a strip of cells. White is 0, dark is
    above 0 and red below, each layer on its own scale: so channels can be compared within a layer.

    Parameters
    ----------
    model : Sequential
        A network that takes images, or flat ones that a Reshape brings back to their shape.
    image : array
        One input of the network, of the model's ``input_shape``.
    channels : int
        So many channels of a layer are drawn at most, the first ones.
    title : str
        Written above them.

    Returns
    -------
    matplotlib.figure.Figure
        The picture.
    """
    if channels < 1:
        raise ValueError(f"channels has to be a whole number, at least 1. Received: channels={channels!r}")
    x = model.accept(np.asarray(image)[np.newaxis])
    blocks = [("the image", _mosaic(model.ops.to_numpy(x)[0], channels))]
    for layer in innermost(model.layers):
        x = layer.forward(x, training=False)
        values = model.ops.to_numpy(x)[0]
        shape = "×".join(str(size) for size in values.shape)
        name = f"{layer.name}: {shape}"
        if values.ndim == 3 and values.shape[2] > channels:
            name += f", the first {channels} channels"
        blocks.append((name, _mosaic(values, channels)))

    head = 34 if title else GAP
    height = head + sum(LINE + len(mosaic) + 2 * GAP for _, mosaic in blocks)
    figure = new_figure(WIDTH, height)
    top = height - head
    for name, mosaic in blocks:
        figure.text(GAP / WIDTH, (top - LINE / 2) / height, name, va="center", fontsize=9)
        top -= LINE + len(mosaic)
        axes = add_axes(figure, GAP, top, mosaic.shape[1], len(mosaic))
        axes.imshow(mosaic, interpolation="nearest", aspect="auto")
        axes.set_axis_off()
        top -= 2 * GAP
    if title:
        figure.text(0.5, 1 - 17 / height, title, ha="center", va="center", fontsize=12)
    return figure


def innermost(layers: Iterable[Any]) -> Iterator[Any]:
    """Yield the layers in a row, those of models among them one by one; layers with branches stay whole."""
    for layer in layers:
        if hasattr(layer, "propagate"):
            yield from innermost(layer.layers)
        else:
            yield layer


def _mosaic(values: np.ndarray, channels: int) -> np.ndarray:
    """Return what is drawn of one layer: screen pixels, uint8 (height, width, 3)."""
    room = WIDTH - 2 * GAP
    if values.ndim == 3:
        colours = as_shades(values.transpose(2, 0, 1)[:channels], np.abs(values).max())
        zoom = max(1, round(SIDE / max(colours.shape[1:3])))
    else:
        colours = as_shades(values.reshape(-1, 1, 1))
        zoom = min(max(room // len(colours) - 1, 6), 24)
    cells = colours.repeat(zoom, axis=1).repeat(zoom, axis=2)
    cells = np.pad(cells, ((0, 0), (0, 1), (0, 1), (0, 0)), constant_values=LINES)
    if values.ndim == 3:
        cells = np.pad(cells, ((0, 0), (1, 0), (1, 0), (0, 0)), constant_values=LINES)
        cells = np.pad(cells, ((0, 0), (0, GAP), (0, GAP), (0, 0)), constant_values=255)
    count, height, width = cells.shape[:3]
    columns = min(count, max(1, room // width))
    rows = math.ceil(count / columns)
    grid = np.full((rows * columns, height, width, 3), 255, np.uint8)
    grid[:count] = cells
    mosaic = grid.reshape(rows, columns, height, width, 3).swapaxes(1, 2).reshape(rows * height, columns * width, 3)
    return mosaic if values.ndim == 3 else np.pad(mosaic, ((1, 0), (1, 0), (0, 0)), constant_values=LINES)
