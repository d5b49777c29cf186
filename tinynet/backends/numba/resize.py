"""Padding and upsampling. What only copies is as fast in NumPy, and taken from there."""

import math

from tinynet.backends.numba.jit import jit
from tinynet.backends.numba.workers import shared
from tinynet.backends.numpy import resize as readable
from tinynet.backends.numpy.resize import upsample

__all__ = [
    "crop",
    "upsample",
    "upsample_backward",
    "upsample_bilinear",
    "upsample_bilinear_backward",
    "zero_pad",
]

zero_pad, crop = shared(readable.zero_pad), shared(readable.crop)


@jit
def upsample_backward(dy, dx, size) -> None:
    """Equals numpy.resize.upsample_backward."""
    N, H, W, C = dx.shape
    for n in range(N):
        dx[n] = 0
        for h in range(H):
            for a in range(size[0]):
                for w in range(W):
                    for b in range(size[1]):
                        given, got = dy[n, h * size[0] + a, w * size[1] + b], dx[n, h, w]
                        for c in range(C):
                            got[c] += given[c]


@jit
def upsample_bilinear(x, y, size) -> None:
    """Equals numpy.resize.upsample_bilinear."""
    N, OH, OW, C = y.shape
    for n in range(N):
        y[n] = 0
        for i in range(OH):
            for h, row_share in two_around(i, x.shape[1], size[0]):
                for j in range(OW):
                    for w, column_share in two_around(j, x.shape[2], size[1]):
                        seen, blend, share = x[n, h, w], y[n, i, j], x.dtype.type(row_share * column_share)
                        for c in range(C):
                            blend[c] += seen[c] * share


@jit
def upsample_bilinear_backward(dy, dx, size) -> None:
    """Equals numpy.resize.upsample_bilinear_backward."""
    N, OH, OW, C = dy.shape
    for n in range(N):
        dx[n] = 0
        for i in range(OH):
            for h, row_share in two_around(i, dx.shape[1], size[0]):
                for j in range(OW):
                    for w, column_share in two_around(j, dx.shape[2], size[1]):
                        given, got, share = dy[n, i, j], dx[n, h, w], dy.dtype.type(row_share * column_share)
                        for c in range(C):
                            got[c] += given[c] * share


@jit
def two_around(place, length, factor):
    """Return (pixel, share) for the pixels before and after a place, as numpy.resize.two_around does for all."""
    position = (place + 0.5) / factor - 0.5
    before = math.floor(position)
    share_after = position - before
    return (max(before, 0), 1 - share_after), (min(before + 1, length - 1), share_after)
