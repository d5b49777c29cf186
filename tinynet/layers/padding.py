"""Layers that make images larger without learning: zeros around them, or each pixel more than once."""

import numpy as np

from tinynet.errors import explain_keywords, look_up
from tinynet.layers.base import Layer
from tinynet.shapes import as_image_shape, as_pair, check_data_format


class ZeroPadding2D(Layer):
    """Rows and columns of zeros around the image.

    Shapes: x (N, H, W, C), y (N, top + H + bottom, left + W + right, C)::

        y[n, top + h, left + w, c] = x[n, h, w, c]          and 0 elsewhere
        dx[n, h, w, c] = dy[n, top + h, left + w, c]        what flows to the zeros goes nowhere, as nothing moves them

    Parameters
    ----------
    padding : int, pair of int or pair of pairs
        One number for all four sides; (height, width): so many rows above and below, so many columns on either side;
        or ((top, bottom), (left, right)).
    data_format : str, optional
        "channels_last"; there is no other.
    name, input_shape
        As for every :class:`~tinynet.layers.Layer`.

    Raises
    ------
    ValueError
        If `padding` is none of those, or a number in it is below 0.
    """

    same_in_training = True

    @explain_keywords
    def __init__(self, padding=(1, 1), data_format: str | None = None, name: str | None = None, input_shape=None):
        super().__init__(name, input_shape)
        self.padding = as_borders(padding)
        check_data_format(data_format, "data_format of ZeroPadding2D")
        self.data_format = data_format

    def build(self, input_shape):
        H, W, C = as_image_shape(input_shape, self.name)
        super().build(input_shape)
        (top, bottom), (left, right) = self.padding
        self.output_shape = (top + H + bottom, left + W + right, C)
        return self.output_shape

    def forward(self, x, *, training=False):
        x = self.check_input(x)
        (top, _), (left, _) = self.padding
        y = self.output("y", (len(x), *self.output_shape), x, kept=training)
        self.ops.zero_pad(x, y, top, left)
        self.keep(training, x)
        return y

    def backward(self, dy, *, need_dx=True):
        dy, x = self.recall(dy)
        (top, _), (left, _) = self.padding
        dx = self.output("dx", x.shape, dy)
        self.ops.crop(dy, dx, top, left)
        return dx


class UpSampling2D(Layer):
    """The image `size` times as high and wide: every pixel repeated, or blended with its neighbours.

    Shapes: x (N, H, W, C), y (N, H·SH, W·SW, C), with (SH, SW) for `size`.

    "nearest" repeats every pixel in a block of SH × SW, so its gradient is the sum of those of its copies::

        y[n, h·SH + a, w·SW + b, c] = x[n, h, w, c]         for every a < SH and b < SW
        dx[n, h, w, c]              = Σ_a Σ_b dy[n, h·SH + a, w·SW + b, c]

    "bilinear" reads the image as a surface over the centres of its pixels, straight between neighbours. Place i of the
    output has its centre at ``u = (i + 0.5) / SH - 0.5``, counted in the input's pixels, so it lies between the rows
    h = ⌊u⌋ and h + 1, and takes of the second the share s = u - h, of the first 1 - s; beyond the image's edge both are
    the outermost row. With the columns w, w + 1 and the share t likewise::

        y[n, i, j, c] = (1 - s)(1 - t) x[n, h, w, c] + (1 - s) t x[n, h, w + 1, c]
                        + s (1 - t) x[n, h + 1, w, c] + s t x[n, h + 1, w + 1, c]

    Each pixel stands there times a fixed share, which is its slope, so dy flows back to the four by the same shares,
    and adds up in each pixel.

    Parameters
    ----------
    size : int or pair of int
        How many times as high and wide (SH, SW).
    data_format : str, optional
        "channels_last"; there is no other.
    interpolation : str
        "nearest" or "bilinear".
    name, input_shape
        As for every :class:`~tinynet.layers.Layer`.

    Raises
    ------
    ValueError
        If `size` is no integer of at least 1 or a pair of them, or `interpolation` neither of the two.
    """

    same_in_training = True

    @explain_keywords
    def __init__(self, size=(2, 2), data_format: str | None = None, interpolation: str = "nearest",
                 name: str | None = None, input_shape=None):
        super().__init__(name, input_shape)
        self.size = as_pair(size, "size of UpSampling2D")
        check_data_format(data_format, "data_format of UpSampling2D")
        self.data_format = data_format
        self.interpolation = interpolation
        self._kernels = look_up("interpolation of UpSampling2D", interpolation, KERNELS)

    def build(self, input_shape):
        H, W, C = as_image_shape(input_shape, self.name)
        super().build(input_shape)
        self.output_shape = (H * self.size[0], W * self.size[1], C)
        return self.output_shape

    def forward(self, x, *, training=False):
        x = self.check_input(x)
        y = self.output("y", (len(x), *self.output_shape), x, kept=training)
        upsample = getattr(self.ops, self._kernels[0])
        upsample(x, y, self.size)
        self.keep(training, x)
        return y

    def backward(self, dy, *, need_dx=True):
        dy, x = self.recall(dy)
        dx = self.output("dx", x.shape, dy)
        upsample_backward = getattr(self.ops, self._kernels[1])
        upsample_backward(dy, dx, self.size)
        return dx


KERNELS = {"nearest": ("upsample", "upsample_backward"),
           "bilinear": ("upsample_bilinear", "upsample_bilinear_backward")}


def as_borders(padding) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return ((top, bottom), (left, right)) for ZeroPadding2D's padding in any of its three forms."""
    pair = (padding, padding) if isinstance(padding, int | np.integer) else padding
    if isinstance(pair, tuple | list) and len(pair) == 2:
        sides = [side if isinstance(side, tuple | list) else (side, side) for side in pair]
        if all(len(side) == 2 and all(map(_is_count, side)) for side in sides):
            (top, bottom), (left, right) = sides
            return (int(top), int(bottom)), (int(left), int(right))
    raise ValueError("padding of ZeroPadding2D must be an integer of at least 0, a pair (height, width) of them, or "
                     f"((top, bottom), (left, right)). Received: {padding!r}")


def _is_count(entry) -> bool:
    return isinstance(entry, int | np.integer) and not isinstance(entry, bool) and entry >= 0
