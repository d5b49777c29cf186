"""Rotations in one pass over each image. What only copies is as fast in NumPy, and taken from there."""

import math

from tinynet.backends.numba.jit import jit
from tinynet.backends.numba.workers import shared
from tinynet.backends.numpy.warp import HALF, crop_each, crop_each_backward, flip

__all__ = ["crop_each", "crop_each_backward", "flip", "warp", "warp_backward"]

CONSTANT, NEAREST, REFLECT, WRAP = range(4)
FILL_MODES = {"constant": CONSTANT, "nearest": NEAREST, "reflect": REFLECT, "wrap": WRAP}


def warp(x, maps, y, interpolation, fill_mode, fill_value) -> None:
    """Equals numpy.warp.warp."""
    gather(x, maps, y, interpolation == "nearest", FILL_MODES[fill_mode], fill_value)


def warp_backward(dy, maps, dx, interpolation, fill_mode) -> None:
    """Equals numpy.warp.warp_backward."""
    scatter(dy, maps, dx, interpolation == "nearest", FILL_MODES[fill_mode])


@shared
@jit
def gather(x, maps, y, nearest, fill_mode, fill_value):
    """Blend for each place of y the pixels of x around it."""
    N, OH, OW, C = y.shape
    corners = 1 if nearest else 2
    fill = x.dtype.type(fill_value)
    for n in range(N):
        for i in range(OH):
            for j in range(OW):
                u, v, t, s = looks_at(maps[n], i, j, nearest)
                blend = y[n, i, j]
                blend[:] = 0
                for a in range(corners):
                    h, row_inside = pixel_at(u + a, x.shape[1], fill_mode)
                    for b in range(corners):
                        w, column_inside = pixel_at(v + b, x.shape[2], fill_mode)
                        share = x.dtype.type((t if a else 1 - t) * (s if b else 1 - s))
                        if row_inside and column_inside:
                            seen = x[n, h, w]
                            for c in range(C):
                                blend[c] += share * seen[c]
                        else:
                            for c in range(C):
                                blend[c] += share * fill


@shared
@jit
def scatter(dy, maps, dx, nearest, fill_mode):
    """Give dy to the pixels of x that each place of y was blended from."""
    N, OH, OW, C = dy.shape
    corners = 1 if nearest else 2
    for n in range(N):
        dx[n] = 0
        for i in range(OH):
            for j in range(OW):
                u, v, t, s = looks_at(maps[n], i, j, nearest)
                given = dy[n, i, j]
                for a in range(corners):
                    h, row_inside = pixel_at(u + a, dx.shape[1], fill_mode)
                    for b in range(corners):
                        w, column_inside = pixel_at(v + b, dx.shape[2], fill_mode)
                        share = dy.dtype.type((t if a else 1 - t) * (s if b else 1 - s))
                        if row_inside and column_inside:
                            got = dx[n, h, w]
                            for c in range(C):
                                got[c] += share * given[c]


@jit
def looks_at(m, i, j, nearest):
    """Return the row and column before the point that place (i, j) looks at, and how far beyond them it lies."""
    u = m[0, 0] * i + m[0, 1] * j + m[0, 2]
    v = m[1, 0] * i + m[1, 1] * j + m[1, 2]
    if nearest:
        return math.floor(u + HALF), math.floor(v + HALF), 0.0, 0.0
    h, w = math.floor(u), math.floor(v)
    return h, w, u - h, v - w


@jit
def pixel_at(place, length, fill_mode):
    """Return the pixel at a place along an axis, and whether there is one: see numpy.warp.pixels_at."""
    if 0 <= place < length:
        return place, True
    if fill_mode == REFLECT:
        place %= 2 * length
        return min(place, 2 * length - 1 - place), True
    if fill_mode == WRAP:
        return place % length, True
    return min(max(place, 0), length - 1), fill_mode == NEAREST
