"""The affine map of a dense layer, on the GPU: x (N, I), kernel (I, O), bias (O,) or None, y (N, O)."""

import cupy as cp
import numpy as np

from tinynet.backends.cupy.blas import matmul
from tinynet.backends.cupy.launch import THREADS, Source

ROWS_AT_ONCE = 256
"""Rows of dy that one block adds up; where there are more, a second launch adds up what the blocks have found."""

_source = Source("dense")


def dense(x, kernel, bias, y, bounds=None) -> None:
    """Equals numpy.dense.dense. A product, and one pass for bias and bounds."""
    matmul(x, kernel, y)
    if bias is not None or bounds is not None:
        low, high = map(float, bounds or (0, 0))
        _source.each("finish", y.size, y, bias, bounds is not None, low, high, y.shape[1], y.size)


def dense_backward(x, kernel, dy, dx, dkernel, dbias, buffer, y=None) -> None:
    """Equals numpy.dense.dense_backward. One pass back through the ReLU that also adds up dbias, and two products."""
    dz = dy if y is None else buffer("dz", dy.shape)
    if y is not None or dbias is not None:
        _through_relu(dy, y, dz, dbias)
    if dkernel is not None:
        matmul(x, dz, dkernel, transpose_a=True)
    if dx is not None:
        matmul(dz, kernel, dx, transpose_b=True)


def _through_relu(dy, y, dz, dbias):
    rows, columns = dy.shape
    parts = max(1, -(-rows // ROWS_AT_ONCE))
    blocks = (-(-columns // 32), parts)
    if parts == 1:
        _source.launch("relu_and_sum", blocks, THREADS, dy, y, dz, dbias, rows, columns, ROWS_AT_ONCE)
        return
    sums = None if dbias is None else cp.empty((parts, columns), np.float64)
    _source.launch("relu_and_part_sums", blocks, THREADS, dy, y, dz, sums, rows, columns, ROWS_AT_ONCE)
    if dbias is not None:
        _source.each("add_parts", columns, sums, dbias, parts, columns)
