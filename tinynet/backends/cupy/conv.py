"""Convolutions, on the GPU: as columns and a product, or straight from the image. Equals numpy.conv.

Columns take KH·KW times the memory of the image. They are laid out for some samples at a time: so few that they can
stay in the cache of a large GPU until the product has read them, so many that the product has work for all of it. A
window of one pixel needs none: the image itself is the matrix.
"""

import math

from tinynet.backends.cupy.blas import matmul
from tinynet.backends.cupy.direct import convolve, image_gradient, kernel_gradient
from tinynet.backends.cupy.launch import Source
from tinynet.backends.cupy.sums import finish, sum_rows
from tinynet.backends.cupy.windows import as_arguments, each_row
from tinynet.backends.numpy.conv import as_columns, groups

COLUMNS_BYTES = 32 * 2**20
"""Bytes of columns that are laid out at a time: two thirds of the cache of a large GPU."""

FEW = 32
"""Numbers that a filter sees (KH·KW·C of a group), up to which y and dkernel are computed straight from the image; dx
is where its own sums have no more products than this."""

_source = Source("conv")


def conv2d(x, kernel, bias, y, window, buffer, scale=None, bounds=None) -> None:
    """Equals numpy.conv.conv2d."""
    if kernel[..., 0].size <= FEW:
        convolve(x, kernel, bias, y, window, scale, bounds)
        return
    for some in _pieces(x, window):
        columns, sums = _image_to_columns(x[some], kernel, window, buffer), as_columns(y[some])
        for g, (_, filters) in enumerate(groups(x, kernel)):
            matmul(columns[g], as_columns(kernel)[:, filters], sums[:, filters])
        finish(y[some], bias, scale, bounds)


def conv2d_backward(x, kernel, dy, dx, dkernel, dbias, window, buffer, y=None) -> None:
    """Equals numpy.conv.conv2d_backward."""
    if dkernel is not None and kernel[..., 0].size <= FEW:
        kernel_gradient(x, dy, y, dkernel, dbias, window, buffer)
        dkernel = dbias = None
    if dx is None and dkernel is None and dbias is None:
        return
    if y is not None:
        dz = buffer("dz", dy.shape)
        sum_rows(dy, dbias, y=y, dz=dz)
        dy = dz
    elif dbias is not None:
        sum_bias(dy, dbias)
    if dx is not None and _products_of_pixel(x, kernel) <= FEW:
        image_gradient(kernel, dy, dx, window)
        dx = None
    if dx is not None or dkernel is not None:
        _backward_by_columns(x, kernel, dy, dx, dkernel, window, buffer)


def _products_of_pixel(x, kernel):
    """Return how many products a number of dx is the sum of."""
    KH, KW, group_channels, F = kernel.shape
    return KH * KW * F * group_channels // x.shape[3]


def _backward_by_columns(x, kernel, dy, dx, dkernel, window, buffer):
    """Fill dx and dkernel, each unless it is None. The columns' gradients take the place of the columns."""
    for some in _pieces(x, window):
        dz = as_columns(dy[some])
        if dkernel is not None:
            columns = _image_to_columns(x[some], kernel, window, buffer)
            for g, (_, filters) in enumerate(groups(x, kernel)):
                matmul(columns[g], dz[:, filters], as_columns(dkernel)[:, filters], transpose_a=True,
                       add=some.start > 0)
        if dx is not None:
            dcolumns = _empty_columns(dx[some], kernel, window, buffer)
            for g, (_, filters) in enumerate(groups(x, kernel)):
                matmul(dz[:, filters], as_columns(kernel)[:, filters], dcolumns[g], transpose_b=True)
            _columns_to_image(dcolumns, dx[some], kernel, window)


def _pieces(x, window):
    """Return slices of the samples, all about as many, whose columns take COLUMNS_BYTES at most, or of one sample."""
    N, C = len(x), x.shape[3]
    if _is_pointwise(window):
        return [slice(0, N)]
    of_sample = math.prod(window.places) * math.prod(window.size) * C * x.itemsize
    pieces = -(-N // max(1, COLUMNS_BYTES // of_sample))
    samples = -(-N // max(1, pieces))
    return [slice(first, min(N, first + samples)) for first in range(0, N, samples)]


def _is_pointwise(window):
    """Whether each place sees one pixel, its own: then the matrices of columns are the image."""
    return window.size == window.strides == (1, 1) and window.before == (0, 0)


def _empty_columns(x, kernel, window, buffer):
    """Return a matrix (N·OH·OW, KH·KW·C of a group) for each group: scratch, or the image itself."""
    if _is_pointwise(window):
        return [as_columns(x)[:, channels] for channels, _ in groups(x, kernel)]
    group_channels = kernel.shape[2]
    count = x.shape[3] // group_channels
    columns = buffer("columns", (count * len(x), *window.places, *window.size, group_channels))
    return columns.reshape(count, len(x) * math.prod(window.places), math.prod(window.size) * group_channels)


def _image_to_columns(x, kernel, window, buffer):
    """Return what each place of the window sees of x, as the matrices of :func:`_empty_columns`.

    A thread walks along a row of places with one of its columns.
    """
    columns = _empty_columns(x, kernel, window, buffer)
    if not _is_pointwise(window):
        N, H, W, C = x.shape
        each_row(_source, "image_to_columns", len(columns) * N * window.places[0], columns.shape[2], x, columns, N, H,
                 W, C, kernel.shape[2], *as_arguments(window))
    return columns


def _columns_to_image(dcolumns, dx, kernel, window):
    """Add up in each pixel of dx what came back to its copies: a thread has one number of it."""
    if not _is_pointwise(window):
        N, H, W, C = dx.shape
        each_row(_source, "columns_to_image", N * H, W * C, dcolumns, dx, N, H, W, C, kernel.shape[2],
                 *as_arguments(window))


def add_bias(y, bias) -> None:
    """Equals numpy.conv.add_bias."""
    finish(y, bias, None, None)


def sum_bias(dy, dbias) -> None:
    """Equals numpy.conv.sum_bias."""
    sum_rows(dy, dbias)
