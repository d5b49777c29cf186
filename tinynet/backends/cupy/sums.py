"""What stands around products: a bias and bounds after them, and sums over the rows of a matrix.

Such sums are the gradients of biases, and what many blocks have summed in parts.
"""

import math

from tinynet.backends.cupy.launch import THREADS, Source
from tinynet.backends.cupy.memory import empty

COLUMNS = 8
"""Columns that a block sums: as many floats as memory hands over at once."""

ALONE = 1024
"""Rows that a block sums by itself. So many blocks may share a longer sum: a second launch adds up one row of each."""

ROWS = 256
"""Rows of a block at most, where several share a sum, unless that takes more than ALONE of them."""

_source = Source("sums")


def finish(y, bias, scale, bounds):
    """Equals numpy.conv.finish. In one pass."""
    if bias is not None or scale is not None or bounds is not None:
        _source.each("finish", y.size, y, bias, scale, *as_bounds(bounds), y.shape[-1])


def as_bounds(bounds):
    """Return the lowest and the highest value as floats, infinite ones where there are none."""
    lowest, highest = (-math.inf, math.inf) if bounds is None else bounds
    return float(lowest), float(highest)


def sum_rows(x, sums, rest=None, y=None, dz=None):
    """Compute the sum of each column of x (R, columns); those that do not fit into `sums` go to `rest`.

    With `y`, which a ReLU has made, x is a gradient that first goes back through it: dz = x where y > 0, else 0, is
    written on the way, and summed. Then `sums` may be None.
    """
    rows, columns = math.prod(x.shape[:-1]), x.shape[-1]
    parts = 1 if rows <= ALONE else min(ALONE, -(-rows // ROWS))
    if parts > 1:
        found = None if sums is None else empty((parts, columns), x.dtype)
        _launch(x, parts, columns, y, dz, found, None)
        x, y, dz = found, None, None
    if x is not None:
        _launch(x, 1, columns, y, dz, sums, rest)


def _launch(x, parts, columns, y, dz, sums, rest):
    rows = x.size // columns
    split = columns if rest is None else sums.size
    _source.launch("sum_rows", (-(-columns // COLUMNS), parts), THREADS, x, rows, columns, -(-rows // parts), y, dz,
                   sums, split, rest)
