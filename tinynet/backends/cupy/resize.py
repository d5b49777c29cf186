"""Padding and upsampling, on the GPU: a thread for each number of the result. Shapes as in the numpy wing's room."""

from tinynet.backends.cupy.launch import Source

_source = Source("resize")


def zero_pad(x, y, top, left) -> None:
    """Equals numpy.resize.zero_pad."""
    _, H, W, C = x.shape
    _source.each("zero_pad", y.size, x, y, top, left, H, W, C, *y.shape[1:3])


def crop(dy, dx, top, left) -> None:
    """Equals numpy.resize.crop."""
    _, H, W, C = dx.shape
    _source.each("crop", dx.size, dy, dx, top, left, H, W, C, *dy.shape[1:3])


def upsample(x, y, size) -> None:
    """Equals numpy.resize.upsample."""
    _source.each("upsample", y.size, x, y, *size, *x.shape[1:])


def upsample_backward(dy, dx, size) -> None:
    """Equals numpy.resize.upsample_backward. The thread of a pixel gathers what came back to its copies."""
    _source.each("upsample_backward", dx.size, dy, dx, *size, *dx.shape[1:])


def upsample_bilinear(x, y, size) -> None:
    """Equals numpy.resize.upsample_bilinear."""
    _source.each("upsample_bilinear", y.size, x, y, *size, *x.shape[1:])


def upsample_bilinear_backward(dy, dx, size) -> None:
    """Equals numpy.resize.upsample_bilinear_backward.

    That one hands each dy out to four pixels, where threads would meet. Here the thread of a pixel gathers its shares
    from all places that it had a part in.
    """
    _source.each("upsample_bilinear_backward", dx.size, dy, dx, *size, *dx.shape[1:])
