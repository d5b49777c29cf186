"""Softmax and cross-entropy, row by row, without a temporary array. Shapes as in the numpy wing's room.

The exponentials are NumPy's: its loop computes sixteen at a time, where a compiled loop calls for each.
"""

import math

import numpy as np

from tinynet.backends.numba.jit import jit
from tinynet.backends.numpy.softmax import CLIP


def softmax(z, p) -> None:
    """Equals numpy.softmax.softmax."""
    classes = z.shape[-1]
    z, p = z.reshape(-1, classes), p.reshape(-1, classes)
    subtract_max(z, p)
    np.exp(p, out=p)
    normalize(p)


@jit
def subtract_max(z, shifted) -> None:
    """Compute shifted[n] = z[n] - max z[n]. z, shifted (N, C)."""
    for n in range(z.shape[0]):
        top = z[n, 0]
        for c in range(1, z.shape[1]):
            top = z[n, c] if z[n, c] > top else top
        for c in range(z.shape[1]):
            shifted[n, c] = z[n, c] - top


@jit
def normalize(p) -> None:
    """Divide each row by its sum. p (N, C)."""
    for n in range(p.shape[0]):
        total = p.dtype.type(0)
        for c in range(p.shape[1]):
            total += p[n, c]
        for c in range(p.shape[1]):
            p[n, c] /= total


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
            q = low if p[n, c] < low else (high if p[n, c] > high else p[n, c])
            dp[n, c] = zero if p[n, c] < low or p[n, c] > high else -weight[n] * y[n, c] / q
            loss -= weight[n] * y[n, c] * math.log(q)
    return loss


@jit
def sparse_categorical_crossentropy(labels, p, weight, dp) -> float:
    """Equals numpy.softmax.sparse_categorical_crossentropy."""
    low, high = p.dtype.type(CLIP), p.dtype.type(1 - CLIP)
    loss = 0.0
    for n in range(p.shape[0]):
        c = labels[n]
        q = low if p[n, c] < low else (high if p[n, c] > high else p[n, c])
        dp[n] = 0
        if not (p[n, c] < low or p[n, c] > high):
            dp[n, c] = -weight[n] / q
        loss -= weight[n] * math.log(q)
    return loss


def softmax_crossentropy(y, z, weight, dz) -> float:
    """Equals numpy.softmax.softmax_crossentropy."""
    subtract_max(z, dz)
    loss = dot_shifted(y, dz, weight)
    np.exp(dz, out=dz)
    return loss + logits_gradient(y, weight, dz)


@jit
def dot_shifted(y, shifted, weight) -> float:
    """Return -Σ weight[n] y[n, c] shifted[n, c]: the loss but for the logarithm of each row's sum."""
    loss = 0.0
    for n in range(y.shape[0]):
        for c in range(y.shape[1]):
            # A class of probability 0 counts nothing, even infinitely far below the largest.
            if y[n, c] != 0:
                loss -= weight[n] * y[n, c] * shifted[n, c]
    return loss


@jit
def logits_gradient(y, weight, e) -> float:
    """Turn e = exp(shifted) into the gradient, in place; return what each row's sum adds to the loss."""
    loss = 0.0
    for n in range(e.shape[0]):
        total = sum_y = e.dtype.type(0)
        for c in range(e.shape[1]):
            total += e[n, c]
            sum_y += y[n, c]
        share = weight[n] * sum_y
        for c in range(e.shape[1]):
            e[n, c] = share * (e[n, c] / total) - weight[n] * y[n, c]
        loss += share * math.log(total)
    return loss


def sparse_softmax_crossentropy(labels, z, weight, dz) -> float:
    """Equals numpy.softmax.sparse_softmax_crossentropy."""
    subtract_max(z, dz)
    loss = pick_shifted(labels, dz, weight)
    np.exp(dz, out=dz)
    return loss + sparse_logits_gradient(labels, weight, dz)


@jit
def pick_shifted(labels, shifted, weight) -> float:
    """Return -Σ weight[n] shifted[n, label]."""
    loss = 0.0
    for n in range(labels.size):
        loss -= weight[n] * shifted[n, labels[n]]
    return loss


@jit
def sparse_logits_gradient(labels, weight, e) -> float:
    """Turn e = exp(shifted) into the gradient, in place; return what each row's sum adds to the loss."""
    loss = 0.0
    for n in range(e.shape[0]):
        total = e.dtype.type(0)
        for c in range(e.shape[1]):
            total += e[n, c]
        share = weight[n] / total
        for c in range(e.shape[1]):
            e[n, c] *= share
        e[n, labels[n]] -= weight[n]
        loss += weight[n] * math.log(total)
    return loss


@jit
def count_hits(labels, p, k) -> int:
    """Equals numpy.softmax.count_hits."""
    hits = 0
    for n in range(p.shape[0]):
        hits += is_hit(labels[n], p[n], k)
    return hits


@jit
def count_one_hot_hits(y, p, k) -> int:
    """Equals numpy.softmax.count_one_hot_hits."""
    hits = 0
    for n in range(p.shape[0]):
        label = 0
        for c in range(y.shape[1]):
            label = c if y[n, c] > y[n, label] else label
        hits += is_hit(label, p[n], k)
    return hits


@jit
def is_hit(label, p, k) -> bool:
    """Return whether fewer than k of a row's scores p (C,) stand before the label's; never in a row with NaN."""
    before = 0
    for c in range(p.size):
        if p[c] > p[label] or (p[c] == p[label] and c < label):
            before += 1
        elif math.isnan(p[c]):
            return False
    return before < k


@jit
def count_same_side(y, p, threshold) -> int:
    """Equals numpy.softmax.count_same_side."""
    edge = p.dtype.type(threshold)
    count = 0
    for i in range(p.size):
        count += (p[i] > edge) == (y[i] > 0.5)
    return count
