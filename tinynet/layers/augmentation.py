"""Data augmentation: layers that show a network its training images turned, cropped and rotated, by chance.

A flower stays a flower upside down, so one photo serves as many. In training every image gets a draw of its own; at
inference nothing is drawn. They have nothing to learn, but their outputs do depend on their input, so they have a dx.
"""

import numpy as np

from tinynet import random
from tinynet.errors import explain_keywords, look_up
from tinynet.layers.base import Layer
from tinynet.shapes import as_count, as_image_shape, check_data_format


class Augmentation(Layer):
    """What these layers share: images (N, H, W, C), and a generator of their own, as Dropout has it."""

    def __init__(self, seed: int | None, data_format: str | None, name: str | None, input_shape):
        super().__init__(name, input_shape)
        if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0):
            raise ValueError(f"seed of {type(self).__name__} must be None or an integer of at least 0. "
                             f"Received: {seed!r}")
        check_data_format(data_format, f"data_format of {type(self).__name__}")
        self.seed = seed if seed is None else int(seed)
        self.data_format = data_format

    def build(self, input_shape):
        shape = as_image_shape(input_shape, self.name)
        self.generator = random.spawn() if self.seed is None else np.random.default_rng(self.seed)
        return super().build(shape)


class RandomFlip(Augmentation):
    """Each image turned upside down, or left to right, each with probability 1/2 and apart from the other.

    Shapes: x (N, H, W, C), y the same. A turned image n has::

        y[n, h, w, c] = x[n, H - 1 - h, w, c]         upside down ("vertical")
        y[n, h, w, c] = x[n, h, W - 1 - w, c]         left to right ("horizontal")

    Each pixel only moves, and its gradient moves back the same way: a flip undoes itself, so dx is dy flipped where x
    was. At inference y = x.

    Keras 3 draws once for both directions, and so with "horizontal_and_vertical" turns by 180° or not at all; here, as
    in Keras 2, each direction has a draw of its own, and an image comes in four ways.

    Parameters
    ----------
    mode : str
        "horizontal", "vertical" or "horizontal_and_vertical".
    seed : int, optional
        Of the layer's generator; by default it follows :func:`tinynet.set_seed`.
    data_format : str, optional
        "channels_last"; there is no other.
    name, input_shape
        As for every :class:`~tinynet.layers.Layer`.

    Raises
    ------
    ValueError
        If `mode` is none of the three, or `seed` no integer of at least 0.
    """

    @explain_keywords
    def __init__(self, mode: str = "horizontal_and_vertical", seed: int | None = None, data_format: str | None = None,
                 name: str | None = None, input_shape=None):
        super().__init__(seed, data_format, name, input_shape)
        self.mode = mode
        self._chances = look_up("mode of RandomFlip", mode, FLIPS)

    def forward(self, x, *, training=False):
        x = self.check_input(x)
        if not training:
            self.keep(False)
            return x
        flips = self.generator.random((len(x), 2)) < self._chances
        flips = self.ops.asarray(flips, flips.dtype)
        y = self.output("y", x.shape, x, kept=training)
        self.ops.flip(x, flips, y)
        self.keep(training, flips)
        return y

    def backward(self, dy, *, need_dx=True):
        dy, flips = self.recall(dy)
        dx = self.output("dx", dy.shape, dy)
        self.ops.flip(dy, flips, dx)
        return dx


FLIPS = {"horizontal": (0.0, 0.5), "vertical": (0.5, 0.0), "horizontal_and_vertical": (0.5, 0.5)}  # (down, across)


