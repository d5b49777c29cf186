"""Flips, crops and rotations, on the GPU: a thread for each number of the result, where nothing else is said."""

from tinynet.backends.cupy.launch import Source

FILL_MODES = {"constant": 0, "nearest": 1, "reflect": 2, "wrap": 3}  # as warp.cu counts them

_source = Source("warp")


def flip(x, flips, y) -> None:
    """Equals numpy.warp.flip."""
    _source.each("flip", x.size, x, flips, y, *x.shape[1:])


def crop_each(x, corners, y) -> None:
    """Equals numpy.warp.crop_each."""
    _source.each("crop_each", y.size, x, corners, y, *x.shape[1:], *y.shape[1:3])


def crop_each_backward(dy, corners, dx) -> None:
    """Equals numpy.warp.crop_each_backward."""
    _source.each("crop_each_backward", dx.size, dy, corners, dx, *dx.shape[1:], *dy.shape[1:3])


def warp(x, maps, y, interpolation, fill_mode, fill_value) -> None:
    """Equals numpy.warp.warp."""
    _source.each("warp", y.size, x, maps, y, interpolation == "nearest", FILL_MODES[fill_mode], float(fill_value),
                 *x.shape[1:], *y.shape[1:3])


def warp_backward(dy, maps, dx, interpolation, fill_mode) -> None:
    """Equals numpy.warp.warp_backward.

    Several places give to one pixel, and in which order decides how the sum is rounded. So one thread does a whole
    channel of an image, place by place. That is slow, and hardly ever asked for: augmentation stands before the first
    layer that learns.
    """
    channels = dx.shape[0] * dx.shape[3]
    _source.each("warp_backward", channels, dy, maps, dx, interpolation == "nearest", FILL_MODES[fill_mode],
                 *dx.shape[1:], *dy.shape[1:3])
