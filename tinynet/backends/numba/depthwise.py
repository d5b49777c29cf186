"""Depthwise convolutions; the innermost loop runs over the channels."""

from tinynet.backends.numba.dense import sum_rows
from tinynet.backends.numba.jit import jit


@jit
def depthwise_conv2d(x, kernel, bias, y, window) -> None:
    """Equals numpy.depthwise.depthwise_conv2d."""
    N, H, W, C = x.shape
    KH, KW, _, M = kernel.shape
    for n in range(N):
        for i in range(window.places[0]):
            for j in range(window.places[1]):
                out = y[n, i, j]
                if bias is None:
                    out[:] = 0
                else:
                    for f in range(C * M):
                        out[f] = bias[f]
                for a in range(KH):
                    h = i * window.strides[0] + a * window.dilation[0] - window.before[0]
                    for b in range(KW):
                        w = j * window.strides[1] + b * window.dilation[1] - window.before[1]
                        if 0 <= h < H and 0 <= w < W:
                            pixel, weight = x[n, h, w], kernel[a, b]
                            for m in range(M):
                                for c in range(C):
                                    out[c * M + m] += pixel[c] * weight[c, m]


@jit
def depthwise_conv2d_backward(x, kernel, dy, dx, dkernel, dbias, window) -> None:
    """Equals numpy.depthwise.depthwise_conv2d_backward."""
    N, H, W, C = x.shape
    KH, KW, _, M = kernel.shape
    if dkernel is not None:
        dkernel[:] = 0
    if dx is not None:
        dx[:] = 0
    if dbias is not None:
        sum_rows(dy.reshape(-1, C * M), dbias)
    for n in range(N):
        for i in range(window.places[0]):
            for j in range(window.places[1]):
                dout = dy[n, i, j]
                for a in range(KH):
                    h = i * window.strides[0] + a * window.dilation[0] - window.before[0]
                    for b in range(KW):
                        w = j * window.strides[1] + b * window.dilation[1] - window.before[1]
                        if 0 <= h < H and 0 <= w < W:
                            pixel, weight = x[n, h, w], kernel[a, b]
                            if dkernel is not None:
                                dweight = dkernel[a, b]
                                for m in range(M):
                                    for c in range(C):
                                        dweight[c, m] += pixel[c] * dout[c * M + m]
                            if dx is not None:
                                dpixel = dx[n, h, w]
                                for m in range(M):
                                    for c in range(C):
                                        dpixel[c] += weight[c, m] * dout[c * M + m]
