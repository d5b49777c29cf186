"""Depthwise convolutions, on the GPU: those in as many groups as there are channels. Equals numpy.depthwise.

A kernel (KH, KW, C, M) lies in memory as that of a convolution in C groups does, (KH, KW, 1, C·M).
"""

from tinynet.backends.cupy.conv import sum_bias
from tinynet.backends.cupy.direct import convolve, image_gradient, kernel_gradient


def depthwise_conv2d(x, kernel, bias, y, window, scale=None, bounds=None) -> None:
    """Equals numpy.depthwise.depthwise_conv2d."""
    convolve(x, _in_groups(kernel), bias, y, window, scale, bounds)


def depthwise_conv2d_backward(x, kernel, dy, dx, dkernel, dbias, window, buffer) -> None:
    """Equals numpy.depthwise.depthwise_conv2d_backward."""
    if dkernel is not None:
        kernel_gradient(x, dy, None, _in_groups(dkernel), dbias, window, buffer)
    elif dbias is not None:
        sum_bias(dy, dbias)
    if dx is not None:
        image_gradient(_in_groups(kernel), dy, dx, window)


def _in_groups(kernel):
    KH, KW, C, M = kernel.shape
    return kernel.reshape(KH, KW, 1, C * M)