class RandomCrop(Augmentation):
    """A window of `height` × `width` pixels out of each image, in training anywhere in it, at inference in its middle.

    Shapes: x (N, H, W, C), y (N, height, width, C). With a corner (top, left) drawn for each image, every place that
    leaves the window inside being as likely::

        y[n, i, j, c] = x[n, top + i, left + j, c]
        dx[n, top + i, left + j, c] = dy[n, i, j, c]      and 0 elsewhere: y does not depend on what was cut off

    At inference top = ⌊(H - height) / 2⌋ and left = ⌊(W - width) / 2⌋. Objects then have the size that they had in
    training. (Keras draws one corner for a whole batch, and its RandomCrop resizes images that are smaller than the
    window; here that is an error.)

    Parameters
    ----------
    height, width : int
        The window's size, at most the image's.
    seed : int, optional
        Of the layer's generator; by default it follows :func:`tinynet.set_seed`.
    data_format : str, optional
        "channels_last"; there is no other.
    name, input_shape
        As for every :class:`~tinynet.layers.Layer`.

    Raises
    ------
    ValueError
        If `height` or `width` is no integer of at least 1, or `seed` none of at least 0; at build, if the images are
        smaller than the window.
    """

    @explain_keywords
    def __init__(self, height: int, width: int, seed: int | None = None, data_format: str | None = None,
                 name: str | None = None, input_shape=None):
        super().__init__(seed, data_format, name, input_shape)
        self.height = as_count(height, "height of RandomCrop")
        self.width = as_count(width, "width of RandomCrop")

    def build(self, input_shape):
        H, W, C = super().build(input_shape)
        if self.height > H or self.width > W:
            raise ValueError(f"Layer {self.name!r} cannot cut {self.height} × {self.width} pixels out of images of "
                             f"{H} × {W}: make the window smaller, or the images larger before it. "
                             f"Received: input_shape={(H, W, C)}")
        self.output_shape = (self.height, self.width, C)
        return self.output_shape

    def forward(self, x, *, training=False):
        x = self.check_input(x)
        y = self.output("y", (len(x), *self.output_shape), x, kept=training)
        spare = x.shape[1] - self.height, x.shape[2] - self.width
        if not training:
            self.ops.crop(x, y, spare[0] // 2, spare[1] // 2)
            self.keep(False)
            return y
        corners = self.generator.integers(0, spare, (len(x), 2), endpoint=True)
        corners = self.ops.asarray(corners, corners.dtype)
        self.ops.crop_each(x, corners, y)
        self.keep(training, corners)
        return y

    def backward(self, dy, *, need_dx=True):
        dy, corners = self.recall(dy)
        dx = self.output("dx", (len(dy), *self.input_shape), dy)
        self.ops.crop_each_backward(dy, corners, dx)
        return dx


class RandomRotation(Augmentation):
    """Each image rotated about its middle by an angle drawn for it, between two bounds; positive is counterclockwise.

    Shapes: x (N, H, W, C), y the same. Every place (i, j) of y looks back at the point (u, v) of x that the rotation
    by θ brings there. About the middle (m, k) = ((H - 1) / 2, (W - 1) / 2), rows counted downwards, that is::

        u = m + cos θ (i - m) + sin θ (j - k)
        v = k - sin θ (i - m) + cos θ (j - k)

    Such a point lies between pixels. "bilinear" blends the four around it, (h, w) = (⌊u⌋, ⌊v⌋) and its neighbours, the
    nearer the more, and "nearest" takes the nearest with the share 1::

        y[n, i, j] = (1 - s)(1 - t) x[n, h, w] + (1 - s) t x[n, h, w + 1]
                     + s (1 - t) x[n, h + 1, w] + s t x[n, h + 1, w + 1]          s = u - h, t = v - w

    The shares depend on θ only, so y is linear in x, and each pixel's slope in a place is its share there: dx is the
    transposed map. Every dy[n, i, j] flows back to the pixels that were blended, by the same shares, and adds up in
    each. The `fill_value` is no pixel, and what flows to it goes nowhere. At inference y = x.

    Parameters
    ----------
    factor : float or pair of float
        The bounds (lower, upper) of θ as shares of a whole turn, from -1 to 1; one number f stands for (-|f|, |f|).
        0.1 rotates by up to 36° either way. Quarter turns are exact.
    fill_mode : str
        What stands outside the image abc: "reflect" cba|abc|cba, "wrap" abc|abc|abc, "nearest" aaa|abc|ccc, or
        "constant", the `fill_value`.
    interpolation : str
        "bilinear" or "nearest".
    seed : int, optional
        Of the layer's generator; by default it follows :func:`tinynet.set_seed`.
    fill_value : float
        For the `fill_mode` "constant".
    data_format : str, optional
        "channels_last"; there is no other.
    name, input_shape
        As for every :class:`~tinynet.layers.Layer`.

    Raises
    ------
    ValueError
        If `factor` is no number or pair of numbers from -1 to 1, `fill_mode` or `interpolation` is unknown,
        `fill_value` no finite number, or `seed` no integer of at least 0.
    """

    @explain_keywords
    def __init__(self, factor, fill_mode: str = "reflect", interpolation: str = "bilinear", seed: int | None = None,
                 fill_value: float = 0.0, data_format: str | None = None, name: str | None = None, input_shape=None):
        super().__init__(seed, data_format, name, input_shape)
        self.factor = as_bounds(factor)
        self.fill_mode = look_up("fill_mode of RandomRotation", fill_mode, FILL_MODES)
        self.interpolation = look_up("interpolation of RandomRotation", interpolation, INTERPOLATIONS)
        if not is_number(fill_value):
            raise ValueError(f"fill_value of RandomRotation must be a finite number. Received: {fill_value!r}")
        self.fill_value = float(fill_value)

    def forward(self, x, *, training=False):
        x = self.check_input(x)
        if not training:
            self.keep(False)
            return x
        maps = rotations(self.generator.uniform(*self.factor, len(x)), *x.shape[1:3])
        maps = self.ops.asarray(maps, maps.dtype)
        y = self.output("y", x.shape, x, kept=training)
        self.ops.warp(x, maps, y, self.interpolation, self.fill_mode, self.fill_value)
        self.keep(training, maps)
        return y

    def backward(self, dy, *, need_dx=True):
        dy, maps = self.recall(dy)
        dx = self.output("dx", dy.shape, dy)
        self.ops.warp_backward(dy, maps, dx, self.interpolation, self.fill_mode)
        return dx


FILL_MODES = {mode: mode for mode in ("constant", "nearest", "reflect", "wrap")}
INTERPOLATIONS = {interpolation: interpolation for interpolation in ("bilinear", "nearest")}


def rotations(turns, H: int, W: int) -> np.ndarray:
    """Return the maps (N, 2, 3) by which images of H × W are rotated by so many whole turns each: see RandomRotation.

    (u, v) = map · (i, j, 1). Sine and cosine of the whole quarters are taken exactly, and those of the rest computed.
    """
    quarters = np.rint(4 * turns)
    rest = 2 * np.pi * (turns - quarters / 4)
    z = np.exp(1j * rest) * np.array([1, 1j, -1, -1j])[quarters.astype(int) % 4]  # cos θ + i sin θ
    cos, sin, m, k = z.real, z.imag, (H - 1) / 2, (W - 1) / 2
    maps = [[cos, sin, m - cos * m - sin * k], [-sin, cos, k + sin * m - cos * k]]
    return np.ascontiguousarray(np.moveaxis(maps, -1, 0))


def as_bounds(factor) -> tuple[float, float]:
    """Return (lower, upper) for RandomRotation's factor in either of its two forms."""
    bounds = (-abs(factor), abs(factor)) if is_number(factor) else factor
    if not isinstance(bounds, tuple | list) or len(bounds) != 2 or not all(
            is_number(bound) and -1 <= bound <= 1 for bound in bounds):
        raise ValueError("factor of RandomRotation must be a share of a whole turn from -1 to 1, or a pair of them, "
                         f"(lower, upper): 0.1 rotates by up to 36 degrees either way. Received: {factor!r}")
    lower, upper = sorted(bounds)
    return float(lower), float(upper)


def is_number(value) -> bool:
    """Return whether a value is a finite number."""
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool) and bool(
        np.isfinite(value))
