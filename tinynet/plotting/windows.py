"""What a unit of a convolutional network sees of the input: the window of each layer, drawn over the image."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tinynet.plotting.figure import add_axes, new_figure
from tinynet.plotting.filters import innermost
from tinynet.plotting.images import LETTER, LINE
from tinynet.plotting.inputs import as_picture, as_pictures
from tinynet.shapes import slide

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIDE = 480  # of the image and the padding around it, about: screen pixels


class Sight(NamedTuple):
    """What the units of a layer see along one axis of the input.

    Unit i sees `reach` pixels, from pixel `first + i * step` on; there are `units` of them.
    """

    first: int
    step: int
    reach: int
    units: int

    def unit_near(self, pixel: float) -> int:
        """Return the unit whose window has its middle nearest to a pixel."""
        middle = self.first + (self.reach - 1) / 2
        return int(np.clip(round((pixel - middle) / self.step), 0, self.units - 1))

    def through(self, size: int, stride: int, dilation: int, before: int, places: int) -> "Sight":
        """Return what a window over these units sees.

        Place i of the window begins at unit i · stride - before, which is `step` pixels on in the input for each unit;
        and its last unit lies dilation · (size - 1) units after its first.
        """
        return Sight(self.first - before * self.step, self.step * stride,
                     self.reach + dilation * (size - 1) * self.step, places)


def plot_receptive_field(model: Any, image: Any, *, at: tuple[int, int] | None = None, title: str = "") -> "Figure":
    """Draw, over an image, what one unit of each convolution and pooling layer sees of it: its receptive field.

    A unit of the first convolution sees a window of the kernel's size; a unit of the next one a window of such windows,
    and so on: each stride and each pooling makes all windows after it grow faster. What sticks out of the image is
    padding. The picture ends at the first layer that is no window over the one before it: at Flatten, after which units
    see everything, or at a layer with branches.

    Parameters
    ----------
    model : Sequential
        A built network of convolution and pooling layers.
    image : array
        The image, (H, W), (H, W, 1), (H, W, 3) or flat, of the size that the first convolution takes.
    at : tuple of int, optional
        The pixel (row, column) to look at: of each layer the unit is taken whose window's middle is nearest to it. The
        middle of the image if nothing is said.
    title : str
        Written above it.

    Returns
    -------
    matplotlib.figure.Figure
        The picture.
    """
    from matplotlib.patches import Rectangle

    picture = as_picture(image)
    height, width = picture.shape[:2]
    seen = receptive_fields(model.layers, (height, width))
    row, column = (height // 2, width // 2) if at is None else at
    if not (0 <= row < height and 0 <= column < width):
        raise ValueError(f"at has to be a pixel (row, column) of the image of {height}×{width}. Received: {at!r}")

    boxes = []
    for name, *axes in seen:
        units = [sight.unit_near(pixel) for sight, pixel in zip(axes, (row, column), strict=True)]
        corner = [sight.first + unit * sight.step for sight, unit in zip(axes, units, strict=True)]
        reach = [sight.reach for sight in axes]
        boxes.append((f"{name}, unit ({units[0]}, {units[1]}): {reach[0]}×{reach[1]} pixels", *corner, *reach))
    top, left = (min(0, *(box[i] for box in boxes)) - 1 for i in (1, 2))
    bottom = max(height, *(box[1] + box[3] for box in boxes)) + 1
    right = max(width, *(box[2] + box[4] for box in boxes)) + 1

    zoom = SIDE / max(bottom - top, right - left)
    head = 34 if title else 10
    drawn_width, drawn_height = (right - left) * zoom, (bottom - top) * zoom
    legend = 50 + LETTER * max(len(box[0]) for box in boxes)
    figure = new_figure(drawn_width + legend, max(drawn_height, LINE * (len(boxes) + 1)) + head)
    axes = add_axes(figure, 0, 0, drawn_width, drawn_height)
    axes.imshow(as_pictures(picture[np.newaxis])[0], cmap="gray", vmin=0, vmax=255, interpolation="nearest",
                extent=(0, width, height, 0), aspect="auto")
    axes.add_patch(Rectangle((0, 0), width, height, fill=False, edgecolor="black", linewidth=0.8))
    # The later layers' large windows first, so that the small ones lie on top.
    for number, (label, y, x, rows, columns) in reversed(list(enumerate(boxes))):
        axes.add_patch(Rectangle((x, y), columns, rows, fill=False, edgecolor=f"C{number % 10}", linewidth=2.5,
                                 label=label))
    axes.set(xlim=(left, right), ylim=(bottom, top), facecolor="white")
    axes.set_axis_off()
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles[::-1], labels[::-1], loc="upper left", frameon=False, fontsize=9, borderaxespad=0,
                  bbox_to_anchor=(drawn_width / (drawn_width + legend), drawn_height / (drawn_height + head)))
    if title:
        figure.text(0.5, 1 - 17 / (drawn_height + head), title, ha="center", va="center", fontsize=12)
    return figure


def receptive_fields(layers: Iterable[Any], image: tuple[int, int]) -> list[tuple[str, Sight, Sight]]:
    """Return, for each convolution and pooling layer on an image's way, its name and its Sight down and across.

    Computed from the layers' windows alone: size, strides, padding and dilation.
    """
    rows, columns = (Sight(0, 1, 1, size) for size in image)
    found: list[tuple[str, Sight, Sight]] = []
    for layer in innermost(layers):
        size = getattr(layer, "kernel_size", None) or getattr(layer, "pool_size", None)
        here, after = (rows.units, columns.units), layer.output_shape[:2]
        if hasattr(layer, "layers"):
            break
        if size is None and (not found or after == here and len(layer.output_shape) == 3):
            continue  # as a Reshape before the first window, or an activation between two
        if size is None or layer.input_shape[:2] != here:
            break
        window = slide(here, size, layer.strides, layer.padding, getattr(layer, "dilation_rate", (1, 1)))
        if window.places != after:
            break  # as Conv2DTranspose, whose window lies in its output
        down, across = zip(*window, strict=True)
        rows, columns = rows.through(*down), columns.through(*across)
        found.append((layer.name, rows, columns))
    if not found:
        shapes = " -> ".join(f"{layer.name} {layer.output_shape}" for layer in innermost(layers))
        raise ValueError("model has to begin with convolution or pooling layers over an image of "
                         f"{image[0]}×{image[1]} pixels. Received: {shapes}")
    return found
