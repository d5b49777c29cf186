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


def whole_vectors(count: int, dtype) -> int:
    """Return `count` numbers rounded up to half vectors, the narrowest tile."""
    lanes = VECTOR // 2 // dtype.itemsize
    return -(-count // lanes) * lanes


@jit
def empty_sums(like):
    """Return room for the sums of the largest tile."""
    return np.empty(ROWS * 2 * VECTOR // like.itemsize, like.dtype)


@jit
def columns_of_tile(left, itemsize):
    """Return how many columns the next tile takes: two vectors, one, or half of one, whichever covers what is left."""
    half = VECTOR // 2 // itemsize
    if left > 3 * half:
        return 4 * half
    return 2 * half if left > half else half


@jit
def write_row(A, a, a_steps, B, b, b_steps, counts, columns, sums, out, o, o_step, places, bias, relu) -> None:
    """Compute tiles for `places` places beside each other, and write their sums and bias to out[o + place·o_step].

    With `relu`, what is below 0 becomes 0 on the way.
    """
    zero = out.dtype.type(0)
    kept = min(columns, bias.size)
    p = 0
    while p < places:
        rows = ROWS if places >= ROWS else 1
        whole = p + rows <= places and kept == columns
        p = min(p, places - rows)  # the last tile may compute some places again
        if whole:
            for r in range(rows):
                theirs = out[o + (p + r) * o_step : o + (p + r) * o_step + columns]
                for f in range(columns):
                    theirs[f] = bias[f]
            add_tile(rows, columns, A, a + p * a_steps[0], a_steps, B, b, b_steps, out, o + p * o_step, o_step, counts)
            if relu:
                for r in range(rows):
                    theirs = out[o + (p + r) * o_step : o + (p + r) * o_step + columns]
                    for f in range(columns):
                        theirs[f] = zero if theirs[f] <= zero else theirs[f]
        else:
            for i in range(rows * columns):
                sums[i] = 0
            add_tile(rows, columns, A, a + p * a_steps[0], a_steps, B, b, b_steps, sums, np.int64(0), columns, counts)
            for r in range(rows):
                first = o + (p + r) * o_step
                ours, theirs = sums[r * columns : r * columns + kept], out[first : first + kept]
                for f in range(kept):
                    value = ours[f] + bias[f]
                    theirs[f] = zero if relu and value <= zero else value
        p += rows


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
