"""Softmax and cross-entropy, row by row, without a temporary array. Shapes as in the numpy wing's room."""

import math

from tinynet.backends.numba.jit import jit
from tinynet.backends.numpy.softmax import CLIP


@jit
def softmax(z, p) -> None:
    """Equals numpy.softmax.softmax."""
    classes = z.shape[-1]
    z, p = z.reshape(-1, classes), p.reshape(-1, classes)
    for n in range(z.shape[0]):
        total = exp_row(z[n], p[n])
        for c in range(classes):
            p[n, c] /= total


@jit
def exp_row(z, e):
    """Fill e = exp(z - max z) and return its sum. z, e (C,)."""
    top = z[0]
    for c in range(1, z.size):
        top = z[c] if z[c] > top else top
    total = z.dtype.type(0)
    for c in range(z.size):
        e[c] = math.exp(z[c] - top)
        total += e[c]
    return total


@jit
def softmax_backward(dp, z, p, dz) -> None:
    """Equals numpy.softmax.softmax_backward."""
    classes = p.shape[-1]
    dp, p, dz = dp.reshape(-1, classes), p.reshape(-1, classes), dz.reshape(-1, classes)
    for n in range(p.shape[0]):
        mean = p.dtype.type(0)
        for c in range(classes):
            mean += dp[n, c] * p[n, c]
        for c in range(classes):
            dz[n, c] = p[n, c] * (dp[n, c] - mean)


@jit
def categorical_crossentropy(y, p, weight, dp) -> float:
    """Equals numpy.softmax.categorical_crossentropy."""
    low, high = p.dtype.type(CLIP), p.dtype.type(1 - CLIP)
    zero = p.dtype.type(0)
    loss = 0.0
    for n in range(p.shape[0]):
        for c in range(p.shape[1]):
            q = min(max(p[n, c], low), high)
            dp[n, c] = -weight[n] * y[n, c] / q if q == p[n, c] else zero
            loss -= weight[n] * y[n, c] * math.log(q)
    return loss


@jit
def sparse_categorical_crossentropy(labels, p, weight, dp) -> float:
    """Equals numpy.softmax.sparse_categorical_crossentropy."""
    low, high = p.dtype.type(CLIP), p.dtype.type(1 - CLIP)
    loss = 0.0
    for n in range(p.shape[0]):
        c = labels[n]
        q = min(max(p[n, c], low), high)
        dp[n] = 0
        if q == p[n, c]:
            dp[n, c] = -weight[n] / q
        loss -= weight[n] * math.log(q)
    return loss


@jit
def softmax_crossentropy(y, z, weight, dz) -> float:
    """Equals numpy.softmax.softmax_crossentropy."""
    loss = 0.0
    for n in range(z.shape[0]):
        total = exp_row(z[n], dz[n])
        top = z[n].max()
        log_total = math.log(total)
        sum_y = z.dtype.type(0)
        for c in range(z.shape[1]):
            sum_y += y[n, c]
            loss -= weight[n] * y[n, c] * (z[n, c] - top - log_total)
        for c in range(z.shape[1]):
            dz[n, c] = weight[n] * (dz[n, c] / total * sum_y - y[n, c])
    return loss


@jit
def sparse_softmax_crossentropy(labels, z, weight, dz) -> float:
    """Equals numpy.softmax.sparse_softmax_crossentropy."""
    loss = 0.0
    for n in range(z.shape[0]):
        total = exp_row(z[n], dz[n])
        share = weight[n] / total
        for c in range(z.shape[1]):
            dz[n, c] *= share
        c = labels[n]
        dz[n, c] -= weight[n]
        loss -= weight[n] * (z[n, c] - z[n].max() - math.log(total))
    return loss


@jit
def count_hits(labels, p, k) -> int:
    """Equals numpy.softmax.count_hits."""
    hits = 0
    for n in range(p.shape[0]):
        own = p[n, labels[n]]
        before = 0
        for c in range(p.shape[1]):
            if p[n, c] > own or (p[n, c] == own and c < labels[n]):
                before += 1
            elif math.isnan(p[n, c]):
                before = k
                break
        hits += before < k
    return hits
