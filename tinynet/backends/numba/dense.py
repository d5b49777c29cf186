"""The affine map of a dense layer: the BLAS' products, the bias in one pass."""

import numpy as np

from tinynet.backends.numba.jit import jit


def dense(x, kernel, bias, y) -> None:
    """Equals numpy.dense.dense."""
    np.matmul(x, kernel, out=y)
    if bias is not None:
        add_bias(y, bias)


def dense_backward(x, kernel, dy, dx, dkernel, dbias) -> None:
    """Equals numpy.dense.dense_backward."""
    if dkernel is not None:
        np.matmul(x.T, dy, out=dkernel)
    if dbias is not None:
        sum_rows(dy, dbias)
    if dx is not None:
        np.matmul(dy, kernel.T, out=dx)


@jit
def add_bias(y, bias) -> None:
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
