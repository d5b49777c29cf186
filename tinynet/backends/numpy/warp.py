"""Flips, crops and rotations, each image of x (N, H, W, C) by a draw of its own. Channels do not mix.

Who draws, and the derivations of the backward passes: :mod:`tinynet.layers.augmentation`.
"""

import numpy as np

HALF = 0.5 + 1e-6  # a place midway between two pixels takes the later one, also where rounding put it just before


def flip(x, flips, y) -> None:
    """Turn image n upside down where flips[n, 0], and left to right where flips[n, 1]: flips (N, 2) of bool."""
    for image, (vertical, horizontal), flipped in zip(x, flips, y, strict=True):
        flipped[...] = image[:: -1 if vertical else 1, :: -1 if horizontal else 1]


def crop_each(x, corners, y) -> None:
    """Cut y[n] out of x[n] from row corners[n, 0] and column corners[n, 1] on: corners (N, 2) of integers."""
    _, OH, OW, _ = y.shape
    for image, (top, left), cut in zip(x, corners, y, strict=True):
        cut[...] = image[top : top + OH, left : left + OW]


def crop_each_backward(dy, corners, dx) -> None:
    """Lay dy[n] where y[n] was cut out; what was cut off gets 0."""
    _, OH, OW, _ = dy.shape
    dx[...] = 0
    for given, (top, left), got in zip(dy, corners, dx, strict=True):
        got[top : top + OH, left : left + OW] = given


def warp(x, maps, y, interpolation, fill_mode, fill_value) -> None:
    """Let place (i, j) of y[n] show what stands in x[n] at row u and column v: (u, v) = maps[n] · (i, j, 1).

    maps (N, 2, 3) of floats. `interpolation` is "bilinear", a blend of the four pixels around (u, v), or "nearest", the
    pixel whose centre is nearest. `fill_mode` says what stands outside the image: see :func:`pixels_at`.
    """
    y[...] = 0
    for pixels, share, outside in around(maps, y.shape, x.shape, interpolation, fill_mode, x.dtype):
        y += np.where(outside, fill_value, x[pixels]) * share


def warp_backward(dy, maps, dx, interpolation, fill_mode) -> None:
    """Give each dy to the pixels that were blended, by their shares; add up in each pixel."""
    dx[...] = 0
    for pixels, share, outside in around(maps, dy.shape, dx.shape, interpolation, fill_mode, dy.dtype):
        np.add.at(dx, pixels, dy * np.where(outside, 0, share))


def around(maps, places, image, interpolation, fill_mode, dtype):
    """Yield which pixel each place takes at each corner, its share in the blend, and whether it has the fill value.

    Rows u lie between ⌊u⌋ and ⌊u⌋ + 1, which takes the share u - ⌊u⌋; columns likewise. A place at whole numbers, as
    "nearest" rounds it to, needs the first corner only.
    """
    N, OH, OW, _ = places
    i, j = np.arange(OH)[:, np.newaxis], np.arange(OW)
    u, v = (m[0] * i + m[1] * j + m[2] for m in maps.transpose(1, 2, 0)[..., np.newaxis, np.newaxis])
    if interpolation == "nearest":
        u, v = np.floor(u + HALF), np.floor(v + HALF)
    h, w = np.floor(u), np.floor(v)
    for a, row_share in ((0, 1 - (u - h)), (1, u - h)):
        for b, column_share in ((0, 1 - (v - w)), (1, v - w)):
            if interpolation == "bilinear" or a == b == 0:
                rows, above_or_below = pixels_at(h.astype(int) + a, image[1], fill_mode)
                columns, beside = pixels_at(w.astype(int) + b, image[2], fill_mode)
                share = (row_share * column_share).astype(dtype)[..., np.newaxis]
                pixels = (np.arange(N)[:, np.newaxis, np.newaxis], rows, columns)
                yield pixels, share, (above_or_below | beside)[..., np.newaxis]


def pixels_at(places, length, fill_mode):
    """Return the pixel that stands at each whole place along an axis, and whether the fill value stands there instead.

    An axis of the pixels a b c goes on, to both sides, as::

        reflect    c b a | a b c | c b a
        wrap       a b c | a b c | a b c
        nearest    a a a | a b c | c c c
        constant   k k k | a b c | k k k      k is the fill value
    """
    if fill_mode == "reflect":
        places = places % (2 * length)
        places = np.minimum(places, 2 * length - 1 - places)
    elif fill_mode == "wrap":
        places = places % length
    pixels = places.clip(0, length - 1)
    return pixels, (pixels != places) & (fill_mode == "constant")
