"""Losses of numbers and of yes-or-no answers in one pass. Shapes as in the numpy wing's room."""

import math

from tinynet.backends.numba.jit import jit
from tinynet.backends.numpy.softmax import CLIP


@jit
def mean_squared_error(y, p, weight, dp) -> float:
    """Equals numpy.losses.mean_squared_error."""
    loss = 0.0
    for n in range(p.shape[0]):
        share = weight[n] / p.dtype.type(p.shape[1])
        for d in range(p.shape[1]):
            error = p[n, d] - y[n, d]
            dp[n, d] = p.dtype.type(2) * share * error
            loss += share * error * error
    return loss


@jit
def mean_absolute_error(y, p, weight, dp) -> float:
    """Equals numpy.losses.mean_absolute_error."""
    loss = 0.0
    for n in range(p.shape[0]):
        share = weight[n] / p.dtype.type(p.shape[1])
        for d in range(p.shape[1]):
            error = p[n, d] - y[n, d]
            dp[n, d] = share if error > 0 else (-share if error < 0 else error)
            loss += share * abs(error)
    return loss


@jit
def huber(y, p, weight, dp, delta) -> float:
    """Equals numpy.losses.huber."""
    edge, half = p.dtype.type(delta), p.dtype.type(0.5)
    loss = 0.0
    for n in range(p.shape[0]):
        share = weight[n] / p.dtype.type(p.shape[1])
        for d in range(p.shape[1]):
            error = p[n, d] - y[n, d]
            if abs(error) > edge:
                dp[n, d] = share * (edge if error > 0 else -edge)
                loss += share * edge * (abs(error) - half * edge)
            else:
                dp[n, d] = share * error
                loss += share * half * error * error
    return loss


@jit
def binary_crossentropy(y, p, weight, dp) -> float:
    """Equals numpy.losses.binary_crossentropy."""
    low, high = p.dtype.type(CLIP), p.dtype.type(1 - CLIP)
    zero, one = p.dtype.type(0), p.dtype.type(1)
    loss = 0.0
    for n in range(p.shape[0]):
        share = weight[n] / p.dtype.type(p.shape[1])
        for d in range(p.shape[1]):
            q = low if p[n, d] < low else (high if p[n, d] > high else p[n, d])
            slope = (one - y[n, d]) / (one - q) - y[n, d] / q
            dp[n, d] = zero if p[n, d] < low or p[n, d] > high else share * slope
            loss -= share * (y[n, d] * math.log(q) + (one - y[n, d]) * math.log(one - q))
    return loss


@jit
def logistic_crossentropy(y, z, weight, dz) -> float:
    """Equals numpy.losses.logistic_crossentropy."""
    zero, one = z.dtype.type(0), z.dtype.type(1)
    loss = 0.0
    for n in range(z.shape[0]):
        share = weight[n] / z.dtype.type(z.shape[1])
        for d in range(z.shape[1]):
            e = math.exp(-abs(z[n, d]))
            dz[n, d] = share * ((one if z[n, d] >= 0 else e) / (one + e) - y[n, d])
            loss += share * (max(z[n, d], zero) - y[n, d] * z[n, d] + math.log1p(e))
    return loss
