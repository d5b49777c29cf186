"""The affine map of a dense layer: small products by tiles, large ones by the BLAS and shared between threads.

The BLAS copies what it multiplies into the order in which it reads it, which pays for large arrays. It also computes
dx, whose vectors would have to be gathered across the kernel's rows. It never uses threads of its own here: they would
go on spinning for a while beside those that share large products.
"""

import numpy as np

from tinynet.backends.numba.elementwise import relu_backward
from tinynet.backends.numba.jit import jit
from tinynet.backends.numba.products import (
    add_tile,
    after_sums,
    columns_of_tile,
    empty_sums,
    whole_vectors,
    write_row,
)
from tinynet.backends.numba.tile import ROWS
from tinynet.backends.numba.workers import is_large, one_blas_thread, parts, share

TALL = 8
"""Rows for each input and output from which rows are shared, and each thread adds up a kernel's gradient of its own."""

CACHED = 200_000
"""Numbers of x and dy that stay in a core's cache between two products."""

BLAS_THREADS_FROM = 200_000
"""Multiplications up to which OpenBLAS uses one thread by itself."""


def dense(x, kernel, bias, y, bounds=None) -> None:
    """Equals numpy.dense.dense."""
    if is_large(products=x.size * y.shape[1]):
        share(lambda _, outputs: np.matmul(x, kernel[:, outputs], out=y[:, outputs]), parts(y.shape[1]))
    else:
        multiply(x, kernel, y)
    if bounds is not None:
        finish_rows(y, y.reshape(-1)[:0] if bias is None else bias, *bounds)
    elif bias is not None:
        add_to_rows(y, bias)


def dense_backward(x, kernel, dy, dx, dkernel, dbias, buffer, y=None) -> None:
    """Equals numpy.dense.dense_backward."""
    if y is not None:
        dz = buffer("dz", dy.shape)
        relu_backward(dy, y, y, dz)
        dy = dz
    if dbias is not None:
        sum_rows(dy, dbias)
    if is_tall(x, dy):
        share_rows_backward(x, kernel, dy, dx, dkernel)
        return
    if is_large(products=x.size * dy.shape[1]):
        def work(_, inputs):
            if dkernel is not None:
                np.matmul(x.T[inputs], dy, out=dkernel[inputs])
            if dx is not None:
                np.matmul(dy, kernel[inputs].T, out=dx[:, inputs])

        share(work, parts(x.shape[1]))
        return
    if dkernel is not None:
        multiply(x.T, dy, dkernel)
    if dx is not None:
        multiply_by_blas(dy, kernel.T, dx)


def is_tall(x, dy) -> bool:
    """Whether the rows are so many that they, and not the kernel, should be shared: as the pixels of large images."""
    return is_large(products=x.size * dy.shape[1]) and len(x) >= TALL * (x.shape[1] + dy.shape[1])


