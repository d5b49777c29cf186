"""Depthwise convolutions, where channels do not mix: x (N, H, W, C), kernel (KH, KW, C, M), y (N, OH, OW, C·M)."""

import numpy as np

from tinynet.backends.numpy.conv import finish, sum_bias, taps


def depthwise_conv2d(x, kernel, bias, y, window, scale=None, bounds=None) -> None:
    """Convolve each channel by itself: kernel (KH, KW, C, M), y (N, OH, OW, C·M), M outputs a channel.

    y[n, i, j, c·M + m] = Σ_a Σ_b x[n, i·stride + a·dilation - before, …, c] kernel[a, b, c, m] + bias[c·M + m];
    `scale` and `bounds` are those of :func:`tinynet.backends.numpy.conv.conv2d`.
    """
    split = y.reshape(*y.shape[:3], *kernel.shape[2:])
    split[...] = 0
    for a, b, places, pixels in taps(x, window):
        split[places] += x[pixels][..., np.newaxis] * kernel[a, b]
    finish(y, bias, scale, bounds)


def depthwise_conv2d_backward(x, kernel, dy, dx, dkernel, dbias, window, buffer) -> None:
    """Fill the gradients of :func:`depthwise_conv2d`, each unless it is None.

    Entry (a, b) made of each pixel that it met M products, so dkernel[a, b] = Σ pixel · dy over those meetings, and
    the pixel gets back Σ_m dy · kernel[a, b] from each of them.
    """
    split = dy.reshape(*dy.shape[:3], *kernel.shape[2:])
    if dbias is not None:
        sum_bias(dy, dbias)
    if dx is not None:
        dx[...] = 0
    for a, b, places, pixels in taps(x, window):
        if dkernel is not None:
            dkernel[a, b] = np.sum(x[pixels][..., np.newaxis] * split[places], axis=(0, 1, 2))
        if dx is not None:
            dx[pixels] += np.sum(split[places] * kernel[a, b], axis=4)
