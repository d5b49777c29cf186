"""Losses of numbers and of yes-or-no answers. y, p (N, D); each row's loss is the mean over its D values.

`weight` (N,) is what each row counts (1/N for a mean). Each returns Σ_n weight[n] · loss[n] and fills dp, the gradient
of that sum.
"""

import numpy as np

from tinynet.backends.numpy.softmax import CLIP


def _sum_up(loss, slope, weight, dp) -> float:
    """From each value's loss and slope ∂loss/∂p (N, D), fill dp and return the weighted sum."""
    np.multiply(slope, weight[:, None] / loss.shape[-1], out=dp)
    return float(weight @ loss.mean(axis=-1))


def mean_squared_error(y, p, weight, dp) -> float:
    """Compute loss = (p - y)², slope 2 (p - y)."""
    error = p - y
    return _sum_up(error * error, 2 * error, weight, dp)


def mean_absolute_error(y, p, weight, dp) -> float:
    """Compute loss = |p - y|, slope sign(p - y)."""
    error = p - y
    return _sum_up(np.abs(error), np.sign(error), weight, dp)


def huber(y, p, weight, dp, delta) -> float:
    """Compute loss = e²/2 where |e| <= delta, else delta (|e| - delta/2), e = p - y: slope e, cut off at ±delta."""
    error = p - y
    size = np.abs(error)
    loss = np.where(size <= delta, 0.5 * error * error, delta * (size - 0.5 * delta))
    return _sum_up(loss, np.clip(error, -delta, delta), weight, dp)


def binary_crossentropy(y, p, weight, dp) -> float:
    """Compute loss = -y log p - (1 - y) log(1 - p), slope (1 - y)/(1 - p) - y/p; none where p had to be clipped."""
    q = np.clip(p, CLIP, 1 - CLIP)
    loss = -y * np.log(q) - (1 - y) * np.log(1 - q)
    return _sum_up(loss, ((1 - y) / (1 - q) - y / q) * (q == p), weight, dp)


def logistic_crossentropy(y, z, weight, dz) -> float:
    """Compute the binary cross-entropy of sigmoid(z) from the logits: softplus(z) - y z, slope sigmoid(z) - y."""
    e = np.exp(-np.abs(z))
    sigmoid = np.where(z >= 0, 1, e) / (1 + e)
    return _sum_up(np.maximum(z, 0) - y * z + np.log1p(e), sigmoid - y, weight, dz)