def share_rows_backward(x, kernel, dy, dx, dkernel) -> None:
    """Compute dx and dkernel, each unless it is None, so many rows at a time that they are read from memory once."""
    slices = parts(len(x))
    at_once = max(1, CACHED // (x.shape[1] + dy.shape[1]))
    sums = np.zeros((len(slices), *kernel.shape), kernel.dtype)

    def work(part, some):
        for start in range(some.start, some.stop, at_once):
            rows = slice(start, min(start + at_once, some.stop))
            if dkernel is not None:
                sums[part] += x[rows].T @ dy[rows]
            if dx is not None:
                np.matmul(dy[rows], kernel.T, out=dx[rows])

    share(work, slices)
    if dkernel is not None:
        sums.sum(axis=0, out=dkernel)


def multiply(a, b, out) -> None:
    """Compute out = a @ b, by tiles if its rows fill half a vector. a may be a transposed view; b and out may not."""
    if out.shape[1] < whole_vectors(1, out.dtype):
        multiply_by_blas(a, b, out)
    else:
        multiply_by_tiles(a.ravel("K"), (a.strides[0] // a.itemsize, a.strides[1] // a.itemsize), b, out)


def multiply_by_blas(a, b, out) -> None:
    """Compute out = a @ b on one thread."""
    if out.size * a.shape[1] < BLAS_THREADS_FROM:
        np.matmul(a, b, out=out)
        return
    with one_blas_thread():
        np.matmul(a, b, out=out)


@jit
def multiply_by_tiles(flat_a, a_steps, b, out) -> None:
    """Compute out = A @ b, where A[i, k] is flat_a[i·a_steps[0] + k·a_steps[1]]."""
    inner, columns = b.shape
    flat_b, flat_out = b.ravel(), out.ravel()
    zero, one = np.int64(0), np.int64(1)
    steps, b_steps, counts = (a_steps[0], zero, zero, a_steps[1]), (zero, zero, columns), (one, one, inner)
    lanes = columns_of_tile(columns, b.itemsize)
    if lanes > columns:
        multiply_narrow(flat_a, steps, b, lanes, empty_sums(b), out)
        return
    nothing = flat_b[:0]
    after = after_sums(nothing, nothing, nothing, columns, b)
    stop = 0
    while stop < columns:
        start, stop = next_columns(stop, columns, b.itemsize)
        width = stop - start
        write_row(flat_a, zero, steps, flat_b, start, b_steps, counts, width, width, nothing, flat_out, start, columns,
                  out.shape[0], start, after)


@jit
def multiply_narrow(flat_a, steps, b, lanes, sums, out) -> None:
    """Do what :func:`multiply_by_tiles` does where b has fewer columns than a tile, but more than half.

    The lanes beyond a row's end hold what the next row begins with and are dropped; the last row is padded.
    """
    inner, columns = b.shape
    flat_b, last = b.ravel(), np.zeros(lanes, b.dtype)
    zero, one = np.int64(0), np.int64(1)
    for j in range(columns):
        last[j] = b[inner - 1, j]
    for i in range(0, out.shape[0], ROWS):
        rows = ROWS if i + ROWS <= out.shape[0] else 1
        for k in range(i, min(i + ROWS, out.shape[0]), rows):
            sums[: rows * lanes] = 0
            seen = k * steps[0]
            add_tile(rows, lanes, flat_a, seen, steps, flat_b, zero, (zero, zero, columns), sums, zero, lanes,
                     (one, one, inner - 1))
            add_tile(rows, lanes, flat_a, seen + (inner - 1) * steps[3], steps, last, zero, (zero, zero, zero), sums,
                     zero, lanes, (one, one, one))
            for r in range(rows):
                for j in range(columns):
                    out[k + r, j] = sums[r * lanes + j]


@jit
def next_columns(done, columns, itemsize):
    """Return (start, stop) of the next tile's columns; the last one begins early enough to stay inside the rows."""
    width = columns_of_tile(columns - done, itemsize)
    start = min(done, columns - width)
    return start, start + width


@jit
def add_to_rows(y, bias) -> None:
    """Compute y += bias. y (N, O), bias (O,)."""
    for n in range(y.shape[0]):
        for o in range(y.shape[1]):
            y[n, o] += bias[o]


@jit
def finish_rows(y, bias, low, high) -> None:
    """Compute y = y + bias, clipped to what lies between low and high; an empty bias counts as 0."""
    low, high = y.dtype.type(low), y.dtype.type(high)
    for n in range(y.shape[0]):
        for o in range(y.shape[1]):
            value = y[n, o] + bias[o] if bias.size else y[n, o]
            y[n, o] = low if value < low else high if value > high else value


@jit
def sum_rows(dy, total) -> None:
    """Compute total = Σ_n dy[n]. dy (N, O), total (O,)."""
    total[:] = 0
    for n in range(dy.shape[0]):
        for o in range(dy.shape[1]):
            total[o] += dy[n, o]
