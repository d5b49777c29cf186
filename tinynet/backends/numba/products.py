"""Rows of products from tiles, for arrays of any strides: what dense and convolution layers share.

Callers write constants as np.int64(0): a plain 0 is a type of its own to numba, for which it would compile all this
again. The convolutions' own constants are plain on purpose: their tiles gain from knowing them.
"""

import numpy as np

from tinynet.backends.numba.jit import jit
from tinynet.backends.numba.tile import ROWS, VECTOR, make_tile

# Tiles of many rows and of one; of two vectors, one, and half of one.
tall_two, tall_one, tall_half = make_tile(ROWS, 2, VECTOR), make_tile(ROWS, 1, VECTOR), make_tile(ROWS, 1, VECTOR // 2)
flat_two, flat_one, flat_half = make_tile(1, 2, VECTOR), make_tile(1, 1, VECTOR), make_tile(1, 1, VECTOR // 2)
# The same, writing what they have added up.
tall_two_out, tall_one_out, tall_half_out = (
    make_tile(ROWS, vectors, size, writes=True) for vectors, size in ((2, VECTOR), (1, VECTOR), (1, VECTOR // 2)))
flat_two_out, flat_one_out, flat_half_out = (
    make_tile(1, vectors, size, writes=True) for vectors, size in ((2, VECTOR), (1, VECTOR), (1, VECTOR // 2)))


def whole_vectors(count: int, dtype) -> int:
    """Return `count` numbers rounded up to half vectors, the narrowest tile."""
    lanes = VECTOR // 2 // dtype.itemsize
    return -(-count // lanes) * lanes


@jit
def empty_sums(like):
    """Return room for the sums of the largest tile."""
    return np.empty(ROWS * 2 * VECTOR // like.itemsize, like.dtype)


@jit
def read_on(size, itemsize):
    """Return as far as tiles may read that begin before `size`: the last one may be as wide as any."""
    return size + 2 * VECTOR // itemsize


@jit
def columns_of_tile(left, itemsize):
    """Return how many columns the next tile takes: two vectors, one, or half of one, whichever covers what is left."""
    half = VECTOR // 2 // itemsize
    if left > 3 * half:
        return 4 * half
    return 2 * half if left > half else half


@jit
def after_sums(scale, bias, bounds, size, like) -> tuple:
    """Return (scale, bias, bounds) as tiles take them, for `size` columns; an empty array says that there is none."""
    room = np.zeros(2 * size + 2, like.dtype)
    factor, shift, limits = room[:size], room[size : 2 * size], room[2 * size :]
    for f in range(size):
        factor[f] = 1
    for f in range(scale.size):
        factor[f] = scale[f]
    for f in range(bias.size):
        shift[f] = bias[f]
    limits[0], limits[1] = -np.inf, np.inf
    for i in range(bounds.size):
        limits[i] = bounds[i]
    return factor, shift, limits


@jit
def write_row(A, a, a_steps, B, b, b_steps, counts, columns, kept, sums, out, o, o_step, places, f, after) -> None:
    """Compute tiles for `places` places beside each other, and write `kept` columns to out[o + place·o_step].

    f and `after` are what tiles that write take: what happens to a sum before it is written.
    """
    p = 0
    while p < places:
        rows = ROWS if places >= ROWS else 1
        p = min(p, places - rows)  # the last tile may compute some places again
        if kept >= columns:
            write_tile(rows, columns, A, a + p * a_steps[0], a_steps, B, b, b_steps, out, o + p * o_step, o_step,
                       counts, f, after)
        else:
            write_tile(rows, columns, A, a + p * a_steps[0], a_steps, B, b, b_steps, sums, np.int64(0), columns,
                       counts, f, after)
            for r in range(rows):
                ours, theirs = r * columns, o + (p + r) * o_step
                for v in range(min(kept, columns)):
                    out[theirs + v] = sums[ours + v]
        p += rows


@jit
def write_tile(rows, columns, A, a, a_steps, B, b, b_steps, C, c, c_row, counts, f, after) -> None:
    """Call the writing tile of so many rows and columns; see :func:`tinynet.backends.numba.tile.make_tile`."""
    vectors = 2 * columns * A.itemsize // VECTOR
    if rows == 1:
        if vectors == 4:
            flat_two_out(A, a, a_steps, B, b, b_steps, C, c, c_row, counts, f, after)
        elif vectors == 2:
            flat_one_out(A, a, a_steps, B, b, b_steps, C, c, c_row, counts, f, after)
        else:
            flat_half_out(A, a, a_steps, B, b, b_steps, C, c, c_row, counts, f, after)
    elif vectors == 4:
        tall_two_out(A, a, a_steps, B, b, b_steps, C, c, c_row, counts, f, after)
    elif vectors == 2:
        tall_one_out(A, a, a_steps, B, b, b_steps, C, c, c_row, counts, f, after)
    else:
        tall_half_out(A, a, a_steps, B, b, b_steps, C, c, c_row, counts, f, after)


@jit
def add_tile(rows, columns, A, a, a_steps, B, b, b_steps, C, c, c_row, counts) -> None:
    """Call the tile of so many rows and columns; see :func:`tinynet.backends.numba.tile.make_tile`."""
    vectors = 2 * columns * A.itemsize // VECTOR
    if rows == 1:
        if vectors == 4:
            flat_two(A, a, a_steps, B, b, b_steps, C, c, c_row, counts)
        elif vectors == 2:
            flat_one(A, a, a_steps, B, b, b_steps, C, c, c_row, counts)
        else:
            flat_half(A, a, a_steps, B, b, b_steps, C, c, c_row, counts)
    elif vectors == 4:
        tall_two(A, a, a_steps, B, b, b_steps, C, c, c_row, counts)
    elif vectors == 2:
        tall_one(A, a, a_steps, B, b, b_steps, C, c, c_row, counts)
    else:
        tall_half(A, a, a_steps, B, b, b_steps, C, c, c_row, counts)
