"""Batch and layer normalisation. x, y, dy, dx are rows of channels (M, C): M values of each of C channels.

gamma and beta (C,) may each be None, and count then as 1 and 0. Sums over a batch are taken in float64: float32 would
lose a digit with every ten rows or so that are added one by one. The derivations of the backward passes are in
:class:`tinynet.layers.BatchNormalization` and :class:`tinynet.layers.LayerNormalization`.
"""

import numpy as np


def moments(x, mean, variance) -> None:
    """Compute each channel's mean and its variance: mean = Σ x / M, variance = Σ (x - mean)² / M. Both (C,).

    Two passes, the mean first: the shorter Σ x² / M - mean² takes two large numbers off each other where the mean is
    larger than the deviations, and keeps no digit of what is left.
    """
    mean[...] = x.mean(axis=0, dtype=np.float64)
    variance[...] = np.square(x - mean).mean(axis=0, dtype=np.float64)


def moving_averages(moving_mean, moving_variance, mean, variance, momentum) -> None:
    """Move both running means towards a batch's: moving = momentum · moving + (1 - momentum) · value. All (C,)."""
    for moving, value in ((moving_mean, mean), (moving_variance, variance)):
        moving *= momentum
        moving += (1 - momentum) * value


def batch_norm(x, mean, variance, gamma, beta, y, inv_std, epsilon, bounds=None) -> None:
    """Compute y = gamma (x - mean) inv_std + beta, and inv_std = 1 / √(variance + epsilon). Both statistics (C,).

    With `bounds`, the lowest and the highest value, y is then clipped to them: (0, inf) is a ReLU.
    """
    np.divide(1, np.sqrt(variance + epsilon), out=inv_std)
    y[...] = _normalized(x, mean, inv_std, gamma, beta)
    if bounds is not None:
        np.clip(y, *bounds, out=y)


def batch_norm_backward(x, mean, inv_std, gamma, beta, dy, dx, dgamma, dbeta, of_batch, bounds=None) -> None:
    """Fill the gradients of :func:`batch_norm`, each unless it is None.

    Where `of_batch` says that mean and inv_std were made of this very x, it reaches y through them too::

        dx = gamma inv_std (dy - mean(dy) - xhat mean(dy xhat))        xhat = (x - mean) inv_std

    Moving statistics are constants, and dx = gamma inv_std dy. With `bounds`, dy first goes back through the clipping:
    it counts where y lay between them, which beta helps to say and is needed for nothing else.
    """
    if bounds is not None:
        z = _normalized(x, mean, inv_std, gamma, beta)
        dy = dy * ((z > bounds[0]) & (z < bounds[1]))
    xhat = (x - mean) * inv_std
    sum_dy = dy.sum(axis=0, dtype=np.float64)
    sum_dy_xhat = (dy * xhat).sum(axis=0, dtype=np.float64)
    if dgamma is not None:
        dgamma[...] = sum_dy_xhat
    if dbeta is not None:
        dbeta[...] = sum_dy
    if dx is not None:
        inner = dy - sum_dy / len(x) - xhat * (sum_dy_xhat / len(x)) if of_batch else dy
        dx[...] = scale_of(gamma, inv_std) * inner


def batch_norm_as_scale(mean, variance, gamma, beta, scale, shift, epsilon) -> None:
    """Compute the scale and shift (C,) with which :func:`batch_norm` gives y = scale x + shift."""
    np.divide(1, np.sqrt(variance + epsilon), out=scale)
    if gamma is not None:
        np.multiply(scale, gamma, out=scale)
    np.multiply(mean, scale, out=shift)
    np.subtract(0 if beta is None else beta, shift, out=shift)


def _normalized(x, mean, inv_std, gamma, beta):
    y = (x - mean) * scale_of(gamma, inv_std)
    return y if beta is None else y + beta


def layer_norm(x, gamma, beta, y, mean, inv_std, epsilon) -> None:
    """Compute y = gamma xhat + beta, xhat being each row less its mean and over its √(variance + epsilon).

    What backward needs of each row is left in `mean` and `inv_std` (M,).
    """
    mean[...] = x.mean(axis=1)
    deviation = x - mean[:, None]
    np.divide(1, np.sqrt(np.square(deviation).mean(axis=1) + epsilon), out=inv_std)
    np.multiply(deviation, inv_std[:, None], out=y)
    if gamma is not None:
        y *= gamma
    if beta is not None:
        y += beta


def layer_norm_backward(x, mean, inv_std, gamma, dy, dx, dgamma, dbeta) -> None:
    """Fill the gradients of :func:`layer_norm`, each unless it is None.

    With dxhat = gamma dy and means over one row: dx = inv_std (dxhat - mean(dxhat) - xhat mean(dxhat xhat)).
    """
    xhat = (x - mean[:, None]) * inv_std[:, None]
    if dgamma is not None:
        dgamma[...] = (dy * xhat).sum(axis=0, dtype=np.float64)
    if dbeta is not None:
        dbeta[...] = dy.sum(axis=0, dtype=np.float64)
    if dx is not None:
        dxhat = dy if gamma is None else dy * gamma
        inner = dxhat - dxhat.mean(axis=1, keepdims=True) - xhat * (dxhat * xhat).mean(axis=1, keepdims=True)
        np.multiply(inner, inv_std[:, None], out=dx)


def scale_of(gamma, inv_std):
    """Return what a deviation from the mean is multiplied with, gamma · inv_std."""
    return inv_std if gamma is None else gamma * inv_std
