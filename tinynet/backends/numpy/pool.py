"""Pooling: x (N, H, W, C), y (N, OH, OW, C), or (N, C) where one window sees the whole image. Channels do not mix.

`window` is a :class:`tinynet.shapes.Window`. What of it lies outside the image is left out: it never wins a maximum and
does not count in an average. The derivations of the backward passes are in :mod:`tinynet.layers.pooling`.
"""

import numpy as np

from tinynet.backends.numpy.conv import taps


def max_pool(x, y, window) -> None:
    """Compute the largest number that each place of the window sees; NaN where it sees one."""
    y[...] = -np.inf
    for _, _, places, pixels in taps(x, window):
        y[places] = np.maximum(y[places], x[pixels])


def max_pool_backward(dy, x, y, dx, window) -> None:
    """Give each dy to the pixel that won its place, the first in row order where several did; add up in each pixel."""
    left = dy.copy()  # what no pixel has got yet
    dx[...] = 0
    for _, _, places, pixels in taps(x, window):
        won = (x[pixels] == y[places]) | np.isnan(x[pixels])
        dx[pixels] += np.where(won, left[places], 0)
        left[places] = np.where(won, 0, left[places])


def average_pool(x, y, window) -> None:
    """Compute the mean of the pixels that each place of the window sees."""
    y[...] = 0
    for _, _, places, pixels in taps(x, window):
        y[places] += x[pixels]
    y /= pixels_seen(x, window)


def average_pool_backward(dy, dx, window) -> None:
    """Give each pixel that a place saw an equal share of its dy; add up in each pixel."""
    shares = dy / pixels_seen(dx, window)
    dx[...] = 0
    for _, _, places, pixels in taps(dx, window):
        dx[pixels] += shares[places]


def pixels_seen(x, window):
    """Return how many pixels each place of the window sees, padding not counted: (1, OH, OW, 1)."""
    seen = np.zeros((1, *window.places, 1), x.dtype)
    for _, _, places, _ in taps(x, window):
        seen[places] += 1
    return seen


def global_max_pool(x, y) -> None:
    """Compute each channel's largest number: y (N, C); NaN where there is one."""
    np.max(x, axis=(1, 2), out=y)


def global_max_pool_backward(dy, x, y, dx) -> None:
    """Give each dy to the pixel that won its channel, the first in row order where several did."""
    N, H, W, C = x.shape
    winner = x.reshape(N, H * W, C).argmax(axis=1, keepdims=True)
    dx[...] = 0
    np.put_along_axis(dx.reshape(N, H * W, C), winner, dy[:, np.newaxis], axis=1)


def global_average_pool(x, y) -> None:
    """Compute each channel's mean: y (N, C)."""
    np.mean(x, axis=(1, 2), out=y)


def global_average_pool_backward(dy, dx) -> None:
    """Give every pixel of a channel an equal share of its dy."""
    _, H, W, _ = dx.shape
    dx[...] = dy[:, np.newaxis, np.newaxis] / (H * W)
