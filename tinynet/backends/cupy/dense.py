"""The affine map of a dense layer, on the GPU: x (N, I), kernel (I, O), bias (O,) or None, y (N, O)."""

from tinynet.backends.cupy.blas import matmul
from tinynet.backends.cupy.sums import finish, sum_rows


def dense(x, kernel, bias, y, bounds=None) -> None:
    """Equals numpy.dense.dense. A product, and one pass for bias and bounds."""
    matmul(x, kernel, y)
    finish(y, bias, None, bounds)


def dense_backward(x, kernel, dy, dx, dkernel, dbias, buffer, y=None) -> None:
    """Equals numpy.dense.dense_backward. One pass back through the ReLU that also adds up dbias, and two products."""
    dz = dy if y is None else buffer("dz", dy.shape)
    if y is not None or dbias is not None:
        sum_rows(dy, dbias, y=y, dz=dz)
    if dkernel is not None:
        matmul(x, dz, dkernel, transpose_a=True)
    if dx is not None:
        matmul(dz, kernel, dx, transpose_b=True)
