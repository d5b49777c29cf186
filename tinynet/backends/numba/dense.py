"""The affine map of a dense layer: small products tile by tile, large ones by the BLAS, shared between threads.

The tiles win as long as the arrays stay in the caches; the BLAS copies large ones into an order that they are read in.
It also computes dx, whose vectors would have to be gathered across the kernel's rows.
"""

import numpy as np

from tinynet.backends.numba.jit import jit
from tinynet.backends.numba.products import columns_of_tile, empty_sums, whole_vectors, write_row
from tinynet.backends.numba.workers import is_large, parts, share


def dense(x, kernel, bias, y) -> None:
    """Equals numpy.dense.dense."""
    if is_small(x, kernel.shape[1]):
        multiply(x, kernel, np.zeros(y.shape[1], y.dtype) if bias is None else bias, y)
        return

    def work(_, rows):
        np.matmul(x[rows], kernel, out=y[rows])
        if bias is not None:
            add_to_rows(y[rows], bias)

    share(work, share_out(x, kernel.shape[1], len(x)))


def dense_backward(x, kernel, dy, dx, dkernel, dbias) -> None:
    """Equals numpy.dense.dense_backward."""
    outputs = dy.shape[1]
    if dkernel is not None:
        if is_small(x, outputs):
            multiply_transposed(x, dy, dkernel)
        else:
            share(lambda _, inputs: np.matmul(x.T[inputs], dy, out=dkernel[inputs]),
                  share_out(x, outputs, len(dkernel)))
    if dbias is not None:
        sum_rows(dy, dbias)
    if dx is not None:
        share(lambda _, rows: np.matmul(dy[rows], kernel.T, out=dx[rows]), share_out(x, outputs, len(dx)))


def is_small(x, outputs) -> bool:
    """Whether a product is for tiles: not large, and with columns enough to fill half a vector."""
    return not is_large(products=x.size * outputs) and outputs >= whole_vectors(1, x.dtype)


def share_out(x, outputs, n) -> list[slice]:
    """Return the threads' shares of n rows of a product of x and a kernel for so many outputs."""
    return parts(n, is_large(products=x.size * outputs))


@jit
def multiply(x, kernel, bias, y) -> None:
    """Compute y = x @ kernel + bias."""
    samples, inputs = x.shape
    outputs = kernel.shape[1]
    sums = empty_sums(x)
    stop = 0
    while stop < outputs:
        start, stop = next_columns(stop, outputs, x.itemsize)
        write_row(x.ravel(), 0, (inputs, 0, 0, 1), kernel.ravel(), start, (0, 0, outputs), (1, 1, inputs), stop - start,
                  sums, y.ravel(), start, outputs, samples, bias[start:stop])


@jit
def multiply_transposed(x, dy, dkernel) -> None:
    """Compute dkernel = x.T @ dy."""
    samples, inputs = x.shape
    outputs = dy.shape[1]
    sums, nothing = empty_sums(x), np.zeros(outputs, x.dtype)
    stop = 0
    while stop < outputs:
        start, stop = next_columns(stop, outputs, x.itemsize)
        write_row(x.ravel(), 0, (1, 0, 0, inputs), dy.ravel(), start, (0, 0, outputs), (1, 1, samples), stop - start,
                  sums, dkernel.ravel(), start, outputs, inputs, nothing[start:stop])


@jit
def next_columns(done, outputs, itemsize):
    """Return (start, stop) of the next tile's columns; the last one begins early enough to stay inside the rows."""
    columns = columns_of_tile(outputs - done, itemsize)
    while columns > outputs:
        columns //= 2
    start = min(done, outputs - columns)
    return start, start + columns


@jit
def add_to_rows(y, bias) -> None:
    """Compute y += bias. y (N, O), bias (O,)."""
    for n in range(y.shape[0]):
        for o in range(y.shape[1]):
            y[n, o] += bias[o]


@jit
def sum_rows(dy, total) -> None:
    """Compute total = Σ_n dy[n]. dy (N, O), total (O,)."""
    total[:] = 0
    for n in range(dy.shape[0]):
        for o in range(dy.shape[1]):
            total[o] += dy[n, o]
