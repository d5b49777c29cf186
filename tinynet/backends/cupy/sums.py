"""Sums over the rows of a matrix: gradients of biases, and of what many blocks have summed in parts."""

import math

import cupy as cp

from tinynet.backends.cupy.launch import THREADS, Source

COLUMNS = 8
"""Columns that a block sums: as many floats as memory hands over at once."""

ROWS = 512
"""Rows that a block sums; where there are more, it takes a second launch to add up what the blocks have found."""

MOST_PARTS = 1024
"""Into how many parts rows are cut at most."""

_source = Source("sums")


def sum_rows(x, sums, rest=None, y=None, dz=None):
    """Compute the sum of each column of x (R, columns); those that do not fit into `sums` go to `rest`.

    With `y`, which a ReLU has made, x is a gradient that first goes back through it: dz = x where y > 0, else 0, is
    written on the way, and summed. Then `sums` may be None.
    """
    rows, columns = math.prod(x.shape[:-1]), x.shape[-1]
    parts = min(MOST_PARTS, -(-rows // ROWS))
    if parts > 1:
        found = None if sums is None else cp.empty((parts, columns), x.dtype)
        _launch(x, parts, columns, y, dz, found, None)
        x, y, dz = found, None, None
    if x is not None:
        _launch(x, 1, columns, y, dz, sums, rest)


def _launch(x, parts, columns, y, dz, sums, rest):
    rows = x.size // columns
    split = columns if rest is None else sums.size
    _source.launch("sum_rows", (parts, -(-columns // COLUMNS)), THREADS, x, rows, columns, -(-rows // parts), y, dz,
                   sums, split, rest)
