"""Activations, dropout and sums in one pass each, over any shape read as a flat array.

Constants are cast to the array's own type: a float64 among float32 would turn the whole loop into float64.
Comparisons are written so that NaN goes through, as it does in NumPy: a diverging run must show. Where NumPy has a loop
that computes sixteen exponentials at a time, it is called.
"""

import math

import numpy as np

from tinynet.backends.numba.jit import jit
from tinynet.backends.numba.workers import shared


@shared
@jit
def relu(x, y) -> None:
    """Equals numpy.elementwise.relu."""
    x, y = x.ravel(), y.ravel()
    zero = x.dtype.type(0)
    for i in range(x.size):
        y[i] = zero if x[i] <= zero else x[i]


@shared
@jit
def relu_backward(dy, x, y, dx) -> None:
    """Equals numpy.elementwise.relu_backward."""
    dy, y, dx = dy.ravel(), y.ravel(), dx.ravel()
    zero = dy.dtype.type(0)
    for i in range(dy.size):
        dx[i] = dy[i] if y[i] > zero else zero


@shared
@jit
def clipped_relu(x, y, ceiling) -> None:
    """Equals numpy.elementwise.clipped_relu."""
    x, y = x.ravel(), y.ravel()
    zero, top = x.dtype.type(0), x.dtype.type(ceiling)
    for i in range(x.size):
        y[i] = zero if x[i] <= zero else (top if x[i] >= top else x[i])


@shared
@jit
def clipped_relu_backward(dy, x, y, dx, ceiling) -> None:
    """Equals numpy.elementwise.clipped_relu_backward."""
    dy, y, dx = dy.ravel(), y.ravel(), dx.ravel()
    zero, top = dy.dtype.type(0), dy.dtype.type(ceiling)
    for i in range(dy.size):
        dx[i] = dy[i] if zero < y[i] < top else zero


@shared
@jit
def leaky_relu(x, y, slope) -> None:
    """Equals numpy.elementwise.leaky_relu."""
    x, y = x.ravel(), y.ravel()
    zero, s = x.dtype.type(0), x.dtype.type(slope)
    for i in range(x.size):
        y[i] = x[i] if x[i] > zero else s * x[i]


@shared
@jit
def leaky_relu_backward(dy, x, y, dx, slope) -> None:
    """Equals numpy.elementwise.leaky_relu_backward."""
    dy, y, dx = dy.ravel(), y.ravel(), dx.ravel()
    zero, s = dy.dtype.type(0), dy.dtype.type(slope)
    for i in range(dy.size):
        dx[i] = dy[i] if y[i] > zero else s * dy[i]


@shared
@jit
def elu(x, y) -> None:
    """Equals numpy.elementwise.elu."""
    x, y = x.ravel(), y.ravel()
    for i in range(x.size):
        y[i] = x[i] if x[i] > 0 else math.expm1(x[i])


@shared
@jit
def elu_backward(dy, x, y, dx) -> None:
    """Equals numpy.elementwise.elu_backward."""
    dy, y, dx = dy.ravel(), y.ravel(), dx.ravel()
    one = dy.dtype.type(1)
    for i in range(dy.size):
        dx[i] = dy[i] if y[i] > 0 else dy[i] * (y[i] + one)


@shared
@jit
def gelu(x, y) -> None:
    """Equals numpy.elementwise.gelu."""
    x, y = x.ravel(), y.ravel()
    half, root = x.dtype.type(0.5), x.dtype.type(math.sqrt(0.5))
    for i in range(x.size):
        y[i] = x[i] * half * math.erfc(-x[i] * root)


@shared
@jit
def gelu_backward(dy, x, y, dx) -> None:
    """Equals numpy.elementwise.gelu_backward."""
    dy, x, dx = dy.ravel(), x.ravel(), dx.ravel()
    half, root = x.dtype.type(0.5), x.dtype.type(math.sqrt(0.5))
    peak = x.dtype.type(1 / math.sqrt(2 * math.pi))
    for i in range(dy.size):
        cdf = half * math.erfc(-x[i] * root)
        dx[i] = dy[i] * (cdf + x[i] * peak * math.exp(-half * x[i] * x[i]))


def sigmoid(x, y) -> None:
    """Equals numpy.elementwise.sigmoid."""
    np.negative(x, out=y)
    with np.errstate(over="ignore"):  # 1 / (1 + infinity) is the 0 that it should be
        np.exp(y, out=y)
    one_over_one_plus(y)


@jit
def one_over_one_plus(e) -> None:
    """Compute e = 1 / (1 + e), in place."""
    e = e.ravel()
    one = e.dtype.type(1)
    for i in range(e.size):
        e[i] = one / (one + e[i])


@shared
@jit
def sigmoid_backward(dy, x, y, dx) -> None:
    """Equals numpy.elementwise.sigmoid_backward."""
    dy, y, dx = dy.ravel(), y.ravel(), dx.ravel()
    one = dy.dtype.type(1)
    for i in range(dy.size):
        dx[i] = dy[i] * y[i] * (one - y[i])


def tanh(x, y) -> None:
    """Equals numpy.elementwise.tanh."""
    np.tanh(x, out=y)


@shared
@jit
def tanh_backward(dy, x, y, dx) -> None:
    """Equals numpy.elementwise.tanh_backward."""
    dy, y, dx = dy.ravel(), y.ravel(), dx.ravel()
    one = dy.dtype.type(1)
    for i in range(dy.size):
        dx[i] = dy[i] * (one - y[i] * y[i])


@jit
def softplus(x, y) -> None:
    """Equals numpy.elementwise.softplus."""
    x, y = x.ravel(), y.ravel()
    zero = x.dtype.type(0)
    for i in range(x.size):
        y[i] = (zero if x[i] <= zero else x[i]) + math.log1p(math.exp(-abs(x[i])))


@shared
@jit
def softplus_backward(dy, x, y, dx) -> None:
    """Equals numpy.elementwise.softplus_backward."""
    dy, y, dx = dy.ravel(), y.ravel(), dx.ravel()
    for i in range(dy.size):
        dx[i] = dy[i] * -math.expm1(-y[i])


@shared
@jit
def dropout(x, noise, rate, y) -> None:
    """Equals numpy.elementwise.dropout."""
    x, noise, y = x.ravel(), noise.ravel(), y.ravel()
    zero, keep = x.dtype.type(0), x.dtype.type(1 / (1 - rate))
    threshold = x.dtype.type(rate)
    for i in range(x.size):
        y[i] = x[i] * keep if noise[i] >= threshold else zero


def dropout_backward(dy, noise, rate, dx) -> None:
    """Equals numpy.elementwise.dropout_backward."""
    dropout(dy, noise, rate, dx)


@shared
@jit
def add(a, b, y) -> None:
    """Equals numpy.elementwise.add."""
    a, b, y = a.ravel(), b.ravel(), y.ravel()
    for i in range(y.size):
        y[i] = a[i] + b[i]
